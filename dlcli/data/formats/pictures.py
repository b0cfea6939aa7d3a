"""Picture files, decoded by Pillow (the extra `images`): to bytes of one size, and nothing that a stranger's file can
do but fail with its name."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from dlcli.data.files import describe, failures_of
from dlcli.errors import DataError, EnvironmentFailure
from dlcli.layers.base import Array

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")  # no other decoder of Pillow's ever sees a file
KINDS = "JPEG, PNG, BMP, GIF, PPM, TIFF or WebP"
MOST_PIXELS = 1 << 26  # of a picture before it is resized; decoded it has 200 MB
MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}  # 8 bits each


def read_pictures(paths: Sequence[str], out: Array) -> None:
    """Decode files to out (N, height, width, channels) uint8, each filled by the middle of its picture.

    Raises
    ------
    DataError: a file is no picture, damaged or too large; the first one is named.
    EnvironmentFailure: Pillow is not installed, or a file can't be read.
    """
    try:
        import PIL.Image
    except ImportError as error:
        raise EnvironmentFailure("reading pictures needs Pillow: pip install 'dlcli[images]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's: sizes are checked here, odd metadata are no concern
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the interpreter's lock
            for _ in pool.map(lambda index: _read(PIL.Image, paths[index], out[index]), range(len(paths))):
                pass


def _read(module: Any, path: str, out: Array) -> None:
    with failures_of(path), open(path, "rb") as file:
        head = file.read(16)
        file.seek(0)
        try:
            with module.open(file, formats=FORMATS) as image:
                _check(image, path)
                out[...] = np.asarray(_converted(image, out.shape), np.uint8).reshape(out.shape)
        except module.UnidentifiedImageError as error:
            raise DataError(f"{path}: found {describe(head)}, expected a picture ({KINDS})") from error
        except module.DecompressionBombError as error:
            raise DataError(f"{path}: {error}; expected at most {MOST_PIXELS:,} pixels") from error
        except DataError:
            raise
        except OSError as error:
            if error.errno is not None:  # the disk's
                raise
            raise DataError(f"{path}: damaged: {error}") from error
        except Exception as error:  # decoders raise nearly anything: SyntaxError, ValueError, struct.error, …
            raise DataError(f"{path}: damaged: {error}") from error


def _check(image: "Image", path: str) -> None:
    if image.width * image.height > MOST_PIXELS:
        size = f"{image.height:,} × {image.width:,}"
        raise DataError(f"{path}: found a picture of {size} pixels, expected at most {MOST_PIXELS:,}")
    if image.mode not in MODES:
        raise DataError(f"{path}: found a picture of mode {image.mode}, expected 8 bits for each colour")


def _converted(image: "Image", shape: tuple[int, ...]) -> "Image":
    """The middle of a picture, as much of it as has the shape's proportions, in the shape's size and colours."""
    height, width, channels = shape
    if image.mode in ("P", "PA"):  # palettes may be transparent
        image = image.convert("RGBA")
    image = image.convert("RGB" if channels == 3 else "L")
    factor = max(height / image.height, width / image.width)
    across, down = width / factor, height / factor
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (max(left, 0), max(top, 0), min(left + across, image.width), min(top + down, image.height))
    return image.resize((width, height), 2, box)  # 2: bilinear, over as many pixels as fall into one
