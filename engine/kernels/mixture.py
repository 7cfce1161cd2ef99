"""What the candidates of an edge do together, so that node and error are read once for all of them.

    add      out[n, c] += Σ_k Σ_r s_k[r, c] · y_k[n, r, c] + t[c]
    sums     Σ g,  Σ g · (y_k − mean_k)                                  over n and positions, for every k

y_k (N, R_k, C, H, W)   s_k, mean_k (R_k, C)   t (C,)   out (N, C, H, W)   g (N, 1, C, H, W)

    add([y, pooled], [q[:4, None] * rstd, q[4:, None]], shift, node[:, 0])
    (S0, S1), (T0, T1) = sums(delta, [y, pooled], [mean, zeros])
"""

from collections.abc import Sequence

from . import channel, mix
from .arrays import Array, twins


@twins
def add(out: Array, maps: Sequence[Array], scales: Sequence[Array], shift: Array) -> None:
    """`out` changes in place; a scale of one column serves every channel."""
    for y, scale in zip(maps, scales, strict=True):
        mix.mix(y, scale, out)
    out += shift[:, None, None]


@twins
def sums(g: Array, maps: Sequence[Array], means: Sequence[Array]) -> list[tuple[Array, Array]]:
    """(R_k, C) each, as channel.grad_sums."""
    return [channel.grad_sums(g, y, mean) for y, mean in zip(maps, means, strict=True)]
