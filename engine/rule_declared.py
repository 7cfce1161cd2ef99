"""What a rule's class has to say of itself, checked when a rule of a file or a package is first used."""

import ast
import inspect
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

from .errors import UsageError, did_you_mean
from .rule import SENDS, SIGNALS, Rule
from .rule_files import file_of, shown
from .rules.perturbation import Perturbation
from .rules.predictive_coding import PredictiveCoding
from .rules.two_pass import ForwardForward, Pepita

PROCEDURES: dict[
    str, tuple[type[Rule], ...]
] = {  # and the rules of which one has what the procedure asks for
    "backward": (Rule,),
    "perturbed": (Perturbation,),
    "two_pass": (Pepita, ForwardForward),
    "relaxation": (PredictiveCoding,),
}
METHODS = ("feedback_weights", "below", "update")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def check_declared(kind: type[Rule], taken_by: str = "") -> None:
    """Raises UsageError, with file and line, for a class that does not say what a rule has to say.

    taken_by: whose the name is already, where another rule has it.
    """
    name, reads = kind.name, kind.reads
    if not name:
        raise UsageError(f"{place(kind)}: {kind.__name__} has no name.", 'Add `name = "..."` to the class.')
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"{place(kind, 'name')}: the name {name!r} cannot be used.",
            "Write small letters, digits and _, a letter first.",
        )
    if taken_by:
        raise UsageError(
            f'{place(kind, "name")}: the name "{name}" is taken by {taken_by}.', "Give the rule another name."
        )
    if isinstance(reads, str) or not all(isinstance(signal, str) for signal in reads):
        raise UsageError(
            f"{place(kind, 'reads')}: reads is {reads!r}, expected a tuple of signals.",
            f"Write reads = ({reads!r},)." if isinstance(reads, str) else 'Write reads = ("x", "delta").',
        )
    _check_word(kind, "sends", SENDS)
    _check_word(kind, "procedure", PROCEDURES)
    if not issubclass(kind, PROCEDURES[kind.procedure]):
        bases = " or ".join(base.__name__ for base in PROCEDURES[kind.procedure])
        raise UsageError(
            f'{place(kind, "procedure")}: procedure "{kind.procedure}" runs rules that inherit from {bases}.',
            f"Inherit from it: it stands in {PROCEDURES[kind.procedure][0].__module__}.",
        )
    for method in METHODS:
        _check_call(kind, method)
    for signal in reads:
        if signal not in SIGNALS:
            raise UsageError(
                f'{place(kind, "reads")}: signal "{signal}" is unknown.', did_you_mean(signal, SIGNALS)
            )


def _check_word(kind: type[Rule], attribute: str, known: Collection[str]) -> None:
    said = getattr(kind, attribute)
    if said not in known:
        raise UsageError(
            f"{place(kind, attribute)}: {attribute} is {said!r}.", f"Write one of {', '.join(known)}."
        )


def _check_call(kind: type[Rule], method: str) -> None:
    """That the method can be called as the base class's can."""
    expected, found = (inspect.signature(getattr(each, method)) for each in (Rule, kind))
    try:
        found.bind(*expected.parameters)
    except TypeError:
        raise UsageError(
            f"{place(kind, method)}: `{method}` takes ({', '.join(found.parameters)}), "
            f"expected ({', '.join(expected.parameters)}).",
            "Correct the line.",
        ) from None


def check_bits(rule: Rule) -> None:
    """Raises UsageError where the rule does not say, in class or constructor, how many bits it transports."""
    bits = getattr(rule, "bits", None)
    if not isinstance(bits, int | float) or not 0 <= bits <= 64:
        said = "does not say" if bits is None else f"has bits = {bits!r}, which is not"
        raise UsageError(
            f'{place(type(rule))}: rule "{rule.name}" {said} how many bits per weight it transports.',
            "Set `bits` in its class: 32 for W itself, 1 for its signs, 0 for none.",
        )


def place(kind: type[Rule], attribute: str = "") -> str:
    """'rule file "my_rule.py", line 9': where the class, or one of its attributes, is written."""
    file = file_of(kind)
    path = file.path if file else Path(inspect.getfile(kind))
    lines = _lines(file.source if file else path.read_bytes(), kind.__name__)
    return f'rule file "{shown(path)}", line {lines.get(attribute, lines[""])}'


@cache
def _lines(source: bytes, name: str) -> dict[str, int]:
    """{attribute or method: line} of a class in a file, the class's own line under ""."""
    found = {"": 1}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            found[""] = node.lineno
            for part in node.body:
                targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
                found |= {target.id: part.lineno for target in targets if isinstance(target, ast.Name)}
                if isinstance(part, ast.FunctionDef):
                    found[part.name] = part.lineno
    return found
