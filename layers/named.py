"""Rules by layer name, for networks that are not searched: resnet20, resnet56, lenet, mlp."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from ..engine.errors import UsageError
from ..engine.registry import make_rule
from ..engine.rule import Rule

RuleOf = Callable[[str], Rule]


class RulesByName:
    """rule_of(name): the rule of the last pattern that matches the layer's name.

    patterns: {"*": "usf", "stem": "bp", "stage2_*": "fa"} in the order given. A name that nothing matches, and
    (with `check`) a pattern that matched nothing, are errors: nothing falls back silently.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._rules = {pattern: make_rule(spec) for pattern, spec in patterns.items()}
        self._used: set[str] = set()
        self._names: list[str] = []

    def __call__(self, name: str) -> Rule:
        self._names.append(name)
        matching = [pattern for pattern in self._rules if fnmatchcase(name, pattern)]
        if not matching:
            raise UsageError(
                f'no rule is given for layer "{name}".', 'Add a pattern for it, for instance "*".'
            )
        self._used.update(matching)
        return self._rules[matching[-1]]

    def check(self) -> None:
        """Call once the network is built. Raises UsageError where a pattern names no layer."""
        unused = [pattern for pattern in self._rules if pattern not in self._used]
        if unused:
            known = ", ".join(self._names)
            raise UsageError(f'no layer is named like "{unused[0]}".', f"The network's layers: {known}.")
