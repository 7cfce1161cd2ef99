"""What a search over a table found, for people and for programs."""

from pathlib import Path

from ..engine.words import several
from ..layers.nasbench201 import EDGES
from ..search.genotype import read_genotype
from ..search.genotype201 import Genotype201
from .found import print_found, print_genotype
from .output import print_table


def show(folder: Path, as_json: bool) -> None:
    """The genotype.json of a finished search."""
    genotype, path = read_genotype(folder), folder / "genotype.json"
    assert isinstance(genotype, Genotype201)
    if as_json:
        print_genotype(path, genotype)
        return
    choices = zip(EDGES, genotype.chosen().choices, strict=True)
    print_table(["edge", "operation"], [(f"{source} → {node}", c.operation) for (node, source), c in choices])
    print(f"Cell: {genotype.chosen().plain}")
    print_found(path, summary(genotype), why(genotype), ["--rule", "usf"])


def summary(genotype: Genotype201) -> str:
    s = genotype.score
    return (
        f"Accuracy: {s['validation_accuracy']:.2f} % ({s['validation_column']}), on the test images "
        f"{s['test_accuracy']:.2f} % ({s['test_column']}). The published network has {s['parameters']:,} weights and "
        f"takes {s['multiply_adds'] / 1e6:.2f} million multiply-adds an image."
    )


def why(genotype: Genotype201) -> str:
    s, strategy = genotype.score, genotype.provenance["strategy"]
    return (
        f"Why believe it: in {several(s['evaluations'], 'evaluation')} by --strategy {strategy} this cell is the best "
        f"by {s['validation_column']}; {s['test_column']} was looked up for it alone. The table's networks learned by "
        f"back-propagation: it says nothing of other rules, and one seed says little (--seed)."
    )
