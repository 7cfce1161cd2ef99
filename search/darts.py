"""BioNAS-DARTS: weights by their rules, α by the gradient of the validation loss, in turn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Images
from ..engine.backend import Backend, array_module, to_host
from ..engine.errors import UsageError
from ..engine.lanes import descends, is_taught
from ..engine.optim import SGD, Adam
from ..engine.random import Key
from ..engine.registry import make_rule
from ..engine.rule import Rule
from ..engine.step import Step
from ..layers.model import Model
from ..layers.procedure import REASONS, whole_rules
from ..layers.roles import ROLES, Roles
from ..layers.supernet import Supernet
from .architecture import Architecture, Floats
from .broadcast import Broadcast
from .config import SearchConfig
from .feed import Feed, augmentation, normalisation
from .inputs import Inputs
from .lookahead import Ahead
from .loop import Score
from .meter import Meter
from .passes import Batch, Told, mixed_pass
from .price import candidate_weights, expected_bits
from .schedules import rate
from .space import Candidate, candidates, hl_pc_candidates, paper_candidates


class DartsSearch:
    """One step: α descends L_val + price·bits on a validation batch, then the weights learn on a training batch.

    The training images are halved between weights and α, as in DARTS. A supernet has no running statistics: its
    validation figures are those of the α batches, before each α step (`second` and `lookahead`: one weight step
    ahead); while α rests there are none.
    """

    def __init__(self, config: SearchConfig, images: Images, backend: Backend) -> None:
        check_compatible(config)
        self.config, self.epochs, key = config, config.epochs, Key(config.seed)
        weight_half, alpha_half = images.halves(key)
        chosen, normalise = augmentation(images, config.data), normalisation(images, config.data)
        fill = normalise.buffers["mean"].tolist()
        self.train = Feed(weight_half, config.batch, key.to("weights"), chosen, fill, backend)
        self.val = Feed(alpha_half, config.batch, key.to("architecture"), chosen, fill, backend)
        self.steps = self._steps_per_epoch()
        roles = Roles(**{role: make_rule(getattr(config.rules, role)) for role in ROLES})
        self.architecture = Architecture(
            chosen_candidates(config),
            config.size.nodes,
            key,
            roles.reduce,
            config.space.weights == "shared",
            backend,
        )
        self.candidate_weights = backend.asarray(candidate_weights(self.architecture, config.size.channels))
        self.supernet = Supernet(
            images.shape[0],
            len(images.classes),
            self.architecture.lanes_of_edge,
            channels=config.size.channels,
            cells=config.size.cells,
            nodes=config.size.nodes,
            roles=roles,
        )
        self.model = Model(self.supernet, normalise, key, backend=backend)
        o, a = config.optimiser, config.architecture
        self.sgd = SGD(self.model.arena.value, o.momentum, o.weight_decay, o.nesterov)
        self.adam = Adam(self.architecture.alpha, a.betas, a.weight_decay)
        self.ahead = Ahead(self.model, self.supernet, self.architecture)
        self.meter = Meter(["train", "validation"], backend)
        self.broadcast = Broadcast(self.model.synapses, config.modulator, backend)

    def _steps_per_epoch(self) -> int:
        limit = self.config.images_per_epoch
        return (
            self.train.steps if limit is None else max(1, min(self.train.steps, limit // self.config.batch))
        )

    def begin(self, epoch: int) -> None:
        """Nothing is prepared: a batch is a function of (seed, epoch, index)."""

    def step(self, epoch: int, index: int) -> None:
        self.take(self.inputs(epoch, index))

    def inputs(self, epoch: int, index: int) -> Inputs:
        """Of step `index` of an epoch."""
        update = epoch * self.steps + index
        progress = update / (self.epochs * self.steps)
        chooses = progress >= self.config.architecture.warmup
        val = self.val(epoch, index) if chooses else None
        return Inputs(update, rate(self.config.optimiser, progress), self.train(epoch, index), val)

    def take(self, given: Inputs) -> None:
        """The step. On a device it asks nothing of the host, so that it may be recorded as a CUDA graph."""
        if given.val is not None:
            self._choose(given, given.val)
        self._learn(given)

    def _choose(self, given: Inputs, val: Batch) -> None:
        told, gradient = self._architecture_gradient(given, val)
        self.meter.add("validation", told.loss, told.correct, len(val.labels))
        if self.config.architecture.price:
            _, slope = expected_bits(self.architecture, self.candidate_weights)
            gradient = gradient + self.config.architecture.price * self._through_softmax(slope)
        self.adam.step(gradient, self.config.architecture.lr)

    def _architecture_gradient(self, given: Inputs, val: Batch) -> tuple[Told, Floats]:
        update, lr, train, o = given.update, given.lr, given.train, self.config.optimiser
        match self.config.architecture.gradient:
            case "first":
                return self.ahead.first(val, update, given.clock)
            case "second":
                return self.ahead.second(train, val, update, lr, self.sgd.buffer, o.momentum, o.weight_decay)
            case "lookahead":
                return self.ahead.lookahead(train, val, update, lr, given.clock)

    def _through_softmax(self, dp: Floats) -> Floats:
        lanes = len(self.architecture.lanes)
        none = array_module(dp).zeros((dp.shape[1], lanes))
        return self.architecture.gradient((none, none), dp=dp)

    def _learn(self, given: Inputs) -> None:
        q = self.architecture.lane_weights()
        step = Step(self.model.key.to("step"), given.update, given.clock)
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
        found["alpha_entropy"] = float(-(p * np.log(p)).sum(axis=-1).mean())
        found["expected_bits"] = float(expected_bits(self.architecture, self.candidate_weights)[0])
        return found

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        state = {f"sgd.{name}": to_host(v) for name, v in self.sgd.state().items()}
        state |= self.broadcast.arrays()
        state |= {f"adam.{name}": to_host(v) for name, v in self.adam.state().items()}
        return (
            self.model.arrays()
            | state
            | {"alpha": to_host(self.architecture.alpha), "meter": to_host(self.meter.sums)}
        )

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        self.model.restore(arrays)
        backend = self.model.backend
        for name, value in self.sgd.state().items():
            value[...] = backend.asarray(arrays[f"sgd.{name}"])
        for name, value in self.adam.state().items():
            value[...] = array_module(value).asarray(arrays[f"adam.{name}"])
        alpha = self.architecture.alpha
        alpha[...] = array_module(alpha).asarray(arrays["alpha"])
        self.broadcast.restore(arrays, backend)
        self.meter.sums[...] = backend.asarray(arrays["meter"])


def chosen_candidates(config: SearchConfig) -> list[Candidate]:
    """The candidates that the configuration names."""
    space = config.space
    if space.preset == "paper":
        return paper_candidates()
    if space.preset == "hl-pc":
        return hl_pc_candidates(space.rules)
    return (
        candidates(rules=space.rules)
        if space.operations is None
        else candidates(space.operations, space.rules)
    )


def _follows_tangent(rule: Rule) -> bool:
    return descends(rule) or not {"delta", "top", "dloss", "modulator"} & set(type(rule).reads)


def check_rules(rules: Sequence[Rule]) -> None:
    """Raises UsageError for one that runs a whole network, and where the last, the classifier's, is not taught."""
    for rule in whole_rules(rules):
        raise UsageError(
            f'rule "{rule}" is no candidate of a search: {REASONS[rule.procedure]}.',
            f"Train a network by it: bionas-cupy train mlp --rule {rule.name}.",
        )
    if not is_taught(rules[-1]):
        raise UsageError(
            f'rule "{rules[-1]}" hears of no label, so that the classifier would learn none.',
            "Give it another rule: --set rules.classifier=bp.",
        )


