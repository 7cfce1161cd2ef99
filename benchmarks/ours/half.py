"""The fused half: forward with its moments, or backward, as an edge of the search calls them."""

from typing import Any, NamedTuple

import numpy as np

from ...engine.backend import Array
from ...engine.kernels import half
from ...engine.kernels.conv import Geometry
from ...engine.random import normal
from ..subject import Subject
from .models import KEY


class Problem(NamedTuple):
    """x (N, L, C, S, S) and y (N, R, C, S', S'); L = 1 and no norm for the first half of an operation, L = R and
    a norm for the second half of a separable convolution.
    """

    g: Geometry
    x: Array
    D: Array
    P: Array
    norm: half.Norm | None
    up: half.Upstream
    into: Array | None


def draw(name: str, *shape: int) -> Array:
    found: Array = normal(KEY.to(name), shape)
    return found


def problem(
    batch: int, size: int, channels: int, lanes: int, kernel: int, dilation: int, stride: int, inner: bool
) -> Problem:
    g = Geometry(kernel, stride, dilation * (kernel - 1) // 2, dilation, channels)
    x = draw("x", batch, lanes if inner else 1, channels, size, size)
    per_channel = [draw(each, lanes, channels) for each in "abcABE"]
    outside = g.out_size(size)
    error = draw("g", batch, lanes if inner else 1, channels, outside, outside)
    y = draw("y", batch, lanes, channels, outside, outside)
    return Problem(
        g,
        x,
        draw("D", lanes, channels, 1, kernel, kernel),
        draw("P", lanes, channels, channels, 1, 1),
        half.Norm(*per_channel[:3]) if inner else None,
        half.Upstream(error, y, *per_channel[3:]),
        None if inner else np.zeros_like(x),
    )


def build(direction: str, **form: Any) -> Subject:
    """direction: "forward" or "backward"."""
    p = problem(**form)

    def forward() -> dict[str, float]:
        half.forward(p.x, p.D, p.P, p.g, p.norm)
        return {}

    def backward() -> dict[str, float]:
        half.backward(p.up, p.x, p.D, p.D, p.P, p.g, p.norm, p.into)
        return {}

    return Subject(forward if direction == "forward" else backward, warm_up=6)
