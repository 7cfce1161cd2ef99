"""Settings of the strategies that ask for candidates, and of the table that answers."""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

LARGE = 1e6  # steps in α, of which 10 decide a softmax: beyond, squares overflow
MOST = 10**5  # candidates that are asked for or counted: memory holds them, and a mistyped number ends early


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class TableColumns(Section):
    """A CSV file of NAS-Bench-201's cells. search: columns of validation accuracy (%), by the `epochs` that each
    took; only halving looks at more than the first. report: the test accuracy of the cell that is found."""

    file: str | None = None
    architecture: str = "arch"
    search: list[str] = Field(default=["c10_val12", "c10_val200_1run"], min_length=1)
    epochs: list[int] = Field(default=[12, 200], min_length=1)
    report: str = "c10_test200"

    @model_validator(mode="after")
    def _rungs(self) -> "TableColumns":
        if self.file is None:
            raise ValueError("name the file: --table FILE")
        self.file = os.path.abspath(os.path.expanduser(self.file))
        rising = all(a < b for a, b in zip(self.epochs, self.epochs[1:], strict=False))
        if len(self.epochs) != len(self.search) or not rising or self.epochs[0] < 1:
            raise ValueError(
                f"epochs are {self.epochs}, expected {len(self.search)} ascending numbers, one a column of search"
            )
        return self


class Evolution(Section):
    """Regularised evolution: the best of `sample` out of `population` has the next child; half of it, where none is
    given. children: that are asked for at once, so that they may be evaluated side by side; Real et al. have one."""

    population: int = Field(default=50, ge=2, le=MOST)
    sample: int = Field(default=25, ge=1)
    children: int = Field(default=1, ge=1, le=MOST)

    @model_validator(mode="after")
    def _sample_of_the_living(self) -> "Evolution":
        if "sample" not in self.model_fields_set:
            self.sample = self.population // 2
        if self.sample > self.population:
            raise ValueError(
                f"a sample of {self.sample} cannot be drawn from a population of {self.population}. "
                "Lower evolution.sample, or raise evolution.population"
            )
        return self


class Genetic(Section):
    """The genetic search: `children` a generation, parents the best of `tournament`; nobody lives for more than
    `age` generations. objectives: names of what is known of a candidate, all minimised (trials/objectives.py).
    darts_every: so many generations from one tournament by DARTS to the next, 0: none (Reolon 2021: 3)."""

    population: int = Field(default=20, ge=2, le=MOST)
    children: int = Field(default=5, ge=1, le=MOST)
    age: int = Field(default=40, ge=1)
    tournament: int = Field(default=8, ge=1)
    objectives: list[str] = Field(default=["objective"], min_length=1)
    darts_every: int = Field(default=0, ge=0)


class Guided(Section):
    """EG-NAS (Cai et al. 2024): N searches of λ points a generation. generations: the paper gives none. What else
    can be read in two ways: strategies/eg_round.py. sigma: of each CMA-ES, None: as `spread`, that of the start
    points. batches: of a supernet's validation images that score a point."""

    searches: int = Field(default=5, ge=1, le=MOST)
    population: int = Field(default=25, ge=2, le=MOST)
    generations: int = Field(default=2, ge=1)
    spread: float = Field(default=1.0, gt=0, le=LARGE)
    sigma: float | None = Field(default=None, gt=0, le=LARGE)
    move: float = Field(default=0.6, gt=0, le=LARGE)
    diversity: float = Field(default=0.4, ge=0, le=LARGE)
    step: Literal["point", "difference", "probabilities"] = "point"
    centre: Literal["alpha", "probabilities"] = "alpha"
    similarity: Literal["whole", "decisions"] = "whole"
    unit: bool = False
    batches: int = Field(default=1, ge=1)


class Collapse(Section):
    """What keeps a supernet's search from collapsing into skip connections (collapse.py); all of it off by default.

    max_skips: of the normal cell that is found. stop: "skips" where it would have `skips` of them, "ranking" where the
    order of the operations that learn has been the same for `patience` epochs. skip_dropout: at the first epoch.
    """

    max_skips: int | None = Field(default=None, ge=0)
    stop: Literal["skips", "ranking"] | None = None
    skips: int = Field(default=2, ge=1)
    patience: int = Field(default=10, ge=1)
    skip_dropout: float = Field(default=0.0, ge=0, lt=1)


class Halving(Section):
    """Successive halving by training: `rungs` lengths, the last one --epochs, each `factor` times the one before."""

    rungs: int = Field(default=3, ge=1)
    factor: int = Field(default=2, ge=2)


class Attacked(Section):
    """An attack on validation images (attacks.py): by at most epsilon a pixel, of pixels in [0, 1]; of "pgd" the length
    and the number of its steps. images: on at most so many of them."""

    kind: Literal["fgsm", "pgd"] = "pgd"
    epsilon: float = Field(default=0.03, gt=0, le=1)
    step: float = Field(default=0.01, gt=0, le=1)
    steps: int = Field(default=7, ge=1)
    images: int = Field(default=256, ge=1)


class Trials(Section):
    """Candidates that are trained: each with so many seeds. objective: the validation loss, the error, or the error
    under attack (shares), their mean over the seeds; the price of transport is added.

    attack: what candidates are measured by as well, without being asked for where robust_error is to be minimised.
    scores: none are trained; they are judged by these scores of untrained networks (scores.py), their means over the
    seeds, from so many images.
    """

    seeds: int = Field(default=2, ge=1)
    objective: Literal["loss", "error", "robust_error"] = "loss"
    attack: Attacked | None = None
    scores: list[str] = Field(default=[])
    images: int = Field(default=32, ge=2)


OWN_SECTIONS = {"evolution": Evolution, "ga": Genetic, "eg": Guided, "halving": Halving}
TRAINING = ("random", "evolution", "ga", "halving")  # strategies that may train their candidates


def check_strategy(
    strategy: str, space: str, rules: list[str] | None, table: TableColumns | None, evaluations: int | None
) -> None:
    """Raises ValueError with the reason where they do not go together. rules: None where none are asked for."""
    supernet = strategy == "darts" or (strategy == "eg" and table is None)
    complaint = (
        _of_supernets(strategy, space, table, evaluations)
        if supernet
        else _of_candidates(strategy, space, rules, table)
    )
    if complaint:
        raise ValueError(complaint)


def _of_supernets(strategy: str, space: str, table: TableColumns | None, evaluations: int | None) -> str:
    if table is not None:
        return (
            "--strategy darts descends ∂L/∂α of a supernet's loss, and a table holds accuracies without gradients. "
            "Use --strategy random, evolution, ga, eg or halving"
        )
    if space == "nasbench201":
        return (
            f"--strategy {strategy} has no supernet of --space nasbench201. Use --table with another strategy"
        )
    return "--evaluations are counted by the other strategies. Use --epochs" if evaluations else ""


def _of_candidates(strategy: str, space: str, rules: list[str] | None, table: TableColumns | None) -> str:
    if table is None and strategy in TRAINING:
        return ""  # search/trials/settings.py looks at the rest
    if table is None or space != "nasbench201":
        return f"--strategy {strategy} asks a table: add --space nasbench201 --table FILE"
    if rules not in (None, ["bp"]):
        return "the table's networks learned by bp, and it says nothing of other rules. Leave out --rules"
    if strategy == "halving" and len(table.search) < 2:
        return "--strategy halving needs two columns or more in table.search, of different epochs"
    return ""
