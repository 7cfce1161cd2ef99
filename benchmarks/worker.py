"""A process that takes one kind of step, again and again, whenever it is asked to: python -m … '{"kind": …}'.

It answers in JSON Lines: first what its first step told (`told`: the loss, the norm of the gradient), then for
each line on stdin the time of a step.
"""

import json
import math
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

from .machine import Span, peak_mb
from .subject import Subject

LEAST_SECONDS = 0.25  # what a timed span holds at least, by repetition: the system counts time in hundredths


def build(kind: str, settings: dict[str, Any]) -> Subject:
    """kind "ours.supernet": the function `build` of that module."""
    made: Subject = import_module(f".{kind}", __package__).build(**settings)
    return made


def warm_up(subject: Subject) -> tuple[dict[str, float], int]:
    """(what the first step told, how often a step is repeated within a span)."""
    told: dict[str, float] = {}
    if subject.first:
        subject.prepare()
        told = subject.step()
    seconds = LEAST_SECONDS
    for _ in range(subject.warm_up):
        subject.prepare()
        began = time.perf_counter()
        subject.step()
        seconds = time.perf_counter() - began
        if seconds > 1.0:
            break
    return told, max(1, math.ceil(LEAST_SECONDS / seconds))


def timed(subject: Subject, repeats: int) -> dict[str, Any]:
    """Seconds of a step, the mean of `repeats`; what prepares a step is not timed."""
    seconds = 0.0
    with Span() as span:
        for _ in range(repeats):
            subject.prepare()
            began = time.perf_counter()
            subject.step()
            seconds += time.perf_counter() - began
    return {"seconds": seconds / repeats, "others": span.others, "peak_mb": subject.peak_mb()}


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def as_in_a_run(kind: str, threads: int) -> AbstractContextManager[Any]:
    """The threads of this package's kernels and of the BLAS below them; a peer has its environment."""
    from ..engine.kernels.threads import one_blas_thread, set_threads

    set_threads(threads)
    return one_blas_thread() if kind.startswith("ours.") else nullcontext()


def serve(kind: str, settings: dict[str, Any], threads: int) -> None:
    with as_in_a_run(kind, threads):
        subject = build(kind, settings)
        base = peak_mb()
        told, repeats = warm_up(subject)
        say({"told": told, "base_mb": base, "peak_mb": subject.peak_mb()})
        for _ in sys.stdin:
            say(timed(subject, repeats))


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
