"""Several updates in a row against torch.optim, and evaluation with the statistics that they left."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.optim import SGD, Adam, clip_norm
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.schedule import learning_rate
from bionas_cupy.layers import lenet
from compare import CLASSES, EXACT, Case, images
from one_step import Arrays, distances, ours, theirs
from torch_models import LeNet
from torch_rules import torch
from twin import bind, buffers, parameters, twin_buffers, twin_parameters

pytestmark = pytest.mark.oracle

SIZE, RATE = (9, 11), 0.05
OPTIMISERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "nesterov": (
        lambda value: SGD(value, 0.9, weight_decay=3e-3, nesterov=True),
        lambda weights: torch.optim.SGD(weights, RATE, 0.9, weight_decay=3e-3, nesterov=True),
    ),
    "momentum": (lambda value: SGD(value, 0.8), lambda weights: torch.optim.SGD(weights, RATE, 0.8)),
    "plain": (lambda value: SGD(value, 0.0), lambda weights: torch.optim.SGD(weights, RATE)),
    "adam": (
        lambda value: Adam(value, (0.5, 0.999), weight_decay=1e-3),
        lambda weights: torch.optim.Adam(weights, RATE, (0.5, 0.999), weight_decay=1e-3),
    ),
}


@pytest.mark.parametrize("clip", [0.0, 0.5])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("rule", ["bp", "brsf"])
def test_three_updates_and_evaluation(rule: str, optimiser: str, clip: float) -> None:
    form = Case(
        lambda: lenet.LeNet(3, SIZE, CLASSES, lambda _: make_rule(rule)),
        lambda: LeNet(3, SIZE, CLASSES, lambda _: rule),
    )
    model = form.model(np.float64)
    net = bind(form.twin(), model, torch.float64)
    mine, its = OPTIMISERS[optimiser][0](model.arena.value), OPTIMISERS[optimiser][1](net.parameters())
    for update in range(3):
        batch = images(update, 4, SIZE, update=update)
        ours(model, batch)
        theirs(net, model, batch)
        norm = clip_norm(model.arena.grad, clip)
        if clip:
            assert norm > clip
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        mine.step(model.arena.grad, RATE)
        its.step()
        assert max(distances(weights(model), twin_weights(net)).values()) <= EXACT
    batch = images(9, 4, SIZE, training=False)
    reference = theirs(net, model, batch)
    assert max(distances(ours(model, batch), reference).values()) <= EXACT


def weights(model: Any) -> Arrays:
    return parameters(model, "value") | buffers(model)


def twin_weights(net: Any) -> Arrays:
    found = twin_parameters(net) | twin_buffers(net)
    return {name: x.detach().numpy() for name, x in found.items()}


def test_adam_in_float32() -> None:
    """As for α: small gradients of very different sizes, for a hundred updates."""
    random = np.random.default_rng(0)
    value = random.normal(0, 1e-3, (14, 20)).astype(np.float32)
    leaf = torch.from_numpy(value.copy()).requires_grad_()
    mine = Adam(value, (0.5, 0.999), weight_decay=1e-3)
    its = torch.optim.Adam([leaf], 3e-4, (0.5, 0.999), weight_decay=1e-3)
    sizes = 10.0 ** random.uniform(-9, 0, value.shape)
    for _ in range(100):
        grad = (sizes * random.normal(size=value.shape)).astype(np.float32)
        leaf.grad = torch.from_numpy(grad.copy())
        mine.step(grad, 3e-4)
        its.step()
    np.testing.assert_allclose(value, leaf.detach().numpy(), rtol=0, atol=1e-6)


EPOCHS = 50
SCHEDULES: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "cosine": ({"end": 0.001}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, EPOCHS, 0.001)),
    "linear": ({"end": 0.01}, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.01 / 0.1, EPOCHS)),
    "multistep": (
        {"milestones": (0.4, 0.6, 0.8), "gamma": 0.2},
        lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30, 40], 0.2),
    ),
    "constant": ({}, lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str) -> None:
    options, build = SCHEDULES[name]
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    schedule = build(optimiser)
    for epoch in range(EPOCHS):
        rate = learning_rate(name, epoch / EPOCHS, start=0.1, **options)
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        optimiser.step()
        schedule.step()


def test_warm_up() -> None:
    """Ten of fifty epochs from 0 up, then the cosine over the forty that are left."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40)
    for epoch in range(EPOCHS):
        rate = learning_rate("cosine", epoch / EPOCHS, start=0.1, warmup=0.2)
        warming = epoch < 10
        assert rate == pytest.approx(0.01 * epoch if warming else optimiser.param_groups[0]["lr"], rel=1e-9)
        if not warming:
            optimiser.step()
            cosine.step()
