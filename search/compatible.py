"""Which candidates a configuration names, and which combinations of a supernet's settings mean nothing."""

from collections.abc import Sequence

from ..engine.errors import UsageError
from ..engine.lanes import descends, is_taught
from ..engine.registry import make_rule
from ..engine.rule import Rule
from ..layers.procedure import REASONS, whole_rules
from ..layers.roles import ROLES
from .config import SearchConfig
from .space import Candidate, candidates, hl_pc_candidates, paper_candidates


def chosen_candidates(config: SearchConfig) -> list[Candidate]:
    """The candidates that the configuration names."""
    space = config.space
    if space.preset == "paper":
        return paper_candidates()
    if space.preset == "hl-pc":
        return hl_pc_candidates(space.rules)
    return (
        candidates(rules=space.rules)
        if space.operations is None
        else candidates(space.operations, space.rules)
    )


def _check_guided(gradient: str, weights: str) -> None:
    """A search that scores points by forward passes alone."""
    if weights == "shared":
        raise UsageError(
            "--weights shared with --strategy eg: a point's score is its forward pass, and with shared weights that is "
            "the same whatever the rules.",
            "Use --weights own.",
        )
    if gradient != "first":
        raise UsageError(
            f"--alpha {gradient} with --strategy eg, which takes no gradient of α.",
            "Leave out --alpha, or use --strategy darts.",
        )


def _follows_tangent(rule: Rule) -> bool:
    return descends(rule) or not {"delta", "top", "dloss", "modulator"} & set(type(rule).reads)


def check_rules(rules: Sequence[Rule]) -> None:
    """Raises UsageError for one that runs a whole network, and where the last, the classifier's, is not taught."""
    for rule in whole_rules(rules):
        raise UsageError(
            f'rule "{rule}" is no candidate of a search: {REASONS[rule.procedure]}.',
            f"Train a network by it: bionas-cupy train mlp --rule {rule.name}.",
        )
    if not is_taught(rules[-1]):
        raise UsageError(
            f'rule "{rules[-1]}" hears of no label, so that the classifier would learn none.',
            "Give it another rule: --set rules.classifier=bp.",
        )


def check_compatible(config: SearchConfig) -> None:
    """Refuse combinations whose gradients would mean nothing. Raises UsageError with the reason."""
    of_roles = [make_rule(getattr(config.rules, role)) for role in ROLES]
    check_rules([*(make_rule(c.rule) for c in chosen_candidates(config) if c.rule), *of_roles])
    others_than_skip = {c.operation for c in chosen_candidates(config)} - {"none", "skip_connect"}
    if config.collapse.max_skips is not None and not others_than_skip:
        raise UsageError(
            f"collapse.max_skips={config.collapse.max_skips}, and there is nothing to choose but skip connections.",
            "Offer another operation: space.operations.",
        )
    gradient, weights = config.architecture.gradient, config.space.weights
    if config.strategy == "eg":
        _check_guided(gradient, weights)
        return
    if weights == "shared" and gradient == "first":
        raise UsageError(
            "--weights shared with --alpha first: with shared weights a rule's first-order signal is exactly zero.",
            "Use --alpha lookahead, or --weights own.",
        )
    if weights == "own" and gradient == "lookahead":
        raise UsageError(
            "--alpha lookahead with --weights own: each weight has one rule, so there is no mixture of rules to "
            "differentiate.",
            "Use --weights shared, or --alpha first.",
        )
    rules = [make_rule(c.rule) for c in chosen_candidates(config) if c.rule]
    looking = sorted({str(rule) for rule in rules if not _follows_tangent(rule)})
    if gradient == "lookahead" and looking:
        raise UsageError(
            f"--alpha lookahead with {', '.join(looking)}: an update must be -δ ⊗ x, or local and free of the error, "
            "for the tangent sweep to follow it.",
            "Leave the rule out, or use --weights own with --alpha first.",
        )
    named = [c.rule for c in chosen_candidates(config) if c.rule] + [getattr(config.rules, r) for r in ROLES]
    others = sorted({rule for rule in named if rule != "bp"})
    if gradient == "second" and others:
        raise UsageError(
            f"--alpha second needs symmetric mixed derivatives, so every rule must be bp; got {', '.join(others)}, "
            "whose updates are not gradients.",
            "Use --rules bp, or --alpha first or lookahead.",
        )
