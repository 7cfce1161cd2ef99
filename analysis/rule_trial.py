"""A small training by a rule, beside back-propagation and beside no learning: angles, accuracy, speed.

The embedded digits, one half of the training images to learn from and the other half to test: the test images
are left alone, since whoever writes a rule looks at this figure again and again.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from ..data.dataset import Images
from ..data.digits import read_digits
from ..engine.backend import cpu
from ..engine.kernels.threads import one_blas_thread
from ..engine.probe import probe
from ..engine.random import Key
from ..engine.registry import make_rule
from ..search.config import TrainConfig, build
from ..search.training import Training, scores_on
from .rule_meeting import KINDS, Meeting, listening

HIDDEN = [64, 64]
EPOCHS = 8
ROUNDS = 15  # of timed steps
Angles = dict[str, float]
Clock = Callable[[], float]


class Trial(NamedTuple):
    """accuracy (%) on `images` images that were not learned from; degrees to the exact update, by layer."""

    accuracy: float
    images: int
    before: Angles
    after: Angles


def trial(rules: dict[str, str], frozen: bool = False, epochs: int = EPOCHS) -> Trial:
    """Train an MLP of two hidden layers. rules: by layer pattern. frozen: only the classifier learns."""
    _, test = halves()
    job = training("mlp", rules, frozen)
    before = angles(job, 0, 0)
    with one_blas_thread():
        for epoch in range(epochs):
            for index in range(job.steps):
                if (epoch, index) != (0, 0):
                    job.step(epoch, index)
        found = scores_on(job.model, test)
    return Trial(found["test_accuracy"], len(test), before, angles(job, epochs, 0))


def training(model: str, rules: dict[str, str], frozen: bool = False) -> Training:
    """The job, its weights fresh. frozen: the error ends at the classifier, so the layers below rest."""
    settings: dict[str, Any] = {
        "model": model,
        "rules_per_layer": rules,
        "epochs": EPOCHS,
        "batch": 32,
        "hidden": HIDDEN,
        "optimiser": {"weight_decay": 0.0, "schedule": "constant"},
    }
    job = Training(build(TrainConfig, [settings]), None, halves()[0], cpu())
    if frozen:
        job.model.synapses[-1].sends_error = False
    return job


def halves() -> tuple[Images, Images]:
    """To learn from, and to test."""
    return read_digits().train.halves(Key(0, "rules check"))


def angles(job: Training, epoch: int, index: int) -> Angles:
    """One step, and the angle of each layer's ΔW to the exact one, in degrees; NaN where either is zero."""
    with probe("dW", "dW_exact") as told:
        job.step(epoch, index)
    asked = {
        key[0] for key in told.records if key[1] == "dW_exact"
    }  # neither a frozen layer, nor without backward
    names = [synapse.name for synapse in job.model.synapses if synapse.name in asked]
    return {n: angle(told[n, "dW"][-1][1], told[n, "dW_exact"][-1][1]) for n in names}


def angle(u: Any, v: Any) -> float:
    """2·atan2(‖û - v̂‖, ‖û + v̂‖) in degrees."""
    u, v = (np.asarray(a, np.float64).ravel() for a in (u, v))
    if not u.any() or not v.any():
        return float("nan")
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))))


def slowness(spec: str, model: str, clock: Clock = time.perf_counter) -> float:
    """Time of a training step by the rule, over that of BP on the same network: medians of alternating steps."""
    own, bp = in_turns([training(model, {"*": each}) for each in (spec, "bp")], ROUNDS, clock)
    return median(own) / median(bp)


def in_turns(jobs: Sequence[Training], rounds: int, clock: Clock) -> list[list[float]]:
    """Seconds of each job's steps, one after the other in every round; the first ones, which compile and draw, do
    not count.
    """
    times: list[list[float]] = [[] for _ in jobs]
    with one_blas_thread():
        for index in range(rounds + 1):
            for job, taken in zip(jobs, times, strict=True):
                start = clock()
                job.step(*divmod(index, job.steps))
                taken.append(clock() - start)
    return [taken[1:] for taken in times]


def layers_of(spec: str) -> dict[str, str]:
    """Which layer learns by what: all by the rule, but the read-out by BP where the update hears of no error."""
    rule = make_rule(spec)
    if rule.procedure != "backward":
        return {"*": spec}
    meeting = Meeting(rule, KINDS["linear"])
    s = meeting.signals
    with listening(rule) as heard:
        rule.update(meeting.maps, s)
    return {"*": spec} | ({} if {"delta", "top"} & heard else {"classifier": "bp"})
