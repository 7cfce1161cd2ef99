"""Every number that inspection gives of a step of a rule that runs the whole network, against PyTorch.

Each is written from its paper in torch_whole.py; the exact gradient beside it is autograd's, of a plain pass.
"""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.analysis.inspection import inspection
from bionas_cupy.engine.probe import watched
from bionas_cupy.engine.registry import make_rule, registered
from bionas_cupy.engine.step import Step
from bionas_cupy.layers import mlp
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.procedure import WHOLE
from compare import CLASSES, Case, images, steady
from inspected import Stirred, check, rows
from one_step import Batch, theirs
from test_plain_networks import SIZE
from test_plain_networks import case as plain
from torch_models import MLP
from torch_numbers import Numbers, by_name, overheard
from torch_rules import name_of, torch
from torch_whole import NO_GRADIENT, told_by
from twin import bind

pytestmark = pytest.mark.oracle

OPTIONS = {
    "pepita": ["pepita(scale=0.5)"],
    "ff": ["ff(theta=1)"],
    "pc": ["pc(steps=3;step=0.1;beta=0.2)", "pc(steps=100;step=0.3;beta=0.01)"],
}
RULES = {  # what is asked: by which procedure
    spec: kind.procedure
    for name, kind in registered().items()
    if kind.procedure in WHOLE
    for spec in (name, *OPTIONS.get(name, []))
}
ON_CONVOLUTIONS = [rule for rule, procedure in RULES.items() if procedure == "relaxation"]
PIXELS, HIDDEN = 3 * SIZE[0] * SIZE[1], (24, 16)


def perceptron(rule: str) -> Case:
    return Stirred(
        lambda: mlp.MLP(PIXELS, CLASSES, lambda _: make_rule(rule), HIDDEN),
        lambda: MLP(PIXELS, CLASSES, lambda _: rule, HIDDEN),
    )


def recorded(model: Model, batch: Batch) -> Numbers:
    """As a training makes the step."""
    procedure: Any = model.procedure
    model.arena.grad[...] = 0
    with inspection(histograms=False) as seen:
        step = Step(model.key.to("step"), batch.update)
        given = model.images(batch.images), batch.labels
        watched(
            lambda: procedure.learn(*given, step, batch.smoothing),
            lambda beside: procedure.compare(*given, beside, batch.smoothing),
            step,
        )
    return rows(seen.course, 0)


def reference(rule: str, case: Case, model: Model, batch: Batch) -> Numbers:
    net = bind(case.twin(), model, torch.float64)
    with overheard() as exact:
        theirs(net, model, batch._replace(exact=True))
    compared = {} if name_of(rule) in NO_GRADIENT else exact
    return by_name(net, told_by(rule, net, model, batch), compared)


def check_rule(rule: str, case: Case, batch: Batch, dtype: Any = np.float64) -> None:
    check(case, batch, dtype, recorded, lambda *given: reference(rule, *given))


@pytest.mark.parametrize("rule", RULES)
def test_a_perceptron(rule: str) -> None:
    check_rule(rule, perceptron(rule), images(1, 6, SIZE, smoothing=0.1, update=3))


@pytest.mark.parametrize("rule", RULES)
def test_a_perceptron_in_float32(rule: str) -> None:
    case = perceptron(rule)
    batch, _ = next(steady(case, lambda seed: images(seed, 6, SIZE, smoothing=0.1)))
    check_rule(rule, case, batch, np.float32)


@pytest.mark.parametrize("rule", ON_CONVOLUTIONS)
def test_lenet(rule: str) -> None:
    check_rule(rule, Stirred(*plain("lenet", {"*": rule})), images(1, 6, SIZE, smoothing=0.1, update=3))
