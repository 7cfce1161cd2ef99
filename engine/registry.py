"""The registry of rules, and how a rule is named: usf, qsf2, usf(scale=1), power(p=0.5;q=0)."""

import importlib
import inspect
import math
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from . import rules
from .errors import UsageError, did_you_mean
from .rule import Rule

_SPEC = re.compile(r"(?P<name>[a-z][a-z_]*?)(?P<number>\d*)(?:\((?P<options>[^()]*)\))?")


@cache
def registered() -> dict[str, type[Rule]]:
    """Every rule by its name: all Rule classes with a name in engine/rules/."""
    found: dict[str, type[Rule]] = {}
    for module in pkgutil.iter_modules(rules.__path__):
        for kind in _rules_in(f"{rules.__name__}.{module.name}"):
            other = found.setdefault(kind.name, kind)
            if other is not kind:
                raise UsageError(
                    f'two rules are named "{kind.name}": in {inspect.getfile(other)} and {inspect.getfile(kind)}.',
                    "Give one of them another name.",
                )
    return dict(sorted(found.items()))


def _rules_in(module: str) -> list[type[Rule]]:
    """The named rules that a file defines. Raises UsageError for a file that cannot be imported."""
    try:
        contents = vars(importlib.import_module(module))
    except Exception as error:  # whatever a user's file may raise
        place = module.removeprefix("bionas_cupy.").replace(".", "/") + ".py"
        raise UsageError(
            f"{place} cannot be imported: {type(error).__name__}: {error}.", "Mend or remove it."
        ) from error
    return [c for c in contents.values() if isinstance(c, type) and issubclass(c, Rule) and c.name]


def make_rule(spec: str) -> Rule:
    """The rule that a specification names: NAME, NAME<bits>, or NAME(option=value;...). Raises UsageError."""
    match = _SPEC.fullmatch(spec.strip())
    if match is None or match["name"] not in registered():
        raise UsageError(f'rule "{spec}" is unknown.', did_you_mean(spec, registered()))
    number = f"bits={match['number']};" if match["number"] else ""
    options = _options(spec, number + (match["options"] or ""))
    return _build(registered()[match["name"]], spec, options)


def rule_digests(rules: Iterable[Rule]) -> dict[str, str]:
    """SHA-256 of the source files of each rule, by the rule's name: a resumed run must find them unchanged."""
    return {str(rule): sha256(_source(rule)).hexdigest() for rule in rules}


def _source(rule: Rule) -> bytes:
    """The rule's file, what it names of other rules' files, and what every rule rests on."""
    named = (getattr(value, "__module__", "") for value in vars(sys.modules[type(rule).__module__]).values())
    modules = {type(rule).__module__, *(name for name in named if str(name).startswith(f"{rules.__name__}."))}
    files = {Path(inspect.getfile(sys.modules[name])) for name in modules}
    shared = [Path(__file__).with_name(name) for name in ("lanes.py", "rule.py")]
    return b"".join(path.read_bytes() for path in [*sorted(files), *shared])


def split_rules(text: str) -> list[str]:
    """The specifications in a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def make_rules(specs: Sequence[str]) -> list[Rule]:
    return [make_rule(spec) for spec in specs]


def _options(spec: str, text: str) -> dict[str, float]:
    try:
        pairs = [part.split("=") for part in text.split(";") if part.strip()]
        options = {name.strip(): float(value) for name, value in pairs}
        if len(options) < len(pairs) or not all(map(math.isfinite, options.values())):
            raise ValueError
        return options
    except ValueError:
        raise UsageError(
            f'rule "{spec}": its options cannot be read.',
            "Write NAME(option=number;option=number), each option once.",
        ) from None


def _build(kind: Callable[..., Rule], spec: str, options: dict[str, float]) -> Rule:
    try:
        rule = kind(**options)
    except TypeError:
        accepted = getattr(kind.__init__, "__annotations__", ())  # object's has none
        names = ", ".join(n for n in accepted if n != "return") or "none"
        raise UsageError(f'rule "{spec}" does not take these options.', f"It takes: {names}.") from None
    if not hasattr(rule, "bits"):
        raise UsageError(
            f'rule "{spec}" does not say how many bits per weight it transports.',
            "Set `bits` in its class: 32 for W itself, 1 for its signs, 0 for none.",
        )
    return rule
