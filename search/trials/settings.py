"""What goes with searches whose candidates are networks of their own, what does not, and how long each training is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.errors import UsageError
from ...engine.words import several
from ..strategy_config import Halving, Trials

if TYPE_CHECKING:
    from ..config import SearchConfig


def rungs(config: SearchConfig) -> list[int]:
    """Epochs of the trainings, ascending: --epochs, and with halving the rungs below, rounded up."""
    if config.halving is None:
        return [config.epochs]
    powers = [config.halving.factor**k for k in reversed(range(config.halving.rungs))]
    return [-(-config.epochs // power) for power in powers]


def check_trials(config: SearchConfig) -> None:
    """Raises ValueError with the reason where settings do not go together."""
    complaint = _complaint(config) if config.trains else _of_others(config)
    if complaint:
        raise ValueError(complaint)


def _of_others(config: SearchConfig) -> str:
    given = {
        "--genotype": config.genotype,
        "--workers": config.workers,
        "--executor": config.executor,
        "--scheduler": config.scheduler,
        "trials.*": config.trials,
        "space.parts": config.space.parts,
    }
    named = next((name for name, value in given.items() if value), None)
    if named:
        return (
            f"{named} is for searches that train their candidates, and this one does not. Leave it out, or use "
            "--strategy random, evolution, ga or halving without --table"
        )
    if config.table is None:
        return ""
    if config.halving not in (None, Halving()):
        return "halving.* are rungs of training, and a table has those of table.epochs. Leave them out"
    if config.architecture.price:
        return "every network of the table learned by bp, so that a price would choose nothing. Leave out --price"
    if config.ga and config.ga.darts_every:
        return "ga.darts_every: tournaments train cells, and a table trains nothing. Leave it out, or --table"
    return ""


def _complaint(config: SearchConfig) -> str:
    if config.untrained:
        return _of_scores(config) or _of_networks(config)
    if config.trials is not None and config.trials.images != Trials().images:
        return "trials.images are what scores look at, and these candidates are trained. Add trials.scores"
    steps = rungs(config)
    if len(set(steps)) < len(steps):
        return (
            f"The rungs of {several(config.epochs, 'epoch')} are {steps}, not all different. Use more --epochs, or a "
            "smaller halving.rungs"
        )
    return _of_networks(config)


def _of_scores(config: SearchConfig) -> str:
    """Of candidates that are not trained."""
    from ..scores import parse_score

    assert config.trials is not None
    scores = config.trials.scores
    at_once = len(scores) > 1
    for name in scores:
        try:
            parse_score(name)
        except UsageError as error:
            return f"trials.scores: {error}"
    twice = [name for name in scores if scores.count(name) > 1]
    if twice:
        return f"trials.scores names {twice[0]} twice"
    if config.strategy == "halving":
        return (
            "--strategy halving gives the better ones a longer training, and a score of an untrained network has no "
            "length to halve. Use --strategy random, evolution or ga, or leave out trials.scores"
        )
    if at_once and config.strategy != "ga":
        return (
            f"--strategy {config.strategy} has one objective. Name one of trials.scores, or use --strategy ga"
        )
    if at_once and config.architecture.price:
        return (
            "several scores are ranked, not added, so that no price can be. Name one, or leave out --price and add "
            '"transported_bits" to ga.objectives'
        )
    if config.trials.objective != Trials().objective:
        return "trials.objective is of trainings, and trials.scores trains nothing. Leave out one of them"
    if config.trials.attack is not None:
        return (
            "trials.attack is on trained candidates, and trials.scores trains nothing. Leave out one of them"
        )
    if config.device == "cuda":
        return "scores of untrained networks are computed on the CPU. Leave out --device"
    return ""


def _of_networks(config: SearchConfig) -> str:
    if config.architecture.gradient != "first" or config.space.weights != "own":
        return f"--alpha and --weights are of a supernet, and --strategy {config.strategy} has none. Leave them out"
    if config.genotype and (config.space.preset != "default" or config.space.operations is not None):
        return "--genotype has operations of its own. Leave out --space and space.operations"
    if config.genotype and set(config.rules.model_dump().values()) != {"bp"}:
        return "--genotype names the rules of its fixed parts itself. Leave out rules.*, or choose them: space.parts"
    if config.executor == "dask" and (config.scheduler is None or config.workers is not None):
        return (
            "--executor dask takes its workers from a scheduler. Add --scheduler ADDRESS, leave out --workers"
        )
    if config.executor != "dask" and config.scheduler is not None:
        return "--scheduler is of dask. Add --executor dask"
    if config.ga and config.ga.darts_every and (config.space.parts or config.space.preset == "nasbench201"):
        what = "space.parts" if config.space.parts else "--space nasbench201"
        return f"ga.darts_every: a tournament is of cells of DARTS' space with the same fixed parts. Leave out {what}"
    twice = [part for part in config.space.parts if config.space.parts.count(part) > 1]
    return f"space.parts names {twice[0]} twice" if twice else ""
