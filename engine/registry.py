"""The registry of rules, and how a rule is named: usf, qsf2, usf(scale=1), power(p=0.5;q=0)."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from . import rules
from .constraints import make_constraints, split_constraints
from .errors import UsageError, did_you_mean
from .rule import Rule
from .rule_declared import check_declared
from .rule_files import file_of, rule_from_file, split_file_spec
from .rule_options import build_rule, read_options
from .rule_packages import load_packaged, origin, packaged

_SPEC = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(?P<options>\([^()]*\))?")
_of_files: dict[str, type[Rule]] = {}  # by name: what make_rule was given as a file


@cache
def registered() -> dict[str, type[Rule]]:
    """Every built-in rule by its name: all Rule classes with a name in engine/rules/."""
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
    """The rule of a specification: NAME, NAME<bits>, FILE.py or FILE.py:CLASS, each with (option=value;...).

    +CONSTRAINT at its end is what its weights obey. Raises UsageError for an unknown rule, and for a file or a
    package that does not give one.
    """
    bare, constraints = split_constraints(spec.strip())
    rule = _bare_rule(bare)
    if constraints:
        rule.constraints = make_constraints(constraints)
    return rule


def _bare_rule(spec: str) -> Rule:
    file = split_file_spec(spec)
    if file is not None:
        path, name, options = file
        kind = _rule_of_file(path, name)
        return build_rule(kind, spec, read_options(kind, spec, options))
    match = _SPEC.fullmatch(spec)
    named = _named(match["name"]) if match else None
    if match is None or named is None:
        raise UsageError(f'rule "{spec}" is unknown.', _meant(spec))
    number = match["name"].removeprefix(named.name)
    return build_rule(named, spec, read_options(named, spec, match["options"] or "", number))


def _named(name: str) -> type[Rule] | None:
    """The rule with this name, or with this name less the number at its end: built in, of a file, of a package."""
    for each in (name, name.rstrip("0123456789")):
        if each in registered():
            return registered()[each]
        if each in _of_files:
            return _of_files[each]
        if each in packaged():
            return _rule_of_package(each)
    return None


def _rule_of_file(path: Path, name: str) -> type[Rule]:
    """The rule of a file, from now on known by its name as well."""
    kind = rule_from_file(path, name)
    known = _of_files.get(kind.name)
    if kind is not known:
        check_declared(kind, _taken_by(kind))
        _of_files[kind.name] = kind
    return kind


@cache
def _rule_of_package(name: str) -> type[Rule]:
    kind = load_packaged(packaged()[name])
    check_declared(kind)
    return kind


def _taken_by(kind: type[Rule]) -> str:
    """Who else has the name of a file's rule: a later version of the same file, or a copy of it, takes its place."""
    name = kind.name
    if isinstance(name, str) and (name in registered() or name.rstrip("0123456789") in registered()):
        return "a built-in rule"
    if name in packaged():
        return origin(packaged()[name])
    file, other = file_of(kind), file_of(_of_files.get(name, kind))
    if file and other and file.path != other.path and file.source != other.source:
        return f'another rule in "{other.path}"'
    twins = [each for each in file.kinds if each.name == name and each is not kind] if file else []
    return f"{twins[0].__name__} in the same file" if twins else ""


def _meant(spec: str) -> str:
    """The close matches of an unknown rule; a file of that name is one."""
    file = Path(f"{spec}.py")
    if file.is_file():
        return f'Did you mean the file "{file}"?'
    return did_you_mean(spec, known_names())


def installed_names() -> list[str]:
    """Every rule that is built in or of a package."""
    return sorted({*registered(), *packaged()})


def known_names() -> list[str]:
    """Every rule that has a name in this process: those installed, and those of the files in use."""
    return sorted({*installed_names(), *_of_files})


def split_rules(text: str) -> list[str]:
    """The specifications in a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def make_rules(specs: Sequence[str]) -> list[Rule]:
    return [make_rule(spec) for spec in specs]
