"""What was recorded of a run: a row for each lane of each synapse, numbers and histograms by update."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import UsageError
from .histogram import BINS
from .numbers import EACH_STEP, HISTOGRAMS, NAMES, OVER_A_WINDOW

Floats = NDArray[np.float64]
WINDOW = 20  # recorded steps: of variance_update and snr, and of what a summary is the mean of


@dataclass(frozen=True)
class Row:
    """One lane of one synapse. bits: transported per weight.

    sends     as its rule declares, "exact", "feedback" or "none"; "data" for a layer on the data
    learns    "descent" where ΔW = -δ ⊗ x, "noise" where the loss's answers to noise make it, "own" for others
    """

    layer: str
    lane: int
    op: str
    rule: str
    bits: float
    shape: tuple[int, ...]
    sends: str
    learns: str
    reads: tuple[str, ...]
    read: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.layer if self.lane < 0 else f"{self.layer}#{self.lane}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"shape": list(self.shape), "reads": list(self.reads), "read": list(self.read)}

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> "Row":
        return cls(**tree | {key: tuple(tree[key]) for key in ("shape", "reads", "read")})


@dataclass(repr=False)
class Course:
    """rows (L), from the data to the loss; updates (T,); numbers (T, L, len(NAMES)), NaN where there is none.

    histograms (T or 0, L, len(HISTOGRAMS), BINS): counts in the bins of histogram.py. title: for pictures.
    """

    rows: Sequence[Row]
    updates: NDArray[np.int64]
    numbers: Floats
    histograms: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((0, 0, len(HISTOGRAMS), BINS), np.int64)
    )
    title: str = ""

    def __repr__(self) -> str:
        steps = f"updates {self.updates[0]} to {self.updates[-1]}" if len(self.updates) else "no updates"
        return f"Course({self.title!r}: {len(self.rows)} rows, {len(self.updates)} recorded steps, {steps})"

    def _repr_html_(self) -> str:
        """The table of the last window."""
        from .summary import page, summary  # it reads courses

        return page(summary(self, WINDOW))

    def of(self, name: str) -> Floats:
        """(T, L)."""
        column: Floats = self.numbers[:, :, NAMES.index(name)]
        return column

    def mean(self, name: str, last: int) -> Floats:
        """(L,): over the last steps; of a number that a window has, of the last window."""
        last = 1 if name in OVER_A_WINDOW else last
        return np.array([_mean(column[~np.isnan(column)][-last:]) for column in self.of(name).T])

    def counts(self, signal: str, last: int) -> NDArray[np.int64]:
        """(L, BINS): over the last steps."""
        found: NDArray[np.int64] = self.histograms[-last:, :, HISTOGRAMS.index(signal)].sum(axis=0)
        return found


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def of_layers(course: Course, patterns: Sequence[str]) -> Course:
    """The rows of layers named like one of the patterns. Raises UsageError where a pattern names none."""
    check_layers(list(dict.fromkeys(row.layer for row in course.rows)), patterns)
    which = [i for i, row in enumerate(course.rows) if any(fnmatchcase(row.layer, each) for each in patterns)]
    rows = [course.rows[i] for i in which]
    histograms = course.histograms[:, which] if len(course.histograms) else course.histograms
    return Course(rows, course.updates, course.numbers[:, which], histograms, course.title)


def check_layers(names: Sequence[str], patterns: Sequence[str]) -> None:
    """Raises UsageError where a pattern names no weighted layer."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            known = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise UsageError(f'no weighted layer is named like "{pattern}".', f"There are: {known}.")


def taken(course: Course, which: NDArray[np.bool_]) -> Course:
    """The steps that `which` (T,) marks."""
    histograms = course.histograms[which] if len(course.histograms) else course.histograms
    return Course(course.rows, course.updates[which], course.numbers[which], histograms, course.title)


def thinned(course: Course, which: NDArray[np.bool_]) -> Course:
    """The steps that `which` marks. A window's numbers stand at its last step: they go to the next one that is
    kept, or to the last one.
    """
    found = taken(course, which)
    if not len(found.updates):
        return found
    after = np.searchsorted(np.flatnonzero(which), np.arange(len(which))).clip(max=len(found.updates) - 1)
    for t, to in enumerate(after):
        told = of_window(course.numbers[t])
        np.copyto(of_window(found.numbers[to]), told, where=~np.isnan(told))
    return found


def of_window(numbers: Floats) -> Floats:
    """The columns (L, ...) of numbers that a window has, a view."""
    return numbers[:, len(EACH_STEP) :]


def joined(parts: Sequence[Course]) -> Course:
    """Courses one after the other; a row that a part has not got is NaN and empty there."""
    rows = list(dict.fromkeys(row for part in parts for row in part.rows))
    place = {row: i for i, row in enumerate(rows)}
    at = [[place[row] for row in part.rows] for part in parts]
    numbers = [np.full((len(part.updates), len(rows), len(NAMES)), np.nan) for part in parts]
    for wide, part, columns in zip(numbers, parts, at, strict=True):
        wide[:, columns] = part.numbers
    updates = np.concatenate([part.updates for part in parts])
    whole = Course(rows, updates, np.concatenate(numbers), title=parts[0].title)
    if all(len(part.histograms) == len(part.updates) for part in parts):
        whole.histograms = np.zeros((len(updates), len(rows), len(HISTOGRAMS), BINS), np.int64)
        start = 0
        for part, columns in zip(parts, at, strict=True):
            whole.histograms[start : start + len(part.updates), columns] = part.histograms
            start += len(part.updates)
    return whole
