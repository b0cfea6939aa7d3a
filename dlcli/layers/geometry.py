"""Window arithmetic that convolution and pooling share: padding, output sizes, what fits."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dlcli.layers.base import Shape, ShapeError


def _pair_or_name(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return tuple(value) if isinstance(value, list | tuple) else (value, value)


Pad = Annotated[int, Field(ge=0)]
Padding = Annotated[
    Literal["valid", "same"] | tuple[Pad, Pad],
    BeforeValidator(_pair_or_name, json_schema_input_type=Literal["valid", "same"] | int | list[int]),
]
Pads = Annotated[tuple[Pad, Pad], BeforeValidator(_pair_or_name, json_schema_input_type=int | list[int])]


def _four_sides(value: Any) -> Any:
    """One number, [height, width] or [top, bottom, left, right] as the last of these."""
    match value:
        case [height, width]:
            return (height, height, width, width)
        case list() | tuple():
            return tuple(value)
    return (value,) * 4


Sides = Annotated[
    tuple[Pad, Pad, Pad, Pad], BeforeValidator(_four_sides, json_schema_input_type=int | list[int])
]  # top, bottom, left, right
Rounding = Literal["down", "up"]


def window(
    axis: str,
    size: int,
    kernel: int,
    stride: int,
    padding: str | int,
    *,
    dilation: int = 1,
    rounding: Rounding = "down",
) -> tuple[int, int]:
    """Output size and leading padding of a window that slides along one axis.

    ``same`` pads so that the output is ⌈size / stride⌉, the odd cell at the end. ``rounding: up`` (Caffe's pooling)
    lets the last window overhang the image, as long as it starts inside the image or its leading padding.

    Raises
    ------
    ShapeError: the window is larger than the padded image, or the padding as large as the window.
    """
    extent = (kernel - 1) * dilation + 1
    if padding == "same":
        out = -(-size // stride)
        return out, max((out - 1) * stride + extent - size, 0) // 2
    pad = 0 if isinstance(padding, str) else padding
    if pad >= extent:
        raise ShapeError(f"padding of {pad} is as large as the window of {extent} ({axis})")
    span = size + 2 * pad - extent
    if span < 0:
        raise ShapeError(f"a window of {extent} does not fit an input of {size} with padding {pad} ({axis})")
    out = (span // stride if rounding == "down" else -(-span // stride)) + 1
    if rounding == "up" and (out - 1) * stride >= size + pad:
        out -= 1
    return out, pad


def windows(
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: str | tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[tuple[int, int], tuple[int, int]]:
    """`window` of rows and of columns, for images of ``shape`` (height, width, channels)."""
    rows, columns = (
        window(axis, shape[i], kernel[i], stride[i], side(padding, i), dilation=dilation[i])
        for i, axis in enumerate(("rows", "columns"))
    )
    return rows, columns


def mirrored(
    shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: str | tuple[int, int]
) -> tuple[Literal["same"] | tuple[int, int], tuple[int, int]]:
    """Padding and output padding with which a transposed convolution leads back to images of ``shape``.

    Raises
    ------
    ShapeError: ``same`` padding is one cell wider behind the image than before it, and the stride does not divide it.
    """
    if padding == "same" and not any(shape[axis] % stride[axis] for axis in (0, 1)):
        return "same", (0, 0)
    pads, extras = [], []
    for axis, (out, pad) in enumerate(windows(shape, kernel, stride, padding)):
        pads.append(pad)
        extras.append(shape[axis] + 2 * pad - kernel[axis] - (out - 1) * stride[axis])
    if min(extras) < 0:
        height, width, _ = shape
        raise ShapeError(
            f"with padding `same`, images of {height} × {width} get unequal borders; expected sides that the stride, "
            f"{list(stride)}, divides, or another padding"
        )
    return (pads[0], pads[1]), (extras[0], extras[1])


def side(padding: str | tuple[int, int], axis: int) -> str | int:
    """The padding of one axis: 0 rows, 1 columns."""
    return padding if isinstance(padding, str) else padding[axis]
