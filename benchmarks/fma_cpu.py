"""A loop that does nothing but multiply and add in registers."""

import numpy as np
from numpy.typing import NDArray

from ..engine.kernels.jit import jit

DEGREE = 16
CHAINS = 4
FLOPS = 2 * DEGREE * CHAINS  # a number


@jit
def polynomials(x: NDArray[np.float32], repeats: int) -> None:
    """Horner's scheme for four polynomials of each number, independent chains; `repeats` times over x in place."""
    a, b, c, d = np.float32(0.1), np.float32(0.2), np.float32(0.3), np.float32(0.4)
    for _ in range(repeats):
        for i in range(len(x)):
            y = x[i]
            p, q, r, s = a, b, c, d
            for _ in range(DEGREE):
                p, q, r, s = p * y + a, q * y + b, r * y + c, s * y + d
            x[i] = (p * q + r * s) * np.float32(0.25)
