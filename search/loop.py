"""The loop that searches and trainings share: epochs and steps, checkpoints, journal, stopping.

A job is asked for steps by their number alone; whatever it draws is a function of (seed, epoch, step). So the
loop may stop after any step, and a resumed run goes on bit for bit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import DivergedError
from ..engine.run_folder import RunFolder, State
from ..engine.stopping import Stopping

Score = dict[str, Any]
# An epoch's end is saved where at least PAUSE seconds, and TIMES the last save's, have gone by: epochs may be shorter.
PAUSE, TIMES = 0.5, 5.0


class Job(Protocol):
    """What the loop drives."""

    epochs: int
    steps: int  # of the epoch that was begun last; where they differ, steps_before(epoch) counts those of all before

    def begin(self, epoch: int) -> None:
        """Prepare an epoch; called again when a run resumes in its midst."""

    def step(self, epoch: int, index: int) -> None: ...

    def score(self, epoch: int) -> Score:
        """Figures of a finished epoch: reproducible values only, no times. Clears the meters."""

    def running(self) -> Score:
        """Figures of the epoch so far, for the progress display."""

    def arrays(self) -> dict[str, NDArray[Any]]: ...

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None: ...


@dataclass(frozen=True)
class Moment:
    """Where a run is, for the progress display. Steps count from the start of the run.

    running() gives the figures of an epoch under way; it waits for the device, so ask seldom. unit: "epoch", or
    "evaluation" in a search over a table, where a step is one evaluation; "candidate" where a step is an epoch of a
    candidate's training, and nobody knows how many candidates there will be (epochs 0).
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    score: Score
    finished_epoch: bool
    running: Callable[[], Score] = dict
    unit: str = "epoch"


Report = Callable[[Moment], None]


def drive(
    job: Job,
    folder: RunFolder,
    stopping: Stopping,
    report: Report,
    command: str,
    every: float = 20.0,
    step: Callable[[int, int], None] | None = None,
) -> None:
    """Run the job to its end, from the folder's checkpoint where it has one; save every `every` seconds.

    step: another way to take the job's steps, in the same bits.

    Raises StoppedError (saved), DivergedError (the last good checkpoint stays), OutputError.
    """
    epoch, index = _resume(job, folder)
    step = step or job.step
    saved, cost = time.monotonic(), 0.0
    while epoch < job.epochs and not _ended(job):
        job.begin(epoch)
        while index < job.steps:
            step(epoch, index)
            index += 1
            if index < job.steps:
                done = steps_before(job, epoch) + index
                report(Moment(epoch, job.epochs, done, steps_before(job, job.epochs), {}, False, job.running))
            if index < job.steps and (stopping.requested or time.monotonic() - saved > every):
                cost = _save(job, folder, epoch, index)
                saved = time.monotonic()
                _stop(stopping, folder, command, epoch, index)
        score = job.score(epoch)
        check_finite(score, epoch)
        folder.journal.append({"epoch": epoch, "score": score})
        epoch, index = epoch + 1, 0
        last = epoch == job.epochs or _ended(job)
        due = last or time.monotonic() - saved > max(PAUSE, TIMES * cost)
        if due:
            cost = _save(job, folder, epoch, index)
            saved = time.monotonic()
        done, total = steps_before(job, epoch), steps_before(job, job.epochs)
        report(Moment(epoch - 1, job.epochs, done, total, score, True))
        if stopping.requested and not last:
            if not due:
                _save(job, folder, epoch, index)
            _stop(stopping, folder, command, epoch, index)


def steps_before(job: Job, epoch: int) -> int:
    """The steps of all epochs before this one."""
    uneven: Callable[[int], int] | None = getattr(job, "steps_before", None)
    return uneven(epoch) if uneven else epoch * job.steps


def _ended(job: Job) -> bool:
    """Whether the job, if it can tell, needs no further epoch."""
    ended: Callable[[], bool] | None = getattr(job, "ended", None)
    return ended is not None and ended()


def _resume(job: Job, folder: RunFolder) -> tuple[int, int]:
    if folder.state is not State.SAVED:
        return 0, 0
    arrays, meta = folder.load()
    job.restore(arrays)
    return int(meta["epoch"]), int(meta["step"])


def _save(job: Job, folder: RunFolder, epoch: int, index: int) -> float:
    """How long it took, in seconds."""
    began = time.monotonic()
    arrays = job.arrays()
    if not all(np.isfinite(a).all() for a in arrays.values()):
        raise _diverged(epoch)
    folder.save(arrays, {"epoch": epoch, "step": index})
    return time.monotonic() - began


def _stop(stopping: Stopping, folder: RunFolder, command: str, epoch: int, index: int) -> None:
    if stopping.requested:
        raise stopping.error(f"Stopped and saved in epoch {epoch + 1}, step {index}.", folder.path, command)


def check_finite(score: Score, epoch: int) -> None:
    """Raises DivergedError where a figure is not finite."""
    if not all(np.isfinite(v) for v in score.values() if isinstance(v, float)):
        raise _diverged(epoch)


def _diverged(epoch: int) -> DivergedError:
    return DivergedError(
        f"The run diverged in epoch {epoch + 1}: its loss or its weights are no longer finite.",
        "Start again with a lower rate, for instance --set optimiser.lr=0.01; some rules need it.",
    )
