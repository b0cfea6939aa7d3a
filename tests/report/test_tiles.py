"""Tiles, pixel by pixel."""

import numpy as np
import pytest

from dlcli.report.tiles import FRAME, MIDDLE, PAPER, bounds, enlargement, levels, tiles

F, P = FRAME, PAPER


def test_tiles_have_frames_and_the_last_row_is_filled_with_paper():
    images = np.array([[[0, 2]], [[4, 0]], [[1, 1]]])  # three images of 1 × 2
    assert tiles(images, 2).tolist() == [
        [F, F, F, F, F, F, F],
        [F, 0, 255, F, 255, 0, F],
        [F, F, F, F, F, F, F],
        [F, MIDDLE, MIDDLE, F, P, P, P],
        [F, F, F, F, P, P, P],
    ]


def test_values_become_squares():
    assert tiles(np.array([[[0, 1]]]), 5, factor=2).tolist() == [
        [F, F, F, F, F, F],
        [F, 0, 0, 255, 255, F],
        [F, 0, 0, 255, 255, F],
        [F, F, F, F, F, F],
    ]


def test_an_image_of_nan_is_an_empty_place():
    images = np.array([[[np.nan]], [[1.0]]])
    assert tiles(images, 2, np.array([0, 1])).tolist() == [
        [P, P, F, F, F],
        [P, P, F, 255, F],
        [P, P, F, F, F],
    ]


def test_colours_stay_and_one_channel_is_grey():
    images = np.arange(6.0).reshape(1, 1, 2, 3)
    found = tiles(images, 1)
    assert found.shape == (3, 4, 3)
    assert found[1].tolist() == [[F] * 3, [0, 51, 102], [153, 204, 255], [F] * 3]
    np.testing.assert_array_equal(tiles(images[..., :1], 1), tiles(images[..., 0], 1))


def test_contrast_is_each_images_own_or_as_the_limits_say():
    images = np.array([[[0.0, 1.0, 2.0]], [[-1.0, 0.0, 3.0]]])
    assert levels(images)[:, 0].tolist() == [[0, 128, 255], [0, 64, 255]]
    assert levels(images, np.array([0, 2]))[:, 0].tolist() == [[0, 128, 255], [0, 0, 255]]
    assert levels(images, np.array([[0, 4], [-1, 0]]))[:, 0].tolist() == [[0, 64, 128], [0, 255, 255]]


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_not_finite_have_no_say_in_the_contrast():
    images = np.array([[[np.nan, np.inf, -np.inf, 0.0, 10.0]], [[np.nan] * 5]])
    assert levels(images)[0, 0].tolist() == [0, 255, 0, 0, 255]
    assert [bound.tolist() for bound in bounds(images)] == [[0, 0], [10, 0]]


def test_small_images_are_enlarged_by_whole_factors():
    assert [enlargement(*size) for size in ((28, 28), (5, 5), (32, 32), (224, 224), (1, 57))] == [2, 11, 1, 1, 1]
