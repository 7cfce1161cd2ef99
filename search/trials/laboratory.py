"""A candidate's score: its network trained on one half of the training images, and judged by the other half.

    objective = mean over seeds of the validation loss (or error, or error under attack) + price · transported bits

The test images play no part. A score is a function of the specification, {"genome": …, "budget": epochs}, and of what
this laboratory was made from: all candidates see the same halves, and are trained with the same seeds, so that their
differences are paired.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Images
from ...data.load import load
from ...engine import backend
from ...engine.backend import Backend
from ...engine.errors import DivergedError, UsageError
from ...engine.random import Key, bits
from ...layers.model import transported_bits
from ..attacks import Attack, accuracy_under
from ..config import SearchConfig, TrainConfig
from ..feed import chosen_images
from ..genotype import AnyGenotype, Genotype
from ..image_shape import ImageShape
from ..loop import check_finite
from ..sections import TrainOptimiser, TrainSize
from ..strategies.strategy import Score, Spec, is_candidate
from ..training import Training, scores_on
from .decisions import Decisions
from .summary import summary
from .tournament import Tournament

WORST = 1e9  # the objective of a candidate that diverged, or whose workers died: JSON has no infinity


class Abandoned(Exception):
    """The search was stopped while a candidate was being trained: its score is not wanted any more."""


def never() -> bool:
    return False


class Laboratory:
    """Trains candidates of these decisions. Raises UsageError where the images do not suit the network."""

    def __init__(self, config: SearchConfig, decisions: Decisions, images: Images) -> None:
        assert config.trials is not None
        self.config, self.decisions, self._trials = config, decisions, config.trials
        self.train, self.validation = images.halves(Key(config.seed))
        self.attacked = self._attacked()
        self._check_tournaments()
        self.shape = ImageShape(*images.shape, len(images.classes))
        self.place = self._place()
        self.check(self.job({"genome": [0] * len(decisions.sizes)}, 0))  # what does not fit is told at once

    def _place(self) -> Backend:
        return backend.select(self.config.device)

    def _attacked(self) -> Images:
        """The validation images that are attacked, the same of all candidates."""
        attack = self._trials.attack
        if attack is None or attack.images >= len(self.validation):
            return self.validation
        return self.validation.subset(attack.images, Key(self.config.seed, "attacked"))

    def check(self, job: Training) -> None:
        """Of a training like all of them. Raises UsageError where it will not do."""

    def _check_tournaments(self) -> None:
        ga = self.config.ga
        if (
            ga
            and ga.darts_every
            and not isinstance(self._genotype([0] * len(self.decisions.sizes)), Genotype)
        ):
            raise UsageError(
                "ga.darts_every: a tournament is among cells of DARTS' space, and these are others.",
                "Leave it out.",
            )

    def _genotype(self, genome: Sequence[int]) -> AnyGenotype:
        return self.decisions.genotype(genome)

    def score(self, spec: Spec, stopped: Callable[[], bool] = never) -> Score:
        """The score of a specification. Raises Abandoned once `stopped` says so."""
        return self.judge(spec, stopped) if is_candidate(spec) else self.shares(spec, stopped)

    def shares(self, spec: Spec, stopped: Callable[[], bool]) -> Score:
        """Of a tournament: what each contestant counts in the end, the mean over the seeds."""
        contestants = [self._genotype(genome) for genome in spec["contestants"]]
        try:
            found = [self._fought(contestants, number, stopped) for number in range(self._trials.seeds)]
        except DivergedError:
            return failed("diverged")
        mean = np.mean(found, axis=0)
        return {"shares": mean.tolist()} if np.isfinite(mean).all() else failed("diverged")

    def _fought(
        self, contestants: Sequence[AnyGenotype], number: int, stopped: Callable[[], bool]
    ) -> NDArray[np.float64]:
        halves, seed = (self.train, self.validation), self.seed(number)
        contest = Tournament(self.config, contestants, *halves, self.place, seed)
        for update in range(contest.steps):
            if stopped():
                raise Abandoned
            contest.step(update)
        return contest.shares

    def judge(self, spec: Spec, stopped: Callable[[], bool]) -> Score:
        """Of a candidate. Of one that diverges with any seed the objective is WORST: the search goes on."""
        found: list[Score] = []
        for number in range(self._trials.seeds):
            job = self.job(spec, number)
            cost = {
                "transported_bits": transported_bits(job.model.synapses),
                "parameters": int(job.model.arena.value.size),
            }
            try:
                found.append(self._trained(job, stopped))
            except DivergedError:
                return failed("diverged") | cost
        price = self.config.architecture.price * cost["transported_bits"]
        return summary(found, self._trials.objective, price) | cost

    def seed(self, number: int) -> int:
        """Seeds of different searches are different ones."""
        return int(bits(Key(self.config.seed).to("trial", index=number), 1)[0])

    def job(self, spec: Spec, number: int) -> Training:
        """The training of one seed, not begun."""
        c, epochs = self.config, spec.get("budget", self.config.epochs)
        size = TrainSize(channels=c.size.channels, cells=c.size.cells)
        config = TrainConfig(
            seed=self.seed(number),
            epochs=epochs,
            batch=c.batch,
            data=c.data,
            size=size,
            optimiser=TrainOptimiser(**c.optimiser.model_dump()),
            modulator=c.modulator,
        )
        job = Training(config, self._genotype(spec["genome"]), self.train, self.place)
        if c.images_per_epoch is not None:
            job.steps = max(1, min(job.steps, c.images_per_epoch // c.batch))
        return job

    def _trained(self, job: Training, stopped: Callable[[], bool]) -> Score:
        for epoch in range(job.epochs):
            job.begin(epoch)
            for index in range(job.steps):
                if stopped():
                    raise Abandoned
                job.step(epoch, index)
            check_finite(job.score(epoch), epoch)
        score = scores_on(job.model, self.validation)
        check_finite(score, job.epochs - 1)
        return score | self._robust(job)

    def _robust(self, job: Training) -> Score:
        """Under attack by the exact gradient, whatever the rules. Nothing where no attack is asked for."""
        told = self._trials.attack
        if told is None:
            return {}
        attack = Attack(told.kind, told.epsilon, told.step, told.steps)
        return {"robust_accuracy": accuracy_under(attack, job.model, self.attacked)}


def failed(why: str) -> Score:
    """Of a candidate without a result: the last one by every objective."""
    worst = dict.fromkeys(("objective", "validation_loss", "transported_bits", "parameters"), WORST)
    return {**worst, "failed": why}


def training_images(config: SearchConfig) -> Images:
    """Those that a configuration names, before they are halved."""
    splits = load(config.data.name, Path(config.data.dir) if config.data.dir else None)
    return chosen_images(splits, config.data, Key(config.seed))
