"""Scores of untrained networks, from one batch: larger is meant to be better (Abdelfattah et al. 2021 compare them).

    naswot     log |det Σ_l (c cᵀ + (1 − c)(1 − c)ᵀ)|, c (N, units) the signs of rectifier l   (Mellor et al. 2021)
    regions    how many different patterns of signs, of all rectifiers, the batch's squares of 4 × 4 pixels have
               (Chen et al. 2021, TE-NAS, with squares of 3 × 3 and one channel)
    synflow    log Σ |w ∂R/∂w|, R = Σ logits on an image of ones, all w replaced by |w|, norms by 1
               (Tanaka et al. 2020), in float64
    snip       Σ |w ∂L/∂w|                                                                  (Lee et al. 2019)
    grad_norm  Σ_layers ‖∂L/∂W‖
    jacov      −Σ_i (log(v_i + k) + 1/(v_i + k)), v the eigenvalues of the correlations of the rows of J, k = 1e-5,
               J_n = ∂(Σ logits)/∂x_n   (Mellor et al. 2020, the first version of their paper)
    gradient_correlation   log |det K|, K_ij = mean_k corr(J_ki, J_kj) · exp(−d_ij/4), J_kn = ∂(Σ_m logit_mk)/∂x_n,
               d_ij the mean squared difference of images i and j (after Reolon 2021: docs/searches.md)
    ntk        −log κ(J Jᵀ), J_n = ∂(Σ_k logit_nk)/∂w, κ the largest over the least eigenvalue   (Chen et al. 2021);
               of the first 8 images, with a backward pass for each
    ntk_constant   the same with the batch's statistics taken for constants: of a function of each image alone
    credit     the mean over layers of cos(−ΔW, ∂L/∂W): how far what each rule makes of the error is the gradient

L is the mean cross entropy. w are the weights of convolutions and linear layers, neither biases nor norms. Norms use
the statistics of the batch: with the running ones of an untrained network a score would be of another network. So a
sample's logit depends on the others, and J_n of `ntk` is what the whole batch's weights would be told by it. Where all
that the read-out averages comes out of norms, Σ_n J_n = 0 whatever the weights: then κ is infinite.
Values that do not exist (nothing reaches the output) are −∞.

"credit@10" is a score of a network that has learnt for 10 steps by its own rules; any score can be taken so.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..engine.errors import UsageError, did_you_mean
from ..engine.kernels.batchnorm import EPSILON
from ..engine.step import Step
from ..layers.norm import BatchNorm
from .look import Floats, Look

K = 1e-5
WORST = -np.inf
FEW = 8  # images that ntk looks at
SQUARE, SQUARES = 4, 1000  # pixels a side, and how many of them at most


def naswot(look: Look) -> float:
    kernel = np.zeros((len(look.x), len(look.x)))
    for signs in look.signs():
        c = signs.astype(np.float32)
        on = c @ c.T  # counts: exact in float32 below 2²⁴ units
        each = c.sum(axis=1, dtype=np.float64)
        kernel += 2.0 * on + c.shape[1] - each[:, None] - each
    return log_det(kernel)


def regions(look: Look) -> float:
    """A count, at most that of the squares, which wide networks reach: then it says nothing."""
    N, _, C, H, W = look.x.shape
    rows, columns = H // SQUARE, W // SQUARE
    cut = look.x[..., : rows * SQUARE, : columns * SQUARE].reshape(N, C, rows, SQUARE, columns, SQUARE)
    squares = cut.transpose(0, 2, 4, 1, 3, 5).reshape(-1, 1, C, SQUARE, SQUARE)[:SQUARES]
    of_squares = look.at(np.ascontiguousarray(squares), np.zeros(len(squares), np.int64))
    patterns = [np.packbits(signs, axis=1) for signs in of_squares.signs()]
    return float(len(np.unique(np.concatenate(patterns, axis=1), axis=0)))


def synflow(look: Look) -> float:
    assert look.double is not None
    model = look.double()
    np.abs(look.model.arena.value, out=model.arena.value)
    for norm in (layer for _, layer in model.network.walk() if isinstance(layer, BatchNorm)):
        norm.buffers["mean"][...], norm.buffers["variance"][...] = 0, 1 - EPSILON  # y = x
    step = Step(model.key.to("scores"), exact=True, training=False)
    logits = model.network.forward(np.ones((1, *look.x.shape[1:])), step)
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
    J = look.jacobian(np.ones_like(look.logits))
    if not J.std(axis=1).all():
        return WORST
    v = np.linalg.eigvalsh(np.corrcoef(J))
    return -float((np.log(v + K) + 1 / (v + K)).sum())


def gradient_correlation(look: Look) -> float:
    total: Floats = np.zeros((len(look.x), len(look.x)))
    for one in np.eye(look.logits.shape[1], dtype=look.logits.dtype):
        J = look.jacobian(np.tile(one, (len(look.x), 1)))
        if not J.std(axis=1).all():
            return WORST
        total += np.corrcoef(J)
    x = look.x.reshape(len(look.x), -1).astype(np.float64)
    length = (x * x).mean(axis=1)
    d = length[:, None] + length - 2 * (x @ x.T) / x.shape[1]
    return log_det(total / look.logits.shape[1] * np.exp(-d / 4))


def ntk(look: Look) -> float:
    few = look if len(look.x) <= FEW else look.at(look.x[:FEW], look.labels[:FEW])
    ones = np.ones_like(few.logits)
    return condition([few.weights_told(mask[:, None] * ones) for mask in np.eye(len(ones), dtype=ones.dtype)])


def ntk_constant(look: Look) -> float:
    with look.constant_statistics():
        looks = [look.alone(x[None]) for x in look.x[:FEW]]
        return condition([one.weights_told(np.ones_like(one.logits)) for one in looks])


def condition(rows: list[Floats]) -> float:
    """−log κ(J Jᵀ); −∞ where the least eigenvalue is rounding of J, which is as exact as its arrays."""
    J = np.stack(rows)
    v = np.linalg.eigvalsh(J.astype(np.float64) @ J.T)
    exact = max(len(J) * (10 * np.finfo(J.dtype).eps) ** 2, 100 * np.finfo(np.float64).eps)
    return float(np.log(v[0]) - np.log(v[-1])) if v[0] > exact * v[-1] else WORST


def credit(look: Look) -> float:
    """Of the rules that the layers have; 0 for one that changes nothing. The read-out, which every rule tells the
    exact error, is left out, and so is a layer that the exact error does not reach."""
    pairs = list(zip(look.gradients, look.told(), strict=True))[:-1]
    cosines = [cosine(exact.ravel(), told.ravel()) for exact, told in pairs if exact.any()]
    return float(np.mean(cosines)) if cosines else WORST


def cosine(a: Floats, b: Floats) -> float:
    """0 where one of them is 0."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0


