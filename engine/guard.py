"""Every answer of a rule is looked at before it is used.

Always: its shape and type. On the first calls of each method on each synapse also: that it is finite where the
signals were, and that the rule changed nothing in place; W, of a rule that is not this package's own, at every call.
Not so on a device, which would have to be waited for. `bionas-cupy rules check` looks as closely at every call.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .backend import Array, array_module
from .errors import RuleError
from .rule import Rule, Signals

WATCHED = 3  # calls


class Guard:
    """Asks the rules of one synapse. `watched`: how many calls of each method are looked at closely."""

    def __init__(self, watched: int = WATCHED) -> None:
        self.watched = watched
        self._calls: dict[tuple[Rule, str], int] = {}

    def ask(self, rule: Rule, method: str, *given: Any, s: Signals, like: Array) -> Array:
        """rule.method(*given), of `like`'s shape. Raises RuleError with the layer, the rule and the cure."""
        asked: Callable[..., Any] = getattr(rule, method)
        calls = self._calls[rule, method] = self._calls.get((rule, method), 0) + 1
        closely = calls <= self.watched
        if array_module(like) is not np or not (closely or is_foreign(rule)):
            return _shaped(asked(*given), rule, method, s, like)
        before = {name: array.copy() for name, array in (s.arrays() if closely else {"W": s.W}).items()}
        found = _shaped(asked(*given), rule, method, s, like)
        _unchanged(before, rule, method, s)
        if closely:
            _finite(found, before, rule, method, s)
        return found


def is_foreign(rule: Rule) -> bool:
    """Whether its code is not this package's own: of a file or of another package."""
    return not type(rule).__module__.startswith(f"{__package__}.rules.")


def _shaped(found: Any, rule: Rule, method: str, s: Signals, like: Array) -> Array:
    shape = getattr(found, "shape", type(found).__name__)
    if shape != like.shape:
        raise RuleError(
            f'rule "{rule}": `{method}` gives {shape} on layer "{s.state.layer}", expected {like.shape}.',
            "maps.outer gives W's shape, maps.pull the input's.",
        )
    if found.dtype.kind not in "fiub":
        raise RuleError(
            f'rule "{rule}": `{method}` gives {found.dtype} on layer "{s.state.layer}", expected {like.dtype}.',
            "Give real numbers.",
        )
    array: Array = found.astype(like.dtype, copy=False)
    return array


def _unchanged(before: Mapping[str, Array], rule: Rule, method: str, s: Signals) -> None:
    now = s.arrays()
    for name, array in before.items():
        if not array_module(array).array_equal(now[name], array, equal_nan=True):
            raise RuleError(
                f'rule "{rule}": `{method}` changes {name} in place on layer "{s.state.layer}".',
                f"Others read it too: write {name} = {name} + ..., not {name} += ... or {name}[...] = ...",
            )


def _finite(found: Array, before: Mapping[str, Array], rule: Rule, method: str, s: Signals) -> None:
    xp = array_module(found)
    if bool(xp.isfinite(found).all()):
        return
    if all(bool(xp.isfinite(array).all()) for array in before.values()):  # else: the run diverged before
        raise RuleError(
            f'rule "{rule}": `{method}` gives NaN or infinity on layer "{s.state.layer}", from finite signals.',
            "Look for a division by zero, a logarithm, or an overflow: divide by max(..., tiny).",
        )
