"""A rule on one lane of an operation, beside back-propagation on the others: what a search does with it."""

from collections.abc import Iterator

import numpy as np

from ..engine.backend import Array
from ..engine.random import Key
from ..engine.registry import make_rule
from ..engine.step import Step
from ..layers.synapse import Synapse
from .finding import Finding
from .rule_contract import Make
from .rule_meeting import KEY, KINDS, Kind, N, drawn, everywhere, made_ready

LANE = 1


def beside_others(make: Make) -> Iterator[Finding]:
    """On a lane beside other rules, the rule learns and sends what it does alone."""
    wrong = next((name for name, kind in KINDS.items() if kind.kernel and differs_in_lanes(make, kind)), "")
    if wrong:
        cure = "Use only what `maps` and the signals give: their shapes are those of the one lane."
        yield Finding("lanes", "fail", f"beside bp it learns or sends something else on {wrong}.", cure)
    else:
        yield Finding("lanes", "pass", "beside other rules on an edge it does what it does alone")


def differs_in_lanes(make: Make, kind: Kind) -> bool:
    """Whether lane 1 of three gives another update or another error than the rule gives alone."""
    together = made_ready(kind.build([make_rule("bp"), make(), make_rule("bp")]), np.float64)
    alone = made_ready(kind.build([make()]), np.float64)
    alone.W.value[...] = together.W.value[LANE]
    alone.states = [together.states[LANE]]
    x = np.maximum(drawn("x", (N, 3, *kind.image), np.float64), 0)
    y, below = _pass(together, x)
    _, expected = _pass(alone, x[:, [LANE]], y)
    return not (
        np.allclose(below[:, [LANE]], expected, rtol=1e-9, atol=1e-12)
        and np.allclose(together.W.grad[LANE], alone.W.grad, rtol=1e-9, atol=1e-12)
    )


def _pass(layer: Synapse, x: Array, delta: Array | None = None) -> tuple[Array, Array]:
    """(delta, error below)."""
    step = Step(Key(0, KEY.purpose), **everywhere(x.dtype))
    y = layer.forward(x, step)
    delta = drawn("delta", y.shape, y.dtype) if delta is None else delta[:, [LANE]]
    return delta, layer.backward(delta.copy(), step)
