"""Single maps, norms, pools and the loss, at sizes and strides that networks rarely meet."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import pool
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.layer import Sequential
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import BatchNorm, Normalise
from one_step import array, distance
from torch_rules import torch

F = torch.nn.functional

pytestmark = pytest.mark.oracle

GEOMETRIES = [  # channels, outputs, kernel, stride, padding, dilation, groups, size
    (4, 6, 3, 2, 1, 1, 1, (7, 5)),
    (4, 6, 3, 2, 1, 1, 1, (8, 6)),
    (4, 8, 5, 1, 2, 1, 2, (6, 9)),
    (6, 6, 5, 2, 4, 2, 6, (9, 8)),
    (6, 6, 3, 2, 2, 2, 6, (5, 4)),
    (4, 3, 1, 2, 0, 1, 1, (7, 6)),
    (3, 4, 2, 1, 0, 1, 1, (2, 3)),
    (6, 12, 3, 3, 0, 1, 3, (8, 7)),
]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_push_pull_outer(geometry: tuple[Any, ...], shared: bool) -> None:
    """Two lanes, with any matrix in the place of the weight."""
    channels, outputs, kernel, stride, padding, dilation, groups, size = geometry
    form = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = Conv(channels, outputs, kernel, [make_rule("bp")] * 2, **form)
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 1 if shared else 2, channels, *size))
    M = random.normal(size=(2, outputs, channels // groups, kernel, kernel))
    maps = layer.maps(x)
    y = maps.push(x, M)
    delta = random.normal(size=y.shape)
    tx, tM = (torch.tensor(a, requires_grad=True) for a in (x, M))
    ty = torch.stack([F.conv2d(tx[:, 0 if shared else r], tM[r], **form) for r in range(2)], 1)
    ty.backward(torch.tensor(delta))
    assert distance(y, array(ty)) < 1e-13
    assert distance(maps.pull(delta, M), array(tx.grad)) < 1e-13
    assert distance(maps.outer(delta, x), array(tM.grad)) < 1e-13


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("mode", ["training", "evaluation", "batch statistics"])
def test_batch_norm(mode: str, affine: bool, relu: bool) -> None:
    """Three lanes of four channels; evaluation has running statistics where the norm is affine."""
    layer = BatchNorm(4, 3, affine=affine, track=affine, relu=relu)
    model = Model(Sequential(norm=layer), Normalise([0.5], [0.3]), Key(0), np.float64)
    random = np.random.default_rng(1)
    model.arena.value[...] = random.normal(size=model.arena.value.shape)
    for buffer in layer.buffers.values():
        buffer[...] = random.uniform(0.5, 2, buffer.shape)
    x, delta = random.normal(3, 2, (5, 3, 4, 5, 3)), random.normal(size=(5, 3, 4, 5, 3))
    statistics = [torch.tensor(layer.buffers[n]).flatten() for n in layer.buffers] or [None, None]
    before = {name: value.copy() for name, value in layer.buffers.items()}
    coefficients = [torch.tensor(p.value).flatten().requires_grad_() for p in model.arena.parameters]
    tx = torch.tensor(x).flatten(1, 2).requires_grad_()
    batch = mode != "evaluation" or not affine
    ty = F.batch_norm(tx, *statistics, *coefficients, training=batch)
    ty = ty.relu() if relu else ty
    ty.backward(torch.tensor(delta).flatten(1, 2))

    step = Step(Key(0), training=mode == "training", batch_statistics=mode == "batch statistics")
    assert distance(layer.forward(x, step), array(ty)) < 1e-12
    assert distance(layer.backward(delta, step), array(tx.grad)) < 1e-12
    for parameter, leaf in zip(model.arena.parameters, coefficients, strict=True):
        assert distance(parameter.grad, array(leaf.grad)) < 1e-12
    for (name, old), new in zip(before.items(), statistics, strict=False):
        assert distance(layer.buffers[name], array(new) if mode == "training" else old) < 1e-12


@pytest.mark.parametrize("window", [(3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 3, 0)])
@pytest.mark.parametrize("size", [(7, 5), (8, 6), (5, 9)])
def test_pools(window: tuple[int, int, int], size: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(2, 1, 3, *size))
    for average in (False, True):
        tx = torch.tensor(x[:, 0], requires_grad=True)
        ty = F.avg_pool2d(tx, *window, count_include_pad=False) if average else F.max_pool2d(tx, *window)
        delta = random.normal(size=(2, 1, *ty.shape[1:]))
        ty.backward(torch.tensor(delta[:, 0]))
        if average:
            y, below = pool.avg_pool(x, *window), pool.avg_pool_pull(delta, *window, size)
        else:
            y, where = pool.max_pool(x, *window)
            below = pool.max_pool_pull(delta, where, *window, size)
        assert distance(y, array(ty)) < 1e-13
        assert distance(below, array(tx.grad)) < 1e-13


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_cross_entropy(scale: float, smoothing: float) -> None:
    random = np.random.default_rng(3)
    logits, labels = scale * random.normal(size=(6, 10)), random.integers(0, 10, 6)
    leaf = torch.tensor(logits, requires_grad=True)
    loss = F.cross_entropy(leaf, torch.tensor(labels), label_smoothing=smoothing)
    loss.backward()
    found, error = cross_entropy(logits, labels, smoothing)
    assert distance(found, array(loss)) < 1e-12
    assert distance(error, array(leaf.grad)) < 1e-12
