"""EG-NAS on the supernet: weights by their rules between rounds, α by rounds of CMA-ES searches (eg_round.py).

Once α has rested, an epoch begins with a round: each point is scored by a forward pass of the supernet with its
weights, softmax once, on the same validation batches with their own statistics. Then the weights learn for an epoch.
α has no gradient: none is computed, and none is in the norm by which the weights' are clipped.

The objective of a point is its mean loss and price · bits; its error, by which accuracies compare, the share of wrong
answers.
"""

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Images
from ..engine.backend import Array, Backend, to_host
from ..engine.loss import correct, cross_entropy
from ..engine.random import Key
from ..engine.step import Step
from .config import SearchConfig
from .passes import Batch
from .price import expected_bits
from .strategies.cma_search import Point
from .strategies.eg_round import Round
from .strategy_config import Guided
from .supernet_search import SupernetSearch, architecture_of


class GuidedSearch(SupernetSearch):
    """An epoch's steps: α scored, N·λ·G points scored, then the weights' steps; while α rests the last ones alone.

    The scores (points + 1, 3) of a round, loss, objective and correct answers, stay on the device until a generation
    is whole. They are in the checkpoint: a resumed search asks its CMA-ES anew and tells them again.
    """

    measured = ("train", "validation", "leader")

    def __init__(self, config: SearchConfig, images: Images, backend: Backend) -> None:
        super().__init__(config, images, backend)
        assert config.eg is not None
        self.settings: Guided = config.eg
        self.generation_size = self.settings.searches * self.settings.population
        self.points = self.generation_size * self.settings.generations
        self.scores = backend.zeros((self.points + 1, 3), np.float64)
        self.rounds = 0  # that have moved α
        # takes the weights of the points
        self.tried = architecture_of(config, Key(config.seed), self.roles, backend)
        self._round: tuple[int, Round] | None = None  # and its epoch
        self._asked: list[Point] = []

    def begin(self, epoch: int) -> None:
        """How many steps the epoch has."""
        self.steps = self.evaluations(epoch) + self.weight_steps

    def moves(self, epoch: int) -> bool:
        return self.chooses(epoch * self.weight_steps)

    def evaluations(self, epoch: int) -> int:
        """How many passes score points in an epoch."""
        return self.points + 1 if self.moves(epoch) else 0

    def steps_before(self, epoch: int) -> int:
        return sum(self.evaluations(e) + self.weight_steps for e in range(epoch))

    def update_of(self, epoch: int, index: int) -> int:
        return epoch * self.weight_steps + max(0, index - self.evaluations(epoch))

    def step_of(self, update: int) -> tuple[int, int]:
        """The round of an epoch is left out: who asks watches the weights."""
        epoch, index = divmod(update, self.weight_steps)
        return epoch, index + self.evaluations(epoch)

    def step(self, epoch: int, index: int) -> None:
        evaluations = self.evaluations(epoch)
        if index < evaluations:
            self._evaluate(epoch, index)
        else:
            super().step(epoch, index - evaluations)

    def _evaluate(self, epoch: int, index: int) -> None:
        """Score α (index 0) or a point; at the end of a generation tell, at the end of a round move α."""
        found = self._round_of(epoch, index)
        place = (index - 1) % self.generation_size
        self.evaluate(epoch, index, found.start if index == 0 else self._asked[place])
        if index and place == self.generation_size - 1:
            self._tell(found, to_host(self.scores), found.generation)
            if found.finished:
                self._move(found)
            else:
                self._asked = found.sample()

    def _round_of(self, epoch: int, index: int) -> Round:
        """The epoch's round, brought to where it was before this evaluation."""
        if self._round is None or self._round[0] != epoch:
            key = Key(self.config.seed).to(f"eg/round{epoch}")
            found = Round(self.architecture.point(), self.architecture.sizes, key, self.settings)
            self._round, self._asked = (epoch, found), found.sample()
            for generation in range((index - 1) // self.generation_size if index else 0):
                self._tell(found, to_host(self.scores), generation)
                self._asked = found.sample()
        return self._round[1]

    def _tell(self, found: Round, scores: NDArray[np.float64], generation: int) -> None:
        first = 1 + generation * self.generation_size
        own = scores[first : first + self.generation_size]
        found.error = -float(scores[0, 2])
        found.tell(own[:, 1].tolist(), (-own[:, 2]).tolist())

    def _move(self, found: Round) -> None:
        """α's step; the figures of α before it, and of the leader."""
        count = self.settings.batches * self.config.batch
        for name, row in (("validation", 0), ("leader", 1 + found.leader.number)):
            loss, _, hits = self.scores[row]
            self.meter.add(name, loss, hits, count)
        self.architecture.place(found.alpha)
        self.rounds += 1
        self._round, self._asked = None, []

    def evaluate(self, epoch: int, index: int, z: Point) -> None:
        """Score a point: row `index` of the round of an epoch."""
        self.tried.place(z)
        q, row = self.tried.lane_weights(), self.scores[index]
        row[...] = 0
        for n in range(self.settings.batches):
            loss, hits = self._forward(self.val(epoch, n), q, epoch)
            row[0] += loss / self.settings.batches
            row[2] += hits
        price = self.config.architecture.price
        row[1] = row[0] + price * expected_bits(self.tried, self.candidate_weights)[0]

    def _forward(self, batch: Batch, q: tuple[Array, Array], epoch: int) -> tuple[Array, Array]:
        """The loss and the number of correct answers, 0-d."""
        step = Step(
            self.model.key.to("step"),
            epoch * self.weight_steps,
            training=False,
            batch_statistics=True,
            learn=False,
            forward_only=True,
            purpose="architecture",
        )
        logits = self.supernet.forward_mixed(self.model.images(batch.images), q, step)
        labels = self.model.backend.asarray(batch.labels)
        return cross_entropy(logits, labels)[0], correct(logits, labels)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        return super().arrays() | {"eg.scores": to_host(self.scores), "eg.rounds": np.array(self.rounds)}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        super().restore(arrays)
        self.scores[...] = self.model.backend.asarray(arrays["eg.scores"], np.float64)
        self.rounds = int(arrays["eg.rounds"])
        self._round, self._asked = None, []
