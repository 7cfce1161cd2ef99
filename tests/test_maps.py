"""The four maps of every weighted layer, against its dense matrix (synapse_cases.py)."""

import numpy as np
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rules
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.synapse import Synapse
from synapse_cases import ON_EVERY_CASE, Case, N, close, dense, lanes_of, one_pass, outer, prepare


@ON_EVERY_CASE
def test_maps_are_their_dense_matrices(case: Case) -> None:
    """push of every unit input is a column of the matrix, pull of every unit output a row."""
    layer = prepare(case.build(make_rules(["bp"] * case.lanes)))
    W = lanes_of(case, layer.W.value)
    matrices = [dense(case, w) for w in W]
    shape = (case.inputs,) if case.kernel == 0 else (case.channels, *case.size)
    units = np.eye(case.inputs).reshape(-1, *shape)
    x = np.stack([units] * case.read, 1)
    maps = layer.maps(x)
    y = maps.push(x, W)
    for r, D in enumerate(matrices):
        assert close(y[:, r].reshape(len(y), -1), D.T)
        assert close(maps.push(units, W[r]).reshape(len(y), -1), D.T)  # as a rule calls it
        ups = np.eye(len(D)).reshape(-1, *y.shape[2:])
        assert close(maps.pull(ups, W[r]).reshape(len(D), -1), D)
        in_lane = np.zeros((len(D), case.lanes, *y.shape[2:]))
        in_lane[:, r] = ups
        pulled = maps.pull(in_lane, W)
        assert pulled.shape == (len(D), *x.shape[1:])
        assert close(pulled[:, 0 if case.shared else r].reshape(len(D), -1), D)


@ON_EVERY_CASE
def test_outer_is_the_gathered_product(case: Case) -> None:
    layer = prepare(case.build(make_rules(["bp"] * case.lanes)))
    t = one_pass(case, layer)
    x, delta = case.x(), np.random.default_rng(3).standard_normal((N, *_output(case, layer)))
    x = x[:, None] if case.kernel == 0 else x
    found = layer.maps(x).outer(delta, x)
    for r in range(case.lanes):
        pre = x[:, 0 if case.shared else r]
        expected = outer(case, delta[:, r].reshape(N, -1), pre.reshape(N, -1), found.shape[1:])
        assert close(found[r], expected)
        assert close(layer.maps(x).outer(delta[:, r], pre), expected)
    assert t.y.shape[0] == case.lanes


def _output(case: Case, layer: Synapse) -> tuple[int, ...]:
    y = layer.forward(case.x(), Step(Key(0)))
    return (1, *y.shape[1:]) if case.kernel == 0 else y.shape[1:]
