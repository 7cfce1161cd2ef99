"""A tournament of cells by DARTS, after Evolutive-NAS (Reolon 2021): they learn in one supernet, their weights choose.

    y = Σ_m q_m · BN(cell_m)  at each place (layers/contest.py),   q = softmax(α),   α = 0 at first

In turns, a step of α by the exact ∂L_val/∂α + price · ∂(Σ q_m bits_m)/∂α on a batch of the validation half, once α has
rested for architecture.warmup of the epochs, and a step of all weights by their rules on a batch of the training half.
Settings are those of a search by DARTS: optimiser.*, architecture.lr, betas, weight_decay, warmup, price.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Images
from ...engine.backend import Backend, to_host
from ...engine.optim import SGD, Adam
from ...engine.random import Key
from ...engine.step import Step
from ...layers.contest import Contest
from ...layers.model import Model, transported_bits
from ...layers.synapse import Synapse
from ..architecture import Floats, softmax
from ..broadcast import Broadcast
from ..config import SearchConfig
from ..feed import Feed, augmentation, normalisation
from ..genotype import AnyGenotype, Genotype
from ..image_shape import ImageShape
from ..passes import mixed_pass
from ..schedules import rate


class Tournament:
    """`steps` steps, and then `shares`: q (contestants,)."""

    def __init__(
        self,
        config: SearchConfig,
        contestants: Sequence[AnyGenotype],
        train: Images,
        validation: Images,
        backend: Backend,
        seed: int,
    ) -> None:
        """Contestants are cells of DARTS' space with the same fixed parts."""
        self.config, key, cells = config, Key(seed), [g for g in contestants if isinstance(g, Genotype)]
        chosen, normalise = augmentation(train, config.data), normalisation(train, config.data)
        fill = normalise.buffers["mean"].tolist()
        self.train = Feed(train, config.batch, key.to("weights"), chosen, fill, backend)
        self.val = Feed(validation, config.batch, key.to("architecture"), chosen, fill, backend)
        limit = config.images_per_epoch
        self.epoch = (
            self.train.steps if limit is None else max(1, min(self.train.steps, limit // config.batch))
        )
        self.steps = config.epochs * self.epoch
        size, shape = config.size, ImageShape(*train.shape, len(train.classes))
        self.contest = Contest(
            shape.channels,
            shape.classes,
            [genotype.cells() for genotype in cells],
            channels=size.channels,
            cells=size.cells,
            roles=cells[0].roles(),
        )
        self.model = Model(self.contest, normalise, key, backend=backend)
        o, a = config.optimiser, config.architecture
        self.sgd = SGD(self.model.arena.value, o.momentum, o.weight_decay, o.nesterov)
        self.alpha: Floats = backend.zeros((len(cells),), np.float64)
        self.adam = Adam(self.alpha, a.betas, a.weight_decay)
        self.bits = backend.asarray(np.array([self._bits(g, shape) for g in cells]), np.float64)
        self.broadcast = Broadcast(self.model.synapses, config.modulator, backend)

    @property
    def shares(self) -> NDArray[np.float64]:
        found: NDArray[np.float64] = to_host(softmax(self.alpha))
        return found

    def step(self, update: int) -> None:
        epoch, index = divmod(update, self.epoch)
        if update >= self.config.architecture.warmup * self.steps:
            self.adam.step(self.gradient(epoch, index), self.config.architecture.lr)
        step = Step(self.model.key.to("step"), update)
        mixed_pass(self.model, self.contest, self.train(epoch, index), self._weights(), step, self.broadcast)
        self.model.clip(self.config.optimiser.clip)
        self.sgd.step(self.model.arena.grad, rate(self.config.optimiser, update / self.steps))
        self.model.constrain()

    def gradient(self, epoch: int, index: int) -> Floats:
        """∂(L_val + price · bits)/∂α = q (d − Σ q d),  d = ∂L_val/∂q + price · bits_m."""
        key = self.model.key.to("step")
        step = Step(
            key, epoch * self.epoch + index, learn=False, exact=True, track=False, purpose="architecture"
        )
        told = mixed_pass(self.model, self.contest, self.val(epoch, index), self._weights(), step)
        d, q = (told.dq[0] + told.dq[1])[0] + self.config.architecture.price * self.bits, softmax(self.alpha)
        chained: Floats = q * (d - (q * d).sum())
        return chained

    def _weights(self) -> tuple[Floats, Floats]:
        q = softmax(self.alpha)[None]
        return q, q

    def _bits(self, genotype: Genotype, shape: ImageShape) -> float:
        """Transported bits per weight of the contestant's own network."""
        network = genotype.network(shape, self.config.size.channels, self.config.size.cells)
        return transported_bits([layer for _, layer in network.walk() if isinstance(layer, Synapse)])