def check_compatible(config: SearchConfig) -> None:
    """Refuse combinations whose gradients would mean nothing. Raises UsageError with the reason."""
    of_roles = [make_rule(getattr(config.rules, role)) for role in ROLES]
    check_rules([*(make_rule(c.rule) for c in chosen_candidates(config) if c.rule), *of_roles])
    gradient, weights = config.architecture.gradient, config.space.weights
    if weights == "shared" and gradient == "first":
        raise UsageError(
            "--weights shared with --alpha first: with shared weights a rule's first-order signal is exactly zero.",
            "Use --alpha lookahead, or --weights own.",
        )
    if weights == "own" and gradient == "lookahead":
        raise UsageError(
            "--alpha lookahead with --weights own: each weight has one rule, so there is no mixture of rules to "
            "differentiate.",
            "Use --weights shared, or --alpha first.",
        )
    rules = [make_rule(c.rule) for c in chosen_candidates(config) if c.rule]
    looking = sorted({str(rule) for rule in rules if not _follows_tangent(rule)})
    if gradient == "lookahead" and looking:
        raise UsageError(
            f"--alpha lookahead with {', '.join(looking)}: an update must be -δ ⊗ x, or local and free of the error, "
            "for the tangent sweep to follow it.",
            "Leave the rule out, or use --weights own with --alpha first.",
        )
    named = [c.rule for c in chosen_candidates(config) if c.rule] + [getattr(config.rules, r) for r in ROLES]
    others = sorted({rule for rule in named if rule != "bp"})
    if gradient == "second" and others:
        raise UsageError(
            f"--alpha second needs symmetric mixed derivatives, so every rule must be bp; got {', '.join(others)}, "
            "whose updates are not gradients.",
            "Use --rules bp, or --alpha first or lookahead.",
        )
