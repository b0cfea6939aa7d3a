"""What layers refuse beside the bounds of single options: options against each other, and against the input's size."""

import pytest
from pydantic import ValidationError

from dlcli.layers.base import ShapeError
from tests.layers.harness import layer_of

TRANSPOSED = {"type": "conv_transpose2d", "filters": 2, "kernel_size": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({**TRANSPOSED, "output_padding": 1}, r"output padding of \[1, 1\] must be less than the stride, \[1, 1\]"),
        (
            {**TRANSPOSED, "stride": [3, 2], "output_padding": [1, 2]},
            r"must be less than the stride, \[3, 2\]",
        ),
        ({**TRANSPOSED, "stride": 2, "padding": "same", "output_padding": [0, 1]}, "there is no output padding"),
    ],
)
def test_options_against_each_other(options, message):
    with pytest.raises(ValidationError, match=message):
        layer_of(options)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({**TRANSPOSED, "padding": [0, 3]}, (9, 9, 1), r"padding of 3 leaves nothing of a kernel of 3 .*\(columns\)"),
        ({**TRANSPOSED, "padding": [2, 0]}, (1, 9, 1), r"on an input of 1 \(rows\)"),
        ({"type": "crop2d", "size": [3, 5]}, (4, 4, 1), "a crop of 3 × 5 does not fit in 4 × 4"),
        ({"type": "crop2d", "cropping": 1, "size": 3}, (4, 5, 1), "a crop of 3 × 3 does not fit in 2 × 3"),
    ],
)
def test_options_against_the_input(options, shape, message):
    with pytest.raises(ShapeError, match=message):
        layer_of(options).output_shape([shape])
