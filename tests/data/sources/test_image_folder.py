"""Pictures are read as they are, and nothing in a folder can do more than fail with its name."""

import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from dlcli.data.formats import pictures
from dlcli.data.sources.image_folder import ImageFolder
from dlcli.errors import DataError, EnvironmentFailure

RANDOM = np.random.default_rng(0)
SMALL = RANDOM.integers(0, 256, (5, 6, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Put pictures, (height, width[, channels]) uint8, or bytes, at ``class/name``; gives the root."""

    def put(root="train", **files):
        for name, content in files.items():
            path = tmp_path / root / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                Image.fromarray(content).save(path)
        return str(tmp_path / root)

    return put


def png(width, height, data=b"\0" * 100):
    """A PNG of grey bytes that says how large it is."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_classes_are_folders_sorted_by_name(folder):
    shades = {name: np.full((5, 6, 3), shade, np.uint8) for name, shade in (("b", 10), ("a", 20), ("c", 30), ("d", 40))}
    train = folder(rose__2_dot_png=shades["b"], iris__9_dot_bmp=shades["a"], rose__1_dot_ppm=shades["c"])
    test = folder("test", rose__x_dot_png=shades["d"])
    data = ImageFolder(train=train, test=test, size=(5, 6)).load()
    assert data.classes == ("iris", "rose")
    assert data.train.y.tolist() == [0, 1, 1]
    assert data.train.x.shape == (3, 5, 6, 3)
    assert data.train.x.dtype == np.uint8
    assert data.train.x[:, 0, 0, 0].tolist() == [20, 30, 10]
    assert data.test.y.tolist() == [1]
    assert (data.test.x == 40).all()


@pytest.mark.parametrize("name", ["png", "bmp", "ppm", "tiff"])
def test_a_picture_of_the_size_is_read_as_it_is(folder, name):
    data = ImageFolder(train=folder(**{f"a__1_dot_{name}": SMALL}), size=(5, 6)).load()
    np.testing.assert_array_equal(data.train.x[0], SMALL)


@pytest.mark.parametrize("name", ["jpg", "gif", "webp"])
def test_other_formats(folder, name):
    smooth = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8)[:, None], (32, 32))[:, :, None].repeat(3, axis=2)
    data = ImageFolder(train=folder(**{f"a__1_dot_{name}": smooth}), size=(32, 32)).load()
    assert np.abs(data.train.x[0].astype(int) - smooth).max() < 12


@pytest.mark.parametrize(("height", "width"), [(10, 30), (30, 10)])
def test_the_middle_is_kept(folder, height, width):
    picture = np.zeros((height, width, 3), np.uint8)
    middle = (slice(None), slice(10, 20)) if width == 30 else (slice(10, 20), slice(None))
    picture[middle] = RANDOM.integers(0, 256, (10, 10, 3))
    data = ImageFolder(train=folder(a__1_dot_png=picture), size=(10, 10)).load()
    np.testing.assert_array_equal(data.train.x[0], picture[middle])


def test_what_is_made_smaller_is_smoothed(folder):
    board = (np.indices((40, 40)).sum(axis=0) % 2 * 200).astype(np.uint8)
    data = ImageFolder(train=folder(a__1_dot_png=board), size=(4, 4), channels=1).load()
    assert data.train.x.shape == (1, 4, 4, 1)
    assert np.abs(data.train.x.astype(int) - 100).max() < 8


def test_colours(folder, tmp_path):
    (tmp_path / "train" / "a").mkdir(parents=True)
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    for mode in ("P", "RGBA", "CMYK", "L", "1", "LA"):
        red.convert(mode).save(tmp_path / "train" / "a" / f"{mode}.{'tiff' if mode == 'CMYK' else 'png'}")
    data = ImageFolder(train=str(tmp_path / "train"), size=(4, 4)).load()  # 1, CMYK, L, LA, P, RGBA
    found = data.train.x[:, 0, 0].astype(int)
    assert np.abs(found[[1, 4, 5]] - [255, 0, 0]).max() < 3
    assert np.abs(found[[2, 3]] - 76).max() < 2  # the brightness of red
    grey = ImageFolder(train=str(tmp_path / "train"), size=(4, 4), channels=1).load()
    assert np.abs(grey.train.x[1:, 0, 0, 0].astype(int) - 76).max() < 3


