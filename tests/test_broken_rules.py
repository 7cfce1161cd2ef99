"""A rule that breaks its contract is caught at once, with layer, rule and cure."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule import Maps, Rule, Signals
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from synapse_cases import (
    CASES,
    Array,
    close,
    one_pass,
    outer,
    prepare,
)


class Broken(Rule):
    name, reads, bits = "broken", ("x", "delta"), 0.0

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def feedback_weights(self, W: Array, state: Any) -> Array:
        if self.fault == "B":
            return W[:1]
        if self.fault == "W in place":
            W *= 0.5
        return W

    def update(self, maps: Maps, s: Signals) -> Array:
        if self.fault == "W in place later" and s.state.update > 9:
            s.W[...] *= 0.5
        if self.fault == "x in place":
            s.x[0] = 0.0
        if self.fault == "delta in place":
            s.delta[...] += 1
        dW: Array = -maps.outer(s.delta, s.x)
        return {"dW": dW[:, :1], "nan": dW * np.nan, "none": None, "complex": dW * 1j}.get(self.fault, dW)  # type: ignore[return-value]


BREAKING = {
    "B": r"`feedback_weights` gives \(1, .*expected \(4",
    "W in place": "`feedback_weights` changes W in place",
    "x in place": "`update` changes x in place",
    "delta in place": "`update` changes delta in place",
    "dW": r"`update` gives \(4, 1.*expected \(4, 3",
    "nan": "`update` gives NaN or infinity",
    "none": "`update` gives NoneType",
    "complex": "`update` gives complex128 .*expected float64. Give real",
}


@pytest.mark.parametrize("blended", [False, True])
@pytest.mark.parametrize("fault", BREAKING)
def test_a_broken_rule_is_caught_with_layer_rule_and_cure(fault: str, blended: bool) -> None:
    broken = Broken(fault)
    layer = Conv(3, 4, 3, [Blend([broken, make_rule("usf")]) if blended else broken])
    prepare(layer)
    layer.name = "cell0.conv"
    layer.attach(Key(1))
    with pytest.raises(UsageError, match=f'rule "broken.*{BREAKING[fault]}') as caught:
        one_pass(CASES["dense_3"], layer)
    assert '"cell0.conv"' in str(caught.value)
    assert caught.value.exit_code == 2


def test_w_is_watched_as_long_as_a_rule_is_not_this_packages_own() -> None:
    case = CASES["dense_3"]
    layer = prepare(case.build([Broken("W in place later")]))
    for update in range(10):
        one_pass(case, layer, update)
    with pytest.raises(UsageError, match="`update` changes W in place"):
        one_pass(case, layer, 10)


def test_a_sound_rule_of_that_kind_passes_and_signals_that_diverged_are_not_its_fault() -> None:
    case = CASES["dense_3"]
    t = one_pass(case, prepare(case.build([Broken("")])))
    assert close(-t.layer.W.grad, -outer(case, t.delta[0], t.x[0], t.layer.W.shape))
    layer = prepare(case.build([Broken("")]))
    step = Step(Key(0))
    y = layer.forward(case.x(), step)
    layer.backward(y * np.nan, step)
    assert np.isnan(layer.W.grad).all()
