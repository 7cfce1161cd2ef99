"""Training in stages: hidden layers that need no labels first, then the read-out on what they answer.

    learn       every synapse of a part learns by its local rule in the forward pass
    features    what the part answers, in evaluation mode, to every training image as it is
    read-out    the last layer learns from the last part's features, by its own rule and settings

A part is all hidden layers, or one of them (`stages`); each stage is one or more epochs of the loop, and stops and
resumes like any other.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Images
from ..data.order import epoch_order
from ..engine.backend import Array, Backend, to_host
from ..engine.loss import correct, cross_entropy, sample_losses
from ..engine.optim import clip_norm
from ..engine.procedures.perturbed import linear_answers
from ..engine.random import Key
from ..engine.rules.perturbation import Perturbation
from ..engine.step import Step
from ..layers.layer import Layer
from ..layers.model import Model
from ..layers.readout import hidden_and_readout, synapses_of
from ..layers.synapse import Synapse
from .broadcast import Broadcast
from .config import TrainConfig
from .features import Features
from .feed import Feed, augmentation, normalisation
from .image_shape import ImageShape
from .loop import Score
from .meter import Meter
from .networks import build_network
from .schedules import optimiser, rate
from .sections import TrainOptimiser

AT_ONCE = 100  # images whose features are made in one step


class Stage(NamedTuple):
    """One epoch. part: of the hidden layers; epoch: of `epochs` like it."""

    kind: str
    part: int
    epoch: int = 0
    epochs: int = 1


class Part:
    """Layers that learn together, and their optimiser on their piece of the arena."""

    def __init__(self, model: Model, layers: Layer, o: TrainOptimiser) -> None:
        self.layers, self.synapses, self.o = layers, synapses_of(layers), o
        slices = [model.arena.slices[p] for _, layer in layers.walk() for _, p in layer.parameters()]
        own = slice(min(s.start for s in slices), max(s.stop for s in slices))
        self.value, self.grad = model.arena.value[own], model.arena.grad[own]
        self.optimiser = optimiser(o, self.value)

    def descend(self, progress: float) -> None:
        clip_norm(self.grad, self.o.clip)
        self.optimiser.step(self.grad, rate(self.o, progress))
        for synapse in self.synapses:
            if synapse.constrained:
                synapse.constrain()


class StagedTraining:
    """The job. folder: where features are kept while they are needed.

    unlabelled: what the hidden layers learn from, where it is not `images`.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: Images,
        backend: Backend,
        folder: Path,
        unlabelled: Images | None = None,
    ) -> None:
        self.config, self.images, key = config, images, Key(config.seed)
        self.seen = unlabelled or images
        normalise = normalisation(images, config.data)
        fill, altered = normalise.buffers["mean"].tolist(), augmentation(images, config.data)
        self.feed = Feed(
            self.seen, min(config.batch, len(self.seen)), key.to("weights"), altered, fill, backend
        )
        network = build_network(config, None, ImageShape(*images.shape, len(images.classes)))
        self.model = Model(network, normalise, key, backend=backend)
        hidden, readout = hidden_and_readout(network, config.stages == "layerwise")
        self.parts = [Part(self.model, layers, config.optimiser) for layers in hidden]
        self.readout = Part(self.model, readout, config.readout.optimiser)
        for synapse in self.readout.synapses:
            synapse.sends_error = False
        self.features = [
            Features(folder / f"features{k}.npy", (len(self._images_of(k)), *shape))
            for k, shape in enumerate(self._shapes())
        ]
        self.meter = Meter(["train"], backend)
        self.broadcast = Broadcast(self.readout.synapses, config.modulator, backend)
        self.plan = [
            *(
                stage
                for k in range(len(hidden))
                for stage in (*some("learn", k, config.epochs), Stage("features", k))
            ),
            *some("read-out", len(hidden), config.readout.epochs),
        ]
        self.epochs, self.steps = len(self.plan), self.feed.steps
        self._before = np.cumsum([0, *map(self._steps, self.plan)])
        self._order: tuple[int, NDArray[Any]] = (-1, np.zeros(0, np.int64))

    def _images_of(self, part: int) -> Images:
        """Whose features a hidden part gives: those that the next one learns from."""
        return self.images if part == len(self.parts) - 1 else self.seen

    def _shapes(self) -> list[tuple[int, ...]]:
        """Of what each part answers to one image."""
        x, found = self.model.images(np.zeros((1, *self.images.shape), np.float32)), []
        for part in self.parts:
            x = part.layers.forward(x, self._looking())
            found.append(x.shape[1:])
        return found

    def begin(self, epoch: int) -> None:
        stage = self.plan[epoch]
        self.steps = self._steps(stage)
        for features in self.features[: max(0, stage.part - 1)]:
            features.remove()
        if stage.kind != "features" and stage.part and not self.features[stage.part - 1].kept():
            self._answer(stage.part - 1, 0, len(self._images_of(stage.part - 1)))

    def steps_before(self, epoch: int) -> int:
        """In all epochs before this one; of `epochs`, in all."""
        return int(self._before[epoch])

    def _steps(self, stage: Stage) -> int:
        if stage.kind == "features":
            return -(-len(self._images_of(stage.part)) // AT_ONCE)
        images, plan = (
            (self.seen, self.config) if stage.kind == "learn" else (self.images, self.config.readout)
        )
        return max(1, len(images) // plan.batch)

    def step(self, epoch: int, index: int) -> None:
        stage = self.plan[epoch]
        match stage.kind:
            case "learn":
                self._learn(stage, epoch, index)
            case "features":
                first = index * AT_ONCE if self.features[stage.part].kept() else 0
                self._answer(stage.part, first, min((index + 1) * AT_ONCE, len(self._images_of(stage.part))))
            case _:
                self._read_out(stage, epoch, index)

    def _learn(self, stage: Stage, epoch: int, index: int) -> None:
        part, update = self.parts[stage.part], stage.epoch * self.steps + index
        part.grad.fill(0)
        if stage.part:
            x = self._features(stage.part - 1, self._rows(epoch, index, self.config.batch))
        else:
            x = self.model.images(self.feed(epoch, index).images)
        part.layers.forward(x, Step(self.model.key.to("step"), update, forward_only=True))
        part.descend(update / (stage.epochs * self.steps))

    def _read_out(self, stage: Stage, epoch: int, index: int) -> None:
        model, part, update = self.model, self.readout, stage.epoch * self.steps + index
        rows = self._rows(epoch, index, self.config.readout.batch)
        x, labels = self._features(stage.part - 1, rows), model.backend.asarray(self.images.labels[rows])
        part.grad.fill(0)
        step = Step(model.key.to("step"), update)
        logits = self._perturbed(x, labels, step)
        loss, error = cross_entropy(logits, labels, self.config.label_smoothing)
        hits = correct(logits, labels)
        self.broadcast.modulate(loss, hits, len(labels), step)
        step.top = error
        part.layers.backward(error, step)
        self.broadcast.learned()
        part.descend(update / (stage.epochs * self.steps))
        self.meter.add("train", loss, hits, len(labels))

    def _perturbed(self, x: Array, labels: Array, step: Step) -> Array:
        """The read-out's logits; before, where it learns from noise, the loss's answers to it."""
        layers, smoothing = self.readout.layers, self.config.label_smoothing
        lone = alone_and_linear(self.readout)
        if lone is None:
            self.broadcast.probe(partial(self._losses, x, labels), step)
            return layers.forward(x, step)
        logits = layers.forward(x, step)
        synapse, rule = lone
        synapse.tell_update(step)
        its = synapse.maps(x), x, synapse.W.value, synapse.states[0]
        step.dloss = linear_answers(rule, *its, lambda m: sample_losses(logits + m, labels, smoothing))
        return logits

    def _losses(self, x: Array, labels: Array, step: Step) -> Array:
        return sample_losses(self.readout.layers.forward(x, step), labels, self.config.label_smoothing)

    def _answer(self, part: int, first: int, last: int) -> None:
        """The features of these images: from those of the part below, or where they are gone from the images."""
        images = self._images_of(part)
        below = part and images is self.seen and self.features[part - 1].kept()
        layers = [each.layers for each in self.parts[part if below else 0 : part + 1]]
        for begin in range(first, last, AT_ONCE):
            rows = np.arange(begin, min(begin + AT_ONCE, last))
            x = self._features(part - 1, rows) if below else self._plain(images.take(rows))
            for each in layers:
                x = each.forward(x, self._looking())
            self.features[part].write(begin, to_host(x))

    def _looking(self) -> Step:
        return Step(
            self.model.key.to("step"), training=False, learn=False, forward_only=True, purpose="evaluation"
        )

    def _plain(self, images: Images) -> Array:
        return self.model.images(np.divide(images.images, 255, dtype=np.float32))

    def _features(self, part: int, rows: NDArray[Any]) -> Array:
        return self.model.backend.asarray(self.features[part].read(rows), self.model.dtype)

    def _rows(self, epoch: int, index: int, batch: int) -> NDArray[Any]:
        if self._order[0] != epoch:
            images = self._images_of(self.plan[epoch].part - 1)
            self._order = epoch, epoch_order(len(images), epoch, self.model.key.to("weights"))
        return self._order[1][index * batch : (index + 1) * batch]

    def running(self) -> Score:
        return self.meter.read()

    def score(self, epoch: int) -> Score:
        """By layer, the share of weights that are exactly 0; of a hidden part also its units' mean length."""
        stage = self.plan[epoch]
        found: Score = {"stage": stage.kind} | self.meter.read() | self.broadcast.score()
        if stage.kind != "features":
            part = self.readout if stage.kind == "read-out" else self.parts[stage.part]
            found["zero"] = {s.name: float((s.W.value == 0).mean()) for s in part.synapses}
        if stage.kind == "learn":
            found["length"] = {s.name: mean_length(s.W.value) for s in self.parts[stage.part].synapses}
        self.meter.clear()
        return found

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        for features in self.features:
            features.flush()  # a checkpoint says how many are there
        state = {name: to_host(value) for name, value in self._optimisers().items()}
        return self.model.arrays() | state | self.broadcast.arrays() | {"meter": to_host(self.meter.sums)}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        backend = self.model.backend
        self.model.restore(arrays)
        for name, value in self._optimisers().items():
            value[...] = backend.asarray(arrays[name])
        self.broadcast.restore(arrays, backend)
        self.meter.sums[...] = backend.asarray(arrays["meter"])

    def _optimisers(self) -> dict[str, Array]:
        return {
            f"optimiser{k}.{name}": value
            for k, part in enumerate([*self.parts, self.readout])
            for name, value in part.optimiser.state().items()
        }


def alone_and_linear(part: Part) -> tuple[Synapse, Perturbation] | None:
    """The only layer of a read-out, where noise in its weights is all that its rule learns from."""
    (synapse,), (rule, *_) = part.synapses, part.synapses[0].rules
    sole = len(list(part.layers.children())) == 1 and synapse.W.value.ndim == 2
    if sole and isinstance(rule, Perturbation) and rule.acts_on == "weights":
        return synapse, rule
    return None


def some(kind: str, part: int, epochs: int) -> list[Stage]:
    return [Stage(kind, part, e, epochs) for e in range(epochs)]


def mean_length(W: Array) -> float:
    """The mean over units of ‖w‖."""
    return float(np.linalg.norm(to_host(W).reshape(len(W), -1), axis=1).mean())
