"""Depthwise maps of one image, its channels on padded planes, for stride 1 and k = 3 or 5.

    correlate   y = w ∗ x                associate   G[a, b] += Σ_ij y[i, j] · x[i + d·a, j + d·b]

x is a flat plane of H + 2p rows of W + p floats, zero outside the image: the p zeros behind a row pad the next one
too. y and δ are flat, H · W, without padding."""

import numpy as np

from .arrays import Array
from .jit import in_order
from .taps_cpu import (
    ROWS,
    associate3,
    associate3_pair,
    associate3_row,
    associate5,
    associate5_pair,
    associate5_row,
    correlate3,
    correlate3_pair,
    correlate3_row,
    correlate5,
    correlate5_pair,
    correlate5_row,
)
from .tiles_cpu import WIDTH

ZERO = np.float32(0)


def plane_floats(H: int, W: int, p: int) -> int:
    """The length of a plane: whole cache lines, an odd number of them, or planes would share cache sets."""
    lines = ((H + 2 * p) * (W + p) + p + WIDTH) // WIDTH + 1
    return WIDTH * (lines + 1 - lines % 2)


@in_order
def pad(image: Array, H: int, W: int, p: int, plane: Array) -> None:
    """Copy an image (H·W,) into its plane; what pads it is left as it is: zero."""
    for r in range(H):
        row, to = image[r * W : (r + 1) * W], plane[(r + p) * (W + p) + p : (r + p) * (W + p) + p + W]
        for i in range(W):
            to[i] = row[i]


@in_order
def correlate(x: Array, w: Array, H: int, W: int, d: int, y: Array) -> None:
    k = w.shape[0]
    wide = W + d * (k - 1) // 2
    if W == 8 and H == 8:
        # d = 1: the lower half beside the upper; d = 2: the odd rows beside the even
        apart = ROWS if d == 1 else 1
        if k == 3:
            correlate3_pair(w, x, 0, d * wide, d, y, 0, d * W, apart * wide, apart * W)
        else:
            correlate5_pair(w, x, 0, d * wide, d, y, 0, d * W, apart * wide, apart * W)
        return
    for first in range(d):
        rows = (H - first + d - 1) // d
        for s in range(0, rows, ROWS):
            if s + ROWS <= rows:
                for c in range(0, W, WIDTH):
                    r = first + s * d
                    if k == 3:
                        correlate3(w, x, r * wide + c, d * wide, d, y, r * W + c, d * W, min(WIDTH, W - c))
                    else:
                        correlate5(w, x, r * wide + c, d * wide, d, y, r * W + c, d * W, min(WIDTH, W - c))
            else:
                for t in range(s, rows):
                    for c in range(0, W, WIDTH):
                        r = first + t * d
                        if k == 3:
                            correlate3_row(
                                w, x, r * wide + c, d * wide, d, y, r * W + c, W, min(WIDTH, W - c)
                            )
                        else:
                            correlate5_row(
                                w, x, r * wide + c, d * wide, d, y, r * W + c, W, min(WIDTH, W - c)
                            )


@in_order
def associate(x: Array, y: Array, k: int, H: int, W: int, d: int, G: Array) -> None:
    """Into G (k·k, 16), lane by lane."""
    wide = W + d * (k - 1) // 2
    if W == 8 and H == 8:
        apart = ROWS if d == 1 else 1
        if k == 3:
            associate3_pair(G, x, 0, d * wide, d, y, 0, d * W, 1, apart * wide, apart * W)
        else:
            associate5_pair(G, x, 0, d * wide, d, y, 0, d * W, 1, apart * wide, apart * W)
        return
    for first in range(d):
        rows = (H - first + d - 1) // d
        for c in range(0, W, WIDTH):
            count, blocks = min(WIDTH, W - c), rows // ROWS
            r = first + blocks * ROWS * d
            a, b = first * wide + c, r * wide + c
            if k == 3:
                associate3(G, x, a, d * wide, d, y, first * W + c, d * W, blocks, count)
                associate3_row(G, x, b, d * wide, d, y, r * W + c, d * W, rows - blocks * ROWS, count)
            else:
                associate5(G, x, a, d * wide, d, y, first * W + c, d * W, blocks, count)
                associate5_row(G, x, b, d * wide, d, y, r * W + c, d * W, rows - blocks * ROWS, count)
