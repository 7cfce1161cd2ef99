"""Convolutions fused with the norms around them: the twin against float64, fused layers against layer by layer."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import conv_norm, elementwise
from bionas_cupy.engine.kernels.arrays import has_numba, reference_only
from bionas_cupy.engine.kernels.conv import Geometry
from bionas_cupy.engine.kernels.half import Norm, Upstream
from bionas_cupy.engine.kernels.threads import set_threads
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers import conv_norm as fused_layers
from bionas_cupy.layers.cell import preprocess
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.resnet import BasicBlock

import bionas_cupy as bn

Array = Any
CASES = [  # images, lanes, channels, outputs, kernel, stride, size
    (40, 1, 16, 16, 3, 1, 8),
    (37, 1, 12, 8, 1, 1, 9),
    (21, 1, 12, 8, 1, 1, 8),
    (9, 2, 8, 12, 3, 2, 9),
    (3, 1, 3, 16, 3, 1, 12),
]


def everything(
    case: tuple[int, ...], normed: bool, added: bool, dtype: Any, learn: bool = True
) -> list[Array]:
    """What forward and backward give, and `into`; None is left out."""
    N, R, C, K, k, s, size = case
    random, g = np.random.default_rng(1), Geometry(k, s, k // 2)
    out = g.out_size(size)

    def draw(*shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32).astype(dtype)

    x, M, into = draw(N, R, C, size, size), draw(R, K, C, k, k), draw(N, R, C, size, size)
    norm = Norm(*(draw(R, C) for _ in "abm"))
    up = Upstream(draw(N, R, K, out, out), draw(N, R, K, out, out), *(draw(R, K) for _ in "ABE"))
    given = norm if normed else None
    found = conv_norm.backward(up, x, M, g, given, into if added else None, learn)
    return [a for a in (*conv_norm.forward(x, M, g, given), *found, into) if a is not None]


@pytest.mark.skipif(not has_numba(), reason="the CPU twins need the extra `cpu`")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("added", [False, True])
def test_the_twin(case: tuple[int, ...], normed: bool, added: bool) -> None:
    with reference_only():
        exact = everything(case, normed, added, np.float64)
    set_threads(1)
    found = everything(case, normed, added, np.float32)
    set_threads(3)
    again = everything(case, normed, added, np.float32)
    set_threads(None)
    for a, b, c in zip(found, exact, again, strict=True):
        assert np.linalg.norm(a - b) < 2e-6 * np.linalg.norm(b)
        assert np.array_equal(a, c)
    assert len(everything(case, normed, added, np.float32, learn=False)) == len(found) - 1


LAYERS = {
    "block": lambda rule: BasicBlock(9, 9, 1, lambda _: make_rule(rule), "b"),
    "block_stride_2": lambda rule: BasicBlock(9, 12, 2, lambda _: make_rule(rule), "b"),
    "preprocess": lambda rule: preprocess(9, 12, [make_rule(rule)], [make_rule(rule)], False, True),
}


def run(name: str, rule: str, dtype: Any, **form: Any) -> dict[str, Array]:
    """The output, the error below, every gradient and running statistic."""
    random, layer = np.random.default_rng(5), LAYERS[name](rule)
    model, step = Model(layer, Normalise([0.0], [1.0]), Key(3), dtype), Step(Key(1), update=4, **form)
    y = layer.forward(random.standard_normal((3, 1, 9, 8, 9)).astype(dtype), step)
    below = layer.backward(random.standard_normal(y.shape).astype(dtype), step)
    grads = {p.name: p.grad.copy() for _, each in layer.walk() for _, p in each.parameters()}
    return {"y": y, "below": below} | grads | {n: a for n, a in model.arrays().items() if n != "weights"}


def layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_layers, "fuses", lambda *_: False)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rule", ["bp", "usf", "fa", "hebbian"])
@pytest.mark.parametrize("form", [{}, {"exact": True}, {"learn": False}, {"training": False}], ids=str)
def test_fused_is_the_same_as_layer_by_layer(
    name: str, rule: str, form: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = run(name, rule, np.float64, **form)
    layer_by_layer(monkeypatch)
    for key, expected in run(name, rule, np.float64, **form).items():
        assert np.allclose(fused[key], expected, rtol=1e-11, atol=1e-11), key


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_a_probe_sees_the_synapses_and_changes_no_bit(
    name: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("x", "delta", "below", "dW", "B")
    alone = run(name, "usf", dtype)
    with bn.probe(*names) as fused:
        watched = run(name, "usf", dtype)
    assert all(np.array_equal(alone[key], watched[key]) for key in alone)
    layer_by_layer(monkeypatch)
    with bn.probe(*names) as layered:
        run(name, "usf", dtype)
    assert fused.records.keys() == layered.records.keys()
    assert len(fused.records) == 5 * (1 if name == "preprocess" else 2)
    limit = 1e-4 if dtype is np.float32 else 1e-11
    for key in fused.records:
        (_, a), (_, b) = fused[key][0], layered[key][0]
        assert np.linalg.norm(a - b) <= limit * np.linalg.norm(b), key


def test_which_rules_fuse() -> None:
    x, step = np.ones((2, 1, 9, 8, 8)), Step(Key(0))
    convs = {
        rule: BasicBlock(9, 9, 1, lambda _, rule=rule: make_rule(rule), "b")._convs for rule in ("usf", "oja")
    }
    assert fused_layers.fuses(x, step, *convs["usf"])
    assert not fused_layers.fuses(x, step, *convs["oja"])
    assert fused_layers.fuses(x, Step(Key(0), exact=True), *convs["oja"])
    assert not fused_layers.fuses(x, Step(Key(0), keep_tape=True), *convs["usf"])


def test_what_a_fused_pass_keeps_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rectified maps are made again."""

    def kept(layer: Layer) -> int:
        Model(layer, Normalise([0.0], [1.0]), Key(3), np.float32)
        step = Step(Key(1))
        layer.forward(np.ones((2, 1, 9, 8, 8), np.float32), step)
        maps = {
            id(a)
            for values in step.tape.values()
            for a in values
            if isinstance(a, np.ndarray) and a.ndim == 5
        }
        return len(maps)

    assert [kept(LAYERS[name]("bp")) for name in ("block", "preprocess")] == [4, 2]
    layer_by_layer(monkeypatch)
    assert [kept(LAYERS[name]("bp")) for name in ("block", "preprocess")] == [5, 2]


def test_elementwise() -> None:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((70, 1, 4, 9, 9)).astype(np.float32) for _ in "ab")
    assert np.array_equal(elementwise.plus(a, b), a + b)
    assert np.array_equal(elementwise.rectify(a), np.maximum(a, 0))
    joined = elementwise.join([a, b, a])
    assert np.array_equal(joined, np.concatenate([a, b, a], 2))
    parts = elementwise.split(joined, 3)
    assert all(
        np.array_equal(part, each) and part.flags.c_contiguous
        for part, each in zip(parts, (a, b, a), strict=True)
    )
    assert not any(np.shares_memory(part, joined) for part in parts)
    with pytest.raises(ValueError, match="one shape"):
        elementwise.plus(a, b[:1])
