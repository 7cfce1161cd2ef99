"""Every layer: backward and tangent against differences of forward, what its tape keeps."""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

import bionas_cupy.layers
import numpy as np
import pytest
from bionas_cupy.engine.check import check_gradients
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.cell import SearchCell
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.mixed import MixedEdge
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.partial import PartialCell
from bionas_cupy.layers.pointwise import Pool
from bionas_cupy.layers.source import Source
from bionas_cupy.layers.supernet import Supernet
from bionas_cupy.layers.synapse import Synapse
from layer_builders import Array, WholeEdge, always_bp, every_rule
from layer_cases import CASES, HEAVY, WITH_TANGENT, WITHOUT_TANGENT, Case


def test_every_layer_has_a_case() -> None:
    modules = [
        importlib.import_module(f"{bionas_cupy.layers.__name__}.{m.name}")
        for m in pkgutil.iter_modules(bionas_cupy.layers.__path__)
    ]
    classes = {
        c
        for module in modules
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Layer) and c.__module__ == module.__name__
    }
    checked = {type(layer) for case in CASES.values() for _, layer in case.make(always_bp).walk()}
    assert classes - checked == {Layer, Synapse, Pool}  # bases
    assert {c for c in classes if not _implements_tangent(c)} == {
        *WITHOUT_TANGENT,
        *(
            Layer,
            Pool,
            Source,
            MixedEdge,
            SearchCell,
            PartialCell,
            Supernet,
        ),  # theirs have names of their own
    }


def _implements_tangent(kind: type[Layer]) -> bool:
    return kind.tangent is not Layer.tangent


@pytest.mark.parametrize("name", CASES)
def test_backward_is_the_gradient(name: str) -> None:
    case = CASES[name]
    model, heavy = case.model(), name in HEAVY
    report = check_gradients(
        model.network,
        case.inputs(),
        step=case.step(),
        directions=1 if heavy else 2,
        full=0 if heavy else 24,
        input_error=case.input_error or bool(case.fixed),
    )
    inputs = len(case.inputs()) if case.input_error else len(case.fixed)
    assert len(report.errors) == inputs + len(model.arena.parameters)


def run(case: Case, model: Model, inputs: Sequence[Array], step: Step) -> tuple[list[Array], Array]:
    """What backward returns for a random δ, and that δ; gradients are in the arena."""
    y = model.network.forward(*[a.copy() for a in inputs], step)
    c = np.random.default_rng(13).standard_normal(y.shape)
    model.arena.grad[...] = 0.0
    sent = model.network.backward(c.copy(), step)
    return (list(sent) if len(inputs) > 1 else [sent]), c


def directions(case: Case, model: Model) -> tuple[list[Array], Array]:
    """t for every input, v for the weights."""
    rng = np.random.default_rng(14)
    t = [rng.standard_normal(shape) for shape in case.shapes]
    still = range(len(t)) if not case.input_error else case.fixed
    return [0 * a if i in still else a for i, a in enumerate(t)], rng.standard_normal(model.arena.value.size)


def tangent(model: Model, t: Sequence[Array], v: Array, step: Step) -> Array:
    start = 0
    for p in model.arena.parameters:
        step.direction[p] = v[start : start + p.size].reshape(p.shape)
        start += p.size
    return model.network.tangent(*t, step)


@pytest.mark.parametrize("name", WITH_TANGENT)
def test_tangent_is_the_directional_derivative(name: str) -> None:
    case = CASES[name]
    model, x = case.model(), case.inputs()
    step = case.step(keep_tape=True)
    run(case, model, x, step)
    t, v = directions(case, model)
    found = tangent(model, t, v, step)
    w, errors = model.arena.value.copy(), []
    for h in (1e-5, 1e-6, 1e-7):  # the smaller ones where a step crosses a kink
        ends = []
        for sign in (1, -1):
            model.arena.value[...] = w + sign * h * v
            moved = [a + sign * h * b for a, b in zip(x, t, strict=True)]
            ends.append(model.network.forward(*moved, case.step()))
        seen = (ends[0] - ends[1]) / (2 * h)
        errors.append(np.linalg.norm(seen - found) / np.linalg.norm(seen))
    assert found.shape == seen.shape
    assert min(errors) < 1e-6


@pytest.mark.parametrize("rules", ["bp", "every"])
@pytest.mark.parametrize("name", WITH_TANGENT)
def test_tangent_is_the_transpose_of_backward(name: str, rules: str) -> None:
    """⟨c, T(t, v)⟩ = ⟨error below, t⟩ + ⟨gradient, v⟩, through whatever B the rules send the error."""
    case = CASES[name]
    model = case.model(always_bp if rules == "bp" else every_rule())
    step = case.step(keep_tape=True, update=3)
    sent, c = run(case, model, case.inputs(), step)
    t, v = directions(case, model)
    up = float(np.vdot(c, tangent(model, t, v, step)))
    parts = [np.vdot(e, d) for e, d in zip(sent, t, strict=True) if e is not None and e.shape == d.shape]
    down = [*parts, np.vdot(model.arena.grad, v)]
    assert up == pytest.approx(float(sum(down)), rel=1e-9, abs=1e-9 * float(np.linalg.norm(c)))


# The tape


def floats(value: Any) -> list[Array]:
    value = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, tuple | list):
        return [a for item in value for a in floats(item)]
    return [value] if isinstance(value, np.ndarray) and value.dtype.kind == "f" else []


@pytest.mark.parametrize("name", CASES)
def test_backward_reads_all_that_is_kept_and_frees_it(name: str) -> None:
    """Poisoned with NaN, each array on the tape changes the errors, the gradients or ∂L/∂q."""
    case = CASES[name]
    model, step = case.model(), case.step()
    y = model.network.forward(*case.inputs(), step)
    tape = dict(step.tape)
    c = np.random.default_rng(13).standard_normal(y.shape)

    def results() -> list[Array]:
        step.tape = dict(tape)
        model.arena.grad[...] = 0.0
        with np.errstate(all="ignore"):
            sent = model.network.backward(c.copy(), step)
        sent = list(sent) if len(case.shapes) > 1 else [sent]
        return [model.arena.grad.copy(), *(np.array(e) for e in sent if e is not None)]

    expected = results()
    left = {layer.name: kept for layer, kept in step.tape.items() if floats(kept)}  # type: ignore[attr-defined]
    assert not left
    if name in ("norm_plain_in_evaluation", "fixed_cell_of_one_input"):  # what nobody reads: in no network
        return
    for layer, kept in tape.items():
        if isinstance(layer, WholeEdge):  # of this file: what it keeps is for several edges
            continue
        for i, array in enumerate({id(a): a for a in floats(kept)}.values()):
            saved = array.copy()
            array[...] = np.nan
            found = results()
            array[...] = saved
            same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))
            assert not same, f"{layer.name}: backward does not read array {i}"  # type: ignore[attr-defined]
    assert all(np.array_equal(a, b) for a, b in zip(results(), expected, strict=True))


def test_kept_tape_stays() -> None:
    case = CASES["sequence"]
    model, step = case.model(), case.step(keep_tape=True)
    run(case, model, case.inputs(), step)
    assert {s.name for s in step.deltas} == {"conv", "hidden", "out"}  # type: ignore[attr-defined]
    assert len(step.tape) == 6
