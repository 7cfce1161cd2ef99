"""The equation card of a rule, read off its class: nothing is written twice."""

import inspect
import shlex
import sys
from pathlib import Path
from typing import Any

from ..engine.errors import BionasError
from ..engine.lanes import is_taught
from ..engine.registry import installed_names, make_rule
from ..engine.rule import SIGNALS, Rule
from ..engine.rule_files import file_of, shown
from ..engine.rule_options import options_of

OWN = {
    "W": "the synapse's own weight",
    "s": "the standard deviation of W's initialiser",
}


def cards() -> list[dict[str, Any]]:
    """Of every rule that is installed; {"name", "error"} for one whose package is broken."""
    found = []
    for name in installed_names():
        try:
            found.append(card(name))
        except BionasError as error:
            found.append({"name": name, "error": str(error)})
    return found


def card(spec: str) -> dict[str, Any]:
    """All that is known of a rule. Raises UsageError for an unknown one, with close matches."""
    rule = make_rule(spec)
    kind = type(rule)
    document = inspect.getdoc(kind) or ""
    return {
        "name": str(rule),
        "family": rule.family,
        "bits": rule.bits,
        "reads": list(rule.reads),
        "symbols": {name: SIGNALS[name] for name in rule.reads} | OWN,
        "procedure": rule.procedure,
        "equation": document.split("\n", 1)[0],
        "sends": sends(rule),
        "source": (inspect.getdoc(sys.modules[kind.__module__]) or "").split("\n", 1)[0],
        "options": options_of(kind),
        "description": document,
        "file": str(file.path if (file := file_of(kind)) else Path(inspect.getfile(kind))),
        "examples": examples(rule, spec if file else str(rule)),
    }


def sends(rule: Rule) -> str:
    """What reaches the layer below, and by which of its methods the rule answers so."""
    kind = type(rule)
    if rule.sends == "none":
        return "nothing: the layers below learn from other paths, or by themselves"
    if rule.sends == "exact":
        return "Wᵀ δ, the exact error (`feedback_weights`)"
    if kind.below is not Rule.below:
        return "an error by a route of its own (`below`)"
    if kind.feedback_weights is not Rule.feedback_weights:
        return "Bᵀ δ, B of W's shape (`feedback_weights`)"
    return "nothing"


def examples(rule: Rule, spec: str) -> list[str]:
    """Command lines that use the rule. A whole-network procedure is not for searches; a read-out needs the error."""
    readout = [] if is_taught(rule) else ["--set", "rules_per_layer.classifier=bp"]
    network = "mlp" if rule.procedure == "two_pass" else "lenet"
    found = [["train", network, "--rule", spec, *readout]]
    if rule.procedure in ("backward", "perturbed") and rule.name != "bp":
        found.append(["search", "--rules", f"bp,{spec}"])
    return [shlex.join(["bionas-cupy", *words]) for words in [*found, ["rules", "check", spec]]]


def printed(found: dict[str, Any]) -> str:
    """The card as text."""
    symbols = [f"  {name:<9} {meaning}" for name, meaning in found["symbols"].items()]
    choices = [
        f"{name} (default {'none' if value is None else value})" for name, value in found["options"].items()
    ]
    first, *rest = found["description"].split("\n")
    lines = [
        found["name"],
        "",
        f"  {first}",
        *rest,
        "",
        f"Source:      {found['source'] or 'not stated: write it in the first line of the file'}",
        f"Family:      {found['family']}; procedure: {found['procedure']}",
        f"Transports:  {found['bits']:g} bits per weight",
        f"Sends down:  {found['sends']}",
        f"Options:     {', '.join(choices) or 'none'}",
        f"Written in:  {shown(Path(found['file']))}",
        "",
        "Reads (whatever is not listed here the rule cannot get):",
        *symbols,
        "",
        "Use:",
        *(f"  {example}" for example in found["examples"]),
    ]
    return "\n".join(lines).rstrip()