def log_det(kernel: Floats) -> float:
    """log |det| of a matrix without negative eigenvalues; −∞ of a singular one."""
    sign, logarithm = np.linalg.slogdet(kernel)
    return float(logarithm) if sign > 0 else WORST


SCORES: dict[str, Callable[[Look], float]] = {
    "naswot": naswot,
    "regions": regions,
    "synflow": synflow,
    "snip": snip,
    "grad_norm": grad_norm,
    "jacov": jacov,
    "gradient_correlation": gradient_correlation,
    "ntk": ntk,
    "ntk_constant": ntk_constant,
    "credit": credit,
}


class Named(NamedTuple):
    """A score by its name: "credit@10" after so many steps of learning, "credit" before any."""

    score: Callable[[Look], float]
    steps: int


def parse_score(text: str) -> Named:
    """Raises UsageError for a name that is unknown, and for no number of steps."""
    name, at, steps = text.partition("@")
    if name not in SCORES:
        raise UsageError(f'score "{name}" is unknown.', did_you_mean(name, SCORES))
    if at and not (steps.isascii() and steps.isdigit() and int(steps) > 0):
        raise UsageError(f'score "{text}" names no number of steps.', f"Write {name}@10, or {name}.")
    return Named(SCORES[name], int(steps) if at else 0)
