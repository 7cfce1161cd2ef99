"""Fused halves and the same body layer by layer: one mathematics, with the same records for those who watch."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.lanes import Blend, only_transports
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.halves import Halves
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.mixed import MixedEdge, OperationLanes
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.source import Errors, Readings

import bionas_cupy as bn

Array = Any
OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
LANES = {"transports": ["fa", "usf", "brsf", "frsf"], "bp": ["bp"], "blend": ["blend"]}


def edge(rules: list[str], stride: int, dtype: Any = np.float64) -> MixedEdge:
    made = [Blend([make_rule("usf"), make_rule("bp")], [0.3, 0.7])] if rules == ["blend"] else None
    lanes = made or [make_rule(rule) for rule in rules]
    mixed = MixedEdge(4, stride, [OperationLanes(name, lanes) for name in OPERATIONS])
    Model(mixed, Normalise([0.0], [1.0]), Key(3), dtype)
    return mixed


def run(mixed: MixedEdge, step: Step, dtype: Any = np.float64) -> dict[str, Array]:
    """Node, ∂L/∂q, error below, and every gradient by name."""
    random = np.random.default_rng(5)
    x = random.standard_normal((3, 1, 4, 9, 9)).astype(dtype)
    rectified, q = np.maximum(x, 0), random.random(mixed.lanes)
    node = np.zeros((3, 1, 4, -(-9 // mixed.stride), -(-9 // mixed.stride)), dtype)
    for _, layer in mixed.walk():
        for _, parameter in layer.parameters():
            parameter.grad[...] = 0
    mixed.add_to(node, Readings(x, rectified, {}), q, step)
    below = np.zeros_like(x)
    errors = Errors(np.zeros_like(x), below, below, {})  # the teams one after the other
    dq = mixed.backward_to(random.standard_normal(node.shape).astype(dtype), errors, step)
    grads = {p.name: p.grad.copy() for _, layer in mixed.walk() for _, p in layer.parameters()}
    return {"node": node, "dq": dq, "below": below} | grads


def layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Halves, "fuses", lambda self, step: False)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("learn", [False, True])
def test_fused_is_the_same_as_layer_by_layer(
    lanes: str, stride: int, exact: bool, learn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> dict[str, Array]:
        return run(edge(LANES[lanes], stride), Step(Key(1), update=4, exact=exact, learn=learn))

    fused = found()
    layer_by_layer(monkeypatch)
    for name, expected in found().items():
        assert np.allclose(fused[name], expected, rtol=1e-11, atol=1e-11), name
    assert any(array.any() for name, array in fused.items() if "depthwise" in name) == learn


def test_the_default_rules_fuse_and_local_ones_do_not() -> None:
    body = edge(["usf", "fa"], 1).bodies["sep_conv_3x3"]
    local = edge(["usf", "hebbian"], 1).bodies["sep_conv_3x3"]
    assert isinstance(body, Halves)
    assert isinstance(local, Halves)
    assert body.fuses(Step(Key(0)))
    assert not body.fuses(Step(Key(0), keep_tape=True))
    assert not local.fuses(Step(Key(0)))
    assert local.fuses(Step(Key(0), exact=True))
    assert not only_transports(make_rule("dfa"))


def test_what_a_fused_pass_keeps_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a separable convolution: the input and one map between the halves, where layers keep four maps."""

    def kept() -> int:
        step, body = Step(Key(1)), edge(["usf", "fa"], 1).bodies["sep_conv_3x3"]
        body.forward_moments(np.ones((2, 1, 4, 8, 8)), step)  # type: ignore[attr-defined]
        return len({id(a) for layer in step.tape for a in _maps(step.tape[layer])})

    assert kept() == 2
    layer_by_layer(monkeypatch)
    assert kept() == 5


def _maps(kept: Any) -> list[Array]:
    if isinstance(kept, np.ndarray):
        return [kept] if kept.ndim == 5 else []
    return [a for each in kept for a in _maps(each)] if isinstance(kept, tuple | list) else []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_probe_sees_both_synapses_and_changes_no_bit(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("x", "delta", "below", "dW", "B")
    alone = run(edge(LANES["transports"], 1, dtype), Step(Key(1)), dtype)
    with bn.probe(*names) as fused:
        watched = run(edge(LANES["transports"], 1, dtype), Step(Key(1)), dtype)
    for name, array in alone.items():
        assert np.array_equal(array, watched[name]), name
    layer_by_layer(monkeypatch)
    with bn.probe(*names) as layered:
        run(edge(LANES["transports"], 1, dtype), Step(Key(1)), dtype)
    assert fused.records.keys() == layered.records.keys()
    assert len(fused.records) == 5 * 12  # signals, synapses
    limit = 1e-4 if dtype is np.float32 else 1e-11
    for key in fused.records:
        (_, a), (_, b) = fused[key][0], layered[key][0]
        assert np.linalg.norm(a - b) <= limit * np.linalg.norm(b), key


def test_every_body_between_relu_and_norm_is_in_halves() -> None:
    for name, body in edge(["bp"], 2).bodies.items():
        assert isinstance(body, Layer)
        assert len(getattr(body, "_halves", ())) == (2 if name.startswith("sep") else 1)
