"""Separable and dilated convolutions as fused halves: (norm, ReLU,) depthwise, pointwise, moments in one pass each.

Neither the depthwise outputs nor the rectified maps between two halves are kept: backward makes them again. A
supernet does not keep large maps between a half and the next one's norm either. So runs a body whose rules only
transport the error through feedback weights and learn by -δ ⊗ x, and any body in an exact pass. All others, and a
pass whose tape is kept for a tangent sweep, go layer by layer; both ways are the same mathematics.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..engine.backend import Array
from ..engine.kernels import channel, half
from ..engine.kernels.half import Below, Upstream
from ..engine.lanes import only_transports
from ..engine.step import Step
from .conv import Conv
from .layer import Layer, Sequential
from .norm import BatchNorm, Normed

LARGE = 1 << 18  # floats of a map from which its memory costs more than making it again


class Half(NamedTuple):
    norm: BatchNorm | None
    depthwise: Conv
    pointwise: Conv

    def forward(self, x: Array, normed: Normed | None) -> tuple[Array, Array, Array]:
        """y, its mean and its biased variance."""
        D, P = self.depthwise, self.pointwise
        W = D.laned(D.W.value), P.laned(P.W.value)
        return half.forward(x, *W, D.geometry, normed and normed.norm)


class Kept(NamedTuple):
    """What a half leaves for its backward: its input (None: make it again), and how that is normalised."""

    x: Array | None
    normed: Normed | None


class Halves(Sequential):
    """Layers in the order (norm,) depthwise, pointwise, and again; x (N, 1 or R, C, H, W), y (N, R, O, Ho, Wo)."""

    def __init__(self, thrifty: bool = False, **layers: Layer) -> None:
        """thrifty: make large maps of several lanes between two halves again rather than keep them, as a supernet has
        so many."""
        super().__init__(**layers)
        self._thrifty = thrifty
        self._halves = list(_halves(layers.values()))
        rules = [rule for part in self._halves for rule in (*part.depthwise.rules, *part.pointwise.rules)]
        self._only_transports = all(map(only_transports, rules))

    def fuses(self, step: Step) -> bool:
        return not step.keep_tape and (step.exact or self._only_transports)

    def forward_moments(self, x: Array, step: Step) -> tuple[Array, Array, Array]:
        """y, and its mean and biased variance (R, O) over images and positions."""
        if not self.fuses(step):
            y = self.forward(x, step)
            return y, *channel.moments(y)
        kept: list[Kept] = []
        mean = variance = x  # of what the first half reads: no norm asks for them
        for part in self._halves:
            normed = None if part.norm is None else part.norm.normed(mean, variance, x, step)
            kept.append(Kept(None if kept and self._remakes(x) else x, normed))
            if step.answers:
                self._tell_answer(part, x, normed and normed.norm, step)
            x, mean, variance = part.forward(x, normed)
        step.keep(self, kept)
        return x, mean, variance

    def backward_through(self, up: Upstream, into: Array, step: Step) -> None:
        """From δ = A·g + B·y + E, y what forward gave: the updates, and the error added to `into` of x's shape."""
        if self not in step.tape:
            into += self.backward(channel.combine(*up), step)
            return
        (kept,) = step.take(self)
        for i, part in reversed(list(enumerate(self._halves))):
            x, normed = self._input(i, kept), kept[i].normed
            found = self._backward(part, up, x, normed, into, step)
            if normed is not None and part.norm is not None:
                told = normed.norm.mean, normed.rstd, found.S0, found.S1
                up = Upstream(found.error, x, *part.norm.coefficients(*told, x, step))

    def _remakes(self, y: Array) -> bool:
        return self._thrifty and isinstance(y, np.ndarray) and y.shape[1] > 1 and y.size >= LARGE

    def _input(self, i: int, kept: Sequence[Kept]) -> Array:
        """What half i read; where it was not kept, made again in the same bits."""
        x = kept[i].x
        if x is not None:
            return x
        return self._halves[i - 1].forward(self._input(i - 1, kept), kept[i - 1].normed)[0]

    def _backward(
        self, part: Half, up: Upstream, x: Array, normed: Normed | None, into: Array, step: Step
    ) -> Below:
        D = part.depthwise.laned(part.depthwise.W.value)
        Db, Pb = part.depthwise.sending_weights(step), part.pointwise.sending_weights(step)
        norm = None if normed is None else normed.norm
        if step.probes:
            self._tell(part, up, x, norm, (Db, Pb), step)
        target = into if norm is None else None
        found = half.backward(up, x, D, Db, Pb, part.depthwise.geometry, norm, target, step.learn)
        if step.learn:
            part.depthwise.descend(found.dD)
            part.pointwise.descend(found.dP)
        return found

    def _tell(
        self,
        part: Half,
        up: Upstream,
        x: Array,
        norm: half.Norm | None,
        weights: tuple[Array, Array],
        step: Step,
    ) -> None:
        """For those who watch: both synapses' signals, by the maps. What the fused pass computes is not touched."""
        Db, Pb = weights
        z, h = _read(part, x, norm)
        delta = channel.combine(*up)
        for synapse, pre, B in ((part.pointwise, h, Pb), (part.depthwise, z, Db)):
            s = synapse.signals(pre, delta, step)
            s.note(range(synapse.lanes), "x", "delta")  # what the fused products read
            dW = -s.maps.outer(delta, pre) if step.learn else None
            below = s.maps.pull(delta, B)
            synapse.tell(s, below, dW, step)
            delta = below

    def _tell_answer(self, part: Half, x: Array, norm: half.Norm | None, step: Step) -> None:
        """For those who watch an evaluation."""
        z, h = _read(part, x, norm)
        part.depthwise.tell_answer(z, step)
        part.pointwise.tell_answer(h, step)


def _read(part: Half, x: Array, norm: half.Norm | None) -> tuple[Array, Array]:
    """What the depthwise convolution reads, and what the pointwise one does."""
    z = x if norm is None else channel.affine(x, norm.a, norm.b, relu=True)
    return z, part.depthwise.maps(z).push(z, part.depthwise.laned(part.depthwise.W.value))


def forward_moments(body: Layer, x: Array, step: Step) -> tuple[Array, Array, Array]:
    """The output of any body, and its moments (see Halves.forward_moments)."""
    if isinstance(body, Halves):
        return body.forward_moments(x, step)
    y = body.forward(x, step)
    return y, *channel.moments(y)


def backward_through(body: Layer, up: Upstream, into: Array, step: Step) -> None:
    """The backward of any body, from an error in parts (see Halves.backward_through)."""
    if isinstance(body, Halves):
        body.backward_through(up, into, step)
    else:
        into += body.backward(channel.combine(*up), step)


def _halves(layers: Iterable[Layer]) -> Iterable[Half]:
    norm: BatchNorm | None = None
    depthwise: Conv | None = None
    for layer in layers:
        if isinstance(layer, BatchNorm):
            norm = layer
        elif isinstance(layer, Conv) and depthwise is None:
            depthwise = layer
        elif isinstance(layer, Conv) and depthwise is not None:
            yield Half(norm, depthwise, layer)
            norm = depthwise = None
