"""The configuration of a run: one typed model a command, filled from preset < TOML file < options < --set."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ..engine.errors import UsageError
from ..engine.rule_files import absolute_spec
from .complaints import complaints, dotted_names
from .space import DEFAULT_RULES
from .strategy_config import (
    MOST,
    OWN_SECTIONS,
    TRAINING,
    Collapse,
    Evolution,
    Genetic,
    Guided,
    Halving,
    Section,
    TableColumns,
    Trials,
    check_strategy,
)
from .tree import Tree, merge
from .trials.objectives import check_objectives, usual_objectives
from .trials.settings import check_trials

Decay = Annotated[float, Field(ge=0, lt=1)]
RuleSpec = Annotated[str, AfterValidator(absolute_spec)]  # a name, or a file's whole path
Schedule = Literal["constant", "cosine", "linear", "multistep"]
EVALUATIONS, SCORED, LOOKED_UP = 16, 100, 200  # trainings, untrained networks, and a table's cells


class Data(Section):
    """What to learn from. crop, flip: None takes the data set's usual choice. normalise: else pixels are in [0, 1].

    shots: only so many images of each class. unlabelled: of a training in stages, whose hidden layers then learn from
    all images without their labels; the read-out has the shots alone.
    """

    name: str = "digits"
    dir: str | None = None
    subset: int | None = Field(default=None, ge=2)
    shots: int | None = Field(default=None, ge=1)
    unlabelled: bool = False
    normalise: bool = True
    crop: int | None = Field(default=None, ge=0)
    flip: bool | None = None
    cutout: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_choice(self) -> "Data":
        if self.shots is not None and self.subset is not None:
            raise ValueError("subset and shots are two choices of images. Give one of them")
        if self.unlabelled and self.shots is None:
            raise ValueError("unlabelled images are those beside the shots. Add --shots")
        return self

    @model_validator(mode="after")
    def _absolute(self) -> "Data":
        """A folder means the same from wherever the run is resumed."""
        self.dir = os.path.abspath(os.path.expanduser(self.dir)) if self.dir else self.dir
        self.name = os.path.abspath(os.path.expanduser(self.name)) if os.sep in self.name else self.name
        return self


class Optimiser(Section):
    """SGD for the weights."""

    lr: float = Field(default=0.1, gt=0)
    lr_end: float = Field(default=0.0, ge=0)
    schedule: Schedule = "cosine"
    warmup: float = Field(default=0.0, ge=0, lt=1)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(default=3e-4, ge=0)
    clip: float = Field(default=5.0, ge=0)


class ArchitectureOptimiser(Section):
    """Adam for α. warmup: the share of the epochs in which α rests. edge_weights: β of PC-DARTS beside α."""

    gradient: Literal["first", "second", "lookahead"] = "first"
    lr: float = Field(default=3e-4, gt=0)
    betas: tuple[Decay, Decay] = (0.5, 0.999)
    weight_decay: float = Field(default=1e-3, ge=0)
    warmup: float = Field(default=0.3, ge=0, lt=1)
    price: float = Field(default=0.0, ge=0)
    edge_weights: bool = False


class Space(Section):
    """The candidates of every edge. preset "paper" is the published 22 and takes no lists of its own; "hl-pc" adds a
    Hebbian and a predictive-coding convolution to the operations of "default"; "nasbench201" is that benchmark's.
    parts: fixed parts of the network (stem, preprocess, reduce, classifier) whose rules are chosen as well, where
    candidates are trained."""

    preset: Literal["default", "paper", "hl-pc", "nasbench201"] = "default"
    operations: list[str] | None = None
    rules: list[RuleSpec] = Field(default=list(DEFAULT_RULES))
    weights: Literal["own", "shared"] = "own"
    parts: list[Literal["stem", "preprocess", "reduce", "classifier"]] = Field(default=[])

    @model_validator(mode="after")
    def _one_list(self) -> "Space":
        own_lists = (self.operations, self.rules) != (None, list(DEFAULT_RULES))
        if self.preset == "paper" and own_lists:
            raise ValueError(
                'preset "paper" is the published 22 candidates, with operations and rules of its own. '
                "Leave out --rules, or add --space default"
            )
        if self.preset in ("hl-pc", "nasbench201") and self.operations is not None:
            raise ValueError(
                f'preset "{self.preset}" has operations of its own. Leave them out, or add --space default'
            )
        return self


class RoleRules(Section):
    """The rules of the parts that are not searched."""

    stem: RuleSpec = "bp"
    preprocess: RuleSpec = "bp"
    reduce: RuleSpec = "bp"
    auxiliary: RuleSpec = "bp"
    classifier: RuleSpec = "bp"


class Size(Section):
    """The network: width of the first cell, number of cells, intermediate nodes a cell. partial: 1/partial of the
    channels pass the mixed operations, the rest go round them (PC-DARTS)."""

    channels: int = Field(default=4, ge=2, multiple_of=2)
    cells: int = Field(default=3, ge=1)
    nodes: int = Field(default=4, ge=1)
    partial: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _whole_parts(self) -> "Size":
        if self.channels % self.partial:
            raise ValueError(
                f"{self.channels} channels cannot be cut into {self.partial} parts. "
                f"Choose channels={-(-self.channels // self.partial) * self.partial}, or another --partial"
            )
        return self


class SearchConfig(Section):
    """`bionas-cupy search`.

    genotype: its operations stay, and rules are chosen for them. workers, executor, scheduler: who trains candidates;
    no result depends on it, and run.toml does not have it.
    """

    command: Literal["search"] = "search"
    strategy: Literal["darts", "random", "evolution", "ga", "eg", "halving"] = "darts"
    preset: Literal["smoke", "small", "paper"] = "smoke"
    seed: int = Field(default=0, ge=0, lt=2**64)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    epochs: int = Field(default=10, ge=1)
    batch: int = Field(default=32, ge=2)
    images_per_epoch: int | None = Field(default=None, ge=2)
    modulator: Literal["reward", "surprise"] = "reward"
    data: Data = Data()
    space: Space = Space()
    size: Size = Size()
    optimiser: Optimiser = Optimiser()
    architecture: ArchitectureOptimiser = ArchitectureOptimiser()
    rules: RoleRules = RoleRules()
    collapse: Collapse = Collapse()
    evaluations: int | None = Field(default=None, ge=1, le=MOST)
    table: TableColumns | None = None
    evolution: Evolution | None = None
    ga: Genetic | None = None
    eg: Guided | None = None
    halving: Halving | None = None
    trials: Trials | None = None
    genotype: str | None = None
    workers: int | None = Field(default=None, ge=1, exclude=True)
    executor: Literal["processes", "dask"] | None = Field(default=None, exclude=True)
    scheduler: str | None = Field(default=None, exclude=True)

    @property
    def trains(self) -> bool:
        """Whether each candidate is a network of its own: no supernet, no table."""
        return self.strategy in TRAINING and self.table is None

    @property
    def untrained(self) -> bool:
        """Whether these are judged by scores of untrained networks, not by training them."""
        return self.trains and self.trials is not None and bool(self.trials.scores)

    @model_validator(mode="after")
    def _of_the_strategy(self) -> "SearchConfig":
        for name, kind in OWN_SECTIONS.items():
            if name != self.strategy and getattr(self, name) is not None:
                raise ValueError(f"{name}.* are settings of --strategy {name}, this is {self.strategy}")
            if name == self.strategy and getattr(self, name) is None:
                setattr(self, name, kind())
        check_strategy(
            self.strategy,
            self.space.preset,
            None if self.space.rules == list(DEFAULT_RULES) else self.space.rules,
            self.table,
            self.evaluations,
        )
        check_trials(self)
        self._check_supernets_own()
        if self.trains and self.trials is None:
            self.trials = Trials()
        if self.ga is not None and self.trials is not None:
            self.ga.objectives = usual_objectives(self.ga.objectives, self.trials.scores)
        check_objectives(self)
        if not self.on_supernet and self.evaluations is None:
            self.evaluations = (SCORED if self.untrained else EVALUATIONS) if self.trains else LOOKED_UP
        return self

    @model_validator(mode="after")
    def _absolute(self) -> "SearchConfig":
        self.genotype = os.path.abspath(os.path.expanduser(self.genotype)) if self.genotype else None
        return self

    def _check_supernets_own(self) -> None:
        given = {
            "--partial": self.size.partial > 1,
            "architecture.edge_weights": self.architecture.edge_weights,
            "collapse.*": self.collapse != Collapse(),
        }
        named = next((name for name, value in given.items() if value and not self.on_supernet), None)
        if named:
            raise ValueError(
                f"{named} is of a supernet, and --strategy {self.strategy} has none. Leave it out"
            )
        if self.table is not None and self.eg is not None and self.eg.batches > 1:
            raise ValueError("eg.batches are images of a supernet, and a table has none. Leave it out")

    @property
    def on_supernet(self) -> bool:
        """Whether the strategy searches a supernet; the others ask for candidates."""
        return self.strategy == "darts" or (self.strategy == "eg" and self.table is None)


class TrainOptimiser(Optimiser):
    """A class of its own, so that a section that sets something else keeps this rate.

    kind: of "adam" (Kingma & Ba 2015), momentum and nesterov mean nothing.
    """

    kind: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(default=0.025, gt=0)


class TrainSize(Section):
    """Of a genotype's network. cells: None is 8, in NAS-Bench-201's space 15."""

    channels: int = Field(default=16, ge=2, multiple_of=2)
    cells: int | None = Field(default=None, ge=1)
    nodes: int = Field(default=4, ge=1)  # a genotype has its own: kept for the run.toml of earlier runs


class Readout(Section):
    """The last layer, where it learns after the others: its rule, and its own passes over what they answer.

    dropout: of what it reads, in the networks that have it.
    """

    rule: RuleSpec = "bp"
    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=200, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    optimiser: TrainOptimiser = TrainOptimiser()


class TrainConfig(Section):
    """`bionas-cupy train`. model: a genotype's path, or a network by its name (networks.py).

    stages: "one": all layers learn at once; "two": the hidden layers by local rules, from images alone, then the
    read-out, by its own section, from what they answer; "layerwise": the same, one hidden layer after the other.
    power: of krotov-hopfield's units. width: a factor of softhebb's channels.
    constraints: of every layer's weights, beside those of its own rule: "nonneg+norm".
    rules: of a genotype's fixed parts (stem, preprocess, reduce, auxiliary, classifier), in place of its own.
    learn_from: the lowest block of the network that learns, "cell3" or "classifier"; those below stay as drawn.
    """

    command: Literal["train"] = "train"
    model: str = "lenet"
    rule: RuleSpec | None = None
    rules_per_layer: dict[str, RuleSpec] = Field(default={})
    rules: dict[str, RuleSpec] = Field(default={})
    constraints: str = ""
    modulator: Literal["reward", "surprise"] = "reward"
    seed: int = Field(default=0, ge=0, lt=2**64)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    epochs: int = Field(default=10, ge=1)
    batch: int = Field(default=96, ge=2)
    data: Data = Data()
    size: TrainSize = TrainSize()
    hidden: list[Annotated[int, Field(ge=1)]] = Field(default=[256, 256])
    power: float = Field(default=4.5, ge=1)
    width: float = Field(default=1.0, gt=0)
    stages: Literal["one", "two", "layerwise"] = "one"
    readout: Readout = Readout()
    optimiser: TrainOptimiser = TrainOptimiser()
    auxiliary: float = Field(default=0.0, ge=0)
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    learn_from: str | None = None

    @model_validator(mode="after")
    def _at_once(self) -> "TrainConfig":
        if self.learn_from is not None and self.stages != "one":
            raise ValueError(f'stages "{self.stages}" say who learns when. Leave out learn_from')
        return self


SEARCH_PRESETS: dict[str, dict[str, Any]] = {
    "smoke": {
        "epochs": 6,
        "batch": 32,
        "images_per_epoch": 256,
        "size": {"channels": 4, "cells": 3},
        "architecture": {"lr": 1e-2},  # a few dozen steps: at the paper's rate α would not leave its noise
    },
    "small": {
        "epochs": 10,
        "batch": 32,
        "size": {"channels": 8, "cells": 5},
        "architecture": {"lr": 1e-2},
    },
    "paper": {
        "epochs": 50,
        "batch": 256,
        "space": {"preset": "paper"},
        "size": {"channels": 16, "cells": 5},
        "architecture": {"lr": 3e-4, "warmup": 0.0},
    },
}

TRAINED: dict[str, dict[str, Any]] = {  # a few dozen trainings: smaller populations than over a table
    "evolution": {"evolution": {"population": 8, "sample": 4, "children": 4}},
    "ga": {"ga": {"population": 8, "children": 4, "tournament": 4}},
}

GUIDED: dict[str, dict[str, Any]] = {  # of --strategy eg on a supernet, on top of these
    "smoke": {"eg": {"searches": 3, "population": 6}},
    "small": {"eg": {"searches": 3, "population": 10}},
    "paper": {"size": {"partial": 4}, "architecture": {"warmup": 0.3}},  # EG-NAS' own
}

Config = TypeVar("Config", SearchConfig, TrainConfig)


def search_presets(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the preset that was asked for sets. An unknown one sets nothing: `build` will refuse it.

    Where candidates are trained, an epoch is all of their images; scores of untrained ones are as cheap as a table.
    """
    name, strategy = asked.get("preset", "smoke"), asked.get("strategy", "darts")
    preset = SEARCH_PRESETS.get(name, {}) if isinstance(name, str) else {}
    if asked.get("table") is not None:
        return preset
    if strategy == "eg":
        return merge(preset, GUIDED.get(str(name), {}))
    if strategy not in TRAINING:
        return preset
    trials = asked.get("trials")
    populations = {} if isinstance(trials, Mapping) and trials.get("scores") else TRAINED.get(strategy, {})
    return {k: v for k, v in preset.items() if k != "images_per_epoch"} | populations


def build(kind: type[Config], layers: Sequence[Mapping[str, Any]]) -> Config:
    """The configuration from nested dictionaries, later ones going first. UsageError with every complaint."""
    merged: Tree = {}
    for layer in layers:
        merged = merge(merged, layer)
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        raise UsageError(f"configuration: {complaints(error, dotted_names(kind))}") from None
