"""Adversarial images: each moved, by at most ε a pixel, to where the network errs more. Images are in [0, 1].

    FGSM    x + ε sign g                                                    (Goodfellow, Shlens & Szegedy 2015)
    PGD     x ← Π(x + a sign g), `steps` times, from a random point         (Madry et al. 2018)

g = ∂L/∂x of the cross-entropy is exact, whatever the rules by which the network learned: feedback would hide it.
Π clips to within ε of the image, and to [0, 1]. The model owns its normalisation, and g goes through it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..data.dataset import Images
from ..engine import random
from ..engine.backend import Array, array_module
from ..engine.errors import UsageError
from ..engine.loss import correct
from ..engine.procedures.two_pass import ForwardForwardPasses
from ..engine.random import Key
from ..engine.step import Step
from ..layers.model import Model
from .training import logits_of

BATCH = 250

Gradient = Callable[[Array, Array], Array]


class Attack(NamedTuple):
    """name: "fgsm" or "pgd". step, steps: of pgd alone; random_start: whether it starts within the ball."""

    name: str
    epsilon: float
    step: float = 0.01
    steps: int = 40
    random_start: bool = True

    def __call__(self, gradient: Gradient, images: Array, labels: Array, key: Key) -> Array:
        """Adversarial images (N, C, H, W) in [0, 1] of images and labels; gradient(images, labels) gives g."""
        xp = array_module(images)
        lowest, highest = xp.maximum(images - self.epsilon, 0), xp.minimum(images + self.epsilon, 1)
        if self.name == "fgsm":
            x: Array = xp.clip(images + self.epsilon * xp.sign(gradient(images, labels)), lowest, highest)
            return x
        x = images
        if self.random_start:
            noise = random.uniform(key, images.shape, -self.epsilon, self.epsilon, images.dtype)
            x = xp.clip(images + xp.asarray(noise), lowest, highest)
        for _ in range(self.steps):
            x = xp.clip(x + self.step * xp.sign(gradient(x, labels)), lowest, highest)
        return x


def direction(logits: Array, labels: Array) -> Array:
    """∂L/∂logits of each image's cross-entropy, over 1 - p of its label: (N, K) in float64.

    p - onehot vanishes by rounding where a network is sure, and with it the attack. Only signs of g are followed, so
    that each image's error may be scaled: softmax over the other classes, and -1 at the label.
    """
    xp = array_module(logits)
    rows, others = xp.arange(len(labels)), logits.astype(np.float64)
    others[rows, labels] = -np.inf
    exp = xp.exp(others - others.max(axis=1, keepdims=True))
    error: Array = exp / exp.sum(axis=1, keepdims=True)
    error[rows, labels] = -1.0
    return error


def gradient_of(model: Model) -> Gradient:
    """g of a trained model, each image's scaled as in `direction`. From now on its first layer sends an error too."""
    if isinstance(model.procedure, ForwardForwardPasses):
        raise UsageError(
            'rule "ff" answers by goodness, and its answer has no gradient here.', "Attack another network."
        )
    for _, layer in model.network.walk():
        layer.sends_error = True

    def gradient(images: Array, labels: Array) -> Array:
        step = Step(model.key.to("step"), training=False, learn=False, exact=True, probes=())
        x = model.images(images)
        logits = model.network.forward(x, step)
        error = direction(logits, labels).astype(logits.dtype)
        below = model.network.backward(error, step)
        std = array_module(below).asarray(model.normalise.buffers["std"], below.dtype)
        g: Array = below.reshape(images.shape) / std[:, None, None]
        return g

    return gradient


def accuracy_under(attack: Attack, model: Model, images: Images) -> float:
    """% of the images that are still classified rightly once they are moved; ε = 0 leaves them as they are."""
    if not (0 <= attack.epsilon <= 1 and 0 < attack.step <= 1 and attack.steps >= 1):
        raise UsageError(
            f"attack {attack.name}: epsilon is {attack.epsilon:g}, step {attack.step:g}, steps {attack.steps}; "
            "expected 0 to 1, above 0 and at most 1, and 1 or more."
        )
    gradient, hits = gradient_of(model), 0
    for start in range(0, len(images), BATCH):
        rows = images.take(np.arange(start, min(start + BATCH, len(images))))
        x = model.backend.asarray(np.divide(rows.images, 255, dtype=np.float32))
        labels = model.backend.asarray(rows.labels)
        if attack.epsilon:
            x = attack(gradient, x, labels, model.key.to("attack", index=start))
        hits += int(correct(logits_of(model, x), labels))
    return 100 * hits / len(images)
