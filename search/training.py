"""Training of one network by its rules: the job that `bionas-cupy train` drives."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Images
from ..engine.backend import Array, Backend, to_host
from ..engine.loss import correct, cross_entropy, sample_losses
from ..engine.probe import descend, watched
from ..engine.procedures.whole import WholeNetwork
from ..engine.random import Key
from ..engine.step import Step
from ..layers.frozen import Frozen
from ..layers.model import Model
from .broadcast import Broadcast
from .config import TrainConfig
from .feed import Feed, augmentation, normalisation
from .genotype import AnyGenotype
from .image_shape import ImageShape
from .inputs import Inputs
from .loop import Score
from .meter import Meter
from .networks import build_network
from .passes import Batch
from .schedules import optimiser, rate


class Training:
    """All layers at once, on every training image. Nothing is chosen on the test set: the last epoch is the result."""

    def __init__(
        self, config: TrainConfig, genotype: AnyGenotype | None, images: Images, backend: Backend
    ) -> None:
        self.config, self.images, self.epochs, key = config, images, config.epochs, Key(config.seed)
        normalise = normalisation(images, config.data)
        fill = normalise.buffers["mean"].tolist()
        self.feed = Feed(
            images, config.batch, key.to("weights"), augmentation(images, config.data), fill, backend
        )
        self.steps = self.feed.steps
        network = build_network(config, genotype, ImageShape(*images.shape, len(images.classes)))
        self.model = Model(network, normalise, key, backend=backend)
        o = config.optimiser
        self.optimiser = optimiser(o, self.model.arena.value)
        self.frozen = Frozen(self.model, config.learn_from)
        self.meter = Meter(["train"], backend)
        self.broadcast = Broadcast(self.model.synapses, config.modulator, backend)

    def begin(self, epoch: int) -> None:
        """Nothing is prepared: a batch is a function of (seed, epoch, index)."""

    def step(self, epoch: int, index: int) -> None:
        self.take(self.inputs(epoch, index))

    def inputs(self, epoch: int, index: int) -> Inputs:
        """Of step `index` of an epoch."""
        update = epoch * self.steps + index
        lr = rate(self.config.optimiser, update / (self.epochs * self.steps))
        drop_path = self.config.drop_path * epoch / self.epochs
        return Inputs(update, lr, self.feed(epoch, index), drop_path=drop_path)

    def take(self, given: Inputs) -> None:
        """The step. On a device it asks nothing of the host, so that it may be recorded as a CUDA graph."""
        self.model.arena.grad.fill(0)
        key, lowest = self.model.key.to("step"), self.frozen.lowest
        step = Step(key, given.update, given.clock, drop_path=given.drop_path, lowest=lowest)
        self._descend(given.train, step)
        self.frozen.clear()
        self.model.clip(self.config.optimiser.clip)
        self.optimiser.step(self.model.arena.grad, given.lr)
        self.model.constrain()
        self.frozen.put_back()

    def _descend(self, batch: Batch, step: Step) -> None:
        labels = self.model.backend.asarray(batch.labels)
        images = self.model.images(batch.images)
        if self.model.procedure is not None:
            loss, hits = self._by_procedure(self.model.procedure, images, labels, step)
            self.meter.add("train", loss, hits, len(labels))
            return
        self.broadcast.probe(partial(self._losses, images, labels), step)
        logits = self.model.network.forward(images, step)
        main = logits[0] if logits.ndim == 3 else logits
        loss, error = cross_entropy(main, labels, self.config.label_smoothing)
        self.broadcast.modulate(loss, correct(main, labels), len(labels), step)
        step.top = error
        if logits.ndim == 3:  # the auxiliary head's logits come second
            _, second = cross_entropy(logits[1], labels, self.config.label_smoothing)
            error = self.model.backend.xp.stack([error, self.config.auxiliary * second])
        descend(self.model.network.backward, error, step)
        self.broadcast.learned()
        self.meter.add("train", loss, correct(main, labels), len(labels))

    def _by_procedure(
        self, procedure: WholeNetwork, images: Array, labels: Array, step: Step
    ) -> tuple[Array, Array]:
        smoothing = self.config.label_smoothing
        return watched(
            lambda: procedure.learn(images, labels, step, smoothing),
            lambda beside: procedure.compare(images, labels, beside, smoothing),
            step,
        )

    def _losses(self, images: Array, labels: Array, step: Step) -> Array:
        """Each sample's loss (N,) in a forward pass, the auxiliary head's part included."""
        logits = self.model.network.forward(images, step)
        if logits.ndim < 3:
            return sample_losses(logits, labels, self.config.label_smoothing)
        main, second = (sample_losses(each, labels, self.config.label_smoothing) for each in logits)
        return main + self.config.auxiliary * second

    def running(self) -> Score:
        return self.meter.read()

    def score(self, epoch: int) -> Score:
        found: Score = self.meter.read() | self.broadcast.score()
        self.meter.clear()
        return found

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        state = {f"optimiser.{name}": to_host(v) for name, v in self.optimiser.state().items()}
        state |= self.broadcast.arrays()
        return self.model.arrays() | state | {"meter": to_host(self.meter.sums)}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        self.model.restore(arrays)
        backend = self.model.backend
        for name, value in self.optimiser.state().items():
            value[...] = backend.asarray(arrays[f"optimiser.{name}"])
        self.broadcast.restore(arrays, backend)
        self.meter.sums[...] = backend.asarray(arrays["meter"])


def scores_on(model: Model, images: Images, batch: int = 250) -> Score:
    """Loss and accuracy (%) on images without augmentation, batch norm on its running statistics."""
    meter = Meter(["test"], model.backend)
    for start in range(0, len(images), batch):
        rows = images.take(np.arange(start, min(start + batch, len(images))))
        labels = model.backend.asarray(rows.labels)
        logits = logits_of(model, np.divide(rows.images, 255, dtype=np.float32))
        loss, _ = cross_entropy(logits, labels)
        meter.add("test", loss, correct(logits, labels), len(rows))
    return meter.read() | {"test_images": len(images)}


def logits_of(model: Model, images: Array) -> Array:
    """The network's answer (n, K) to images (n, C, H, W) in [0, 1], in evaluation mode."""
    step = Step(model.key.to("step"), training=False, learn=False, forward_only=True, purpose="evaluation")
    return watched(lambda: model.answer(model.images(images), step), lambda _: None, step)
