"""What all searches of a supernet share: the weights learn by their rules, on one half of the images."""

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Images
from ..engine.backend import Backend, to_host
from ..engine.optim import SGD
from ..engine.random import Key
from ..engine.registry import make_rule
from ..engine.step import Step
from ..layers.model import Model
from ..layers.roles import ROLES, Roles
from ..layers.supernet import Supernet
from .architecture import Architecture
from .broadcast import Broadcast
from .collapse import EarlyStop, dropout
from .compatible import check_compatible, chosen_candidates
from .config import SearchConfig
from .feed import Feed, augmentation, normalisation
from .inputs import Inputs
from .loop import Score
from .meter import Meter
from .passes import mixed_pass
from .price import candidate_weights, expected_bits
from .schedules import rate


class SupernetSearch:
    """A step: the weights learn on a training batch. A subclass says how α is searched.

    The training images are halved between weights and α, as in DARTS: `train` and `val`. A supernet has no running
    statistics: its validation figures are of batches of the second half; while α rests there are none.
    """

    measured: tuple[str, ...] = ("train", "validation")  # by its meter

    def __init__(self, config: SearchConfig, images: Images, backend: Backend) -> None:
        check_compatible(config)
        self.config, self.epochs, key = config, config.epochs, Key(config.seed)
        weight_half, alpha_half = images.halves(key)
        chosen, normalise = augmentation(images, config.data), normalisation(images, config.data)
        fill = normalise.buffers["mean"].tolist()
        self.train = Feed(weight_half, config.batch, key.to("weights"), chosen, fill, backend)
        self.val = Feed(alpha_half, config.batch, key.to("architecture"), chosen, fill, backend)
        self.weight_steps = self.steps = self._steps_per_epoch()
        self.roles = Roles(**{role: make_rule(getattr(config.rules, role)) for role in ROLES})
        self.architecture = architecture_of(config, key, self.roles, backend)
        self.candidate_weights = backend.asarray(candidate_weights(self.architecture, config.size.channels))
        self.supernet = Supernet(
            images.shape[0],
            len(images.classes),
            self.architecture.lanes_of_edge,
            channels=config.size.channels,
            cells=config.size.cells,
            nodes=config.size.nodes,
            roles=self.roles,
            partial=config.size.partial,
        )
        self.model = Model(self.supernet, normalise, key, backend=backend)
        o = config.optimiser
        self.sgd = SGD(self.model.arena.value, o.momentum, o.weight_decay, o.nesterov)
        self.meter = Meter(list(self.measured), backend)
        self.broadcast = Broadcast(self.model.synapses, config.modulator, backend)
        self.early_stop = EarlyStop(config.collapse, self.architecture)

    def _steps_per_epoch(self) -> int:
        limit = self.config.images_per_epoch
        return (
            self.train.steps if limit is None else max(1, min(self.train.steps, limit // self.config.batch))
        )

    def begin(self, epoch: int) -> None:
        """Nothing is prepared: a batch is a function of (seed, epoch, index)."""

    def step(self, epoch: int, index: int) -> None:
        self.take(self.inputs(epoch, index))

    def update_of(self, epoch: int, index: int) -> int:
        """How many times the weights have learnt before this step."""
        return epoch * self.weight_steps + index

    def step_of(self, update: int) -> tuple[int, int]:
        """The step of this update of the weights: epoch, index."""
        return divmod(update, self.weight_steps)

    def chooses(self, update: int) -> bool:
        """Whether α has rested long enough."""
        return update / (self.epochs * self.weight_steps) >= self.config.architecture.warmup

    def moves(self, epoch: int) -> bool:
        """Whether α moves in an epoch."""
        return self.chooses((epoch + 1) * self.weight_steps - 1)

    def inputs(self, epoch: int, index: int) -> Inputs:
        """Of weight step `index` of an epoch."""
        update = epoch * self.weight_steps + index
        progress = update / (self.epochs * self.weight_steps)
        p = dropout(self.config.collapse, epoch, self.epochs)
        return Inputs(update, rate(self.config.optimiser, progress), self.train(epoch, index), drop_path=p)

    def take(self, given: Inputs) -> None:
        """The step. On a device it asks nothing of the host, so that it may be recorded as a CUDA graph."""
        self._learn(given)

    def _learn(self, given: Inputs) -> None:
        q = self.architecture.lane_weights()
        step = Step(self.model.key.to("step"), given.update, given.clock, drop_path=given.drop_path)
        told = mixed_pass(self.model, self.supernet, given.train, q, step, self.broadcast)
        self.meter.add("train", told.loss, told.correct, len(given.train.labels))
        self.model.clip(self.config.optimiser.clip)
        self.sgd.step(self.model.arena.grad, given.lr)
        self.model.constrain()

    def running(self) -> Score:
        return self.meter.read()

    def score(self, epoch: int) -> Score:
        found: Score = self.meter.read() | self.broadcast.score()
        self.meter.clear()
        p = to_host(self.architecture.probabilities())
        logs = np.log(p, out=np.zeros_like(p), where=p > 0)
        found["alpha_entropy"] = float(-(p * logs).sum(axis=-1).mean())
        found["expected_bits"] = float(expected_bits(self.architecture, self.candidate_weights)[0])
        if self.moves(epoch):
            self.early_stop.look(epoch)
        return found

    def ended(self) -> bool:
        """Whether the search stops before its last epoch."""
        return self.early_stop.after is not None

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        state = {f"sgd.{name}": to_host(v) for name, v in self.sgd.state().items()}
        state |= self.broadcast.arrays() | self.early_stop.arrays()
        return (
            self.model.arrays()
            | state
            | {"alpha": to_host(self.architecture.values), "meter": to_host(self.meter.sums)}
        )

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        self.model.restore(arrays)
        backend = self.model.backend
        for name, value in self.sgd.state().items():
            value[...] = backend.asarray(arrays[f"sgd.{name}"])
        self.architecture.values[...] = backend.asarray(arrays["alpha"], np.float64)
        self.broadcast.restore(arrays, backend)
        self.early_stop.restore(arrays)
        self.meter.sums[...] = backend.asarray(arrays["meter"])


def architecture_of(
    config: SearchConfig, key: Key, roles: Roles, backend: Backend | None = None
) -> Architecture:
    """The architecture weights that a configuration starts from."""
    return Architecture(
        chosen_candidates(config),
        config.size.nodes,
        key,
        roles.reduce,
        config.space.weights == "shared",
        backend,
        edge_weights=config.architecture.edge_weights,
        around=config.size.partial > 1,
    )
