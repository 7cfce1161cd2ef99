"""The two ends of a residual block, one pass over memory each.

    join    y = max(a·x + b + s, 0)                        a norm, the shortcut s, and the rectifier behind them
    gate    g where y > 0,  and of that  Σ g,  Σ g·(x − mean)       relu_grad and grad_sums of channel.py at once
    add     out += g

x, s, y, g (N, R, C, H, W); coefficients (R, C); sums in float64 over images and positions.

    y = join(x, a, b, shortcut);  g, S0, S1 = gate(delta, y, x, mean);  add(below, g)
"""

from . import channel
from .arrays import Array, array_module, twins


@twins
def join(x: Array, a: Array, b: Array, s: Array) -> Array:
    """max(a·x + b + s, 0), (N, R, C, H, W)."""
    same_shape("join", s, x)
    y = channel.affine(x, a, b)
    y += s
    array_module(x).maximum(y, 0, out=y)
    return y


@twins
def gate(g: Array, y: Array, x: Array, mean: Array) -> tuple[Array, Array, Array]:
    """g where the rectified y is positive, else 0; its sums (R, C) as of channel.grad_sums."""
    same_shape("gate", y, x)
    g = channel.relu_grad(g, y)
    return g, *channel.grad_sums(g, x, mean)


@twins
def add(out: Array, g: Array) -> None:
    """out += g, in place."""
    same_shape("add", g, out)
    out += g


def same_shape(name: str, a: Array, x: Array) -> None:
    """Raises ValueError where they differ."""
    if a.shape != x.shape:
        raise ValueError(f"{name}: the arrays are {a.shape} and {x.shape}, and must have one shape.")
