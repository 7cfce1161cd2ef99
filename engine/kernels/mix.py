"""The mixture of lanes, a node's sum of a mixed edge.

    out[n, c] += Σ_r scale[r, c] · y[n, r, c]          y (N, R, C, H, W)   scale (R, C)   out (N, C, H, W)

Every candidate of an edge adds its lanes to the same array:

    mix(y, architecture_weights[:, None] * gamma, out)
"""

from .arrays import Array, twins


@twins
def mix(y: Array, scale: Array, out: Array) -> None:
    """Add the weighted lanes of y to `out`, in place."""
    for r in range(y.shape[1]):
        out += scale[r, :, None, None] * y[:, r]
