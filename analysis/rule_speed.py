"""The time of a training step by each rule, beside back-propagation's on the same network and images."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ..data.dataset import Images
from ..data.load import load
from ..engine.backend import cpu
from ..engine.errors import UsageError
from ..engine.random import Key
from ..engine.registry import make_rule, registered
from ..search.config import TrainConfig, build
from ..search.training import Training
from .rule_trial import Clock, in_turns, layers_of


class Speed(NamedTuple):
    """ratio: the median over rounds of the rule's step over the step of bp that was taken next to it.

    low, high: the quartiles of that. ms: the rule's median step. why: in their place, why there is none.
    """

    rule: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    ms: float | None = None
    why: str = ""


def speeds(
    specs: Sequence[str], settings: dict[str, Any], rounds: int, clock: Clock = time.perf_counter
) -> Iterator[Speed]:
    """settings: of a training (docs/cli.md), without its rules. specs: all rules where none is named."""
    config = build(TrainConfig, [settings])
    images = load(config.data.name, Path(config.data.dir) if config.data.dir else None).train
    if config.data.subset:
        images = images.subset(config.data.subset, Key(config.seed))
    for spec in specs or registered():
        try:
            yield speed(spec, settings, images, rounds, clock)
        except UsageError as error:
            if specs:
                raise
            yield Speed(spec, why=str(error).split(".")[0])


def speed(spec: str, settings: dict[str, Any], images: Images, rounds: int, clock: Clock) -> Speed:
    """All layers by the rule, but the read-out by bp where the rule hears of no label; in turns with bp."""
    jobs = [_job(rules, settings, images) for rules in (layers_of(spec), {"*": "bp"})]
    own, bp = in_turns(jobs, rounds, clock)
    ratios = sorted(a / b for a, b in zip(own, bp, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]
    return Speed(str(make_rule(spec)), median(ratios), low, high, 1e3 * median(own))


def _job(rules: dict[str, str], settings: dict[str, Any], images: Images) -> Training:
    config = build(TrainConfig, [settings, {"rules_per_layer": rules}])
    return Training(config, None, images, cpu())
