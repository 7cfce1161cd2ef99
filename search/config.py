"""The configuration of a run: one typed model a command, filled from preset < TOML file < options < --set."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from ..engine.errors import UsageError
from .complaints import complaints, dotted_names
from .sections import (
    ArchitectureOptimiser,
    Data,
    Optimiser,
    Readout,
    RoleRules,
    RuleSpec,
    Size,
    Space,
    TrainOptimiser,
    TrainSize,
)
from .space import DEFAULT_RULES
from .strategy_config import (
    MOST,
    OWN_SECTIONS,
    TRAINING,
    Attacked,
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
from .trials.objectives import check_objectives, chosen_by_attack, usual_objectives
from .trials.settings import check_trials

EVALUATIONS, SCORED, LOOKED_UP = 16, 100, 200  # trainings, untrained networks, and a table's cells


class SearchConfig(Section):
    """`bionas-cupy search`.

    genotype: its operations stay, and rules are chosen for them. workers, executor, scheduler: who trains candidates;
    graph: whether steps on CUDA are recorded. No result depends on these four, and run.toml does not have them.
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
    graph: bool = Field(default=False, exclude=True)

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
        if self.graph and self.strategy != "darts":
            raise ValueError(
                f"--graph records steps of --strategy darts, this is {self.strategy}. Leave it out"
            )
        if self.trains and self.trials is None:
            self.trials = Trials()
        if self.ga is not None and self.trials is not None:
            self.ga.objectives = usual_objectives(self.ga.objectives, self.trials.scores)
        check_objectives(self)
        if self.trials is not None and self.trials.attack is None and chosen_by_attack(self):
            self.trials.attack = Attacked()
        if not self.on_supernet and self.evaluations is None:
            self.evaluations = (SCORED if self.untrained else EVALUATIONS) if self.trains else LOOKED_UP
        return self

    @model_validator(mode="after")
    def _absolute(self) -> "SearchConfig":
        self.genotype = None if self.genotype is None else os.path.abspath(os.path.expanduser(self.genotype))
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


class TrainConfig(Section):
    """`bionas-cupy train`. model: a genotype's path, or a network by its name (networks.py).

    stages: "one": all layers learn at once; "two": the hidden layers by local rules, from images alone, then the
    read-out, by its own section, from what they answer; "layerwise": the same, one hidden layer after the other.
    power: of krotov-hopfield's units. width: a factor of softhebb's channels.
    constraints: of every layer's weights, beside those of its own rule: "nonneg+norm".
    rules: of a genotype's fixed parts (stem, preprocess, reduce, auxiliary, classifier), in place of its own.
    learn_from: the lowest block of the network that learns, "cell3" or "classifier"; those below stay as drawn.
    graph: whether steps on CUDA are recorded; no result depends on it, and run.toml does not have it.
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
    graph: bool = Field(default=False, exclude=True)

    @model_validator(mode="after")
    def _at_once(self) -> "TrainConfig":
        if self.learn_from is not None and self.stages != "one":
            raise ValueError(f'stages "{self.stages}" say who learns when. Leave out learn_from')
        if self.graph and self.stages != "one":
            raise ValueError(
                f'--graph records steps of all layers at once, and stages are "{self.stages}". Leave it out'
            )
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
    "evolution": {"evolution": {"population": 8, "children": 4}},
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
