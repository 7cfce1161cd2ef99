"""Predictive coding: against a loop over samples written from its energy, and its limit, back-propagation."""

import numpy as np
import pytest
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.layer import Sequential
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.pointwise import Flatten, ReLU
from synapse_cases import Array, Case, close, dense, outer
from whole_network_cases import Net, assert_learned, convolutional, output_error


def settled(
    M: list[Array], b: list[Array], image: Array, label: int, steps: int, step: float, beta: float
) -> list[tuple[Array, Array]]:
    """Of one sample: (∂F/∂y_l / beta, x_{l-1}) of each layer y_l = M_l x_{l-1} + b_l, rectified but for the last."""
    L, x = len(M), [image]

    def y(i: int, x: list[Array]) -> Array:
        found: Array = M[i] @ x[i] + b[i]
        return found

    def slopes_at_outputs(x: list[Array]) -> list[Array]:
        errors = [-(x[i + 1] - np.maximum(y(i, x), 0)) * (y(i, x) > 0) for i in range(L - 1)]
        return [*errors, beta * output_error(y(L - 1, x), label)]

    for i in range(L - 1):
        x.append(np.maximum(y(i, x), 0))
    for _ in range(steps):
        at, moved = slopes_at_outputs(x), [image]
        for i in range(1, L):
            own = x[i] - np.maximum(y(i - 1, x), 0)
            moved.append(x[i] - step * (own + M[i].T @ at[i]))
        x = moved
    return [(slope / beta, below) for slope, below in zip(slopes_at_outputs(x), x, strict=True)]


def test_predictive_coding_sample_by_sample() -> None:
    net = Net("pc(steps=5;step=0.3;beta=0.7)")
    total = [(0 * W, 0 * b) for W, b in zip(net.W, net.b, strict=True)]
    for image, label in net.samples():
        for (W, b), (at, x) in zip(total, settled(net.W, net.b, image, label, 5, 0.3, 0.7), strict=True):
            W[...] += np.outer(at, x) / len(net.x)
            b[...] += at / len(net.x)
    assert_learned(net.learn(), total)


def test_predictive_coding_through_a_convolution_sample_by_sample() -> None:
    """A strided convolution is its dense matrix, whose taps gather what its entries learn."""
    case, rng, spec = (
        Case(2, 3, 3, (5, 4), stride=2),
        np.random.default_rng(0),
        "pc(steps=4;step=0.3;beta=0.6)",
    )
    conv = Conv(2, 3, 3, [make_rule(spec)], stride=2)
    conv.sends_error = False
    linear, last = Linear(18, 5, [make_rule(spec)]), Linear(5, 3, [make_rule(spec)])
    network = Sequential(
        conv0=conv, relu0=ReLU(), flatten=Flatten(), linear=linear, relu=ReLU(), classifier=last
    )
    model = Model(network, Normalise([0.0] * 2, [1.0] * 2), Key(1), np.float64)
    images, labels = rng.normal(size=(4, 1, 2, 5, 4)), rng.integers(0, 3, 4)
    assert model.procedure is not None
    model.procedure.learn(images, labels, Step(Key(0)), 0.0)
    M = [dense(case, conv.W.value), linear.W.value, last.W.value]
    total = [np.zeros(layer.W.shape) for layer in (conv, linear, last)]
    for image, label in zip(images, labels, strict=True):
        told = settled(M, [np.zeros(len(m)) for m in M], image.ravel(), int(label), 4, 0.3, 0.6)
        total[0] += outer(case, told[0][0][None], told[0][1][None], conv.W.shape) / len(images)
        for W, (at, x) in zip(total[1:], told[1:], strict=True):
            W += np.outer(at, x) / len(images)
    for layer, W in zip((conv, linear, last), total, strict=True):
        assert close(np.array(layer.W.grad), W)


def test_settled_predictive_coding_is_bp_as_the_loss_weighs_little() -> None:
    """The difference falls in proportion to beta."""
    exact = np.concatenate([g.ravel() for pair in Net("bp").learn() for g in pair])
    apart = []
    for beta in (1e-2, 1e-3, 1e-4):
        settled = Net(f"pc(steps=300;step=0.3;beta={beta})").learn()
        found = np.concatenate([g.ravel() for pair in settled for g in pair])
        apart.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    assert apart[2] < 1e-3
    assert apart[0] / apart[1] == pytest.approx(10, rel=0.2)
    assert apart[1] / apart[2] == pytest.approx(10, rel=0.2)
    unsettled = Net("pc(steps=1;step=0.3;beta=0.0001)").learn()
    assert not close(unsettled[0][0], Net("bp").learn()[0][0], 0.1)


def test_predictive_coding_through_convolutions_norms_and_pools() -> None:
    rng = np.random.default_rng(0)
    x, labels, found = rng.normal(size=(6, 1, 1, 4, 4)), rng.integers(0, 3, 6), []
    for spec in ("bp", "pc(steps=400;step=0.2;beta=0.0001)"):
        model, step = convolutional(spec), Step(Key(0))
        if model.procedure is None:
            _, error = cross_entropy(model.network.forward(x, step), labels)
            model.network.backward(error, step)
        else:
            model.procedure.learn(x, labels, step, 0.0)
        found.append(model.arena.grad.copy())
    assert close(found[1], found[0], 2e-3)
    tracked = [layer.buffers["mean"] for _, layer in model.network.walk() if isinstance(layer, BatchNorm)]
    assert all(m.any() for m in tracked)
