"""A candidate's score without training: what search/scores.py says of its untrained network.

    scores      larger is meant to be better: the mean over the seeds
    objectives  strategies minimise, so "-naswot" is the negative of the score naswot; with one score alone also
                objective = −score + price · transported bits per weight

The images are the first of the training half, the same for all candidates, without augmentation; a seed is one of the
network's initial weights. "credit@10" trains for 10 steps first, as a training of --epochs would begin. A candidate one
of whose scores does not exist, because nothing reaches its output, is marked as failed.
"""

from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np

from ...data.dataset import Images
from ...engine import backend
from ...engine.backend import Backend
from ...engine.errors import UsageError
from ...engine.random import Key
from ...engine.words import several
from ...layers.model import Model, transported_bits
from ..config import SearchConfig
from ..look import Look
from ..networks import build_network
from ..scores import parse_score
from ..strategies.strategy import Score, Spec
from ..training import Training
from .decisions import Decisions
from .laboratory import Abandoned, Laboratory, failed
from .objectives import negative


class Untrained(Laboratory):
    """Raises UsageError where there are too few images, or too few steps in --epochs for a score after learning."""

    def __init__(self, config: SearchConfig, decisions: Decisions, images: Images) -> None:
        super().__init__(config, decisions, images)
        count, self.names = self._trials.images, self._trials.scores
        if count > len(self.train):
            raise UsageError(
                f"trials.images is {count}, and half of the training images are {len(self.train)}.",
                "Use fewer.",
            )
        rows = self.train.take(np.arange(count))
        self.images, self.labels = np.divide(rows.images, 255, dtype=np.float32), rows.labels

    def _place(self) -> Backend:
        return backend.cpu()

    def check(self, job: Training) -> None:
        steps = job.epochs * job.steps
        late = next((name for name in self._trials.scores if parse_score(name).steps > steps), None)
        if late:
            raise UsageError(
                f"score {late}: {several(steps, 'step')} are in {several(job.epochs, 'epoch')}.",
                "Use more --epochs.",
            )

    def judge(self, spec: Spec, stopped: Callable[[], bool]) -> Score:
        """As of a training. Where a score does not exist the objective is WORST: the search goes on."""
        found: dict[str, list[float]] = {name: [] for name in self.names}
        cost: Score = {}
        for number in range(self._trials.seeds):
            job = self.job(spec, number)
            cost = {
                "transported_bits": transported_bits(job.model.synapses),
                "parameters": int(job.model.arena.value.size),
            }
            for name, value in self._values(spec, job, stopped):
                if not np.isfinite(value):
                    return failed(f"{name} does not exist") | cost
                found[name].append(value)
        return self._judged(found, cost["transported_bits"]) | cost

    def _values(self, spec: Spec, job: Training, stopped: Callable[[], bool]) -> Iterator[tuple[str, float]]:
        """Each score of one seed, those before learning first."""

        def steps(name: str) -> int:
            return parse_score(name).steps

        done = 0
        for until, names in groupby(sorted(self.names, key=steps), key=steps):
            for update in range(done, until):
                if stopped():
                    raise Abandoned
                job.step(*divmod(update, job.steps))
            done = until
            look = self._look(spec, job, until)
            for name in names:
                if stopped():
                    raise Abandoned
                yield name, parse_score(name).score(look)

    def _look(self, spec: Spec, job: Training, update: int) -> Look:
        def double() -> Model:
            network = build_network(job.config, self._genotype(spec["genome"]), self.shape)
            return Model(network, job.model.normalise, Key(job.config.seed), np.float64)

        x = job.model.images(self.images)
        return Look(job.model, x, self.labels, double, job.broadcast.copy(), update)

    def _judged(self, found: dict[str, list[float]], bits_per_weight: float) -> Score:
        means = {name: float(np.mean(values)) for name, values in found.items()}
        score: Score = {"scores": means, "by_seed": found} | {
            negative(name): -mean for name, mean in means.items()
        }
        if len(found) > 1:
            return score
        (values,), price = found.values(), self.config.architecture.price * bits_per_weight
        return score | {
            "objective": -float(np.mean(values)) + price,
            "objectives": [-value + price for value in values],
        }


def laboratory_for(config: SearchConfig, decisions: Decisions, images: Images) -> Laboratory:
    """The one that judges as the configuration says."""
    return (Untrained if config.untrained else Laboratory)(config, decisions, images)
