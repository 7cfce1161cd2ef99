"""The configuration of a run: one typed model a command, filled from preset < TOML file < options < --set."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..engine.errors import UsageError
from ..engine.rule_files import absolute_spec
from .complaints import complaints, dotted_names
from .space import DEFAULT_RULES

Decay = Annotated[float, Field(ge=0, lt=1)]
RuleSpec = Annotated[str, AfterValidator(absolute_spec)]  # a name, or a file's whole path
Schedule = Literal["constant", "cosine", "linear", "multistep"]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


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
    """Adam for α. warmup: the share of the epochs in which α rests."""

    gradient: Literal["first", "second", "lookahead"] = "first"
    lr: float = Field(default=3e-4, gt=0)
    betas: tuple[Decay, Decay] = (0.5, 0.999)
    weight_decay: float = Field(default=1e-3, ge=0)
    warmup: float = Field(default=0.3, ge=0, lt=1)
    price: float = Field(default=0.0, ge=0)


class Space(Section):
    """The candidates of every edge. preset "paper" is the published 22 and takes no lists of its own; "hl-pc" adds a
    Hebbian and a predictive-coding convolution to the operations of "default"."""

    preset: Literal["default", "paper", "hl-pc"] = "default"
    operations: list[str] | None = None
    rules: list[RuleSpec] = list(DEFAULT_RULES)
    weights: Literal["own", "shared"] = "own"

    @model_validator(mode="after")
    def _one_list(self) -> "Space":
        own_lists = (self.operations, self.rules) != (None, list(DEFAULT_RULES))
        if self.preset == "paper" and own_lists:
            raise ValueError(
                'preset "paper" is the published 22 candidates, with operations and rules of its own. '
                "Leave out --rules, or add --space default"
            )
        if self.preset == "hl-pc" and self.operations is not None:
            raise ValueError(
                'preset "hl-pc" has operations of its own. Leave them out, or add --space default'
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
    """The network: width of the first cell, number of cells, intermediate nodes a cell."""

    channels: int = Field(default=4, ge=2, multiple_of=2)
    cells: int = Field(default=3, ge=1)
    nodes: int = Field(default=4, ge=1)


class SearchConfig(Section):
    """`bionas-cupy search`."""

    command: Literal["search"] = "search"
    strategy: Literal["darts"] = "darts"
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


class TrainOptimiser(Optimiser):
    """A class of its own, so that a section that sets something else keeps this rate.

    kind: of "adam" (Kingma & Ba 2015), momentum and nesterov mean nothing.
    """

    kind: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(default=0.025, gt=0)


class TrainSize(Size):
    """Of a genotype's network."""

    channels: int = Field(default=16, ge=2, multiple_of=2)
    cells: int = Field(default=8, ge=1)


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
    """

    command: Literal["train"] = "train"
    model: str = "lenet"
    rule: RuleSpec | None = None
    rules_per_layer: dict[str, RuleSpec] = {}
    rules: dict[str, RuleSpec] = {}
    constraints: str = ""
    modulator: Literal["reward", "surprise"] = "reward"
    seed: int = Field(default=0, ge=0, lt=2**64)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    epochs: int = Field(default=10, ge=1)
    batch: int = Field(default=96, ge=2)
    data: Data = Data()
    size: TrainSize = TrainSize()
    hidden: list[Annotated[int, Field(ge=1)]] = [256, 256]
    power: float = Field(default=4.5, ge=1)
    width: float = Field(default=1.0, gt=0)
    stages: Literal["one", "two", "layerwise"] = "one"
    readout: Readout = Readout()
    optimiser: TrainOptimiser = TrainOptimiser()
    auxiliary: float = Field(default=0.0, ge=0)
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


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

Config = TypeVar("Config", SearchConfig, TrainConfig)
Tree = dict[str, Any]


def build(kind: type[Config], layers: Sequence[Mapping[str, Any]]) -> Config:
    """The configuration from nested dictionaries, later ones going first. UsageError with every complaint."""
    merged: Tree = {}
    for layer in layers:
        merged = merge(merged, layer)
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        raise UsageError(f"configuration: {complaints(error, dotted_names(kind))}") from None


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """`over` on top of `under`, table by table."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = (
            merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
        )
    return merged


def read_toml(path: Path) -> Tree:
    """A configuration file. UsageError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f'configuration "{path}" cannot be read: {getattr(error, "strerror", None) or error}.'
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f'configuration "{path}" is not TOML: {error}.') from None


def settings(pairs: Sequence[str]) -> Tree:
    """`--set a.b=c` options as a tree; c is read as a TOML value, or else as text."""
    tree: Tree = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise UsageError(f'--set "{pair}" cannot be read.', "Write --set section.name=value.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        for part in reversed(name.split(".")):
            value = {part: value}
        tree = merge(tree, value)
    return tree
