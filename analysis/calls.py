"""Inspection from Python, and what `bionas-cupy inspect` does.

seen = bn.inspect("lenet", rule="fa", steps=20)              # a network by name, a genotype, or a run's folder
seen.summary()                                               # an object a synapse; a table in a notebook
seen.course.of("angle_update")                               # (steps, synapses)
seen = bn.inspect("runs/train-1", steps=20, out="seen")      # and signals.h5 in that folder
"""

import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..engine.atomic import write_json
from ..engine.errors import OutputError, UsageError
from ..engine.probe import opened
from .course import WINDOW, check_layers
from .inspection import Inspection
from .reading import segments_of
from .signals_file import SignalsFile
from .subject import Subject, open_subject

BUDGET = 500_000_000  # bytes


def inspect(
    subject: str | Path,
    *,
    steps: int = 10,
    every: int = 1,
    layers: str | Sequence[str] = ("*",),
    out: str | Path | None = None,
    budget: int = BUDGET,
    window: int = WINDOW,
    histograms: bool = True,
    **settings: Any,
) -> Inspection:
    """Train `subject` for so many steps and record every every-th beside the exact gradient.

    subject   a run's folder (it goes on from its checkpoint, and is left as it is), a genotype's file, or lenet,
              mlp, resnet20, resnet56 from their initial weights
    layers    name patterns
    out       a new folder for signals.h5 and inspection.json
    settings  the keys of a training's configuration (docs/cli.md), sections as dictionaries; beside a run: rule,
              device and data={"dir": ...}

    Raises the errors of the command line (bn.BionasError).
    """
    chosen = open_subject(str(subject), settings)
    seen = Inspection(layers, every, window=window, histograms=histograms, title=chosen.title)
    return watched(chosen, steps, seen, Path(out) if out else None, budget)


def watched(
    subject: Subject,
    steps: int,
    seen: Inspection,
    out: Path | None = None,
    budget: int = BUDGET,
    report: Callable[[int], bool] = lambda _: True,
    warn: Callable[[str], None] = warnings.warn,
) -> Inspection:
    """Step an opened subject under an inspection; signals.h5 and inspection.json in `out`."""
    if steps < 1:
        raise UsageError(f"steps is {steps}, expected 1 or more.")
    check_layers([synapse.name for synapse in subject.model.synapses], seen.layers)
    seen.window = min(seen.window, max(2, -(-steps // seen.every)))  # at least one that is whole
    with ExitStack() as stack:
        if out is not None:
            seen.sink = stack.enter_context(signals_in(out, budget, subject.title, warn))
        stack.enter_context(opened(seen))
        subject.run(steps, report)
        seen.close()
    if out is not None:
        _keep_summary(seen, out, warn)
    return seen


def _keep_summary(seen: Inspection, out: Path, warn: Callable[[str], None]) -> None:
    """inspection.json; a disk that refuses it leaves the numbers for the terminal."""
    try:
        write_json(out / "inspection.json", json.loads(json.dumps(seen.summary())))
    except OutputError as error:
        warn(f"The summary is not kept: {error}")


def signals_in(out: Path, budget: int, title: str, warn: Callable[[str], None]) -> SignalsFile:
    """The file of a new recording. Raises UsageError where the folder holds one."""
    if segments_of(out):
        raise UsageError(f'"{out}" already holds signals:', "choose another --out.")
    return SignalsFile(out, budget, title, warn)
