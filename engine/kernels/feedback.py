"""Feedback weights that share W's signs: what the sign-concordant rules send errors through.

    signs         B = s · sign(W)
    random_signs  B = |R| ∘ sign(W)
    quantised     B = s/√(L²/3 - 1/12) · (j + ½) ∘ sign(W),   j = min(⌊L·|W| / (√3 rms(W))⌋, L - 1)

sign(0) = 0. W, R and B have one shape, any.

    B = quantised(W, s, levels=2)
"""

import math

import numpy as np

from .arrays import Array, array_module, twins


@twins
def signs(W: Array, s: float) -> Array:
    """s · sign(W)."""
    B: Array = s * array_module(W).sign(W)
    return B


@twins
def random_signs(W: Array, R: Array) -> Array:
    """|R| ∘ sign(W)."""
    B: Array = abs(R) * array_module(W).sign(W)
    return B


@twins
def quantised(W: Array, s: float, levels: int) -> Array:
    """sign(W) times magnitudes in L = `levels` equal bins up to √3 rms(W), of rms s for a uniform W."""
    xp = array_module(W)
    width = math.sqrt(3.0) / levels * rms(W)
    j = xp.minimum(xp.floor(abs(W) / xp.maximum(width, np.finfo(W.dtype).tiny)), levels - 1)
    B: Array = s / math.sqrt(levels**2 / 3 - 1 / 12) * (j + 0.5).astype(W.dtype) * xp.sign(W)
    return B


def rms(W: Array) -> Array:
    """√(mean W²), a 0-d array of W's dtype."""
    xp = array_module(W)
    root: Array = xp.sqrt(xp.mean(xp.square(W, dtype=np.float64))).astype(W.dtype)
    return root
