"""What each map of a chain is told by the rules that run whole networks, written from their papers.

Each gives x, delta, below and update (-ΔW) of every map that takes part. L is the mean over the batch's N samples.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from bionas_cupy.engine import random
from bionas_cupy.layers.model import Model
from one_step import Batch, normalised
from torch_numbers import Told, overheard
from torch_rules import Tensor, name_of, options_of, torch
from torch_synapse import Synapse

F = torch.nn.functional
Passes = Callable[[Any, Model, Batch, Mapping[str, str]], dict[Synapse, Told]]


def maps_of(net: torch.nn.Module) -> list[Synapse]:
    return [module for module in net.modules() if isinstance(module, Synapse)]


def pepita(net: Any, model: Model, batch: Batch, options: Mapping[str, str]) -> dict[Synapse, Told]:
    """-ΔW_l = (h_l - h'_l) ⊗ h'_{l-1}, of the last e ⊗ h'_{L-1}, h' where the input is x + F e: the mean over samples
    (Dellaferrera & Kreiman 2022). F Gaussian, of deviation 2 √(6/D) times `scale`; its numbers are data.
    """
    x, labels = normalised(model, batch, torch.float64).flatten(1), torch.from_numpy(batch.labels)
    D, K, N = x.shape[1], net.classifier.weight.shape[0], len(x)
    drawn = random.normal(model.key.to("rules").to("pepita/F"), (D, K), dtype=np.float64)
    projection = torch.from_numpy(drawn) * 2 * (6 / D) ** 0.5 * float(options.get("scale", 0.05))
    with torch.no_grad():
        first = activities(net, x)
        target = (1 - batch.smoothing) * F.one_hot(labels, K).double() + batch.smoothing / K
        e = first[-1].softmax(1) - target
        second = activities(net, x + e @ projection.T)
    told: dict[Synapse, Told] = {}
    for layer, synapse in enumerate(maps_of(net)):
        before = second[layer]
        moved = e if synapse is net.classifier else first[layer + 1] - second[layer + 1]
        told[synapse] = {
            "x": before,
            "delta": moved / N,
            "below": torch.zeros_like(before) if layer else None,
            "update": (moved[:, :, None] * before[:, None]).mean(0),
        }
    return told


def activities(net: Any, x: Tensor) -> list[Tensor]:
    """x, and the output of each block."""
    found = [x]
    for block in net.blocks():
        found.append(block(found[-1]))
    return found


def ff(net: Any, model: Model, batch: Batch, options: Mapping[str, str]) -> dict[Synapse, Told]:
    """Each hidden layer's own loss ln(1 + exp(θH - g⁺)) + ln(1 + exp(g⁻ - θH)), g = Σ h², by autograd; + the images
    with their label, - with a wrong one, which is data (Hinton 2022). A layer's input has a root mean square of 1.
    """
    images, labels = normalised(model, batch, torch.float64).flatten(1), torch.from_numpy(batch.labels)
    K, N = net.classifier.weight.shape[0], len(images)
    u = random.uniform(model.key.to("rules").to("ff/wrong", batch.update), (N,)).astype(np.float64)
    wrong = (labels + 1 + torch.from_numpy(u * (K - 1)).long()) % K
    h = torch.cat([labelled(images, labels, K), labelled(images, wrong, K)])
    sign = torch.cat([torch.ones(N), -torch.ones(N)]).double()
    with overheard() as told:
        for layer, block in enumerate(net.blocks()[:-1]):
            x = h / (h.square().mean(1, keepdim=True) + 1e-8).sqrt()
            h = block(x.detach().requires_grad_(layer > 0))
            threshold = float(options.get("theta", 0.1)) * h.shape[1]
            (F.softplus(sign * (threshold - h.square().sum(1))).sum() / N).backward()
    return told


def labelled(images: Tensor, labels: Tensor, K: int) -> Tensor:
    """The label in the first K pixels: the rest's largest magnitude at its class, 0 elsewhere."""
    rest = images[:, K:]
    return torch.cat([F.one_hot(labels, K) * rest.abs().amax(1, keepdim=True), rest], 1)


def pc(net: Any, model: Model, batch: Batch, options: Mapping[str, str]) -> dict[Synapse, Told]:
    """The activities go down the energy of the whole chain, by autograd; then the weights do, once (Whittington &
    Bogacz 2017): -ΔW = ∂F/∂W / (beta N).
    """
    images, labels = normalised(model, batch, torch.float64), torch.from_numpy(batch.labels)
    steps, step, beta = (float(options.get(n, d)) for n, d in (("steps", 20), ("step", 0.2), ("beta", 1)))

    def energy(hidden: list[Tensor]) -> Tensor:
        *mu, logits = (block(x) for block, x in zip(net.blocks(), [images, *hidden], strict=True))
        errors = sum((x - m).square().sum() / 2 for x, m in zip(hidden, mu, strict=True))
        loss = F.cross_entropy(logits, labels, label_smoothing=batch.smoothing, reduction="sum")
        return errors + beta * loss

    with torch.no_grad():
        hidden = activities(net, images)[1:-1]
    for _ in range(int(steps)):
        leaves = [x.detach().requires_grad_() for x in hidden]
        slopes = torch.autograd.grad(energy(leaves), leaves)
        hidden = [x - step * slope for x, slope in zip(leaves, slopes, strict=True)]
    with overheard() as told:
        leaves = [x.detach().requires_grad_() for x in hidden]
        (energy(leaves) / (beta * len(images))).backward()
    return told


PASSES: dict[str, Passes] = {"pepita": pepita, "ff": ff, "pc": pc}
NO_GRADIENT = ("ff",)  # the answer is a goodness: there are no logits that the loss could be taken of


def told_by(rule: str, net: Any, model: Model, batch: Batch) -> dict[Synapse, Told]:
    net.train()
    for synapse in maps_of(net):
        synapse.exact = False
    return PASSES[name_of(rule)](net, model, batch, options_of(rule))
