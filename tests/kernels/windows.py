"""Windows of images, for the naive references of pooling kernels."""

import numpy as np

# Image, channels, geometry (size, stride and padding, each of rows and columns), output.
SHAPES = [
    ((4, 700), 1, (2, 2, 2, 2, 0, 0), (2, 350)),
    ((5, 1201), 1, (3, 2, 2, 1, 1, 1), (3, 1202)),  # several stretches of windows
    ((7, 90), 8, (3, 3, 2, 2, 0, 0), (3, 44)),
    ((6, 40), 33, (2, 3, 1, 2, 1, 1), (7, 20)),
    ((7, 11), 3, (2, 2, 3, 3, 0, 0), (2, 4)),  # gaps behind the windows
    ((5, 3), 600, (3, 3, 3, 3, 1, 1), (2, 1)),  # more channels than a stretch
    ((3, 50), 2, (1, 40, 1, 5, 0, 0), (3, 3)),
]


def places(image, geometry, output):
    """((p, q), [((h, w), place) for the window's cells that are in the image, row by row])."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for p, q in np.ndindex(output):
        cells = []
        for place, (i, j) in enumerate(np.ndindex(size_h, size_w)):
            h, w = p * stride_h - pad_h + i, q * stride_w - pad_w + j
            if 0 <= h < image[0] and 0 <= w < image[1]:
                cells.append(((h, w), place))
        yield (p, q), cells
