"""Accuracy against transported bits per weight: which assignments of rules no other one beats, and what layers need.

    a point   an architecture with its rules: bits per weight, accuracies over seeds
    front     points than which no other has fewer bits and more accuracy
    need      of a share s: the point of fewest bits whose mean accuracy is at least s times BP's, its rules by place

Points come from searches that trained their candidates (validation accuracy of those trained longest) or from
trainings of genotypes (test accuracy). BP's accuracy is that of the point all of whose rules are bp.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..engine.errors import UsageError
from ..engine.journal import read
from ..engine.registry import make_rule
from ..engine.run_folder import RunFolder, State
from ..layers.nasbench201 import EDGES
from ..search.config import SearchConfig, TrainConfig, build
from ..search.genotype import AnyGenotype, Genotype
from ..search.intervals import Interval, interval
from ..search.rule_copies import use_copies
from ..search.strategies.pareto import non_dominated
from ..search.strategies.strategy import is_candidate
from ..search.train_run import stored_genotype
from ..search.trials.settings import rungs
from ..search.trials.setup import space_of


@dataclass(eq=False)
class Point:
    """rules: by place, "normal 0 → 2 sep_conv_3x3" or "stem". plain: neither frozen nor otherwise restricted."""

    genotype: AnyGenotype
    rules: dict[str, str]
    bits: float
    accuracies: list[float]
    plain: bool = True

    @property
    def accuracy(self) -> Interval:
        return interval(self.accuracies)

    @property
    def only(self) -> str:
        """The rule that all places share, else ""."""
        names = set(self.rules.values())
        return names.pop() if len(names) == 1 and self.plain else ""


class Need(NamedTuple):
    """What keeps a share of the reference: the point of fewest bits that does."""

    share: float
    point: Point


class Front(NamedTuple):
    """measure: "validation" or "test". reference: BP's accuracy, or where no point is BP's, the best one.

    points by ascending bits, those of the front among them, the needs by falling share.
    """

    measure: str
    reference: float
    of_bp: bool
    points: list[Point]
    front: list[Point]
    needs: list[Need]


def front_of(paths: Sequence[Path], shares: Sequence[float] = (0.99, 0.95)) -> Front:
    """Raises UsageError for other folders, and where validation and test accuracies would be mixed."""
    found: dict[str, Point] = {}
    measures, counted = set(), set()
    for path in paths:
        measure, seed, named = points_of(path)
        measures.add(measure)
        for key, point in named:
            known = found.setdefault(key, replace(point, accuracies=[]))
            same = key, seed, *point.accuracies  # the same training under two names is one
            if same not in counted:
                counted.add(same)
                known.accuracies += point.accuracies
    if len(measures) > 1:
        raise UsageError("Searches have validation accuracies, trainings test accuracies.", "Name one kind.")
    if not found:
        raise UsageError(
            "No candidate of these searches was trained to its end.", "Let them go on: --resume."
        )
    points = sorted(found.values(), key=lambda p: (p.bits, -p.accuracy.mean))
    means = np.array([p.accuracy.mean for p in points])
    best = non_dominated(np.stack([[p.bits for p in points], -means], axis=1))
    bp = [p.accuracy.mean for p in points if p.only == "bp"]
    reference = max(bp) if bp else float(means.max())
    needs = [
        Need(share, next(p for p in points if p.accuracy.mean >= share * reference))
        for share in sorted(shares)[::-1]
    ]
    front = [p for p, kept in zip(points, best, strict=True) if kept]
    return Front(measures.pop(), reference, bool(bp), points, front, needs)


def points_of(path: Path) -> tuple[str, int, list[tuple[str, Point]]]:
    """("validation" or "test", the seed, its points with what tells whether two are the same)."""
    folder = RunFolder(path)
    if folder.state is State.NEW:
        raise UsageError(f'"{path}" is no run.', "Name searches that trained their candidates, or trainings.")
    use_copies(folder)
    tree = folder.settings
    if tree.get("command") == "train":
        training = build(TrainConfig, [tree])
        return "test", training.seed, [_of_training(folder, training)]
    config = build(SearchConfig, [tree])
    if not config.trains or config.untrained:
        raise UsageError(
            f'"{path}" is a search that trained no candidate.', "See --strategy in docs/searches.md."
        )
    return "validation", config.seed, list(_of_search(folder, config))


def _of_search(folder: RunFolder, config: SearchConfig) -> Iterator[tuple[str, Point]]:
    """The candidates that were trained for the longest of the rungs."""
    decisions, longest = space_of(config, stored_genotype(folder)), rungs(config)[-1]
    for line in read(folder.path / "journal.jsonl"):
        spec, score = line["spec"], line["score"]
        if is_candidate(spec) and spec.get("budget", longest) == longest and "failed" not in score:
            genotype = decisions.genotype(spec["genome"])
            yield _named(genotype, score["transported_bits"], score["accuracies"], None)


def _of_training(folder: RunFolder, config: TrainConfig) -> tuple[str, Point]:
    genotype = stored_genotype(folder)
    if folder.state is not State.FINISHED or genotype is None:
        raise UsageError(
            f'"{folder.path}" is not the finished training of a genotype.',
            "Leave it out, or let it go on: --resume.",
        )
    result = folder.read("result.json")
    genotype = genotype if config.rule is None else genotype.with_rule(config.rule)
    genotype = genotype.with_roles(config.rules)
    return _named(genotype, result["transported_bits"], [result["test_accuracy"]], config.learn_from)


def _named(
    genotype: AnyGenotype, bits: float, accuracies: Sequence[float], learn_from: str | None
) -> tuple[str, Point]:
    rules = rules_by_place(genotype)
    cells = genotype.cell if not isinstance(genotype, Genotype) else [genotype.normal, genotype.reduce]
    return f"{cells} {rules} {learn_from}", Point(genotype, rules, bits, list(accuracies), learn_from is None)


def rules_by_place(genotype: AnyGenotype) -> dict[str, str]:
    """Of each searched edge with weights, and of each fixed part (but the auxiliary head)."""
    edges: Iterator[tuple[str, Any]]
    if isinstance(genotype, Genotype):
        kinds = (("normal", genotype.normal), ("reduce", genotype.reduce))
        edges = ((f"{kind} {e.source} → {e.node} {e.op}", e.rule) for kind, cell in kinds for e in cell)
    else:
        chosen = zip(EDGES, genotype.chosen().choices, strict=True)
        edges = ((f"{source} → {node} {c.operation}", c.rule) for (node, source), c in chosen)
    fixed = {role: rule for role, rule in genotype.rules.items() if role != "auxiliary"}
    return {place: rule for place, rule in edges if rule} | fixed


def bits_at(place: str, rule: str) -> float:
    """What the rule transports there; the stem lies on the data and sends no error."""
    return 0.0 if place == "stem" else float(make_rule(rule).bits)
