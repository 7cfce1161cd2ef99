"""What an operation asks of a machine: arithmetic, and memory traffic with every array moved as rarely as can be.

A multiply-add counts two. Traffic counts the feature maps, float32; weights and sums are small beside them. A
batch norm's moments need the whole of y before any of it is used, so y is read once more, forward and backward.
A half of a convolution makes its depthwise output again in backward: that costs less than its memory.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..layers.skeleton import plan

FLOAT = 4


class Work(NamedTuple):
    """flops, and bytes moved."""

    flops: float
    bytes: float

    def plus(self, *others: "Work") -> "Work":
        return Work(self.flops + sum(o.flops for o in others), self.bytes + sum(o.bytes for o in others))


class Pass(NamedTuple):
    """An operation forward and backward."""

    forward: Work
    backward: Work


NOTHING = Pass(Work(0, 0), Work(0, 0))


class Maps(NamedTuple):
    """Feature maps of one lane: N images, C channels, S x S."""

    N: int
    C: int
    S: int

    def numbers(self, stride: int = 1) -> int:
        return self.N * self.C * (-(-self.S // stride)) ** 2

    def of(self, C: int, stride: int = 1) -> "Maps":
        return Maps(self.N, C, -(-self.S // stride))


def conv(x: Maps, outputs: int, kernel: int, stride: int = 1, sends: bool = True) -> Pass:
    """A dense convolution and the norm behind it. sends=False: on the data."""
    inside, outside = x.numbers(), x.of(outputs, stride).numbers()
    flops = 2 * kernel**2 * x.C * outside
    forward = Work(flops, FLOAT * (inside + outside))
    if not sends:
        return Pass(forward, Work(flops, FLOAT * (inside + 2 * outside)))
    return Pass(forward, Work(2 * flops, FLOAT * (2 * inside + 2 * outside)))


def halves(x: Maps, kernel: int, stride: int, lanes: int, count: int) -> Pass:
    """A dilated (count 1) or separable (2) convolution with R lanes on one x."""
    y, node = lanes * x.numbers(stride), x.numbers(stride)
    depthwise, pointwise = 2 * kernel**2 * y, 2 * x.C * y
    between = count - 1  # feature maps that one half hands to the other
    forward = Work(count * (depthwise + pointwise), FLOAT * (x.numbers() + 2 * between * y + 2 * y))
    moved = (
        node + 2 * y + 4 * between * y + 2 * x.numbers()
    )  # the norm's sums come before its error: both once more
    return Pass(forward, Work(count * (3 * depthwise + 2 * pointwise), FLOAT * moved))


def pool(x: Maps, stride: int) -> Pass:
    """A 3 x 3 pool and its norm, and the way back."""
    inside, outside = x.numbers(), x.numbers(stride)
    moved = Work(9 * outside, FLOAT * (inside + 3 * outside))
    return Pass(moved, moved)


def reading(x: Maps, stride: int) -> Pass:
    """What a node takes of a map that needs no weights, and what it sends back."""
    outside = x.numbers(stride)
    return Pass(Work(2 * outside, FLOAT * outside), Work(2 * outside, FLOAT * 2 * outside))


def edge(x: Maps, stride: int) -> Pass:
    """The node that the operations of an edge add to, and its error, each read once for all of them."""
    node = x.numbers(stride)
    return Pass(Work(0, FLOAT * 2 * node), Work(0, FLOAT * node))


def operation(name: str, x: Maps, stride: int, lanes: int) -> Pass:
    """A candidate of the DARTS space, a pool's norm left to `pool`; lanes: the rules of a convolution."""
    match name[:3]:
        case "sep" | "dil":
            return halves(x, int(name[-1]), stride, lanes, 2 if name.startswith("sep") else 1)
        case "ski" if stride == 2:
            return conv(x, x.C, 1, 2)  # two convolutions, each to half of the channels
        case "ski" | "max" | "avg":
            return reading(x, stride)
        case _:
            return NOTHING


def total(passes: Sequence[Pass]) -> Work:
    """Forward and backward of all."""
    return Work(0, 0).plus(*(work for each in passes for work in each))


