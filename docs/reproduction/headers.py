"""What a config of configs/papers says of its paper, in the comment at its top.

A statement is a line that begins with one of five words and a colon; lines indented below it go on with it. The rest of
the comment is free text, of which the first line is the title.

    # Stacked denoising autoencoders on MNIST
    #
    # Anything else, for people.
    #
    # Paper: P. Vincent et al., "Stacked denoising autoencoders", JMLR 11 (2010), table 3
    # Published: 1.28 % test error
    # Measure: test_error
    # Published (without pretraining): 1.93 % test error
    # Variant (without pretraining): pretrain=null training.epochs=50
    # Differs: mini-batches of 20 instead of 1, and ε for it;
    #   50 epochs of pretraining instead of up to 300.

Paper:      where the figure was published. Once.
Published:  the figure, as it is published, in words. Once, and once for each variant that has one of its own.
Differs:    what differs from the paper; "nothing" where nothing does. Any number of times, an item each.
Measure:    our figure to set beside it: ``[FACTOR ×] KEY [of STAGE]``. KEY is one that ``dlcli train --json`` prints,
            or, with a STAGE (``pretrain/hidden1``), one of that stage's last row in metrics.jsonl. By default
            ``test_error``. ``2 × test_loss`` is a squared error without its ½.
Variant:    a second run of the config, under the name in brackets, with changes as ``--set`` takes them, apart by
            spaces (in quotes where they contain some).

Those with a name in brackets are the variant's own; a variant without a measure has the config's.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

STATEMENT = re.compile(r"(Paper|Published|Measure|Variant|Differs)(?: \(([^()]+)\))?: *(.*)")
MEASURE = re.compile(r"(?:([\d.]+) × )?([\w/]+)(?: of (\S+))?")


@dataclass(frozen=True)
class Measure:
    """A number of a run: ``factor`` times ``key``, of the run's result or of a stage's last row."""

    key: str = "test_error"
    stage: str | None = None
    factor: float = 1.0

    @classmethod
    def read(cls, text: str) -> "Measure":
        found = MEASURE.fullmatch(text)
        if found is None:
            raise ValueError(f"found measure {text!r}, expected [FACTOR ×] KEY [of STAGE]")
        factor, key, stage = found.groups()
        return cls(key, stage, float(factor or 1))

    def __str__(self) -> str:
        factor = "" if self.factor == 1 else f"{self.factor:g} × "
        return factor + self.key + (f" of {self.stage}" if self.stage else "")


@dataclass(frozen=True)
class Variant:
    """One way to run a config; ``name`` is empty for the config as it stands."""

    name: str
    changes: tuple[str, ...]
    measure: Measure
    published: str


@dataclass(frozen=True)
class Header:
    """What a config states: its title, its paper, its runs, and what differs from the paper."""

    title: str
    paper: str
    variants: tuple[Variant, ...]
    differs: tuple[str, ...]


def read(config: Path) -> Header:
    """The header of a config file.

    Raises
    ------
    ValueError: it lacks its paper, figure or differences, or says something twice.
    """
    lines = _comment(config)
    try:
        return _header(lines)
    except ValueError as error:
        raise ValueError(f"{config}: {error}") from error


def _comment(config: Path) -> list[str]:
    """The lines of the comment at the top, without its marks."""
    lines = []
    for line in config.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" ").rstrip())
    return lines


def _header(lines: list[str]) -> Header:
    stated = _statements(lines)
    differs = tuple(text for word, name, text in stated if word == "Differs")
    single: dict[tuple[str, str], str] = {}
    for word, name, text in stated:
        if word == "Differs":
            continue
        if (word, name) in single:
            raise ValueError(f"found {word}{f' ({name})' if name else ''} twice")
        single[word, name] = text
    for word in ("Paper", "Published"):
        if (word, "") not in single:
            raise ValueError(f"found no line {word!r}, expected `# {word}: …` in the comment at the top")
    if not differs:
        raise ValueError("found no line 'Differs', expected `# Differs: …`, with nothing where nothing does")
    names = ["", *(name for word, name in single if word == "Variant")]
    if unknown := {name for _, name in single} - set(names):
        raise ValueError(f"found no changes of variant {min(unknown)!r}, expected `# Variant (…): KEY=VALUE`")
    main = Measure.read(single.get(("Measure", ""), "test_error"))
    variants = tuple(
        Variant(
            name,
            tuple(shlex.split(single[("Variant", name)])) if name else (),
            Measure.read(single[("Measure", name)]) if ("Measure", name) in single else main,
            single.get(("Published", name), ""),
        )
        for name in names
    )
    return Header(lines[0] if lines else "", single[("Paper", "")], variants, differs)


def _statements(lines: list[str]) -> list[tuple[str, str, str]]:
    """(word, name in brackets, text) of each statement."""
    found: list[tuple[str, str, str]] = []
    inside = False
    for line in lines:
        if match := STATEMENT.fullmatch(line):
            word, name, text = match.groups()
            found.append((word, name or "", text))
            inside = True
        elif inside and line.startswith("  "):
            word, name, text = found[-1]
            found[-1] = (word, name, f"{text} {line.strip()}".strip())
        else:
            inside = False
    return found
