"""signals.h5: a recording on disk, in segments, within a budget of bytes.

    DIR/signals.h5           links to the segments, in order; plain h5py follows them
    DIR/signals/00000.h5     a segment: whole by itself, replaced atomically (segments.py has its layout)

What is recorded waits in memory for a segment's worth of bytes, or FLUSH seconds; a kill loses no more than that.
When the budget is reached, every second recorded step goes, from the whole course: its beginning stays in sight however
long the run. A disk that refuses ends the recording with a warning, and not the run. A resumed run goes on where its
checkpoint was: what lies after that is recorded again.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.atomic import clean_orphans, output_errors
from ..engine.errors import CheckpointError, OutputError, UsageError
from .course import Course, Floats, Row, joined, of_window, taken, thinned
from .reading import FOLDER, NAME, read_all, segments_of
from .segments import Ordinals, read_segment, write_index, write_segment

FLUSH = 30.0  # seconds
SHARE = 16  # segments that a full budget holds
LEAST = 1 << 20  # bytes


class SignalsFile:
    """Takes the records of an Inspection. Close it, or use `with`."""

    def __init__(
        self,
        folder: Path,
        budget: int = 500_000_000,
        title: str = "",
        warn: Callable[[str], None] = warnings.warn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if budget < LEAST:
            raise UsageError(f"budget is {budget} bytes, expected at least {LEAST}.")
        self.folder, self.budget, self.title, self._warn, self._clock = folder, budget, title, warn, clock
        self._buffer: list[tuple[int, Course]] = []
        self._bytes, self._stopped, self._saved = 0, False, clock()
        self._windows: dict[Row, Floats] = {}  # that ended at steps which were passed over
        with output_errors(folder):
            (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        clean_orphans(folder), clean_orphans(folder / FOLDER)
        course, ordinals, self._stride = read_all(folder)
        self._next = int(ordinals[-1]) + 1 if len(ordinals) else 0
        self._last = int(course.updates[-1]) if len(ordinals) else -1

    def __enter__(self) -> "SignalsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        return self.folder / NAME

    @property
    def recorded(self) -> int:
        """Steps that were given to it, those that were thinned out included."""
        return self._next

    @property
    def stopped(self) -> bool:
        """Whether the disk refused, so that the end of the run is not there."""
        return self._stopped

    @property
    def stride(self) -> int:
        """Of the recorded steps, every stride-th is kept."""
        return self._stride

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in [self.path, *self._segments()] if path.exists())

    def append(
        self, update: int, rows: Sequence[Row], numbers: NDArray[Any], histograms: NDArray[Any] | None
    ) -> None:
        """One recorded step. numbers (L, NUMBERS), histograms (L, SIGNALS, BINS)."""
        if self._stopped:
            return
        with self._or_stop():
            if update <= self._last:
                self._rewind(update)
            self._last = update
            if self._next % self._stride:
                self._pass_over(rows, numbers)
            else:
                self._take(update, rows, numbers.copy(), histograms)
            self._next += 1
            if self._bytes >= self.budget // SHARE or self._clock() - self._saved > FLUSH:
                self.flush()

    def _take(
        self, update: int, rows: Sequence[Row], numbers: Floats, histograms: NDArray[Any] | None
    ) -> None:
        for row, of in zip(rows, of_window(numbers), strict=True):
            np.copyto(of, self._windows.pop(row, of), where=np.isnan(of))
        one = Course(rows, np.array([update]), numbers[None], title=self.title)
        if histograms is not None:
            one.histograms = histograms[None]
        self._buffer.append((self._next, one))
        self._bytes += numbers.nbytes + (0 if histograms is None else histograms.nbytes // 2)

    def _pass_over(self, rows: Sequence[Row], numbers: Floats) -> None:
        """Only what a window had that ended here: it goes with the next step."""
        for row, of in zip(rows, of_window(numbers), strict=True):
            if not np.isnan(of).all():
                self._windows[row] = of.copy()

    def unfinished(self, rows: Sequence[Row], windows: Floats) -> None:
        """The run is over: what windows (L, OVER_A_WINDOW) that are not whole had goes with the last step."""
        if not self._stopped:
            with self._or_stop():
                self._windows.update(zip(rows, windows, strict=True))
                self.flush()
                self._keep_last_window()

    def close(self) -> None:
        if not self._stopped:
            with self._or_stop():
                self.flush()
                self._keep_last_window()

    def flush(self) -> None:
        """Write what waits in memory. OutputError where the disk refuses."""
        self._saved = self._clock()
        if not self._buffer:
            return
        new, ordinals = joined([one for _, one in self._buffer]), np.array([n for n, _ in self._buffer])
        self._buffer, self._bytes = [], 0
        segments = self._segments()
        if segments and segments[-1].stat().st_size < self.budget // SHARE:
            path = segments[-1]
            tail, before, _ = read_segment(path)
            new, ordinals = joined([tail, new]), np.concatenate([before, ordinals])
        else:
            path = self._path(1 + int(segments[-1].stem) if segments else 0)
        write_segment(path, new, ordinals, self._stride)
        self._fit()
        write_index(self.path, self._segments(), self.title, self._stride)

    def _keep_last_window(self) -> None:
        """What no kept step followed goes with the last one."""
        if not self._windows or not self._segments():
            return
        path = self._segments()[-1]
        course, ordinals, _ = read_segment(path)
        for row, of in zip(course.rows, of_window(course.numbers[-1]), strict=True):
            np.copyto(of, self._windows.pop(row, of), where=np.isnan(of))
        write_segment(path, course, ordinals, self._stride)

    def _fit(self) -> None:
        """Thin the recording out until it keeps well within the budget."""
        while self.size > self.budget * 3 // 4:
            self._stride *= 2
            before = self.size
            for group in _groups(self._segments(), self.budget // SHARE):
                self._rewrite(group, lambda _, ordinals: ordinals % self._stride == 0, thinned)
            if self.size >= before:
                raise OutputError(
                    f"one recorded step needs more than the budget of {self.budget} bytes.",
                    "Give a larger --budget, or fewer --layers.",
                )

    def _rewind(self, update: int) -> None:
        """A run that was resumed goes back: forget this update and all after it."""
        self.flush()
        self._windows.clear()
        for path in self._segments():
            self._rewrite([path], lambda course, _: course.updates < update, taken)
        _, ordinals, _ = read_all(self.folder)
        self._next = int(ordinals[-1]) + 1 if len(ordinals) else 0

    def _rewrite(
        self,
        group: list[Path],
        kept: Callable[[Course, Ordinals], NDArray[np.bool_]],
        only: Callable[[Course, NDArray[np.bool_]], Course],
    ) -> None:
        """Several segments as one, in the first one's place. A kill before the others go leaves doubles, which
        a reader passes over.
        """
        parts = [read_segment(path) for path in group]
        whole, ordinals = joined([course for course, _, _ in parts]), np.concatenate([o for _, o, _ in parts])
        which = kept(whole, ordinals)
        if which.any():
            write_segment(group[0], only(whole, which), ordinals[which], self._stride)
        for path in group[1:] if which.any() else group:
            path.unlink()

    def _segments(self) -> list[Path]:
        return segments_of(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / FOLDER / f"{number:05d}.h5"

    @contextmanager
    def _or_stop(self) -> Iterator[None]:
        """What the disk refuses, or a damaged segment, ends the recording."""
        try:
            with output_errors(self.folder):
                yield
        except (OutputError, CheckpointError) as error:
            self._stopped, self._buffer = True, []
            self._warn(f"Recording stopped, the run goes on: {error}")


def _groups(paths: list[Path], size: int) -> list[list[Path]]:
    """Neighbours that fit into one segment once they are halved."""
    groups: list[list[Path]] = []
    held = 0.0
    for path in paths:
        half = path.stat().st_size / 2
        if groups and held + half <= size:
            groups[-1].append(path)
            held += half
        else:
            groups.append([path])
            held = half
    return groups