def test_hidden_files_and_links_are_ignored(folder, tmp_path):
    root = folder(a__1_dot_png=SMALL, a___dot_hidden=b"nothing", _dot_git__config=b"nothing", note_dot_txt=b"hello")
    (tmp_path / "train" / "a" / "link.png").symlink_to("nowhere")
    (tmp_path / "train" / "b").symlink_to(tmp_path)
    data = ImageFolder(train=root, size=(5, 6)).load()
    assert (data.classes, len(data.train)) == (("a",), 1)


BAD = {
    "text": (b"hello", "found bytes 68 65 6c 6c, expected a picture .JPEG, PNG,"),
    "empty": (b"", "found an empty file, expected a picture"),
    "a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "expected a picture"),
    "cut": (png(200, 200)[:60], "damaged"),
    "too few bytes": (png(200, 200), "damaged"),
    "a bomb": (
        png(60_000, 60_000),
        r"found a picture of 60,000 × 60,000|3600000000 pixels.*expected at most 67,108,864",
    ),
    "a large one": (png(10_000, 7_000), "found a picture of 7,000 × 10,000 pixels, expected at most 67,108,864"),
    "16 bits": (np.zeros((4, 4), np.uint16), "found a picture of mode I;16, expected 8 bits for each colour"),
    "real": (np.zeros((4, 4), np.float32), "found a picture of mode F, expected 8 bits"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_pictures_are_named(folder, case):
    content, message = BAD[case]
    name = "b__2_dot_tiff" if case == "real" else "b__2_dot_png"
    root = folder(a__1_dot_png=SMALL, b__3_dot_png=SMALL, **{name: content})
    with pytest.raises(DataError, match=message) as caught:
        ImageFolder(train=root, size=(5, 6)).load()
    assert f"{root}/b/2." in str(caught.value)


def test_folders_that_are_none(folder, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder, looked for in"):
        ImageFolder(train=str(tmp_path / "nowhere"), size=(5, 6)).load()
    flat = folder("flat", a_dot_png=SMALL)
    with pytest.raises(DataError, match="flat: found no folders, expected one for each class"):
        ImageFolder(train=flat, size=(5, 6)).load()
    with pytest.raises(DataError, match=r"a\.png: found a file, expected a folder"):
        ImageFolder(train=f"{flat}/a.png", size=(5, 6)).load()
    (tmp_path / "flat" / "b").mkdir()
    with pytest.raises(DataError, match="flat/b: found no pictures, expected at least one"):
        ImageFolder(train=flat, size=(5, 6)).load()
    (tmp_path / "flat" / "b" / "c").mkdir()
    with pytest.raises(DataError, match="flat/b/c: found a folder or a device, expected a picture"):
        ImageFolder(train=flat, size=(5, 6)).load()


def test_test_folders(folder):
    train = folder(a__1_dot_png=SMALL)
    with pytest.raises(DataError, match="test/z: found no such class in"):
        ImageFolder(train=train, test=folder("test", z__1_dot_png=SMALL), size=(5, 6)).load()
    with pytest.raises(DataError, match="other: found no folders, expected one for each class"):
        ImageFolder(train=train, test=folder("other", x_dot_txt=b"hi"), size=(5, 6)).load()


def test_more_than_memory_is_refused_before_anything_is_decoded(folder, monkeypatch):
    monkeypatch.setattr(pictures, "_read", None)
    with pytest.raises(EnvironmentFailure, match="train: needs .* more than can be had"):
        ImageFolder(train=folder(a__1_dot_png=SMALL), size=(10**7, 10**7)).load()


def test_without_pillow(folder, monkeypatch):
    root = folder(a__1_dot_png=SMALL)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(EnvironmentFailure, match=r"needs Pillow: pip install 'dlcli\[images\]'"):
        ImageFolder(train=root, size=(5, 6)).load()
