"""What the grey levels of a sheet mean, the order of pairs, and the PNG file."""

import builtins
import io

import numpy as np
import pytest
from PIL import Image

from dlcli.errors import EnvironmentFailure
from dlcli.report.png import INK, MARGIN, Legend, png
from dlcli.report.sheet import Sheet, pairs
from dlcli.report.tiles import tiles

IMAGES = np.array([[[-1.0, 0.5]], [[0.0, 2.0]], [[1.0, 1.0]]])[..., None]


def test_alone_each_image_has_its_own_contrast():
    limits, text = Sheet("", IMAGES, 2).contrast()
    assert limits.tolist() == [[-1, 0.5], [0, 2], [1, 1]]
    assert text == "each tile from its least to its greatest value; over all: -1 to 2"


def test_groups_share_theirs_and_empty_places_have_no_say():
    images = np.concatenate([IMAGES, np.full((1, 1, 2, 1), np.nan)])
    limits, text = Sheet("", images, 2, np.array([0, 1, 0, 1]), "pair").contrast()
    assert limits[:3].tolist() == [[-1, 1], [0, 2], [-1, 1]]
    assert text == "each pair from its least to its greatest value; over all: -1 to 2"


def test_values_from_0_to_1_are_shown_as_they_are():
    limits, text = Sheet("", np.clip(IMAGES, 0, 1), 2, np.array([0, 1, 2])).contrast()
    assert (limits.tolist(), text) == ([0, 1], "0 to 1")


def test_pairs_stand_in_rows_one_below_the_other():
    upper, lower = np.arange(3.0).reshape(3, 1, 1, 1), 10 + np.arange(3.0).reshape(3, 1, 1, 1)
    images, groups = pairs(upper, lower, 2)
    np.testing.assert_array_equal(images.reshape(-1), [0, 1, 10, 11, 2, np.nan, 12, np.nan])
    assert groups.tolist() == [0, 1, 0, 1, 2, 3, 2, 3]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_file_has_the_tiles_and_a_legend_below(channels):
    drawn = tiles(np.random.default_rng(0).uniform(size=(6, 5, 4, channels)), 3)
    height, width = drawn.shape[:2]
    data = png(drawn, Legend(["a title " * 20], "0 to 1"))
    image = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(image[MARGIN : MARGIN + height, MARGIN : MARGIN + width], drawn)
    below = image[MARGIN + height + 1 :]
    assert below.min() <= INK  # letters
    assert (image[:MARGIN] == 255).all()
    assert (image[-3:] == 255).all()
    assert (image[:, -3:] == 255).all()
    assert image.shape[1] < 500  # the title is broken into lines
    assert png(drawn, Legend(["a title " * 20], "0 to 1")) == data


def test_without_pillow_there_is_a_hint(monkeypatch):
    whole = builtins.__import__

    def without(name, *rest, **more):
        if name == "PIL":
            raise ImportError(name)
        return whole(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EnvironmentFailure, match="needs Pillow: pip install 'dlcli.images.'"):
        png(np.zeros((3, 3), np.uint8), Legend([], ""))
