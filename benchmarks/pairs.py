"""Two ways to take the same step, in turns: so that whatever slows the machine slows both."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from ..engine.errors import BionasError
from .process import Job, Worker
from .rounds import Round, Side, is_quiet, kept, side

LEAST = 3  # rounds that a median needs
LONGEST = 15.0  # seconds for the rounds of a row, once it has that many
AGREE = {
    "loss": 1e-3,
    "gradient_norm": 2e-2,
    "update_norm": 1e-4,
}  # relative; rectifier masks flip in float32


class Measured(NamedTuple):
    """The sides in the order of the jobs, and how many rounds counted and did not.

    quiet is False where there were too few quiet rounds, so that every round counts.
    """

    sides: list[Side]
    rounds: int
    discarded: int
    quiet: bool


def measure(jobs: Sequence[Job], threads: int, rounds: int) -> Measured:
    """Rounds of one span of steps by each job, until `rounds` of them were quiet or the time is over.

    Raises BionasError where jobs of different kinds do not take the same step.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(job, threads)) for job in jobs]
        for worker in workers[1:]:
            if worker.job.kind != jobs[0].kind:  # else another form of the same, which does other work
                check_same(jobs[0], workers[0].told, worker.job, worker.told)
        return summary(take(lambda: [worker.step() for worker in workers], rounds))


def take(step: Callable[[], Round], rounds: int, clock: Callable[[], float] = time.monotonic) -> list[Round]:
    """Rounds, until enough are quiet or, where `LEAST` are there, the time is over."""
    taken: list[Round] = []
    began = clock()
    while sum(map(is_quiet, taken)) < rounds:
        if len(taken) >= min(LEAST, rounds) and clock() - began > LONGEST:
            break
        taken.append(step())
    return taken


def summary(taken: Sequence[Round]) -> Measured:
    """Medians over the rounds that count."""
    counted = kept(taken, min(LEAST, len(taken)))
    sides = [side(answers) for answers in zip(*counted, strict=True)]
    return Measured(sides, len(counted), len(taken) - len(counted), all(map(is_quiet, counted)))


def check_same(ours: Job, told: dict[str, float], peer: Job, told_by_peer: dict[str, float]) -> None:
    """Refuse to compare what is not the same work."""
    for name in told.keys() & told_by_peer.keys():
        a, b = told[name], told_by_peer[name]
        if not abs(a - b) <= AGREE[name] * abs(a):
            raise BionasError(
                f"{ours.kind} and {peer.kind} do not take the same step: {name} {a:.6g} and {b:.6g}, "
                f"expected a relative difference of {AGREE[name]:g} at most."
            )
