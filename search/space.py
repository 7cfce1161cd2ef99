"""Which candidates an edge may choose from: pairs of an operation and the rule by which it learns."""

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.errors import UsageError, did_you_mean
from ..engine.registry import make_rule
from ..layers.candidates import DARTS, OPERATIONS

CONVOLUTIONS = tuple(name for name, operation in OPERATIONS.items() if operation.weighted)
PAPER_SKIP_RULES = ("usf", "frsf", "brsf")
DEFAULT_RULES = ("fa", "usf", "brsf", "frsf")


class Candidate(NamedTuple):
    """rule None: an operation without weights (skip_connect learns by the network's `reduce` rule, stride 2)."""

    operation: str
    rule: str | None


def candidates(
    operations: Sequence[str] = DARTS,
    rules: Sequence[str] = DEFAULT_RULES,
    skip_rules: Sequence[str] = (),
) -> list[Candidate]:
    """Each convolution with each rule, in the order given; the others once.

    skip_rules: one skip candidate for each, as in the published 22 (where they triple the skip's prior mass).
    Raises UsageError for unknown names, repetitions, and where nothing is left to choose.
    """
    _check(operations, rules)
    found: list[Candidate] = []
    for operation in operations:
        if operation in CONVOLUTIONS:
            found += [Candidate(operation, str(make_rule(rule))) for rule in rules]
        elif operation == "skip_connect" and skip_rules:
            found += [Candidate(operation, str(make_rule(rule))) for rule in skip_rules]
        else:
            found.append(Candidate(operation, None))
    return found


def paper_candidates() -> list[Candidate]:
    """The published 22: none, two pools, skip x {uSF, frSF, brSF}, 4 convolutions x {uSF, brSF, frSF, FA}."""
    return candidates(DARTS, ("usf", "brsf", "frsf", "fa"), PAPER_SKIP_RULES)


def hl_pc_candidates(rules: Sequence[str] = DEFAULT_RULES) -> list[Candidate]:
    """The "HL-PC" variant: the DARTS space with these rules, a Hebbian 3x3 convolution, and the predictive-coding
    convolution with each of the rules."""
    return [
        *candidates(DARTS, rules),
        *candidates(("conv_3x3",), ("hebbian",)),
        *candidates(("pc_conv_3x3",), rules),
    ]


def _check(operations: Sequence[str], rules: Sequence[str]) -> None:
    for name in operations:
        if name not in OPERATIONS:
            raise UsageError(f'operation "{name}" is unknown.', did_you_mean(name, OPERATIONS))
    named = [str(make_rule(rule)) for rule in rules]
    for what, names in (("operation", list(operations)), ("rule", named)):
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise UsageError(f'{what} "{repeated[0]}" is given twice.')
    if not [name for name in operations if name != "none"]:
        raise UsageError("no operation is left to choose.", "Name at least one beside none.")
    if not rules and set(operations) & set(CONVOLUTIONS):
        raise UsageError("no rule is given for the convolutions.", "Name one, for instance --rules usf.")
