"""`bionas-cupy search` without its command line: from a configuration and a run folder to a genotype."""

from pathlib import Path
from typing import Any, NamedTuple

from ..data.load import load
from ..engine import backend, manifest
from ..engine.kernels.threads import get_threads, one_blas_thread
from ..engine.random import Key
from ..engine.registry import make_rule
from ..engine.rule_source import rule_digests
from ..engine.run_folder import RunFolder
from ..engine.stopping import Stopping
from ..layers.model import transported_bits, weights_per_rule
from ..layers.synapse import Synapse
from .compatible import chosen_candidates
from .config import SearchConfig
from .feed import chosen_images
from .genotype import AnyGenotype, Genotype, read_genotype
from .image_shape import ImageShape
from .journal_scores import last_score
from .loop import Report, drive
from .parse import ChosenEdge, mean_margin, parse, skips
from .recorded import Recorded, check_device
from .rule_copies import begin_or_go_on, copies_named, rule_files
from .searches import supernet_search
from .supernet_search import SupernetSearch
from .table_run import run_on_table
from .toml import to_toml
from .trials.run import run_trials

PUBLISHED = {  # evaluation networks, for which shares are stated
    "darts": {"channels": 36, "cells": 20},
    "nasbench201": {"channels": 16, "cells": 15},
}


class Found(NamedTuple):
    """The genotype, and of a supernet the chosen edges with their weights (normal cell, reduction cell)."""

    genotype: AnyGenotype
    normal: list[ChosenEdge]
    reduce: list[ChosenEdge]


def start(config: SearchConfig, path: Path) -> RunFolder:
    """A new run folder. Raises UsageError where it holds a run, OutputError where it cannot be written."""
    if config.genotype is None:
        return RunFolder.create(path, to_toml(config), {"command": "search"})
    fixed = read_genotype(config.genotype)
    stored: dict[str, Any] = {"command": "search", "genotype": fixed.to_json()}
    return RunFolder.create(path, to_toml(config), stored, copies_named(fixed.rule_files))


def run_search(
    config: SearchConfig,
    folder: RunFolder,
    stopping: Stopping,
    report: Report,
    accept_changed_rules: bool = False,
) -> Found:
    """Search, or go on searching, in this folder; writes genotype.json at the end."""
    if config.trains:
        return Found(_by_trials(config, folder, stopping, report, accept_changed_rules), [], [])
    if not config.on_supernet:
        return Found(run_on_table(config, folder, stopping, report), [], [])
    device = backend.select(config.device)
    check_device(config.graph, device)
    splits = load(config.data.name, Path(config.data.dir) if config.data.dir else None)
    images = chosen_images(splits, config.data, Key(config.seed))
    job = supernet_search(config, images, device)
    fixed = [rule for synapse in job.model.synapses for rule in synapse.rules if rule.name]
    rules = [*fixed, *job.architecture.rules]  # a blend has no name; its rules are α's
    made = manifest.manifest(
        config.seed, images.digest(), device.description, get_threads(), rule_digests(rules)
    )
    made["command"] = "search"
    begin_or_go_on(folder, made, rules, accept_changed_rules)
    with one_blas_thread():
        drive(job, folder, stopping, report, "search", step=Recorded(job).step if config.graph else None)
    found = read_off(job, ImageShape(*images.shape, len(images.classes)), last_score(folder))
    folder.finish({"genotype.json": found.genotype.to_json()})
    return found


def _by_trials(
    config: SearchConfig,
    folder: RunFolder,
    stopping: Stopping,
    report: Report,
    accept_changed_rules: bool,
) -> AnyGenotype:
    genotype, shape = run_trials(config, folder, stopping, report, accept_changed_rules)
    state_shares(genotype, shape)
    folder.finish({"genotype.json": genotype.to_json()})
    return genotype


def state_shares(genotype: AnyGenotype, shape: ImageShape) -> None:
    """Fill in whose rules train how much of the published network, and what they transport."""
    synapses = synapses_of(genotype, shape)
    genotype.weights_per_rule = weights_per_rule(synapses)
    genotype.transported_bits = transported_bits(synapses)
    genotype.provenance["shares_of"] = PUBLISHED[genotype.space]


def read_off(job: SupernetSearch, shape: ImageShape, score: dict[str, Any]) -> Found:
    """The genotype of the present α, with the shares of weights that each rule would train."""
    config = job.config
    normal, reduce = (parse(job.architecture, kind, config.collapse.max_skips) for kind in (False, True))
    genotype = Genotype(
        normal=[c.edge for c in normal],
        reduce=[c.edge for c in reduce],
        concat=list(range(2, config.size.nodes + 2)),
        rules={role: str(make_rule(spec)) for role, spec in config.rules.model_dump().items()},
        score=score | {"margin": mean_margin([*normal, *reduce])},
        provenance=provenance(config) | {"collapse": against_collapse(job)},
    )
    genotype.rule_files = rule_files(genotype.used_rules())
    state_shares(genotype, shape)
    return Found(genotype, normal, reduce)


def against_collapse(job: SupernetSearch) -> dict[str, Any]:
    """What was done against a collapse into skip connections, and what came of it. skips_before: without the cap."""
    settings = job.config.collapse
    return settings.model_dump(exclude_none=True) | {
        "stopped_after": job.early_stop.after,
        "skips_before": skips(parse(job.architecture, False)),
    }


def synapses_of(genotype: AnyGenotype, shape: ImageShape) -> list[Synapse]:
    """The weighted layers of the published evaluation network of a genotype (no arrays are made)."""
    size = PUBLISHED[genotype.space]
    network = genotype.network(shape, size["channels"], size["cells"])
    return [layer for _, layer in network.walk() if isinstance(layer, Synapse)]


def provenance(config: SearchConfig) -> dict[str, Any]:
    """How the genotype was found, in words that are the same whenever the run is repeated."""
    how = (
        {"gradient": config.architecture.gradient}
        if config.eg is None
        else {"settings": config.eg.model_dump()}
    )
    return {
        "strategy": config.strategy,
        "preset": config.preset,
        **how,
        "weights": config.space.weights,
        "price": config.architecture.price,
        "partial": config.size.partial,
        "edge_weights": config.architecture.edge_weights,
        "candidates": config.space.preset,
        "rules": list(dict.fromkeys(c.rule for c in chosen_candidates(config) if c.rule)),
        "data": config.data.name,
        "subset": config.data.subset,
        "epochs": config.epochs,
        "seed": config.seed,
    }
