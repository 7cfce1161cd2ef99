"""What a search found, for people and for programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..engine.random import Key
from ..engine.registry import make_rule
from ..engine.run_folder import RunFolder
from ..engine.words import several
from ..layers.roles import Roles
from ..search.config import SearchConfig
from ..search.genotype import Genotype, read_genotype
from ..search.parse import ChosenEdge, mean_margin, parse
from ..search.space import Candidate
from ..search.strategy_config import Guided
from ..search.supernet_search import architecture_of
from .found import print_found, training_options
from .output import print_json, print_table, share

CLEAR = 0.1  # of the weight without evidence: a margin below it is called a tie
TIE = " That is close to a tie: compare several seeds (--seed), or search longer (--epochs)."


class Finding(NamedTuple):
    """A finished search as its folder tells it."""

    config: SearchConfig
    folder: Path
    genotype: Genotype
    cells: dict[str, list[ChosenEdge]]
    candidates: list[Candidate]
    steps: int  # of α


def read_back(config: SearchConfig, folder: RunFolder) -> Finding:
    """From genotype.json, and the architecture weights of the last checkpoint."""
    arrays, _ = folder.load()
    architecture = architecture_of(config, Key(config.seed), Roles(reduce=make_rule(config.rules.reduce)))
    architecture.values[...] = arrays["alpha"]
    kinds, most = {"normal": False, "reduce": True}, config.collapse.max_skips
    cells = {name: parse(architecture, reduction, most) for name, reduction in kinds.items()}
    steps, genotype = (
        int(arrays["adam.count" if config.eg is None else "eg.rounds"]),
        read_genotype(folder.path),
    )
    assert isinstance(genotype, Genotype)
    return Finding(config, folder.path, genotype, cells, architecture.candidates, steps)


def show(found: Finding, as_json: bool) -> None:
    if as_json:
        for event in events(found):
            print_json(event)
        return
    more = ["rule's share"] if found.config.space.weights == "shared" else []
    more += ["edge's weight"] if found.config.architecture.edge_weights else []
    print_table(["cell", "edge", "operation", "rule", "weight", "runner-up", *more], list(rows(found)))
    print_table(
        ["rule", "share of weights", "sends down"],
        [(r, share(s), make_rule(r).sends) for r, s in found.genotype.weights_per_rule.items()],
    )
    path, more = found.folder / "genotype.json", training_options(found.config)
    print_found(path, summary(found.genotype), why(found), more)


def rows(found: Finding) -> Iterator[tuple[str, ...]]:
    for cell, edges in found.cells.items():
        for e in edges:
            weights = [f"{e.weight:.4f}", f"{e.runner_up:.4f}"]
            if found.config.space.weights == "shared":
                weights.append("-" if e.rule_share is None else f"{e.rule_share:.4f}")
            if e.edge_weight is not None:
                weights.append(f"{e.edge_weight:.4f}")
            yield cell, f"{e.edge.source} → {e.edge.node}", e.edge.op, e.edge.rule or "-", *weights


def events(found: Finding) -> Iterator[dict[str, Any]]:
    for cell, edges in found.cells.items():
        for e in edges:
            edge = e.edge.model_dump(by_alias=True)
            yield {
                "event": "edge",
                "cell": cell,
                **edge,
                "weight": e.weight,
                "runner_up": e.runner_up,
                "rule_share": e.rule_share,
                "edge_weight": e.edge_weight,
            }
    known = {"path": str(found.folder / "genotype.json"), "candidates": len(found.candidates)}
    yield {
        "event": "genotype",
        **known,
        "architecture_steps": found.steps,
        "genotype": found.genotype.to_json(),
    }


def summary(genotype: Genotype) -> str:
    """Transported bits and the last epoch's figures."""
    bits = f"Transported bits per weight of the published network: {genotype.transported_bits:.2f}."
    score = genotype.score
    if "validation_accuracy" not in score:
        return bits
    loss, accuracy = score["validation_loss"], score["validation_accuracy"]
    return f"{bits} Score: validation loss {loss:.4f}, accuracy {accuracy:.1f} % in the last epoch."


def why(found: Finding) -> str:
    """What each weight is to be compared with: its runner-up, and what it would be without any evidence."""
    if found.config.eg is not None:
        return why_guided(found, found.config.eg)
    k, edges = len(found.candidates), [e for cell in found.cells.values() for e in cell]
    before = [start_weight(found, e.edge.op) for e in edges]
    moved = sum(abs(e.weight / b - 1) for e, b in zip(edges, before, strict=True)) / len(edges)
    margin = mean_margin(edges)
    clear = min(moved, margin * k) >= CLEAR
    summed = ""
    if found.config.space.weights == "shared":
        summed = ", an operation the sum over its rules; a rule's share is its part of that sum, 1/R without evidence"
    return (
        f"Why believe it: a weight is the softmax share of its candidate on its edge, after "
        f"{several(found.steps, 'step')} of the architecture weights; without any evidence each of {k} candidates "
        f"would have 1/{k} = {1 / k:.4f}{summed}. The chosen are {moved:.1%} away from that, and {margin:.4f} ahead of "
        f"their runners-up, on average.{'' if clear else TIE}"
    )


def why_guided(found: Finding, settings: Guided) -> str:
    """A point drawn at random would move α as far as the best one does."""
    score, points = found.genotype.score, settings.searches * settings.population * settings.generations
    if "leader_accuracy" not in score:
        return "α rested in all epochs: the cells are those of its random initial weights. Use more --epochs."
    leader, alpha = score["leader_accuracy"], score["validation_accuracy"]
    return (
        f"Why believe it: α moved {several(found.steps, 'time')}, each time by the leader of {points} points. "
        f"A random point would have moved it as far, so that a weight's lead over its runner-up is no evidence. Of the "
        f"images that score, the last leader knew {leader:.1f} %, α before it moved {alpha:.1f} %."
        f"{'' if leader > alpha else ' It was no better: compare several seeds (--seed), and random cells.'}"
    )


def start_weight(found: Finding, operation: str) -> float:
    """A choice's weight without evidence: one candidate's; with shared weights, of all with its operation."""
    if found.config.space.weights == "own":
        return 1 / len(found.candidates)
    return sum(c.operation == operation for c in found.candidates) / len(found.candidates)
