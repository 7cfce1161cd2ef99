"""What the edges out of a state send back to their readings of it, collected into the error of the state.

    e ← e + (r > 0)·Σ_j e_j + Σ_k pool_kᵀ(Σ_i A_ik g_i + (Σ_i B_ik) y_k + Σ_i E_ik)

e, the rectified state r and what has arrived there, e_j: (N, 1, C, H, W); y_k, which pool k gave, and the errors g_i of
the nodes: (N, 1, C, Ho, Wo); A, B, E (1, C), of each edge i (half.Upstream).

    collect(e, r, [first, second], [Pooled(y, ups, Pull((3, 1, 1), (32, 32), where))])
"""

from collections.abc import Sequence
from typing import NamedTuple

from . import channel, elementwise, mix
from .arrays import Array, twins
from .half import Upstream
from .pool import Pull, pull


class Pooled(NamedTuple):
    """What a pool gave, what arrived there by each edge, and how it goes back through the pool."""

    y: Array
    ups: Sequence[Upstream]
    how: Pull


@twins
def collect(error: Array, rectified: Array | None, arrived: Sequence[Array], pools: Sequence[Pooled]) -> None:
    """`error` changes in place; rectified: None where nobody reads it."""
    if rectified is not None:
        total = arrived[0] if len(arrived) == 1 else elementwise.plus(*arrived)
        error += channel.relu_grad(total, rectified)
    for y, ups, how in pools:
        delta = channel.combine(ups[0].g, y, ups[0].A, *added(ups))
        for up in ups[1:]:
            mix.mix(up.g, up.A, delta[:, 0])
        error += pull(delta, how)


def added(ups: Sequence[Upstream]) -> tuple[Array, Array]:
    """Σ_i B_i, Σ_i E_i."""
    first, *others = ups
    return sum((up.B for up in others), first.B), sum((up.E for up in others), first.E)
