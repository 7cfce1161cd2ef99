"""What a search that trained its candidates found, for people and for programs."""

from collections.abc import Iterator
from pathlib import Path

from ..engine.registry import make_rule
from ..engine.words import several
from ..layers.nasbench201 import EDGES
from ..search.config import SearchConfig
from ..search.genotype import AnyGenotype, Genotype, read_genotype
from . import untrained_result
from .found import print_found, print_genotype, ties, training_options
from .output import print_table, share

MORE = " More seeds tell them apart (--set trials.seeds=5), or longer trainings (--epochs)."


def show(config: SearchConfig, folder: Path, as_json: bool) -> None:
    """The genotype.json of a finished search."""
    genotype, path = read_genotype(folder), folder / "genotype.json"
    if as_json:
        print_genotype(path, genotype)
        return
    print_table(["cell", "edge", "operation", "rule"], list(edges(genotype)))
    print_table(
        ["rule", "share of weights", "sends down"],
        [(r, share(s), make_rule(r).sends) for r, s in genotype.weights_per_rule.items()],
    )
    told = (summary, why) if genotype.provenance["judged"] == "trained" else untrained_result.told
    print_found(path, told[0](genotype), told[1](genotype), training_options(config))


def edges(genotype: AnyGenotype) -> Iterator[tuple[str, str, str, str]]:
    """(cell, edge, operation, rule), and the rules of the parts that were searched."""
    if isinstance(genotype, Genotype):
        for kind in ("normal", "reduce"):
            for e in getattr(genotype, kind):
                yield kind, f"{e.source} → {e.node}", e.op, e.rule or "-"
    else:
        for (node, source), c in zip(EDGES, genotype.chosen().choices, strict=True):
            yield "", f"{source} → {node}", c.operation, c.rule or "-"
    for part in genotype.provenance["parts"]:
        yield part, "", "", genotype.rules[part]


def summary(genotype: AnyGenotype) -> str:
    """What was measured of the candidate, and of the published network what follows from its rules."""
    s, size = genotype.score, genotype.provenance["size"]
    return (
        f"Validation accuracy {s['validation_accuracy']:.1f} %{under_attack(genotype)}, loss "
        f"{s['validation_loss']:.4f}, "
        f"{s['transported_bits']:.2f} transported bits per weight, in a network of {size['channels']} channels and "
        f"{size['cells']} cells with {s['parameters']:,} weights; of the published network "
        f"{genotype.transported_bits:.2f} bits per weight."
    )


def under_attack(genotype: AnyGenotype) -> str:
    """The accuracy on attacked images, where they were asked for."""
    told = genotype.provenance["trials"].get("attack")
    if told is None:
        return ""
    accuracy = genotype.score["robust_accuracy"]
    return f" ({accuracy:.1f} % under {told['kind']} with ε = {told['epsilon']:g})"


def why(genotype: AnyGenotype) -> str:
    """How many were compared, and how many of them could not be told from the best."""
    s, p = genotype.score, genotype.provenance
    seeds, epochs = p["trials"]["seeds"], p["rungs"][-1]
    objective = p["trials"]["objective"].replace("_", " ")
    judged = f"validation {objective}" + (f" + {p['price']:g} · bits" if p["price"] else "")
    failures = f" {s['failed']} failed." if s["failed"] else ""
    alone = "" if s["compared"] else "No other one was trained as long. "
    more = MORE if s["ties"] and seeds > 1 else ""
    return (
        f"Why believe it: {several(s['candidates'], 'training')}, with {several(seeds, 'seed')} each; this one has the "
        f"least {judged} of the {s['compared'] + 1} with {several(epochs, 'epoch')}. "
        f"{alone}{ties(genotype)}{more}{failures} The validation images are half of the training "
        "images; being the best of many on them flatters it. The test images were not looked at."
    )
