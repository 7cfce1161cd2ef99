"""Scores of untrained networks, from one batch: larger is meant to be better (Abdelfattah et al. 2021 compare them).

    naswot     log |det Σ_l (c cᵀ + (1 − c)(1 − c)ᵀ)|, c (N, units) the signs of rectifier l   (Mellor et al. 2021)
    synflow    Σ |w ∂R/∂w|, R = Σ logits on an image of ones, all w replaced by |w|, norms by 1   (Tanaka et al. 2020)
    snip       Σ |w ∂L/∂w|                                                                  (Lee et al. 2019)
    grad_norm  Σ_layers ‖∂L/∂W‖
    jacov      −Σ_i (log(v_i + k) + 1/(v_i + k)), v the eigenvalues of the correlations of the rows of J, k = 1e-5,
               J_n = ∂(Σ logits)/∂x_n   (Mellor et al. 2020, the first version of their paper)
    ntk        −log κ(J Jᵀ), J_n = ∂(Σ_k logit_nk)/∂w, κ the largest over the least eigenvalue   (Chen et al. 2021)
    credit     the mean over layers of cos(−ΔW, ∂L/∂W): how far what each rule makes of the error is the gradient

L is the mean cross entropy. w are the weights of convolutions and linear layers, neither biases nor norms. Norms use
the statistics of the batch: with the running ones of an untrained network a score would be of another network. So a
sample's logit depends on the others, and J_n of `ntk` is what the whole batch's weights would be told by it.
Values that do not exist (nothing reaches the output) are −∞.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import Array
from ..engine.kernels.batchnorm import EPSILON
from ..engine.loss import cross_entropy
from ..engine.step import Step
from ..layers.model import Model
from ..layers.norm import BatchNorm
from ..layers.pointwise import ReLU

Floats = NDArray[np.float64]
K = 1e-5
WORST = -np.inf


class Look:
    """One forward pass of an untrained network, and what its scores share of it. Nothing of it remains in the model.

    x (N, 1, C, H, W) as the network takes it, labels (N,). The first layer is made to send its error to the images.
    """

    def __init__(self, model: Model, x: Array, labels: NDArray[np.int64]) -> None:
        self.model, self.x, self.labels = model, x, labels
        model.synapses[0].sends_error = True
        self.step = Step(model.key.to("scores"), exact=True, track=False, keep_tape=True)
        self.logits = model.network.forward(x, self.step)

    @cached_property
    def error(self) -> Array:
        """∂L/∂logits."""
        return cross_entropy(self.logits, self.labels)[1]

    @cached_property
    def gradients(self) -> list[Floats]:
        """∂L/∂W of each synapse."""
        self.backward(self.error)
        return [s.W.grad.astype(np.float64) for s in self.model.synapses]

    def backward(self, delta: Array, step: Step | None = None) -> Array:
        """∂(Σ delta · logits)/∂x, and the same by every weight into its gradient."""
        self.model.arena.grad.fill(0)
        return self.model.network.backward(delta, step or self.step)


def naswot(look: Look) -> float:
    kernel = np.zeros((len(look.x), len(look.x)))
    for y in rectified(look.model, look.step):
        c = (y.reshape(len(y), -1) > 0).astype(np.float32)
        on = c @ c.T  # counts: exact in float32 below 2²⁴ units
        each = c.sum(axis=1, dtype=np.float64)
        kernel += 2.0 * on + c.shape[1] - each[:, None] - each
    sign, logarithm = np.linalg.slogdet(kernel)
    return float(logarithm) if sign > 0 else WORST


def rectified(model: Model, step: Step) -> Iterator[Array]:
    """What every rectifier gave, in the order of the layers."""
    for _, layer in model.network.walk():
        if layer in step.tape and isinstance(layer, ReLU):
            yield step.tape[layer][0]
        elif layer in step.tape and isinstance(layer, BatchNorm) and layer.relu:
            yield step.tape[layer][3]


def synflow(model: Model, shape: tuple[int, int, int]) -> float:
    """log of the sum, of a model in float64: R is a product over all layers. The model is spent."""
    np.abs(model.arena.value, out=model.arena.value)
    for norm in (layer for _, layer in model.network.walk() if isinstance(layer, BatchNorm)):
        norm.buffers["mean"][...], norm.buffers["variance"][...] = 0, 1 - EPSILON  # y = x
    step = Step(model.key.to("scores"), exact=True, training=False)
    logits = model.network.forward(np.ones((1, 1, *shape)), step)
    model.arena.grad.fill(0)
    model.network.backward(np.ones_like(logits), step)
    found = sum(float(np.abs(s.W.value * s.W.grad).sum()) for s in model.synapses)
    return float(np.log(found)) if found > 0 else WORST


def snip(look: Look) -> float:
    pairs = zip(look.model.synapses, look.gradients, strict=True)
    return sum(float(np.abs(s.W.value * g).sum()) for s, g in pairs)


def grad_norm(look: Look) -> float:
    return sum(float(np.linalg.norm(g)) for g in look.gradients)


def jacov(look: Look) -> float:
    J = look.backward(np.ones_like(look.logits)).reshape(len(look.x), -1).astype(np.float64)
    if not J.std(axis=1).all():
        return WORST
    v = np.linalg.eigvalsh(np.corrcoef(J))
    return -float((np.log(v + K) + 1 / (v + K)).sum())


def ntk(look: Look) -> float:
    """One backward pass a sample: look at few."""
    J = np.zeros((len(look.x), sum(s.W.size for s in look.model.synapses)), np.float32)
    for n, row in enumerate(J):
        one = np.zeros_like(look.logits)
        one[n] = 1
        look.backward(one)
        row[...] = np.concatenate([s.W.grad.ravel() for s in look.model.synapses])
    v = np.linalg.eigvalsh(J.astype(np.float64) @ J.T)
    return float(np.log(v[0]) - np.log(v[-1])) if v[0] > 0 else WORST


def credit(look: Look) -> float:
    """Of the rules that the layers have. The read-out, which every rule tells the exact error, is left out."""
    exact = [g.ravel() for g in look.gradients[:-1]]
    look.backward(look.error, replace(look.step, exact=False, top=look.error))
    told = [s.W.grad.astype(np.float64).ravel() for s in look.model.synapses[:-1]]
    lengths = [float(np.linalg.norm(a) * np.linalg.norm(b)) for a, b in zip(exact, told, strict=True)]
    cosines = [float(a @ b) / n for a, b, n in zip(exact, told, lengths, strict=True) if n > 0]
    return float(np.mean(cosines)) if cosines else WORST


SCORES: dict[str, Callable[[Look], float]] = {
    "naswot": naswot,
    "snip": snip,
    "grad_norm": grad_norm,
    "jacov": jacov,
    "ntk": ntk,
    "credit": credit,
}
