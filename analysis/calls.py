"""Inspection from Python, and what `bionas-cupy inspect` does.

    seen = bn.inspect("lenet", rule="fa", steps=20)              # a network by name, a genotype, or a run's folder
    seen.summary()                                               # an object a synapse; a table in a notebook
    seen.course.of("angle_update")                               # (steps, synapses)
    seen = bn.inspect("runs/train-1", steps=20, out="seen")      # and signals.h5 in that folder
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..engine.atomic import write_json
from ..engine.errors import UsageError
from .inspection import WINDOW, Inspection, inspection
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
    opened = open_subject(str(subject), settings)
    form = {"every": every, "window": window, "histograms": histograms}
    return watched(opened, steps, layers, Path(out) if out else None, budget, **form)


def watched(
    subject: Subject,
    steps: int,
    layers: str | Sequence[str],
    out: Path | None = None,
    budget: int = BUDGET,
    *,
    report: Callable[[int], bool] = lambda _: True,
    warn: Callable[[str], None] | None = None,
    **form: Any,
) -> Inspection:
    """Step an opened subject under an inspection; signals.h5 and inspection.json in `out`."""
    if steps < 1:
        raise UsageError(f"steps is {steps}, expected 1 or more.")
    check_layers(subject, layers)
    with ExitStack() as stack:
        if out is not None:
            form["sink"] = stack.enter_context(signals_in(out, budget, subject.title, warn))
        seen = stack.enter_context(inspection(layers, title=subject.title, **form))
        subject.run(steps, report)
    if out is not None:
        write_json(out / "inspection.json", json.loads(json.dumps(seen.summary())))
    return seen


def signals_in(out: Path, budget: int, title: str, warn: Callable[[str], None] | None) -> SignalsFile:
    """The file of a new recording. Raises UsageError where the folder holds one."""
    if segments_of(out):
        raise UsageError(f'"{out}" already holds signals:', "choose another --out.")
    return SignalsFile(out, budget, title, **({"warn": warn} if warn else {}))


def check_layers(subject: Subject, layers: str | Sequence[str]) -> None:
    """Raises UsageError where a pattern names no weighted layer."""
    from fnmatch import fnmatchcase

    names = [synapse.name for synapse in subject.model.synapses]
    for pattern in [layers] if isinstance(layers, str) else layers:
        if not any(fnmatchcase(name, pattern) for name in names):
            known = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise UsageError(f'no weighted layer is named like "{pattern}".', f"There are: {known}.")
