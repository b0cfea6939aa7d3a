"""The words of messages: how things found are shown, and what may have been meant."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 60  # characters of a value that a message shows


def shown(text: str) -> str:
    """Text from the file in one line, cut where it is long, control characters escaped."""
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def quoted(text: str) -> str:
    """``shown`` between backticks."""
    return f"`{shown(text)}`"


def listed(words: Iterable[str], conjunction: str = "or") -> str:
    """a, b or c."""
    *most, last = words
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that ``word`` probably misspells."""
    by_lower = {choice.lower(): choice for choice in choices}
    matches = get_close_matches(word.lower()[:LONGEST], by_lower, n=1)
    return by_lower[matches[0]] if matches else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A suggestion to append to a message, or nothing."""
    meant = closest(word, choices)
    return f" (did you mean `{meant}`?)" if meant else ""
