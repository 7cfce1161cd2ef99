"""Reading a recording: the segments of a folder as one course."""

from pathlib import Path

import numpy as np

from ..engine.errors import UsageError
from .course import Course, joined, taken
from .numbers import NAMES
from .segments import Ordinals, read_segment

NAME, FOLDER = "signals.h5", "signals"


def segments_of(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("[0-9]*.h5"))


def read_all(folder: Path) -> tuple[Course, Ordinals, int]:
    """All segments of a folder as one course. CheckpointError where a segment cannot be read."""
    parts, ordinals, stride, last = [], [np.zeros(0, np.int64)], 1, -1
    for path in segments_of(folder):
        course, own, step = read_segment(path)
        new = own > last
        if new.any():
            parts.append(taken(course, new))
            ordinals.append(own[new])
            last, stride = int(own[-1]), max(stride, step)
    whole = joined(parts) if parts else Course([], np.zeros(0, np.int64), np.zeros((0, 0, len(NAMES))))
    return whole, np.concatenate(ordinals), stride


def read_signals(path: str | Path) -> Course:
    """The course in a folder that `inspect --out` or a recording wrote (or its signals.h5).

    Raises UsageError where there is none, CheckpointError where a segment cannot be read.
    """
    path = Path(path)
    folder = path.parent if path.name == NAME else path
    course, ordinals, _ = read_all(folder)
    if not len(ordinals):
        raise UsageError(
            f'"{folder}" holds no signals.', f'Record them: bionas-cupy inspect ... --out "{folder}".'
        )
    return course
