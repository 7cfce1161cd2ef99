"""The activation of a layer and its update by the normalised Hebbian rule: y = W x, ΔW = ⟨y/‖y‖ ⊗ x/‖x‖⟩."""

from typing import Any, NamedTuple

import numpy as np

from ...engine.backend import Array
from ...engine.random import uniform
from ...engine.registry import make_rule
from ...engine.step import Step
from ...layers.conv import Conv
from ...layers.layer import Layer
from ...layers.linear import Linear
from ...layers.model import Model
from ...layers.norm import Normalise
from ..subject import Subject
from .models import KEY

RULE = "hebbian(rate=1)"


class Layered(NamedTuple):
    """A layer in its model, and a batch of its inputs: (N, D), or (N, C, S, S) for a convolution."""

    model: Model
    layer: Any
    x: Array


def layered(inputs: int, units: int, batch: int, kernel: int = 0, size: int = 0) -> Layered:
    """`units` on `inputs` numbers; with a kernel, `units` filters on images of `inputs` channels."""
    layer: Layer = (
        Conv(inputs, units, kernel, [make_rule(RULE)], padding=0)
        if kernel
        else Linear(inputs, units, [make_rule(RULE)], bias=False)
    )
    layer.sends_error = False
    shape = (batch, inputs, size, size) if kernel else (batch, inputs)
    return Layered(Model(layer, Normalise((0.0,), (1.0,)), KEY), layer, uniform(KEY.to("x"), shape))


def build(**form: int) -> Subject:
    model, layer, x = layered(**form)
    x = x[:, None] if x.ndim == 4 else x
    no_error = np.zeros_like(layer.forward(x, Step(KEY)))  # the rule reads none

    def step() -> dict[str, float]:
        now = Step(KEY)
        model.arena.grad.fill(0)
        layer.forward(x, now)
        layer.backward(no_error, now)
        return {"update_norm": float(model.arena.norm())}

    return Subject(step)
