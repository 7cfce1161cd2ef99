"""Forward, written out: norms, pools, activations, blocks, edges and cells against their equations."""

import numpy as np
import pytest
from bionas_cupy.engine.kernels.batchnorm import EPSILON
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.activation import RelativePower, Triangle
from bionas_cupy.layers.candidates import FactorizedReduce
from bionas_cupy.layers.cell import SearchCell
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.padding import ReflectPad
from bionas_cupy.layers.partial import PartialCell, shuffled, unshuffled
from bionas_cupy.layers.pointwise import AveragePool, MaxPool
from bionas_cupy.layers.predictive import PredictiveConv
from bionas_cupy.layers.resnet import BasicBlock
from layer_builders import (
    BEYOND_DARTS,
    CONVOLUTIONS,
    REDUCE,
    Array,
    Pair,
    WholeEdge,
    always_bp,
    edge,
    fixed_cell,
    lanes,
    search_cell,
)
from layer_cases import ALL, CASES, LANES_OF_ALL, MAPS, ODD, ready_model


def batch_norm(x: Array, mean: Array | None = None, variance: Array | None = None) -> Array:
    mean = x.mean((0, 3, 4), keepdims=True) if mean is None else mean
    variance = x.var((0, 3, 4), keepdims=True) if variance is None else variance
    return (x - mean) / np.sqrt(variance + EPSILON)


def test_norm_forward_and_running_statistics() -> None:
    norm = BatchNorm(3, lanes=2)
    ready_model(norm)
    gamma, beta = (p.value[:, :, None, None] for p in (norm.gamma, norm.beta) if p is not None)
    x = 5 + 2 * np.random.default_rng(0).standard_normal((4, 2, 3, 5, 2))
    mean, variance = x.mean((0, 3, 4)), x.var((0, 3, 4), ddof=1)
    assert np.allclose(norm.forward(x, Step(Key(0))), gamma * batch_norm(x) + beta, rtol=1e-12, atol=1e-12)
    assert np.allclose(norm.buffers["mean"], 0.1 * mean)
    assert np.allclose(norm.buffers["variance"], 0.9 + 0.1 * variance)
    norm.forward(x, Step(Key(0)))
    assert np.allclose(norm.buffers["mean"], 0.19 * mean)
    assert np.allclose(norm.buffers["variance"], 0.81 + 0.19 * variance)
    for options in ({"training": False}, {"learn": False}, {"training": False, "batch_statistics": True}):
        y = norm.forward(x, Step(Key(0), **options))  # type: ignore[arg-type]
        assert np.allclose(norm.buffers["mean"], 0.19 * mean)
        if options == {"training": False}:
            running = (0.19 * mean)[:, :, None, None], (0.81 + 0.19 * variance)[:, :, None, None]
            assert np.allclose(y, gamma * batch_norm(x, *running) + beta)
        else:
            assert np.allclose(y, gamma * batch_norm(x) + beta)


def test_norm_keeps_its_digits_where_the_mean_is_large() -> None:
    x = (1e4 + np.random.default_rng(0).standard_normal((8, 1, 2, 6, 6))).astype(np.float32)
    norm = BatchNorm(2, affine=False)
    Model(norm, Normalise([0.0], [1.0]), Key(0))
    y = norm.forward(x, Step(Key(0)))
    assert abs(y - batch_norm(x.astype(np.float64))).max() < 2e-3  # one unit of x is 1e-3


def windows(x: Array, k: int, stride: int, padding: int) -> Array:
    """(..., Ho, Wo, k·k), NaN outside of the image."""
    x = np.pad(x, ((0, 0),) * (x.ndim - 2) + ((padding, padding),) * 2, constant_values=np.nan)
    view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(-2, -1))[..., ::stride, ::stride, :, :]
    return view.reshape(*view.shape[:-2], k * k)


@pytest.mark.parametrize("window", [(3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 3, 0)])
def test_pools_leave_the_padding_out(window: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).standard_normal(ODD) - 3.0
    seen = windows(x, *window)
    assert np.array_equal(MaxPool(*window).forward(x, Step(Key(0))), np.nanmax(seen, -1))
    assert np.allclose(AveragePool(*window).forward(x, Step(Key(0))), np.nanmean(seen, -1), rtol=1e-13)


def test_max_pool_sends_a_tie_to_the_first() -> None:
    pool, step = MaxPool(2, 2), Step(Key(0))
    pool.forward(np.ones((1, 1, 1, 2, 2)), step)
    assert np.array_equal(pool.backward(np.ones((1, 1, 1, 1, 1)), step)[0, 0, 0], [[1, 0], [0, 0]])


