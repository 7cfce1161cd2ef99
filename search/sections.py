"""Sections of a configuration that say what is learned from, by which optimiser, and how large the network is."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ..engine.rule_files import absolute_spec
from .space import DEFAULT_RULES
from .strategy_config import Section

Decay = Annotated[float, Field(ge=0, lt=1)]
RuleSpec = Annotated[str, AfterValidator(absolute_spec)]  # a name, or a file's whole path
Schedule = Literal["constant", "cosine", "linear", "multistep"]


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
