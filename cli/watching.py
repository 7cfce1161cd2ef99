"""Steps of a subject under inspection, with progress on stderr; Ctrl-C keeps what was recorded."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..analysis.calls import BUDGET, watched
from ..analysis.cell_picture import CellEdge
from ..analysis.course import Course, of_layers
from ..analysis.inspection import Inspection
from ..analysis.numbers import NAMES
from ..analysis.reading import NAME as SIGNALS
from ..analysis.reading import read_signals, segments_of
from ..analysis.signals_file import SignalsFile
from ..analysis.subject import is_run, open_subject
from ..engine.errors import UsageError
from ..engine.stopping import Stopping
from ..engine.words import several

EVERY = 10.0  # seconds between two lines


class Seen(NamedTuple):
    """What was recorded, the cells of what it was recorded of, by kind, the file that was written; Ctrl-C or not."""

    course: Course
    cells: dict[str, list[CellEdge]]
    signals: SignalsFile | None = None
    stopped: bool = False


def is_recording(name: str) -> bool:
    """A folder of --out, or a signals.h5; a run's folder is the run, also where it was recorded there."""
    return Path(name).name == SIGNALS or (bool(segments_of(Path(name))) and not is_run(name))


def seen_of(
    name: str,
    settings: dict[str, Any],
    *,
    steps: int,
    every: int,
    layers: Sequence[str],
    quiet: bool,
    out: Path | None = None,
    budget: int = BUDGET,
) -> Seen:
    """The course of a subject; of a recording, what was recorded of these layers."""
    if is_recording(name):
        if settings:
            raise UsageError(f'"{name}" is a recording: no setting can be given beside it.')
        return Seen(of_layers(read_signals(name), layers), {})
    if is_run(name) and segments_of(Path(name)) and not quiet:
        _say(f'"{name}" is inspected as the run that it holds; its recording is "{Path(name, SIGNALS)}".')
    subject = open_subject(name, settings)
    with Stopping() as stopping:
        progress = Progress(quiet, lambda: stopping.requested is None)
        seen = Inspection(layers, every, title=subject.title)
        watched(subject, steps, seen, out, budget, lambda done: progress(done, steps), _warn)
    if stopping.requested and not quiet:
        _say(f"Stopped after {progress.done} of {several(steps, 'step')}: this is what was recorded.")
    written = seen.sink if isinstance(seen.sink, SignalsFile) and seen.sink.path.exists() else None
    return Seen(seen.course, subject.cells(), written, stopping.requested is not None)


def not_begun(name: str) -> Seen:
    """Of a subject that Ctrl-C came before."""
    nothing = np.zeros(0, np.int64), np.zeros((0, 0, len(NAMES)))
    return Seen(Course([], *nothing, title=f"{name}, not begun"), {})


class Progress:
    """A line on stderr every 10 seconds: how many of what `unit` names are done. Says whether to go on."""

    def __init__(
        self, quiet: bool = False, go_on: Callable[[], bool] = lambda: True, unit: str = "step"
    ) -> None:
        self.quiet, self.go_on, self.unit, self.done = quiet, go_on, unit, 0
        self._said = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, of: int) -> bool:
        self.done, now = done, time.monotonic()
        self._first = self._first or (now, done)
        if not self.quiet and now - self._said > EVERY:
            self._said = now
            _say(f"{self.unit} {done}/{of}{self._left(now, done, of)}")
        return self.go_on()

    def _left(self, now: float, done: int, of: int) -> str:
        """By the pace since the first call: what came before it was loading and compiling."""
        began, first = self._first or (now, done)
        if done == first:
            return ""
        left = round((now - began) / (done - first) * (of - done))
        return f", {left // 60}:{left % 60:02d} left"


def _warn(text: str) -> None:
    _say(f"warning: {text}")


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
