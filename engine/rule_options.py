"""A rule from its class and the options of its specification: (p=0.5;q=1)."""

import inspect
import math
from collections.abc import Mapping

from .errors import UsageError
from .rule import Rule
from .rule_declared import check_bits, place
from .rule_files import blamed_line

Value = float | str


def build_rule(kind: type[Rule], spec: str, options: dict[str, Value]) -> Rule:
    """Raises UsageError for options that the rule does not take, and where its constructor fails."""
    accepted = options_of(kind)
    if not options.keys() <= accepted.keys():
        raise UsageError(
            f'rule "{spec}" does not take these options.', f"It takes: {', '.join(accepted) or 'none'}."
        )
    try:
        rule = kind(**options)
    except UsageError:
        raise
    except Exception as error:  # whatever a user's constructor may raise
        where = blamed_line(error) or place(kind)
        raise UsageError(
            f'{where}: rule "{kind.name}" cannot be made: {type(error).__name__}: {error}.',
            "Every option needs a default: def __init__(self, p: float = 0.5).",
        ) from error
    rule.options = {name: value for name, value in options.items() if value != accepted[name]}
    check_bits(rule)
    return rule


def options_of(kind: type[Rule]) -> dict[str, Value | None]:
    """{option: default} of its constructor."""
    return {name: None if p.default is p.empty else p.default for name, p in _parameters(kind).items()}


def read_options(kind: type[Rule], spec: str, text: str, bits: str = "") -> dict[str, Value]:
    """{option: value} of "(option=value;option=value)" or "", and of the number of bits. Raises UsageError.

    A value is a finite number, or text where the constructor annotates the option as str.
    """
    words = {name for name, p in _parameters(kind).items() if p.annotation in (str, "str")}
    try:
        inside = text.removeprefix("(").removesuffix(")")
        if text and text != f"({inside})":
            raise ValueError
        parts = [*([f"bits={bits}"] if bits else []), *inside.split(";")]
        pairs = [[word.strip() for word in part.split("=")] for part in parts if part.strip()]
        options = {name: value if name in words else _number(value) for name, value in pairs}
        if len(options) < len(pairs):
            raise ValueError
        return options
    except ValueError:
        raise UsageError(
            f'rule "{spec}": its options cannot be read.',
            "Write NAME(option=number;option=number), each option once.",
        ) from None


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _parameters(kind: type[Rule]) -> Mapping[str, inspect.Parameter]:
    if kind.__init__ is object.__init__:  # its signature (*args, **kwargs) names no option
        return {}
    return inspect.signature(kind).parameters
