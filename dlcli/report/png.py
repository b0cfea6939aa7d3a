"""Tiles with a legend as a PNG file, by Pillow (the extra `images`)."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlcli.errors import EnvironmentFailure

if TYPE_CHECKING:
    from PIL.Image import Image

MARGIN, SPACE, FONT = 10, 6, 13  # pixels: around everything, between lines, height of letters
RAMP = (96, 10)  # width and height of the scale from black to white
PAPER, INK = 255, 32  # grey levels


@dataclass(frozen=True)
class Legend:
    """What stands below the tiles: lines of text, of which the last follows a scale from black to white."""

    lines: Sequence[str]
    scale: str


def png(tiles: npt.NDArray[np.uint8], legend: Legend) -> bytes:
    """A PNG file of tiles (height, width) or (height, width, 3) with a legend; the same bytes for the same input.

    Raises
    ------
    EnvironmentFailure: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise EnvironmentFailure("drawing pictures needs Pillow: pip install 'dlcli[images]'") from error
    font = ImageFont.load_default(FONT)
    lines = [piece for line in legend.lines for piece in _wrapped(line, font, max(tiles.shape[1], 360))]
    step = FONT + SPACE
    texts = [font.getlength(line) for line in lines] + [RAMP[0] + SPACE + font.getlength(legend.scale)]
    width = 2 * MARGIN + max(tiles.shape[1], *(int(text) + 1 for text in texts))
    height = 3 * MARGIN + tiles.shape[0] + step * (len(lines) + 1)
    mode: Any = "RGB" if tiles.ndim == 3 else "L"
    sheet = Image.new(mode, (width, height), _grey(PAPER, mode))
    sheet.paste(Image.fromarray(tiles), (MARGIN, MARGIN))
    draw = ImageDraw.Draw(sheet)
    top = 2 * MARGIN + tiles.shape[0]
    for line in lines:
        draw.text((MARGIN, top), line, _grey(INK, mode), font)
        top += step
    sheet.paste(_ramp(mode), (MARGIN, top + (FONT - RAMP[1]) // 2 + 1))
    draw.text((MARGIN + RAMP[0] + SPACE, top), legend.scale, _grey(INK, mode), font)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def _ramp(mode: str) -> "Image":
    """From black to white, in a frame of ink."""
    from PIL import Image

    values = np.full((RAMP[1], RAMP[0]), INK, np.uint8)
    values[1:-1, 1:-1] = np.rint(np.linspace(0, 255, RAMP[0] - 2))
    return Image.fromarray(values).convert(mode)


def _grey(level: int, mode: str) -> Any:
    return (level,) * 3 if mode == "RGB" else level


def _wrapped(line: str, font: Any, width: int) -> list[str]:
    """The line in pieces of at most so many pixels, broken between words."""
    pieces = [""]
    for word in line.split():
        longer = f"{pieces[-1]} {word}".strip()
        if pieces[-1] and font.getlength(longer) > width:
            pieces.append(word)
        else:
            pieces[-1] = longer
    return pieces
