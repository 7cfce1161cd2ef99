"""Convolution as linear algebra, with a lane axis.

    push    y[n, r, o, i]      = Σ_c Σ_t M[r, o, c, t] · x[n, r, c, s·i + d·t − p]       y  = M x
    pull    δx[n, r, c, s·i + d·t − p] += Σ_o Σ_t M[r, o, c, t] · δ[n, r, o, i]          δx = Mᵀ δ
    outer   G[r, o, c, t]      = Σ_n Σ_i δ[n, r, o, i] · x[n, r, c, s·i + d·t − p]       ∂⟨δ, M x⟩/∂M

i and t stand for a position and a tap of two dimensions; s, d and p are stride, dilation and padding.
M is ANY array of the weight's shape: the weight itself, a feedback matrix, a Jacobian's tangent.

    x (N, L, C, H, W) with L = R, or L = 1 where all lanes share the input     δ, y (N, R, O, Ho, Wo)
    M (R, O, C/groups, k, k)

    g = Geometry(kernel=3, padding=1)
    y = push(x, W, g);  dx = pull(delta, B, g, x.shape[-2:]);  dW = outer(delta, x, g)
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from .arrays import Array, Shape, Size, array_module, twins


class Geometry(NamedTuple):
    """What a convolution's shape needs beside the arrays; the same in both directions of the image."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    def out_size(self, size: int) -> int:
        """The number of outputs along an axis of `size` inputs."""
        return (size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1


@lru_cache(maxsize=1024)
def check(x: Shape, M: Shape, delta: Shape | None, g: Geometry) -> None:
    """Raise ValueError unless the shapes fit; compiled code would read beyond the arrays."""
    inputs, outputs = M[2] * g.groups, tuple(g.out_size(n) for n in x[3:])
    if x[2] != inputs or M[1] % g.groups or M[3:] != (g.kernel, g.kernel):
        raise ValueError(
            f"x has {x[2]} channels; M {M} in {g.groups} groups, kernel {g.kernel}, takes {inputs}."
        )
    if x[1] not in (1, M[0]) or min(outputs) < 1:
        raise ValueError(f"x {x} does not fit M {M}: {x[1]} lanes for {M[0]}, outputs of {outputs}.")
    if delta not in (None, (x[0], *M[:2], *outputs)):
        raise ValueError(f"delta is {delta}; x {x} and M {M} give outputs {(x[0], *M[:2], *outputs)}.")


@twins
def push(x: Array, M: Array, g: Geometry) -> Array:
    """y = M x, (N, R, O, Ho, Wo)."""
    check(x.shape, M.shape, None, g)
    xp = array_module(x)
    (N, L, C, H, W), (R, K), G = x.shape, M.shape[:2], g.groups
    Ho, Wo = g.out_size(H), g.out_size(W)
    y: Array = xp.zeros((N, R, G, K // G, Ho * Wo), x.dtype)
    product = xp.multiply if C == G else xp.matmul  # a depthwise product sums over one channel
    for tap, Mt in zip(taps(_pad(x, g), g, (Ho, Wo)), _split(M, g), strict=True):
        y += product(Mt, tap.reshape(N, L, G, C // G, Ho * Wo))
    return y.reshape(N, R, K, Ho, Wo)


@twins
def pull(delta: Array, M: Array, g: Geometry, size: Size, shared: bool = False) -> Array:
    """δx = Mᵀ δ, (N, R, C, H, W) for inputs of `size`; where `shared`, the sum over lanes (N, 1, C, H, W)."""
    xp = array_module(delta)
    (N, R, K, Ho, Wo), G = delta.shape, g.groups
    L, C, p = 1 if shared else R, M.shape[2] * G, g.padding
    check((N, L, C, *size), M.shape, delta.shape, g)
    padded = xp.zeros((N, L, C, size[0] + 2 * p, size[1] + 2 * p), delta.dtype)
    delta = delta.reshape(N, R, G, K // G, Ho * Wo)
    if shared:  # the lanes' outputs are outputs of one wide lane
        delta = delta.swapaxes(1, 2).reshape(N, 1, G, R * (K // G), Ho * Wo)
    for tap, Mt in zip(taps(padded, g, (Ho, Wo)), _split(M, g), strict=True):
        Mt = Mt.swapaxes(0, 1).reshape(1, G, R * (K // G), C // G) if shared else Mt
        tap += xp.matmul(Mt.swapaxes(-1, -2), delta).reshape(tap.shape)
    image: Array = xp.ascontiguousarray(padded[..., p : p + size[0], p : p + size[1]])
    return image


@twins
def outer(delta: Array, x: Array, g: Geometry) -> Array:
    """Σ_n δ ⊗ x, (R, O, C/groups, k, k): the gradient of ⟨δ, M x⟩ with respect to M."""
    xp = array_module(x)
    (N, R, K, Ho, Wo), (L, C), G = delta.shape, x.shape[1:3], g.groups
    check(x.shape, (R, K, C // G, g.kernel, g.kernel), delta.shape, g)
    # (R, G, O/G, N·Ho·Wo) @ (L, G, N·Ho·Wo, C/G): one long sum over images and positions
    delta = xp.moveaxis(delta, 0, 2).reshape(R, G, K // G, N * Ho * Wo)
    products = []
    for tap in taps(_pad(x, g), g, (Ho, Wo)):
        inputs = xp.moveaxis(tap, 0, 2).reshape(L, G, C // G, N * Ho * Wo)
        products.append(xp.matmul(delta, inputs.swapaxes(-1, -2)))
    gradient: Array = xp.stack(products, -1)
    return gradient.reshape(R, K, C // G, g.kernel, g.kernel)


def _pad(x: Array, g: Geometry) -> Array:
    """x with its zero padding, (N, L, C, H + 2p, W + 2p)."""
    padded: Array = array_module(x).pad(x, ((0, 0),) * 3 + ((g.padding, g.padding),) * 2)
    return padded


def taps(padded: Array, g: Geometry, out: Size) -> Iterator[Array]:
    """For each tap, row by row: the view (..., Ho, Wo) of the inputs that it multiplies."""
    s, d = g.stride, g.dilation
    for a in range(g.kernel):
        for b in range(g.kernel):
            rows = slice(a * d, a * d + s * (out[0] - 1) + 1, s)
            yield padded[..., rows, b * d : b * d + s * (out[1] - 1) + 1 : s]


def _split(M: Array, g: Geometry) -> Array:
    """(k·k, R, G, O/G, C/G): M tap by tap, each a matrix per lane and group."""
    xp, (R, K, c, k, _) = array_module(M), M.shape
    split: Array = xp.ascontiguousarray(xp.moveaxis(M.reshape(R, g.groups, K // g.groups, c, k * k), -1, 0))
    return split
