"""A search whose candidates are trained, or scored untrained, in a run folder: from a configuration to a genotype."""

from typing import Any

from ...engine import manifest
from ...engine.errors import DivergedError
from ...engine.registry import make_rule
from ...engine.rule_source import rule_digests
from ...engine.run_folder import RunFolder
from ...engine.stopping import Stopping
from ...engine.words import several
from ..ask_tell import Exploration
from ..candidate_journal import journalled, keeper, save
from ..config import SearchConfig
from ..genotype import AnyGenotype
from ..image_shape import ImageShape
from ..loop import Report
from ..rule_copies import begin_or_go_on, rule_files
from ..scores import parse_score
from ..strategies.make import make_strategy
from ..strategies.strategy import is_candidate
from ..train_run import stored_genotype
from .executor import TrialEvaluator, opened
from .laboratory import Abandoned, Laboratory, training_images
from .settings import rungs
from .setup import setup_of, space_of, used_rules
from .ties import OWN, best_by, comparable, tied_with, undominated
from .untrained import laboratory_for


def run_trials(
    config: SearchConfig, folder: RunFolder, stopping: Stopping, report: Report, accept_changed_rules: bool
) -> tuple[AnyGenotype, ImageShape]:
    """Search, or go on searching; the genotype of the best candidate, and of which images. The caller finishes the
    folder.

    Raises DivergedError where no candidate came to an end.
    """
    fixed = stored_genotype(folder)
    images, budgets = training_images(config), rungs(config)
    laboratory = laboratory_for(config, space_of(config, fixed), images)
    rules = used_rules(config, fixed)
    made = manifest.manifest(
        config.seed, images.digest(), laboratory.place.description, 1, rule_digests(rules)
    )
    made |= {"command": "search"} | ({"genotype": fixed.to_json()} if fixed else {})
    begin_or_go_on(folder, made, rules, accept_changed_rules)
    length, unit = (1, "evaluation") if config.untrained else (config.epochs, "candidate")
    limit = (config.evaluations or 1) * length
    space = laboratory.decisions
    strategy = make_strategy(config, space.sizes, budgets, space.nothing, limit // budgets[0], space.starts)
    with opened(
        config, setup_of(config, fixed, images), laboratory, lambda: stopping.requested is not None
    ) as scores:
        evaluator = TrialEvaluator(scores, length)
        exploration = Exploration(strategy, evaluator, limit, journalled(folder))
        try:
            exploration.run(keeper(folder, stopping, report, limit, unit))
        except Abandoned:
            save(folder, len(exploration.trials))
            what = f"Stopped and saved after {several(len(exploration.trials), 'candidate')}."
            raise stopping.error(what, folder.path) from None
    save(folder, len(exploration.trials))
    return found_by(exploration, config, laboratory), ImageShape(*images.shape, len(images.classes))


def found_by(exploration: Exploration, config: SearchConfig, laboratory: Laboratory) -> AnyGenotype:
    """The best candidate's genotype, with how sure that is, and where it comes from."""
    trials, judged_by = [t for t in exploration.trials if is_candidate(t.spec)], chosen_by(config)
    best = best_by(trials, judged_by)
    if "failed" in best.score:
        cure = "Start again with a lower rate, for instance --set optimiser.lr=0.01."
        raise DivergedError(
            f"All {len(trials)} candidates failed; of the first: {best.score['failed']}.",
            "Start again with other scores, or another space." if config.untrained else cure,
        )
    genotype = laboratory.decisions.genotype(best.spec["genome"])
    genotype.rule_files = rule_files(genotype.used_rules())
    genotype.score = best.score | {
        "candidates": len(trials),
        "failed": sum("failed" in trial.score for trial in trials),
        "spent": exploration.spent,
        "asked": exploration.asked,
        "compared": len(comparable(trials, best)),
        "ties": len(tied_with(trials, best, judged_by)),
        **(
            {"tournaments": len(exploration.trials) - len(trials)}
            if config.ga and config.ga.darts_every
            else {}
        ),
        **({"front": undominated(trials, judged_by)} if len(judged_by) > 1 else {}),
    }
    genotype.provenance = provenance(config)
    return genotype


def chosen_by(config: SearchConfig) -> tuple[str, ...]:
    """What the best candidate is best by: its objective, or where there are several scores, what ga minimises."""
    if config.ga is None or config.trials is None or len(config.trials.scores) < 2:
        return OWN
    return tuple(config.ga.objectives)


def judged(config: SearchConfig) -> str:
    """How candidates were judged: "trained", "untrained", or "after at most 10 steps of learning"."""
    assert config.trials is not None
    if not config.untrained:
        return "trained"
    steps = max(parse_score(name).steps for name in config.trials.scores)
    return f"after at most {several(steps, 'step')} of learning" if steps else "untrained"


def provenance(config: SearchConfig) -> dict[str, Any]:
    """How the genotype was found, in words that are the same wherever the run is repeated."""
    own = getattr(config, config.strategy, None)
    assert config.trials is not None
    return {
        "strategy": config.strategy,
        "settings": own.model_dump() if own else {},
        "preset": config.preset,
        "candidates": "genotype" if config.genotype else config.space.preset,
        "rules": [str(make_rule(spec)) for spec in config.space.rules],
        "parts": config.space.parts,
        "price": config.architecture.price,
        "judged": judged(config),
        "trials": config.trials.model_dump(),
        "rungs": [] if config.untrained else rungs(config),
        "evaluations": config.evaluations,
        "data": config.data.name,
        "subset": config.data.subset,
        "size": config.size.model_dump(),
        "seed": config.seed,
    }
