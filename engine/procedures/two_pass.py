"""Two forward passes and no backward one: PEPITA and Forward-Forward, on a chain of linear layers and rectifiers."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from .. import random
from ..backend import Array, array_module, stack
from ..errors import UsageError
from ..kernels import philox
from ..kernels.product import product
from ..loss import correct, cross_entropy
from ..random import Key
from ..step import Step
from .whole import Block, answer, gradient


def check_blocks(blocks: Sequence[Block], name: str) -> None:
    """Raises UsageError unless each synapse is linear and directly followed by its rectifier."""
    if any(block.synapse.W.value.ndim != 2 for block in blocks) or len(blocks) < 2:
        raise UsageError(
            f'rule "{name}" compares the activities of linear layers, of two or more.', "Use mlp."
        )


def learn_from(block: Block, x: Array, delta: Array, step: Step) -> None:
    """The synapse's update, and its bias's, from these signals in the place of a backward pass; the last block's first,
    as in one."""
    step.keep(block.synapse, x[:, None])
    block.synapse.backward(delta, step)


class PepitaPasses:
    """h is a block's output; the last block's is the logits."""

    def __init__(self, blocks: Sequence[Block], rule: Any, key: Key) -> None:
        check_blocks(blocks, rule.name)
        self.blocks, self.rule, self.key = blocks, rule, key
        self._F: Array | None = None

    def logits(self, images: Array, step: Step) -> Array:
        return answer(self.blocks, images, step)

    def compare(self, images: Array, labels: Array, step: Step, smoothing: float) -> None:
        gradient(self.blocks, images, labels, step, smoothing)

    def learn(self, images: Array, labels: Array, step: Step, smoothing: float) -> tuple[Array, Array]:
        first = self._activities(images, step)
        loss, e = cross_entropy(first[-1], labels, smoothing)
        step.top, count = e, len(labels)
        moved = images + product(count * e, self._projection(images).T).reshape(images.shape)
        second = self._activities(moved, step)
        inputs = [moved.reshape(count, -1), *second[:-1]]
        deltas = [*((h - h_err) / count for h, h_err in zip(first[:-1], second[:-1], strict=True)), e]
        for block, x, delta in reversed(list(zip(self.blocks, inputs, deltas, strict=True))):
            learn_from(block, x, delta, step)
        return loss, correct(first[-1], labels)

    def _activities(self, images: Array, step: Step) -> list[Array]:
        found = [images]
        for block in self.blocks:
            found.append(block.forward(found[-1], step))
        return found[1:]

    def _projection(self, images: Array) -> Array:
        """F (D, K)."""
        if self._F is None:
            D, K = images[0].size, self.blocks[-1].synapse.W.shape[0]
            deviation = self.rule.scale * 2 * (6 / D) ** 0.5
            host = random.normal(self.key.to("pepita/F"), (D, K), deviation, images.dtype)
            self._F = array_module(images).asarray(host)
        return self._F


class ForwardForwardPasses:
    """Hidden blocks alone learn and answer."""

    def __init__(self, blocks: Sequence[Block], rule: Any, key: Key) -> None:
        check_blocks(blocks, rule.name)
        self.blocks, self.rule, self.key = list(blocks[:-1]), rule, key
        self.classes = int(blocks[-1].synapse.W.shape[0])

    def logits(self, images: Array, step: Step) -> Array:
        xp, columns = array_module(images), list[Array]()
        for k in range(self.classes):
            goodness = [g for _, g in self._layers(self._labelled(images, xp.full(len(images), k)), step)]
            columns.append(reduce(add, goodness[1:] or goodness))
        return stack(columns).T

    def compare(self, images: Array, labels: Array, step: Step, smoothing: float) -> None:
        """There is no gradient to compare with: the answer is a goodness, and each layer has a loss of its own."""

    def learn(self, images: Array, labels: Array, step: Step, smoothing: float) -> tuple[Array, Array]:
        """Each layer learns once, from the samples of both passes: the right labels' first."""
        xp, losses = array_module(images), list[Array]()
        right = list(self._layers(self._labelled(images, labels), step))
        wrong = list(self._layers(self._labelled(images, self._wrong(labels, step)), step))
        for block, *passes in reversed(list(zip(self.blocks, right, wrong, strict=True))):
            deltas = []
            for sign, ((_, h), g) in zip((1.0, -1.0), passes, strict=True):
                z = sign * (self.rule.theta * h.shape[1] - g)  # the pass wants it below 0
                losses.append(xp.logaddexp(0, z).mean() / len(self.blocks))
                slope = -sign * (1 + xp.tanh(z / 2)) / 2  # ∂/∂g
                deltas.append((slope[:, None] * 2 * h / len(h)).astype(h.dtype))
            learn_from(block, xp.concatenate([x for (x, _), _ in passes]), xp.concatenate(deltas), step)
        return reduce(add, losses), correct(self.logits(images, step), labels)

    def _labelled(self, images: Array, labels: Array) -> Array:
        """The label in the first K pixels: the image's largest magnitude for its class, 0 elsewhere."""
        xp, flat = array_module(images), images.reshape(len(images), -1).copy()
        flat[:, : self.classes] = 0
        flat[xp.arange(len(flat)), labels] = abs(flat).max(axis=1)
        return flat

    def _wrong(self, labels: Array, step: Step) -> Array:
        """Another label, uniformly drawn."""
        drawn = array_module(labels).empty(len(labels), "float32")
        u = philox.uniform(drawn, self.key.to("ff/wrong", step.update), clock=step.clock).astype("float64")
        wrong: Array = (labels + 1 + (u * (self.classes - 1)).astype("int64")) % self.classes
        return wrong

    def _layers(self, x: Array, step: Step) -> list[tuple[tuple[Array, Array], Array]]:
        """((x̂, h), g) of each layer, g (N,)."""
        xp, found = array_module(x), []
        for block in self.blocks:
            x = x / xp.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-8)
            h = block.forward(x, step)
            found.append(((x, h), (h * h).sum(axis=1)))
            x = h
        return found