@pytest.mark.parametrize("shape", [MAPS, ODD])
def test_reduce_reads_even_and_odd_pixels(shape: tuple[int, ...]) -> None:
    layer = FactorizedReduce(4, 6, [make_rule("bp")])
    ready_model(layer)
    x = np.random.default_rng(0).standard_normal(shape)
    odd = np.zeros((*shape[:3], (shape[3] + 1) // 2, (shape[4] + 1) // 2))
    there = x[..., 1::2, 1::2]
    odd[..., : there.shape[3], : there.shape[4]] = there
    halves = [
        np.einsum("oc,nlchw->nlohw", conv.W.value[:, :, 0, 0], pixels)
        for conv, pixels in ((layer.even, x[..., ::2, ::2]), (layer.odd, odd))
    ]
    assert np.allclose(layer.forward(x, Step(Key(0))), np.concatenate(halves, 2))


@pytest.mark.parametrize("stride", [1, 2])
def test_block_adds_the_shortcut(stride: int) -> None:
    block = BasicBlock(3, 3 * stride, stride, lambda _: make_rule("bp"), "b")
    ready_model(block)
    x = np.random.default_rng(0).standard_normal((2, 1, 3, 5, 6))
    shortcut = x[..., ::stride, ::stride]
    shortcut = np.concatenate([shortcut, *[0 * shortcut] * (stride - 1)], 2)
    y = x
    for layer in list(block.body.layers.values())[:-1]:
        y = layer.forward(y, Step(Key(0)))
    norm = block.body.layers["norm1"]
    norm.relu = False  # type: ignore[attr-defined]  # its rectifier comes after the shortcut
    expected = np.maximum(norm.forward(y, Step(Key(0))) + shortcut, 0)
    norm.relu = True  # type: ignore[attr-defined]
    assert np.allclose(block.forward(x, Step(Key(0))), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_mixed_edge_is_the_weighted_sum_of_its_candidates(stride: int) -> None:
    layer = edge(always_bp, ALL, stride)
    ready_model(layer)
    assert isinstance(layer, WholeEdge)
    x, q = (
        np.random.default_rng(0).standard_normal(ODD),
        np.random.default_rng(1).standard_normal(LANES_OF_ALL),
    )
    expected, weights = 0.0, iter(q)
    for name, rules in lanes(always_bp):
        body, step = layer.edge.bodies.get(name), Step(Key(0))
        if name in layer.source.pools:
            body = layer.source.pools[name]
        rectified = name in CONVOLUTIONS + BEYOND_DARTS or (name == "skip_connect" and stride == 2)
        source = np.maximum(x, 0) if rectified else x
        y = source if body is None else body.forward(source, step)
        y = y if name == "skip_connect" and stride == 1 else batch_norm(y)
        for r in range(len(rules)):
            w = next(weights)
            if name != "none":
                expected = expected + w * y[:, [r if y.shape[1] > 1 else 0]]
    assert np.allclose(layer.forward(x, q, Step(Key(0))), expected)


def test_every_lane_of_an_edge_has_weights_of_its_own() -> None:
    layer = edge(always_bp, ["sep_conv_3x3"], 1)
    model = ready_model(layer)
    for synapse in model.synapses:
        assert not np.array_equal(synapse.W.value[0], synapse.W.value[1])


def test_search_cell_sums_and_joins_its_nodes() -> None:
    layer = search_cell(always_bp, False, True)
    ready_model(layer)
    assert isinstance(layer, Pair)
    cell, (before, last, q) = layer.cell, CASES["search_cell_halving"].inputs()
    assert isinstance(cell, SearchCell)
    nodes = [cell.preprocess0.forward(before, Step(Key(0))), cell.preprocess1.forward(last, Step(Key(0)))]
    edges = iter(zip(cell.edge, q, strict=True))
    for i in range(2):
        parts = []
        for j in range(i + 2):
            mixed, weights = next(edges)
            parts.append(WholeEdge(mixed, 4).forward(nodes[j], weights, Step(Key(0))))
        nodes.append(sum(parts[1:], parts[0]))
    assert np.allclose(layer.forward(before, last, q, Step(Key(0))), np.concatenate(nodes[2:], 2))


@pytest.mark.parametrize("reduction", [False, True])
def test_partial_cell_sends_the_rest_round_its_edges(reduction: bool) -> None:
    """PC-DARTS' edge by edge: mixed [first third] beside the pooled rest, channels shuffled, summed into the node."""
    layer = search_cell(always_bp, reduction, False, partial=3)
    ready_model(layer)
    assert isinstance(layer, Pair)
    cell, rng = layer.cell, np.random.default_rng(3)
    assert isinstance(cell, PartialCell)
    before, last, q = (rng.normal(size=shape) for shape in ((2, 1, 3, 6, 6), (2, 1, 5, 6, 6), (5, 10)))
    nodes = [cell.preprocess0.forward(before, Step(Key(0))), cell.preprocess1.forward(last, Step(Key(0)))]
    for i in range(2):
        parts = []
        for j in range(i + 2):
            mixed, weights = cell.edge[2 * i + j], q[2 * i + j]
            y = WholeEdge(mixed, 4).forward(nodes[j][:, :, :4], weights[:-1], Step(Key(0)))
            rest = nodes[j][:, :, 4:]
            if mixed.stride == 2:
                rest = rest.reshape(2, 1, 8, 3, 2, 3, 2).max(axis=(4, 6))
            parts.append(np.concatenate([y, weights[-1] * rest], 2))
        joined = sum(parts[1:], parts[0])
        nodes.append(np.stack([joined[:, :, 4 * (c % 3) + c // 3] for c in range(12)], 2))
    assert np.allclose(layer.forward(before, last, q, Step(Key(0))), np.concatenate(nodes[2:], 2))


def test_shuffled_and_back() -> None:
    node, around = np.arange(2.0).reshape(1, 1, 2, 1, 1), np.arange(2.0, 6.0).reshape(1, 1, 4, 1, 1)
    assert shuffled(node, around).ravel().tolist() == [0, 2, 4, 1, 3, 5]
    again = unshuffled(shuffled(node, around), 3)
    assert [part.ravel().tolist() for part in again] == [[0, 1], [2, 3, 4, 5]]


def test_fixed_cell_runs_the_chosen_edges() -> None:
    layer = fixed_cell(always_bp, REDUCE, True, False)
    ready_model(layer)
    assert isinstance(layer, Pair)
    cell, (before, last) = layer.cell, CASES["fixed_cell_reducing"].inputs()
    nodes = [cell.preprocess0.forward(before, Step(Key(0))), cell.preprocess1.forward(last, Step(Key(0)))]
    for i in (2, 3):
        chosen = [(k, s) for k, (node, s, _) in enumerate(REDUCE) if node == i]
        nodes.append(sum(cell.edge[k].forward(nodes[s], Step(Key(0))) for k, s in chosen))
    y = layer.forward(before, last, Step(Key(0)))
    assert np.allclose(y, np.concatenate(nodes[2:], 2))
    assert y.shape == (4, 1, 8, 3, 4)


def test_triangle_and_relative_power_are_their_equations() -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 5, 3, 4))
    y = Triangle(1.4).forward(x, Step(Key(0)))
    for n, c, i, j in np.ndindex(2, 5, 3, 4):
        expected = max(x[n, 0, c, i, j] - x[n, 0, :, i, j].mean(), 0) ** 1.4
        assert y[n, 0, c, i, j] == pytest.approx(expected, rel=1e-12)
    u = np.array([[1.0, 2.0, -3.0, 0.5], [-1.0, -2.0, -3.0, 0.0]])
    z = RelativePower(3).forward(u, Step(Key(0)))
    assert np.allclose(z, [[1 / 8, 1.0, 0.0, 1 / 64], [0, 0, 0, 0]], rtol=1e-14)


def test_reflection_mirrors_without_the_edge() -> None:
    y = ReflectPad(2).forward(np.arange(12.0).reshape(1, 1, 1, 3, 4), Step(Key(0)))[0, 0, 0]
    assert y.shape == (7, 8)
    assert y[2].tolist() == [2, 1, 0, 1, 2, 3, 2, 1]
    assert y[:, 2].tolist() == [8, 4, 0, 4, 8, 4, 0]


@pytest.mark.parametrize(("stride", "gated"), [(1, False), (2, False), (1, True)])
def test_predictive_convolution_iterates_its_error(stride: int, gated: bool) -> None:
    """T times p ← p + e ∘ (x - p), step by step, for each lane."""
    layer = PredictiveConv(3, 3, [always_bp(), always_bp()], stride=stride, steps=4, gated=gated)
    Model(layer, Normalise([0.0], [1.0]), Key(2), np.float64)
    layer.e.value[...] = np.random.default_rng(0).uniform(0.05, 0.6, layer.e.shape)
    x, step = np.random.default_rng(1).normal(size=(2, 2, 3, 6, 5)), Step(Key(0))
    p = layer.conv.forward(x, step)
    for _ in range(4):
        p = p + layer.e.value[:, :, None, None] * (x[..., ::stride, ::stride] - p)
    if gated:
        assert layer.gate is not None
        p = p / (1 + np.exp(-layer.gate.forward(p, step)))
    np.testing.assert_allclose(layer.forward(x, step), p, atol=1e-12)