def supernet(
    batch: int,
    size: int,
    channels: int,
    cells: int,
    rules: Sequence[str],
    operations: Sequence[str],
    weights: str,
) -> Work:
    """A weight step. With shared weights a convolution has one lane."""
    lanes = len(rules) if weights == "own" else 1
    edges = [(j, list(operations)) for i in range(4) for j in range(i + 2)]
    return network(batch, size, channels, cells, {False: edges, True: edges}, lanes)


def network(
    batch: int,
    size: int,
    channels: int,
    cells: int,
    edges: dict[bool, list[tuple[int, list[str]]]],
    lanes: int,
) -> Work:
    """Stem, then cells with these edges (source, operations); a state's pools are made once for all its edges."""
    older = last = Maps(batch, 3 * channels, size)
    found = [conv(Maps(batch, 3, size), 3 * channels, 3, sends=False)]
    for p in plan(cells, channels, {False: 4, True: 4}):
        found += [conv(older, p.channels, 1, 2 if p.halve else 1), conv(last, p.channels, 1)]
        x, below = last.of(p.channels), last.of(p.channels, 2 if p.reduction else 1)
        pooled = set[tuple[int, str]]()
        for source, names in edges[p.reduction]:
            read, stride = x if source < 2 else below, 2 if p.reduction and source < 2 else 1
            found += [edge(read, stride), *(operation(name, read, stride, lanes) for name in names)]
            pools = {(source, name) for name in names if name.endswith("pool_3x3")} - pooled
            found += [pool(read, stride)] * len(pools)
            pooled |= pools
        older, last = last, below.of(4 * p.channels)
    return total(found)


def resnet20(batch: int, size: int) -> Work:
    """A training step of ResNet-20; the classifier is left out."""
    x = Maps(batch, 16, size)
    found = [conv(Maps(batch, 3, size), 16, 3, sends=False)]
    for width in (16, 16, 16, 32, 32, 32, 64, 64, 64):
        stride = 2 if width > x.C else 1
        found.append(conv(x, width, 3, stride))
        x = x.of(width, stride)
        found.append(conv(x, width, 3))
    return total(found)


def training(form: dict[str, Any]) -> Work:
    """A training step of DARTS_V2's network (its auxiliary head left out) or of ResNet-20."""
    from .ours.models import DARTS_V2

    if form["network"] == "resnet":
        return resnet20(form["batch"], form["size"])
    edges = {kind: [(source, [name]) for source, name in DARTS_V2[kind]] for kind in (False, True)}
    return network(form["batch"], form["size"], form["channels"], form["cells"], edges, 1)


def half(form: dict[str, Any]) -> Work:
    """One fused half in one direction, without the mixture: x, y, and in backward the error above, are read once.

    Without a norm the error below is added to what is there: read and written. Of a strided and dilated kernel's
    image every other row is left alone.
    """
    x, R = Maps(form["batch"], form["channels"], form["size"]), form["lanes"]
    inside, y = x.numbers() * (R if form["inner"] else 1), R * x.numbers(form["stride"])
    inside //= 2 if form["stride"] == form["dilation"] == 2 else 1
    above = y if form["inner"] else x.numbers(form["stride"])
    depthwise, pointwise = 2 * form["kernel"] ** 2 * y, 2 * x.C * y
    if form["direction"] == "forward":
        return Work(depthwise + pointwise, FLOAT * (inside + y))
    return Work(3 * depthwise + 2 * pointwise, FLOAT * (above + y + (2 if form["inner"] else 3) * inside))


def hebbian(form: dict[str, int]) -> Work:
    """y = W x and ΔW: two products of matrices; W is read and ΔW written."""
    positions = (form["size"] - form["kernel"] + 1) ** 2 if "kernel" in form else 1
    seen = form["inputs"] * form.get("kernel", 1) ** 2
    numbers = form["batch"] * (form["inputs"] * form.get("size", 1) ** 2 + form["units"] * positions)
    flops = 2 * 2 * form["batch"] * positions * seen * form["units"]
    return Work(flops, FLOAT * (numbers + 2 * form["units"] * seen))
