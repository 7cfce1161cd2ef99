"""What weights obey: at the start, after every step, for any rule, on every layer."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.constraints import CONSTRAINTS, make_constraints, split_constraints
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.lanes import Blend
from bionas_cupy.engine.optim import SGD
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, make_rules
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from synapse_cases import CASES, FEW, Array, Case, close, lanes_of, one_pass, prepare

KEPT = ["nonneg", "dale", "dale(inhibitory=0.5)", "sparse(keep=0.4)", "norm(p=1;to=3)", "norm"]


def obeys(constraint: str, W: Array, case: Case, before: Array) -> bool:
    """Written down anew, from what each constraint promises."""
    name = constraint.split("(")[0]
    if name == "nonneg":
        return bool((W >= 0).all())
    if name == "dale":
        share = 0.5 if "0.5" in constraint else 0.2
        inputs, outputs = W.shape[1], len(W) // case.groups
        for o, c in np.ndindex(W.shape[:2]):
            unit = o // outputs * inputs + c
            inhibitory = int((unit + 1) * share) > int(unit * share)
            if not (W[o, c] * (-1 if inhibitory else 1) >= 0).all():
                return False
        return True
    if name == "sparse":
        return not W[before == 0].any()
    p, to = (1, 3.0) if "p=1" in constraint else (2, 1.0)
    return all(np.isclose((abs(w) ** p).sum() ** (1 / p), to) for w in W)


@pytest.mark.parametrize("case", [*FEW, CASES["grouped"], CASES["lanes_grouped_dilated_shared"]])
@pytest.mark.parametrize("constraint", KEPT)
def test_weights_obey_at_the_start_and_after_every_step(case: Case, constraint: str) -> None:
    layer = case.build(make_rules([f"{r}+{constraint}" for r in ("usf", "oja", "fa")[: case.lanes]]))
    model = Model(layer, Normalise([0.0], [1.0]), Key(5), np.float64)
    start = lanes_of(case, np.array(layer.W.value))
    sgd = SGD(model.arena.value, 0.9)
    for update in range(4):
        assert all(obeys(constraint, W, case, start[r]) for r, W in enumerate(lanes_of(case, layer.W.value)))
        model.arena.grad.fill(0)
        one_pass(case, layer, update)
        sgd.step(model.arena.grad, 0.5)
        model.constrain()
    assert not np.allclose(lanes_of(case, layer.W.value), start)


@pytest.mark.parametrize("case", [CASES["linear"], CASES["dense_3"], CASES["lanes_dense"]])
def test_a_step_that_obeys_is_left_alone(case: Case) -> None:
    plain, bound = (prepare(case.build(make_rules([s] * case.lanes))) for s in ("usf", "usf+nonneg"))
    plain.W.value[...] = bound.W.value
    assert np.array_equal(one_pass(case, plain).layer.W.grad, one_pass(case, bound).layer.W.grad)
    before = bound.W.value.copy()
    bound.constrain()
    assert np.array_equal(bound.W.value, before)
    bound.W.value.ravel()[3] = -0.5
    bound.constrain()
    assert bound.W.value.ravel()[3] == 0


def test_the_share_that_is_kept_and_its_variance() -> None:
    layer = prepare(Conv(40, 50, 3, make_rules(["bp+sparse(keep=0.1)"])))
    full = prepare(Conv(40, 50, 3, make_rules(["bp"])))
    W, bare = layer.W.value, full.W.value
    assert (W != 0).mean() == pytest.approx(0.1, abs=0.01)
    assert close(W[W != 0], bare[W != 0] / 0.1**0.5)
    layer.W.value[...] = 1.0
    layer.constrain()
    assert np.array_equal(layer.W.value != 0, W != 0)  # the same synapses for ever


def test_each_lane_has_its_own_synapses() -> None:
    layer = prepare(Conv(6, 8, 3, make_rules(["usf+sparse(keep=0.5)", "oja+sparse(keep=0.5)"])))
    layer.W.value[...] = 1.0
    layer.constrain()
    first, second = layer.W.value
    assert (first != second).mean() > 0.4


def test_inhibitory_units_are_spread_and_agree_between_layers() -> None:
    wide, grouped = (prepare(Conv(10, 20, 3, make_rules(["bp+dale"]), groups=g)) for g in (1, 2))
    signs = np.sign(wide.W.value[:, :, 0, 0])
    assert (signs == signs[0]).all()
    assert [c for c in range(10) if signs[0, c] < 0] == [4, 9]
    halves = np.sign(grouped.W.value[:, :, 0, 0])
    assert np.array_equal(halves[0], signs[0, :5])
    assert np.array_equal(halves[10], signs[0, 5:])


def test_homeostasis_moves_the_bias_towards_equal_activity() -> None:
    x = np.random.default_rng(0).random((50, 6))
    layer = prepare(Linear(6, 4, make_rules(["oja+homeostasis(rate=0.5)"])))
    layer.W.value[...] = np.arange(4)[:, None] + 1.0
    assert layer.b is not None
    step = Step(Key(0))
    y = layer.forward(x, step)
    layer.backward(0 * y, step)
    a = np.maximum(y, 0).mean(axis=0)
    assert close(-layer.b.grad, 0.5 * (a.mean() - a))
    for update in range(200):
        layer.b.grad.fill(0)
        step = Step(Key(0), update)
        y = layer.forward(x, step)
        layer.backward(0 * y, step)
        layer.b.value -= 0.1 * layer.b.grad
    assert np.ptp(np.maximum(y, 0).mean(axis=0)) < 0.01 * np.ptp(a)


def test_homeostasis_needs_a_bias() -> None:
    with pytest.raises(UsageError, match=r'rule "oja\+homeostasis.*has no bias'):
        prepare(Conv(2, 2, 3, make_rules(["oja+homeostasis"])))


def test_rules_that_share_a_weight_agree() -> None:
    with pytest.raises(UsageError, match="different constraints: none, nonneg"):
        Blend(make_rules(["usf", "oja+nonneg"]))
    layer = prepare(Conv(3, 4, 3, [Blend(make_rules(["usf+nonneg", "oja+nonneg"]))]))
    assert (layer.W.value >= 0).all()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("oja+nonegg", 'Did you mean "nonneg"'),
        ("oja+norm(p=0.5)", "p from 1"),
        ("oja+norm(q=2)", "does not take these options"),
        ("oja+norm(p=two)", "does not take these options"),
        ("oja+sparse(keep=0)", "above 0"),
        ("oja+dale(inhibitory=2)", "from 0 to 1"),
        ("oja+homeostasis(rate=0)", "more than 0"),
        ("oya+nonneg", 'Did you mean "oja"'),
    ],
)
def test_malformed_specification(spec: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        make_rule(spec)
    assert caught.value.exit_code == 2


def test_names_are_kept() -> None:
    for spec in ("oja+nonneg", "qsf2+norm(p=1;to=2)", "usf(scale=1)+dale(inhibitory=0.3)+sparse(keep=0.5)"):
        assert str(make_rule(spec)) == spec == str(make_rule(str(make_rule(spec))))
    assert split_constraints("power(p=0.5;q=1)") == ("power(p=0.5;q=1)", "")
    assert [str(c) for c in make_constraints("nonneg + norm".replace(" ", ""))] == [
        "nonneg",
        "norm(p=2;to=1)",
    ]
    assert set(CONSTRAINTS) == {k.split("(")[0] for k in KEPT} | {"homeostasis"}


def test_local_updates_do_not_shrink_what_follows_an_error() -> None:
    """Clipping counts the errors' norm alone, and scales it alone."""

    def updates(spec: str, limit: float) -> dict[str, Any]:
        case = Case(4, 4, 3, lanes=2)
        layer = case.build(make_rules(["usf", spec]))
        model = Model(layer, Normalise([0.0], [1.0]), Key(5), np.float64)
        one_pass(case, layer)
        before = layer.W.grad.copy()
        model.clip(limit)
        return {"before": before, "after": layer.W.grad}

    found = updates("oja(rate=100)", 0.5)
    assert np.array_equal(found["after"][1], found["before"][1])
    assert np.linalg.norm(found["after"][0]) == pytest.approx(0.5, rel=1e-5)
    assert close(found["after"][0] * np.linalg.norm(found["before"][0]), 0.5 * found["before"][0], 1e-5)
    together = updates("fa", 0.5)
    assert np.linalg.norm(together["after"]) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("spec", ["usf", "oja"])
def test_an_update_that_is_not_finite_is_named(spec: str) -> None:
    layer = Conv(3, 4, 3, make_rules(["fa", spec]))
    model = Model(layer, Normalise([0.0], [1.0]), Key(5))
    layer.name = "cell0.edge1"
    layer.W.grad[1, 0, 0, 0, 0] = np.nan
    with pytest.raises(Exception, match=f'layer "cell0.edge1" by rule "{spec}" is not finite'):
        model.clip(5.0)
