"""How far a run is: a bar on a terminal, a line an epoch and every 30 s elsewhere; JSON Lines on stdout."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..search.loop import Moment, Report
from .output import print_json

EVERY = 30.0  # seconds between two lines
REFRESH = 2.0  # seconds between two looks at the losses: each one waits for the device

NAMES = {
    "train_loss": "train loss {:.4g}",
    "train_accuracy": "train accuracy {:.1f} %",
    "validation_loss": "validation loss {:.4g}",
    "validation_accuracy": "validation accuracy {:.1f} %",
    "robust_accuracy": "under attack {:.1f} %",
    "expected_bits": "{:.3g} bits a searched weight",
}


@contextmanager
def progress(quiet: bool, as_json: bool) -> Iterator[Report]:
    """The report to hand to a run."""
    reports: list[Report] = [json_lines] if as_json else []
    if quiet:
        yield together(reports)
    elif sys.stderr.isatty():
        with bar() as shown:
            yield together([*reports, shown])
    else:
        yield together([*reports, Lines()])


def together(reports: list[Report]) -> Report:
    def report(moment: Moment) -> None:
        for each in reports:
            each(moment)

    return report


def json_lines(moment: Moment) -> None:
    """One object for each finished epoch, evaluation, or candidate."""
    if moment.finished_epoch:
        unit, score = moment.unit, moment.score
        of = {f"{unit}s": moment.epochs} if moment.epochs else {"spent": moment.step, "limit": moment.steps}
        print_json({"event": unit, unit: moment.epoch + 1, **of, **score})


class Lines:
    """Plain lines on stderr. A stderr that has gone away does not end the run."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.pace = clock, Pace(clock)
        self.last = clock()

    def __call__(self, moment: Moment) -> None:
        now = self.clock()
        pace = self.pace(moment)
        if (moment.finished_epoch and moment.unit == "epoch") or now - self.last >= EVERY:
            self.last = now
            with suppress(OSError):
                print(line(moment, pace), file=sys.stderr, flush=True)


class Pace:
    """Steps a second over the last moments seen, and the time that is left at that pace."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seen: deque[tuple[float, int]] = deque(
            maxlen=32
        )  # steps of the architecture are slower than others

    def __call__(self, moment: Moment) -> str:
        self.seen.append((self.clock(), moment.step))
        (began, first), (now, step) = self.seen[0], self.seen[-1]
        if step == first or now <= began:
            return ""
        rate = (step - first) / (now - began)
        left = round((moment.steps - step) / rate)
        return f"{rate:.3g} steps/s, {left // 60}:{left % 60:02d} left"


def line(moment: Moment, pace: str) -> str:
    where = name_of(moment)
    if moment.unit == "epoch":
        where += f", step {moment.step}/{moment.steps}"
    if moment.unit == "candidate":
        where += f", epoch {moment.step}/{moment.steps}"
    return "; ".join(part for part in (where, figures(moment), pace) if part)


def name_of(moment: Moment) -> str:
    """epoch 3/8; candidate 3, where nobody knows how many there will be."""
    return f"{moment.unit} {moment.epoch + 1}" + (f"/{moment.epochs}" if moment.epochs else "")


def figures(moment: Moment) -> str:
    """The losses of the epoch, of its part so far where it is under way."""
    score: dict[str, Any] = moment.score if moment.finished_epoch else moment.running()
    told = [form.format(score[name]) for name, form in NAMES.items() if name in score]
    return ", ".join([*told, *(f"{name} {value:.4g}" for name, value in score.get("scores", {}).items())])


@contextmanager
def bar() -> Iterator[Report]:
    """A bar with rate, remaining time and losses, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[told]}")
    clock = time.monotonic
    pace, looked = Pace(clock), 0.0
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("starting", total=None, told="")

        def report(moment: Moment) -> None:
            nonlocal looked
            speed = pace(moment)
            if moment.finished_epoch or clock() - looked > REFRESH:
                looked = clock()
                shown.update(task, told="; ".join(filter(None, (speed, figures(moment)))))
            shown.update(task, description=name_of(moment), total=moment.steps, completed=moment.step)

        yield report


def saving() -> None:
    """What a first Ctrl-C is answered with, while the step under way goes to its end."""
    print("Saving after this step; once more ends it at once, unsaved.", file=sys.stderr, flush=True)
