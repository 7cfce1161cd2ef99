"""A step of a model of ours under inspection, and how near its numbers must come to those of the twin."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from bionas_cupy.analysis.course import Course
from bionas_cupy.analysis.inspection import inspection
from bionas_cupy.analysis.numbers import EACH_STEP, NAMES
from bionas_cupy.engine.loss import correct, cross_entropy, sample_losses
from bionas_cupy.engine.probe import descend
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.model import Model
from bionas_cupy.search.broadcast import Broadcast
from compare import Case
from one_step import BEFORE, HEADS, Batch
from torch_numbers import Numbers, reference

SHARE = 2e-3  # of components


class Bounds(NamedTuple):
    """angle in degrees (an arc cosine knows 0 to 1e-6), norm relative."""

    angle: float
    norm: float


FLOAT64, FLOAT32 = Bounds(1e-4, 1e-9), Bounds(0.1, 1e-4)


class Stirred(Case):
    """Biases that are not 0, and some weights that are."""

    def model(self, dtype: Any) -> Any:
        model, random = super().model(dtype), np.random.default_rng(3)
        for parameter in model.arena.parameters:
            if parameter.name.endswith(".b"):
                parameter.value[...] = random.uniform(-0.3, 0.3, parameter.value.shape).astype(np.float32)
            if parameter.name.endswith(".W"):
                parameter.value[random.random(parameter.value.shape) < 0.1] = 0
        return model


def recorded(model: Model, batch: Batch) -> Numbers:
    with inspection(histograms=False) as seen:
        take(model, batch)
    return rows(seen.course, 0)


def take(model: Model, batch: Batch) -> None:
    """A step as a training makes it, and learns nothing: the pairs of passes with noise, forward, backward."""
    net: Any = model.network
    model.arena.grad[...] = 0
    step, x = Step(model.key.to("step"), batch.update), model.images(batch.images)

    def heads(step: Step) -> list[Any]:
        logits = net.forward(x, step) if batch.q is None else net.forward_mixed(x, batch.q, step)
        return list(logits) if logits.ndim == 3 else [logits]

    def losses(step: Step) -> Any:
        each = (sample_losses(y, batch.labels, batch.smoothing) for y in heads(step))
        return sum(w * loss for w, loss in zip(HEADS, each, strict=False))

    broadcast = Broadcast(model.synapses, batch.modulator, model.backend)
    if broadcast.modulator is not None:
        broadcast.modulator(np.float64(BEFORE), np.float64(BEFORE), 1)
    broadcast.probe(losses, step)
    logits = heads(step)
    told = [cross_entropy(y, batch.labels, batch.smoothing) for y in logits]
    broadcast.modulate(told[0][0], correct(logits[0], batch.labels), len(batch.labels), step)
    errors = np.stack([y.dtype.type(w) * e for w, (_, e), y in zip(HEADS, told, logits, strict=False)])
    step.top = errors[0]
    backward = net.backward if batch.q is None else net.backward_mixed
    descend(backward, errors if len(logits) == 2 else errors[0], step)


def rows(course: Course, t: int) -> Numbers:
    """What was recorded at one step, by layer and lane."""
    return {
        (row.layer, max(row.lane, 0)): dict(zip(NAMES, course.numbers[t, i], strict=True))
        for i, row in enumerate(course.rows)
    }


def check(
    case: Case,
    batch: Batch,
    dtype: Any = np.float64,
    ours: Callable[[Model, Batch], Numbers] = recorded,
    theirs: Callable[[Case, Model, Batch], Numbers] = reference,
) -> None:
    model = case.model(dtype)
    expected = theirs(case, model, batch)
    compare(ours(model, batch), expected, FLOAT64 if dtype is np.float64 else FLOAT32)


def compare(
    found: Numbers, expected: Numbers, bounds: Bounds, names: tuple[str, ...] = tuple(EACH_STEP)
) -> None:
    """All of `names`, for every row: what the twin has not got must be NaN."""
    assert found.keys() == expected.keys()
    far = []
    for key, values in expected.items():
        for name in names:
            value, ours = values.get(name, np.nan), found[key][name]
            same = np.isnan(ours) if np.isnan(value) else abs(ours - value) <= limit(name, values, bounds)
            if not same:
                far.append((key, name, ours, value))
    assert not far, far[:5]


def limit(name: str, values: dict[str, float], bounds: Bounds) -> float:
    if name.startswith("angle"):
        return bounds.angle
    if name.startswith(("norm", "variance", "snr")):
        return bounds.norm * abs(values[name])
    if name == "sent_error":
        return 1e-5  # of rounding, in float32
    return SHARE + values.get(f"rounding {name}", 0.0)
