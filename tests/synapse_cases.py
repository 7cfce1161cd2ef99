"""Every kind of weighted layer, and as a reference its dense matrix, written down tap by tap from the definition of a
convolution; no code of the engine takes part in it.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule import Rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.synapse import Synapse

Array = np.ndarray[Any, Any]
N, K = 3, 4


class Case(NamedTuple):
    """A weighted layer and the size of its input; kernel 0: linear, on channels·H·W inputs."""

    channels: int
    outputs: int
    kernel: int
    size: tuple[int, int] = (6, 5)
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    groups: int = 1
    lanes: int = 1
    shared: bool = False

    def build(self, rules: list[Rule]) -> Synapse:
        if self.kernel == 0:
            return Linear(self.inputs, self.outputs, rules)
        return Conv(
            self.channels,
            self.outputs,
            self.kernel,
            rules,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    @property
    def inputs(self) -> int:
        return self.channels * self.size[0] * self.size[1]

    def x(self) -> Array:
        """Without a lane axis for a linear layer, as its forward takes it."""
        shape = (self.inputs,) if self.kernel == 0 else (self.read, self.channels, *self.size)
        return np.random.default_rng(1).standard_normal((N, *shape))

    @property
    def read(self) -> int:
        """The lanes of the input."""
        return 1 if self.shared else self.lanes

    def flat(self, a: Array) -> Array:
        """(N, lanes, ...) or a linear layer's (N, D), as (lanes, N, D)."""
        return a.reshape(len(a), -1, a[0].size if self.kernel == 0 else a[0, 0].size).swapaxes(0, 1)


CASES = {
    "linear": Case(2, 5, 0, (2, 2)),
    "dense_1": Case(3, 4, 1),
    "dense_3": Case(3, 4, 3),
    "dense_5": Case(2, 3, 5, (7, 6)),
    "dense_2_unpadded": Case(3, 2, 2, (3, 4), padding=0),
    "stride_2_odd": Case(3, 4, 3, (7, 5), stride=2),
    "stride_2_even": Case(3, 4, 3, (6, 8), stride=2),
    "dilation_2": Case(3, 2, 3, (7, 6), dilation=2),
    "depthwise": Case(4, 4, 3, groups=4),
    "depthwise_5": Case(3, 3, 5, groups=3),
    "depthwise_stride_2": Case(4, 4, 3, (7, 6), stride=2, groups=4),
    "depthwise_dilation_2": Case(4, 4, 5, (7, 6), dilation=2, groups=4),
    "depthwise_stride_2_dilation_2": Case(4, 4, 3, (7, 8), stride=2, dilation=2, groups=4),
    "depthwise_times_2": Case(3, 6, 3, groups=3),
    "grouped": Case(4, 6, 3, groups=2),
    "grouped_stride_2": Case(6, 4, 3, (5, 7), stride=2, groups=2),
    "pointwise_stride_2_odd": Case(4, 3, 1, (5, 7), stride=2, padding=0),
    "pointwise_stride_2_even": Case(4, 3, 1, (6, 4), stride=2, padding=0),
    "lanes_dense": Case(3, 2, 3, lanes=3),
    "lanes_dense_shared": Case(3, 2, 3, lanes=3, shared=True),
    "lanes_depthwise_stride_2": Case(4, 4, 3, (7, 6), stride=2, groups=4, lanes=3),
    "lanes_depthwise_stride_2_shared": Case(4, 4, 3, (7, 6), stride=2, groups=4, lanes=3, shared=True),
    "lanes_pointwise": Case(4, 3, 1, (4, 3), lanes=3),
    "lanes_pointwise_shared": Case(4, 3, 1, (4, 3), lanes=3, shared=True),
    "lanes_grouped_dilated_shared": Case(4, 2, 3, dilation=2, groups=2, lanes=3, shared=True),
}
ON_EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
FEW = [CASES[n] for n in ("linear", "dense_3", "depthwise_stride_2", "lanes_dense_shared")]


@cache
def wiring(case: Case) -> Array:
    """(outputs, inputs): which entry of W joins an input to an output; -1 where none does."""
    if case.kernel == 0:
        return np.arange(case.outputs * case.inputs).reshape(case.outputs, -1)
    k, (H, W), s, d = case.kernel, case.size, case.stride, case.dilation
    p = d * (k - 1) // 2 if case.padding is None else case.padding
    rows, columns = (range(-p, n + p - d * (k - 1), s) for n in case.size)  # where a window begins
    C, outputs = case.channels // case.groups, case.outputs
    index = np.full((outputs, len(rows), len(columns), case.channels, H, W), -1)
    for o, c, a, b in np.ndindex(outputs, C, k, k):
        channel = o // (outputs // case.groups) * C + c
        for (i, top), (j, left) in ((r, q) for r in enumerate(rows) for q in enumerate(columns)):
            h, w = top + d * a, left + d * b
            if 0 <= h < H and 0 <= w < W:
                index[o, i, j, channel, h, w] = ((o * C + c) * k + a) * k + b
    return index.reshape(outputs * len(rows) * len(columns), -1)


