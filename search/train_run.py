"""`bionas-cupy train` without its command line: from a configuration and a run folder to a tested network."""

from pathlib import Path
from typing import Any

from ..data.load import load
from ..engine import backend, manifest
from ..engine.kernels.threads import get_threads, one_blas_thread
from ..engine.random import Key
from ..engine.rule_source import rule_digests
from ..engine.run_folder import RunFolder
from ..engine.stopping import Stopping
from ..layers.model import transported_bits, weights_per_rule
from .config import TrainConfig
from .feed import chosen_images
from .genotype import AnyGenotype, valid_genotype
from .journal_scores import last_score
from .loop import Report, Score, check_finite, drive
from .networks import genotype_of
from .recorded import Recorded, check_device
from .rule_copies import begin_or_go_on, copies_named
from .staged import StagedTraining
from .toml import to_toml
from .training import Training, scores_on


def start(config: TrainConfig, path: Path) -> RunFolder:
    """A new run folder. Raises UsageError where it holds a run, OutputError where it cannot be written."""
    genotype = genotype_of(config)
    stored = {"command": "train", "genotype": genotype.to_json() if genotype else None}
    copies = copies_named(genotype.rule_files) if genotype else {}
    return RunFolder.create(path, to_toml(config), stored, copies)


def stored_genotype(folder: RunFolder) -> AnyGenotype | None:
    """The genotype that a run started with: its file may have moved or changed since."""
    stored = folder.manifest.get("genotype")
    return valid_genotype(stored, f'genotype of run "{folder.path}"', folder.path) if stored else None


def run_train(
    config: TrainConfig,
    folder: RunFolder,
    stopping: Stopping,
    report: Report,
    accept_changed_rules: bool = False,
) -> dict[str, Any]:
    """Train, or go on training, in this folder; tests once, after the last epoch; writes result.json."""
    device = backend.select(config.device)
    check_device(config.graph, device)
    splits = load(config.data.name, Path(config.data.dir) if config.data.dir else None)
    images = chosen_images(splits, config.data, Key(config.seed))
    genotype = stored_genotype(folder)
    job: Training | StagedTraining
    if config.stages == "one":
        job = Training(config, genotype, images, device)
    else:
        seen = splits.train if config.data.unlabelled else images
        job = StagedTraining(config, images, device, folder.path, seen)
    rules = [rule for synapse in job.model.synapses for rule in synapse.rules]
    made = manifest.manifest(
        config.seed, images.digest(), device.description, get_threads(), rule_digests(rules)
    )
    made |= {"command": "train", "genotype": genotype.to_json() if genotype else None}
    begin_or_go_on(folder, made, rules, accept_changed_rules)
    with one_blas_thread():
        step = Recorded(job).step if config.graph and isinstance(job, Training) else None
        drive(job, folder, stopping, report, "train", step=step)
        tested = scores_on(job.model, splits.test)
    check_finite(tested, config.epochs - 1)
    result = summary(config, job, tested, last_score(folder))
    folder.finish({"result.json": result})
    if isinstance(job, StagedTraining):
        for features in job.features:
            features.remove()
    return result


def summary(
    config: TrainConfig, job: Training | StagedTraining, tested: Score, score: Score
) -> dict[str, Any]:
    """What result.json holds: reproducible values only."""
    synapses = job.model.synapses
    unwanted = job.frozen.unwanted if isinstance(job, Training) else ()
    return {
        "model": config.model,
        "rule": config.rule,
        "rules_per_layer": config.rules_per_layer,
        "data": config.data.name,
        "train_images": len(job.images),
        "epochs": config.epochs,
        "stages": config.stages,
        **({"learn_from": config.learn_from} if config.learn_from else {}),
        **({"readout_epochs": config.readout.epochs} if config.stages != "one" else {}),
        "seed": config.seed,
        "parameters": int(job.model.arena.value.size),
        "weights_per_rule": weights_per_rule(synapses),
        "transported_bits": transported_bits(synapses, unwanted),
        "sends": {str(rule): rule.sends for synapse in synapses for rule in synapse.rules},
        **tested,
        "score": score,
    }
