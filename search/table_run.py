"""A search over NAS-Bench-201's cells on a user's table: seconds, and every strategy on the same footing."""

from pathlib import Path
from typing import Any

from ..data.table import Table
from ..engine import manifest
from ..engine.kernels.threads import get_threads, one_blas_thread
from ..engine.random import Key
from ..engine.run_folder import RunFolder
from ..engine.stopping import Stopping
from ..layers.model import Model, transported_bits, weights_per_rule
from ..layers.multiply_adds import multiply_adds
from ..layers.norm import Normalise
from .ask_tell import Exploration
from .candidate_journal import journalled, keeper, save
from .config import SearchConfig
from .genotype201 import Genotype201
from .image_shape import ImageShape
from .loop import Report
from .nasbench201 import CellDecisions
from .rule_copies import begin_or_go_on
from .strategies.make import make_strategy
from .table_evaluator import TableEvaluator, percent

NOTHING = 0  # the alternative "none"
IMAGES = ImageShape(3, 32, 32, 10)  # CIFAR-10, for which the network's sizes are stated


def run_on_table(config: SearchConfig, folder: RunFolder, stopping: Stopping, report: Report) -> Genotype201:
    """Search, or go on searching; writes genotype.json at the end. The test column is looked up once, for the cell
    that is found."""
    asked, limit = config.table, config.evaluations
    assert asked is not None
    assert asked.file is not None
    assert limit is not None
    table = Table(Path(asked.file), asked.architecture)
    evaluator = evaluator_of(config, table)
    decisions = evaluator.decisions
    test = table.column(asked.report)
    made = manifest.manifest(config.seed, table.digest, "cpu", get_threads(), {}) | {"command": "search"}
    begin_or_go_on(folder, made, [], False)
    strategy = make_strategy(config, decisions.sizes, asked.epochs, NOTHING)
    exploration = Exploration(strategy, evaluator, limit, journalled(folder))
    with one_blas_thread():
        exploration.run(keeper(folder, stopping, report, limit))
    save(folder, len(exploration.trials))
    best = exploration.best
    cell = decisions.cell(best.spec["genome"])
    epochs = best.spec.get("budget", asked.epochs[0])
    score = best.score | {
        "validation_column": asked.search[asked.epochs.index(epochs)],
        "test_accuracy": percent(test, cell.plain),
        "test_column": test.name,
        "evaluations": len(exploration.trials),
        "spent": exploration.spent,
        "asked": exploration.asked,
    }
    genotype = Genotype201(cell=str(cell), score=score, provenance=provenance(config, table))
    measure(genotype)
    folder.finish({"genotype.json": genotype.to_json()})
    return genotype


def evaluator_of(config: SearchConfig, table: Table) -> TableEvaluator:
    """Halving looks at all columns of validation accuracies, the others at the first alone."""
    assert config.table is not None
    looked_at = None if config.strategy == "halving" else 1
    columns = [table.column(name) for name in config.table.search[:looked_at]]
    return TableEvaluator(
        dict(zip(config.table.epochs[:looked_at], columns, strict=True)), CellDecisions(["bp"])
    )


def measure(genotype: Genotype201) -> None:
    """Fill in the sizes of the published network on CIFAR-10, and whose rules train it."""
    model = Model(genotype.network(IMAGES, 16, None), Normalise([0.0] * 3, [1.0] * 3), Key(0))
    genotype.weights_per_rule = weights_per_rule(model.synapses)
    genotype.transported_bits = transported_bits(model.synapses)
    genotype.score["parameters"] = int(model.arena.value.size)
    genotype.score["multiply_adds"] = multiply_adds(model, IMAGES[:3])


def provenance(config: SearchConfig, table: Table) -> dict[str, Any]:
    """How the cell was found, in words that are the same wherever the run is repeated."""
    own = getattr(config, config.strategy, None)
    return {
        "strategy": config.strategy,
        "settings": own.model_dump() if own else {},
        "table": table.path.name,
        "table_digest": table.digest,
        "evaluations": config.evaluations,
        "seed": config.seed,
    }
