"""Inspection: numbers of every synapse beside the exact gradient, while a run goes on as it would without.

with bn.inspection(layers=["conv*"], every=10) as seen:
    bn.run_train("runs/fa", model="lenet", rule="fa", epochs=2)
seen.summary()       # an object a synapse: angles, sign agreement, norms, flags
seen.by_rule()       # an object a rule: their means over its synapses
seen.course          # all of it by update, as arrays
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import Array, array_module, fetch
from ..engine.probe import Pass, Told, Watch, opened
from ..engine.procedures.perturbed import perturbations
from .by_rule import by_rule
from .course import WINDOW, Course, Row, of_window
from .histogram import BINS
from .measures import Lane, lanes_of, numbers
from .numbers import EACH_STEP, HISTOGRAMS, NAMES, OVER_A_WINDOW
from .operation import operation
from .summary import page, summary
from .variance import Welford


class Sink(Protocol):
    """Where records go, besides memory."""

    def append(
        self, update: int, rows: Sequence[Row], numbers: NDArray[Any], histograms: NDArray[Any] | None
    ) -> None: ...

    def unfinished(self, rows: Sequence[Row], windows: NDArray[Any]) -> None: ...


class Inspection(Watch):
    """Records every NUMBERS of the layers wanted; `histograms` as well, of x, y, delta, W, B and dW."""

    def __init__(
        self,
        layers: str | Sequence[str] = ("*",),
        every: int = 1,
        *,
        histograms: bool = True,
        window: int = WINDOW,
        sink: Sink | None = None,
        title: str = "",
    ) -> None:
        super().__init__(layers, every, exact=True)
        self.with_histograms, self.window, self.sink, self.title = histograms, window, sink, title
        self._rows: dict[tuple[str, int], Row] = {}
        self._told: dict[
            int, list[tuple[Row, Array, Array | None]]
        ] = {}  # of one step: a layer's lanes, by its place
        self._welford: dict[Row, Welford] = {}
        self._updates: list[int] = []
        self._numbers: list[dict[Row, NDArray[np.float64]]] = []
        self._counts: list[dict[Row, NDArray[np.int64]]] = []

    def record(self, layer: Any, step: Pass, told: Told) -> None:
        if not self.watches(step) or not self.wants(layer.name):
            return
        lanes = []
        for r, lane in enumerate(lanes_of(layer, told, self.with_histograms)):
            row = self._row(layer, told, r)
            found = array_module(lane.x).concatenate([numbers(lane), self._over_the_window(row, lane)])
            lanes.append((row, found, lane.histograms() if self.with_histograms else None))
        self._told[layer.place] = lanes

    def _row(self, layer: Any, told: Told, r: int) -> Row:
        key, rule = (layer.name, r), layer.rules[r]
        if key not in self._rows:
            s = told.s
            self._rows[key] = Row(
                layer=layer.name,
                lane=r if layer.lanes > 1 else -1,
                op=operation(layer),
                rule=str(rule),
                bits=float(getattr(rule, "bits", 0.0)),
                shape=tuple(s.W.shape[1:]),
                sends=rule.sends if layer.sends_error else "data",
                learns=_learns(layer, r),
                reads=tuple(rule.reads),
                read=tuple(sorted(s.read[r])),
            )
        return self._rows[key]

    def _over_the_window(self, row: Row, lane: Lane) -> Array:
        """(len(OVER_A_WINDOW),): of ΔW over the minibatches, at the last step of a window; NaN at others."""
        xp = array_module(lane.x)
        if lane.dW is not None:
            seen = self._welford.setdefault(row, Welford())
            seen.add(lane.dW)
            if seen.count == self.window:
                return _told_of(self._welford.pop(row))
        nothing: Array = xp.full(len(OVER_A_WINDOW), np.nan)
        return nothing

    def end(self, step: Pass) -> None:
        """One transfer for everything that this step recorded."""
        if not self._told:
            return
        told = [lane for place in sorted(self._told) for lane in self._told[place]]
        held = iter(fetch([a for _, *both in told for a in both if a is not None]))
        found: dict[Row, NDArray[np.float64]] = {}
        counts: dict[Row, NDArray[np.int64]] = {}
        for row, _, histograms in told:
            found[row] = next(held)
            if histograms is not None:
                counts[row] = next(held)
        self._told.clear()
        self._updates.append(step.update)
        self._numbers.append(found)
        self._counts = [*self._counts[-self.window + 1 :], counts]
        if self.sink:
            rows = list(found)
            stacked = np.stack([counts[row] for row in rows]) if counts else None
            self.sink.append(step.update, rows, np.stack([found[row] for row in rows]), stacked)

    @property
    def course(self) -> Course:
        """All numbers; histograms of the last window only (a file has all of them)."""
        rows = list(dict.fromkeys(row for each in self._numbers for row in each))
        shape = len(self._updates), len(rows), len(NAMES)
        values = np.full(shape, np.nan)
        for t, each in enumerate(self._numbers):
            for i, row in enumerate(rows):
                if row in each:
                    values[t, i] = each[row]
        if self._updates:
            self._unfinished_window(rows, values)
        counts = np.zeros((len(self._counts), len(rows), len(HISTOGRAMS), BINS), np.int64)
        for t, of in enumerate(self._counts):
            for i, row in enumerate(rows):
                if row in of:
                    counts[t, i] = of[row]
        return Course(rows, np.array(self._updates, np.int64), values, counts, self.title)

    def _unfinished_window(self, rows: list[Row], values: NDArray[np.float64]) -> None:
        """Where no window is complete yet, what there is of it stands at the last step."""
        for i, row in enumerate(rows):
            if row in self._welford and np.isnan(values[:, i, len(EACH_STEP) :]).all():
                (found,) = fetch([_told_of(self._welford[row])])
                values[-1, i, len(EACH_STEP) :] = found

    def close(self) -> None:
        """The run is over: where no window became whole, the file gets what there is of it, as `course` has it."""
        if self.sink and self._updates:
            course = self.course
            windows = of_window(course.numbers[-1])
            short = [
                i
                for i, row in enumerate(course.rows)
                if row in self._welford and windows[i, -1] < self.window
            ]
            if short:
                self.sink.unfinished([course.rows[i] for i in short], windows[short])

    def summary(self) -> list[dict[str, Any]]:
        """An object a row: means over the last window, and flags."""
        return summary(self.course, self.window)

    def by_rule(self) -> list[dict[str, Any]]:
        """An object a rule: how many synapses it has, and means over them (by_rule.py)."""
        return by_rule(self.summary())

    def __repr__(self) -> str:
        return f"Inspection({self.course!r})"

    def _repr_html_(self) -> str:
        return page(self.summary())


def _told_of(seen: Welford) -> Array:
    """(len(OVER_A_WINDOW),)."""
    found = seen.signal_and_noise()
    xp = array_module(found)
    whole: Array = xp.concatenate([found, xp.full(1, float(seen.count) if seen.count > 1 else np.nan)])
    return whole


def _learns(layer: Any, r: int) -> str:
    if layer.rule.descent[r] == 1.0:
        return "descent"
    return "noise" if perturbations([layer.rules[r]]) else "own"


@contextmanager
def inspection(layers: str | Sequence[str] = ("*",), every: int = 1, **options: Any) -> Iterator[Inspection]:
    """An Inspection of every training and search within the body."""
    made = Inspection(layers, every, **options)
    with opened(made):
        yield made
    made.close()
