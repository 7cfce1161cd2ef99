"""The operations of DARTS' networks (Liu, Simonyan & Yang 2019) as functions of tensors.

Those that open with a ReLU take r = max(x, 0), which the operations on one x share.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .frame import F, Pair, Tensor, conv, norm, relu_, torch
from .weights import Weights

Affine = tuple[Tensor, ...]
Body = Callable[..., Tensor]


def separable(r: Tensor, pairs: Sequence[Pair], affines: Sequence[Affine], stride: int) -> Tensor:
    y = relu_(norm(conv(conv(r, pairs[0], stride), pairs[1]), affines[0]))
    return norm(conv(conv(y, pairs[2]), pairs[3]), affines[1])


def dilated(r: Tensor, pairs: Sequence[Pair], affines: Sequence[Affine], stride: int) -> Tensor:
    return norm(conv(conv(r, pairs[0], stride, dilation=2), pairs[1]), affines[0])


def halved(r: Tensor, pairs: Sequence[Pair], affines: Sequence[Affine], stride: int = 2) -> Tensor:
    """Factorized reduce, of even sizes."""
    odd = conv(r[:, :, 1:, 1:], pairs[1], stride)
    return norm(torch.cat([conv(r, pairs[0], stride), odd], 1), affines[0])


def pointwise(r: Tensor, pairs: Sequence[Pair], affines: Sequence[Affine], stride: int = 1) -> Tensor:
    return norm(conv(r, pairs[0], stride), affines[0])


def max_pool(x: Tensor, stride: int) -> Tensor:
    return F.max_pool2d(x, 3, stride, 1)


def average_pool(x: Tensor, stride: int) -> Tensor:
    return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


def normed_max_pool(x: Tensor, stride: int) -> Tensor:
    return norm(max_pool(x, stride))


def normed_average_pool(x: Tensor, stride: int) -> Tensor:
    return norm(average_pool(x, stride))


class Ways(NamedTuple):
    """How a block is run, and how it is added to a node with its weight q: region by region, or as it stands."""

    block: Callable[..., Tensor]
    mixed: Callable[..., Tensor]


def run(body: Body, *args: Any) -> Tensor:
    return body(*args)


def added_in_place(node: Tensor, q: Tensor, body: Body, *args: Any) -> Tensor:
    return node.add_(body(*args), alpha=float(q))


def added(node: Tensor, q: Tensor, body: Body, *args: Any) -> Tensor:
    return node + q * body(*args)


def ways(compiled: bool) -> Ways:
    """compiled: every block is a region of torch.compile, one compilation for each of its shapes."""
    if not compiled:
        return Ways(run, added_in_place)
    torch._dynamo.config.recompile_limit = 512
    torch._dynamo.config.accumulated_recompile_limit = 4096
    return Ways(torch.compile(run, dynamic=False), torch.compile(added, dynamic=False))


class Chosen(NamedTuple):
    """A body and its weights: body(x or r, *arguments)."""

    body: Body
    arguments: tuple[Any, ...]
    rectified: bool


def operation(weights: Weights, path: str, name: str, stride: int, lane: int, affine: bool) -> Chosen | None:
    """The operation `name` of the edge `path`; None for an identity. affine: the form of a chosen network."""

    def found(layers: str, norms: str) -> tuple[Any, ...]:
        pairs = [weights.pair(f"{path}.{name}.{layer}", lane) for layer in layers.split()]
        return pairs, [weights.affine(f"{path}.{n}") for n in norms.split()], stride

    match name[:3]:
        case "sep":
            layers, norms = "depthwise0 pointwise0 depthwise1 pointwise1", f"{name}.norm0 norm"
            return Chosen(separable, found(layers, norms), True)
        case "dil":
            return Chosen(dilated, found("depthwise pointwise", "norm"), True)
        case "ski":
            return Chosen(halved, found("even odd", "norm"), True) if stride == 2 else None
        case "max":
            return Chosen(max_pool if affine else normed_max_pool, (stride,), False)
        case _:
            return Chosen(average_pool if affine else normed_average_pool, (stride,), False)


def preprocessing(weights: Weights, path: str) -> Chosen:
    """ReLU, 1x1 convolution or factorized reduce, norm."""
    affines = [weights.affine(f"{path}.norm")]
    if weights.has(f"{path}.conv"):
        return Chosen(pointwise, ([weights.pair(f"{path}.conv")], affines), True)
    return Chosen(halved, ([weights.pair(f"{path}.conv.{half}") for half in ("even", "odd")], affines), True)
