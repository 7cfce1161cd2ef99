"""BioNAS-DARTS: weights by their rules, α by the gradient of the validation loss, in turn."""

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Images
from ..engine.backend import Backend, array_module, to_host
from ..engine.optim import Adam
from .architecture import Floats
from .config import SearchConfig
from .inputs import Inputs
from .lookahead import Ahead
from .passes import Batch, Told
from .price import expected_bits
from .supernet_search import SupernetSearch


class DartsSearch(SupernetSearch):
    """One step: α descends L_val + price·bits on a validation batch, then the weights learn on a training batch.

    The validation figures are those of the α batches, before each α step (`second` and `lookahead`: one weight step
    ahead).
    """

    def __init__(self, config: SearchConfig, images: Images, backend: Backend) -> None:
        super().__init__(config, images, backend)
        a = config.architecture
        self.adam = Adam(self.architecture.values, a.betas, a.weight_decay)
        self.ahead = Ahead(self.model, self.supernet, self.architecture)

    def inputs(self, epoch: int, index: int) -> Inputs:
        """Of step `index` of an epoch."""
        given = super().inputs(epoch, index)
        return given._replace(val=self.val(epoch, index) if self.chooses(given.update) else None)

    def take(self, given: Inputs) -> None:
        if given.val is not None:
            self.choose(given, given.val)
        self._learn(given)

    def choose(self, given: Inputs, val: Batch) -> None:
        """A step of α."""
        told, gradient = self._architecture_gradient(given, val)
        self.meter.add("validation", told.loss, told.correct, len(val.labels))
        if self.config.architecture.price:
            _, slope = expected_bits(self.architecture, self.candidate_weights)
            none = self.architecture.no_change()
            gradient = gradient + self.config.architecture.price * self.architecture.gradient(none, dp=slope)
        self.adam.step(gradient, self.config.architecture.lr)

    def _architecture_gradient(self, given: Inputs, val: Batch) -> tuple[Told, Floats]:
        update, lr, train, o = given.update, given.lr, given.train, self.config.optimiser
        self.ahead.drop_path = given.drop_path
        match self.config.architecture.gradient:
            case "first":
                return self.ahead.first(val, update, given.clock)
            case "second":
                return self.ahead.second(train, val, update, lr, self.sgd.buffer, o.momentum, o.weight_decay)
            case "lookahead":
                return self.ahead.lookahead(train, val, update, lr, given.clock)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        return super().arrays() | {f"adam.{name}": to_host(v) for name, v in self.adam.state().items()}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        super().restore(arrays)
        for name, value in self.adam.state().items():
            value[...] = array_module(value).asarray(arrays[f"adam.{name}"])
