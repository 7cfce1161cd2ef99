"""A search over candidates in a run folder: a line of the journal each, and what a resumed search goes on from."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import journal
from ..engine.run_folder import RunFolder, State
from ..engine.stopping import Stopping
from ..engine.words import several
from .ask_tell import Trial
from .loop import Moment, Report

EVERY = 1.0  # seconds between two checkpoints: what a kill may cost beside the evaluation under way


def journalled(folder: RunFolder) -> list[dict[str, Any]]:
    """The candidates evaluated before the run was stopped; [] of a new one. CheckpointError for a damaged journal."""
    if folder.state is not State.SAVED:
        return []
    folder.load()  # cuts the journal back to the last checkpoint
    return journal.read(folder.path / "journal.jsonl")


def save(folder: RunFolder, evaluated: int) -> None:
    """A checkpoint: it holds no more than the number of the journal's lines, which it seals."""
    folder.save({"evaluated": np.array(evaluated)}, {"evaluated": evaluated})


def keeper(
    folder: RunFolder, stopping: Stopping, report: Report, limit: int, unit: str = "evaluation"
) -> Callable[[Trial, bool], None]:
    """What an exploration tells of each candidate: journal, checkpoint, progress. StoppedError after a signal.

    unit: "evaluation" where each costs one and `limit` is their number, else "candidate".
    """
    saved = time.monotonic()

    def told(trial: Trial, new: bool) -> None:
        nonlocal saved
        if not new:
            return
        folder.journal.append(trial.to_json())
        if stopping.requested or time.monotonic() - saved > EVERY:
            save(folder, trial.number + 1)
            saved = time.monotonic()
        step = min(limit, round(trial.spent))
        total = limit if unit == "evaluation" else 0
        report(Moment(trial.number, total, step, limit, trial.score, True, unit=unit))
        if stopping.requested:
            what = f"Stopped and saved after {several(trial.number + 1, 'evaluation')}."
            raise stopping.error(what, folder.path)

    return told
