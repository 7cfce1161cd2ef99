"""`check_gradients`: what it finds, what it lets through, and that it leaves the layer as it is."""

import numpy as np
import pytest
from bionas_cupy.engine.check import GradientError, check_gradients
from bionas_cupy.engine.errors import BionasError
from bionas_cupy.engine.parameter import Parameter, constant
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.norm import BatchNorm
from layer_builders import Array
from layer_cases import ready_model


class Tanh(Layer):
    """y = tanh(W x) ∘ g, g a gain; `wrong` names a mistake."""

    def __init__(self, wrong: str = "") -> None:
        self.linear, self.norm = Linear(4, 3, [make_rule("bp")]), BatchNorm(1)
        self._wrong = wrong

    def forward(self, x: Array, step: Step) -> Array:
        y = np.tanh(self.linear.forward(x, step))
        step.keep(self, y)
        return y.astype(np.float32) if self._wrong == "type" else y

    def backward(self, delta: Array, step: Step) -> Array:
        (y,) = step.take(self)
        slope = {"slope": 1.0, "sign": y**2 - 1}.get(self._wrong, 1 - y**2)
        below = self.linear.backward(delta * slope, step)
        if self._wrong == "weights":
            self.linear.W.grad *= 1.001
        if self._wrong == "nan":
            self.linear.W.grad[0, 0] = np.nan
        if self._wrong == "scale":
            below = below * 1.0001
        return below[:, :2] if self._wrong == "shape" else below


X = np.random.default_rng(3).standard_normal((6, 4))


def test_check_reports_every_tensor() -> None:
    report = check_gradients(Tanh(), X)
    assert set(report.errors) == {"x", "linear.W", "linear.b", "norm.gamma", "norm.beta"}
    assert max(report.errors.values()) < 1e-8
    assert "linear.W" in str(report)


@pytest.mark.parametrize("full", [0, 64])
@pytest.mark.parametrize(
    ("wrong", "tensors"),
    [
        ("slope", {"x", "linear.W", "linear.b"}),
        ("sign", {"x", "linear.W", "linear.b"}),
        ("weights", {"linear.W"}),
        ("nan", {"linear.W"}),
        ("scale", {"x"}),
    ],
)
def test_check_finds_what_is_wrong(wrong: str, tensors: set[str], full: int) -> None:
    with pytest.raises(GradientError, match="Tanh: backward disagrees") as caught:
        check_gradients(Tanh(wrong), X, full=full)
    assert set(caught.value.report.disagree) == tensors
    assert all(name in str(caught.value) for name in tensors)


class Gain(Layer):
    """y = g x, whose backward forgets g: right where g = 1."""

    def __init__(self) -> None:
        self.g = Parameter((1,), constant(1.0))

    def forward(self, x: Array, step: Step) -> Array:
        step.keep(self, x)
        return self.g.value * x

    def backward(self, delta: Array, step: Step) -> Array:
        self.g.grad += (delta * step.take(self)[0]).sum()
        return delta


def test_check_moves_off_special_weights() -> None:
    with pytest.raises(GradientError) as caught:
        check_gradients(Gain(), X)
    assert caught.value.report.disagree == ["x"]


@pytest.mark.parametrize(("wrong", "told"), [("type", "float32 for an input"), ("shape", "expected x's")])
def test_check_names_wrong_shapes_and_types(wrong: str, told: str) -> None:
    with pytest.raises(BionasError, match=told):
        check_gradients(Tanh(wrong), X)


def test_check_refuses_a_rule_that_is_no_gradient() -> None:
    layer = Conv(2, 3, 3, [make_rule("usf")])
    with pytest.raises(GradientError, match=": x "):
        check_gradients(layer, np.ones((2, 1, 2, 4, 4)))
    check_gradients(layer, np.ones((2, 1, 2, 4, 4)), step=Step(Key(0), exact=True))


def test_check_leaves_the_layer_as_it_is() -> None:
    layer = Tanh()
    model = ready_model(layer)
    before, names = model.arena.value.copy(), [p.name for p in model.arena.parameters]
    check_gradients(layer, X)
    assert np.array_equal(model.arena.value, before)
    assert not model.arena.grad.any()
    assert [p.name for p in model.arena.parameters] == names
    assert layer.norm.buffers["mean"].sum() == 0
