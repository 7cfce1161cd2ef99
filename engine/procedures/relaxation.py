"""Relaxation: the activities settle under the loss, then every synapse learns from its own prediction error.

    F = Σ_n ½ Σ_{l<L} ‖x_l - μ_l‖² + beta·L_n(μ_L),    μ_l = f_l(x_{l-1}),    ε_l = x_l - μ_l
    x_l ← x_l - step·∂F/∂x_l,    ∂F/∂x_l = ε_l - J_{l+1}ᵀ ε_{l+1}             (J_Lᵀ (-beta ∂L/∂μ_L) at the top)
    ΔW = -∂F/∂W / beta, the mean over samples

f_l is a synapse and what follows it; x_l starts at its prediction μ_l, x_0 is the image. Batch norm uses the batch's
statistics and follows those of the first, undisturbed pass.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..backend import Array
from ..loss import correct, cross_entropy
from ..step import Step
from .whole import Block, answer, gradient


class Relaxation:
    """`rule` gives steps, step and beta; all blocks learn by it."""

    def __init__(self, blocks: Sequence[Block], rule: Any) -> None:
        self.blocks, self.rule = blocks, rule

    def logits(self, images: Array, step: Step) -> Array:
        return answer(self.blocks, images, step)

    def compare(self, images: Array, labels: Array, step: Step, smoothing: float) -> None:
        gradient(self.blocks, images, labels, step, smoothing)

    def learn(self, images: Array, labels: Array, step: Step, smoothing: float) -> tuple[Array, Array]:
        x = self._forward([images], step)
        loss, hits = cross_entropy(x[-1], labels, smoothing)[0], correct(x[-1], labels)
        x = x[:-1]
        for _ in range(int(self.rule.steps)):
            slopes = self._slopes(x, labels, smoothing, self._passing(step, learn=False))
            x = [x[0], *(a - a.dtype.type(self.rule.step) * g for a, g in zip(x[1:], slopes, strict=True))]
        self._slopes(x, labels, smoothing, self._passing(step, learn=True))
        return loss, hits

    def _forward(self, x: list[Array], step: Step) -> list[Array]:
        for block in self.blocks:
            x.append(block.forward(x[-1], step))
        return x

    def _passing(self, step: Step, learn: bool) -> Step:
        return replace(step, learn=learn, track=False, tape={}, probes=step.probes if learn else ())

    def _slopes(self, x: list[Array], labels: Array, smoothing: float, step: Step) -> list[Array]:
        """∂F/∂x_l of the hidden activities (l = 1 ... L-1); updates into the gradients where step.learn."""
        mu = [block.forward(a, step) for block, a in zip(self.blocks, x, strict=True)]
        scale = 1 / (self.rule.beta * len(labels))  # of F's errors, as a learning step wants them
        _, e = cross_entropy(mu[-1], labels, smoothing)
        step.top = e
        errors = [
            *(a - m for a, m in zip(x[1:], mu, strict=False)),
            -e / scale,
        ]  # ε_l; at the top -beta ∂L/∂μ
        below = [
            block.backward((-error * scale).astype(error.dtype), step)
            for block, error in reversed(list(zip(self.blocks, errors, strict=True)))
        ]  # the last block's first, as in a backward pass
        return [error + down / scale for error, down in zip(errors[:-1], below[-2::-1], strict=True)]
