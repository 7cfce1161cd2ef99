"""What reaches a rule that reads e: its lane's share of the mixture, its own head's error; virtual steps."""

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.chosen import Edge
from bionas_cupy.layers.mixed import MixedEdge, OperationLanes
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.network import CellGenotype, GenotypeNetwork
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.roles import Roles
from bionas_cupy.layers.source import Errors, Readings

NORMALISE = Normalise([0.5], [0.5])


def sent_below(rule, q):
    """The error that a mixed edge with one lane sends to its rectified input."""
    rng = np.random.default_rng(0)
    edge = MixedEdge(4, 1, [OperationLanes("sep_conv_3x3", [make_rule(rule)])])
    model = Model(edge, NORMALISE, Key(0), np.float64)
    x, node = abs(rng.normal(size=(3, 1, 4, 5, 5))), np.zeros((3, 1, 4, 5, 5))
    step = Step(model.key, top=rng.normal(size=(3, 10)))
    edge.add_to(node, Readings(x, x, {}), np.array([q]), step)
    below, rectified = np.zeros_like(x), np.zeros_like(x)
    edge.backward_to(rng.normal(size=x.shape), Errors(below, rectified, rectified, {}), step)
    return rectified


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_a_lane_sends_error_by_its_weight_in_the_mixture(rule):
    whole, part = sent_below(rule, 1.0), sent_below(rule, 0.01)
    assert np.linalg.norm(whole) > 0
    np.testing.assert_allclose(part, 0.01 * whole, rtol=1e-9, atol=1e-12)


def test_an_auxiliary_head_sends_its_own_error():
    """Its layers by DFA: the head's updates follow its own e, and not the main head's."""
    cell = CellGenotype([Edge(2, 0, "skip_connect", None)], [2])
    roles = Roles(auxiliary=make_rule("dfa"))
    network = GenotypeNetwork(1, 10, cell, cell, channels=2, cells=3, auxiliary=True, roles=roles)
    model = Model(network, NORMALISE, Key(0), np.float64)
    rng = np.random.default_rng(1)
    images, main, second = rng.random((3, 1, 32, 32)), *rng.normal(size=(2, 3, 10))

    def head_gradient(main, second):
        model.arena.grad.fill(0)
        step = Step(model.key, top=main)
        network.forward(model.images(images), step)
        network.backward(np.stack([main, second]), step)
        return network.auxiliary.layers["conv0"].W.grad.copy()

    found = head_gradient(main, second)
    assert np.linalg.norm(found) > 0
    assert np.array_equal(head_gradient(5 * main, second), found)
    np.testing.assert_allclose(head_gradient(main, 2 * second), 2 * found, rtol=1e-9)


def test_a_virtual_step_moves_no_running_statistics():
    norm = BatchNorm(2)
    Model(norm, NORMALISE, Key(0), np.float64)
    x = np.random.default_rng(2).normal(3.0, 2.0, size=(4, 1, 2, 3, 3))
    norm.forward(x, Step(Key(0), track=False))
    assert (norm.buffers["mean"] == 0).all()
    norm.forward(x, Step(Key(0)))
    assert (norm.buffers["mean"] != 0).all()