def dense(case: Case, M: Array) -> Array:
    """One lane's M as a matrix (outputs, inputs)."""
    index = wiring(case)
    return np.where(index >= 0, M.ravel()[index], 0.0)


def outer(case: Case, delta: Array, x: Array, shape: tuple[int, ...]) -> Array:
    """Σ_n δ ⊗ x of one lane, gathered into the weight's shape."""
    index, product = wiring(case), delta.T @ x
    used = index >= 0
    return np.bincount(index[used], product[used], math.prod(shape)).reshape(shape)


class Told(NamedTuple):
    """One pass of a layer of its own: x, y, δ and the error below, (lanes, N, ...) flat; top (N, K)."""

    layer: Synapse
    x: Array
    y: Array
    delta: Array
    below: Array
    top: Array


def prepare(layer: Synapse, dtype: type = np.float64) -> Synapse:
    Model(layer, Normalise([0.0], [1.0]), Key(5), dtype)
    return layer


def one_pass(case: Case, layer: Synapse, update: int = 0, **options: Any) -> Told:
    rng, x = np.random.default_rng(2), case.x().astype(layer.W.value.dtype)
    top = rng.standard_normal((N, K)).astype(x.dtype)
    step = Step(Key(5, "step"), update, top=top, **{"modulator": np.array(0.7)} | options)
    y = layer.forward(x, step)
    delta = rng.standard_normal(y.shape).astype(x.dtype)
    below = layer.backward(delta, step)
    assert below.shape == x.shape
    assert below.dtype == x.dtype
    return Told(layer, *(case.flat(a) for a in (x, y, delta, below)), top)


def told(case: Case, spec: str, **options: Any) -> Told:
    return one_pass(case, prepare(case.build([make_rule(spec) for _ in range(case.lanes)])), **options)


def lanes_of(case: Case, a: Array) -> Array:
    """A weight-shaped array with its lane axis."""
    return a if case.lanes > 1 else a[None]


def sent_through(case: Case, t: Told, B: list[Array | None]) -> Array:
    """Bᵀ δ, summed over the lanes that share an input."""
    sent = np.stack([t.delta[r] @ dense(case, b) for r, b in enumerate(B) if b is not None])
    return sent.sum(0, keepdims=True) if case.shared else sent


def sent_directly(case: Case, t: Told) -> Array:
    """DFA: Bᵀ e, with each lane's own B (K, D)."""
    maps = [state.draw("direct", t.top, (K, t.x.shape[2]), 1.0) for state in t.layer.states]
    sent = np.stack([t.top @ B for B in maps])
    return sent.sum(0, keepdims=True) if case.shared else sent


def close(a: Array, b: Array, tolerance: float = 1e-10) -> bool:
    return a.shape == b.shape and bool(np.linalg.norm(a - b) <= tolerance * max(np.linalg.norm(b), 1e-300))


def angle(u: Array, v: Array) -> float:
    """In degrees."""
    u, v = (a.ravel().astype(np.float64) / np.linalg.norm(a.astype(np.float64)) for a in (u, v))
    return math.degrees(2 * math.atan2(np.linalg.norm(u - v), np.linalg.norm(u + v)))


def competition(W: Array, x: Array) -> Array:
    """Eq. 1 of Inoue et al. 2026, one group and patch: the rectified z-score of |W x| over units, scaled to [0, 1]."""
    size = abs(W @ x)
    if not size.std() > 0:
        return np.zeros(len(W))
    z: Array = np.maximum((size - size.mean()) / size.std(), 0)
    return z / z.max()


def patches_of(case: Case, x: Array) -> list[list[Array]]:
    """For each group, its patches (D,), zeros where padding lies: one for each sample and position."""
    index, units = wiring(case), case.outputs // case.groups
    entries = case.inputs if case.kernel == 0 else case.channels // case.groups * case.kernel**2
    rows = index.reshape(case.outputs, -1, index.shape[1])
    found = []
    for group in range(case.groups):
        o = group * units  # the units of a group see the same patches
        patches = []
        for sample in x:
            for row in rows[o]:
                patch = np.zeros(entries)
                patch[row[row >= 0] - o * entries] = sample[row >= 0]
                patches.append(patch)
        found.append(patches)
    return found
