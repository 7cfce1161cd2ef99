"""The equation card of a rule, read off its class: nothing is written twice."""

import inspect
import shlex
import sys
from itertools import starmap
from pathlib import Path
from typing import Any

from ..engine.errors import BionasError
from ..engine.lanes import is_taught
from ..engine.registry import installed_names, make_rule
from ..engine.rule import SIGNALS, Rule
from ..engine.rule_files import file_of, shown
from ..engine.rule_options import options_of
from .rule_symbols import IN_CARDS, symbols_in

OWN = {
    "W": "the synapse's own weight",
    "state": "s, the deviation of W's initialiser; the number of updates; random numbers of its own",
}
DELTA = {  # what arrives in the place of an error from above, where a whole network is run
    "two_pass": "δ, which its two passes leave at the layer: see above",
    "relaxation": "δ, the settled prediction error at the layer's output: see above",
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
    equation = document.split("\n", 1)[0]
    return {
        "name": str(rule),
        "family": rule.family,
        "bits": rule.bits,
        "reads": list(rule.reads),
        "symbols": symbols_in(equation) | read_by(rule),
        "procedure": rule.procedure,
        "equation": equation,
        "sends": sends(rule),
        "source": first_paragraph(sys.modules[kind.__module__]),
        "options": options_of(kind),
        "constraints": {str(each): first_paragraph(type(each)) for each in rule.constraints},
        "description": document,
        "file": str(file.path if (file := file_of(kind)) else Path(inspect.getfile(kind))),
        "examples": examples(rule, spec if file else str(rule)),
    }


def first_paragraph(of: object) -> str:
    """Of its docstring, as one line."""
    return " ".join((inspect.getdoc(of) or "").partition("\n\n")[0].split())


def read_by(rule: Rule) -> dict[str, str]:
    """All that the rule can get: the signals that it declares, and what is its synapse's own."""
    delta = {"delta": DELTA[rule.procedure]} if rule.procedure in DELTA else {}
    return {name: (SIGNALS | delta)[name] for name in rule.reads} | OWN


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
    """Command lines that use the rule. A whole-network procedure is not for searches; a read-out hears of labels."""
    readout = [] if is_taught(rule) else ["--set", "rules_per_layer.classifier=bp"]
    network = "mlp" if rule.procedure == "two_pass" else "lenet"
    found = [["train", network, "--rule", spec, *readout]]
    if rule.procedure in ("backward", "perturbed"):
        found.append(["search", "--rules", f"{'fa' if rule.name == 'bp' else 'bp'},{spec}"])
    return [shlex.join(["bionas-cupy", *words]) for words in [*found, ["rules", "check", spec]]]


def printed(found: dict[str, Any]) -> str:
    """The card as text."""
    reads = [*found["reads"], *OWN]
    first, *rest = found["description"].split("\n")
    lines = [
        found["name"],
        "",
        f"  {first}",
        *rest,
        "",
        f"Source:      {found['source'] or 'not stated: write it in the first line of the file'}",
        f"Family:      {found['family']}; procedure: {found['procedure']}",
        f"Transports:  {found['bits']:g} {'bit' if found['bits'] == 1 else 'bits'} per weight",
        f"Sends down:  {found['sends']}",
        f"Options:     {', '.join(starmap(_option, found['options'].items())) or 'none'}",
        *(f"Constraint:  {text}" for text in found["constraints"].values()),
        f"Written in:  {shown(Path(found['file']))}",
        "",
        *_listed("Symbols:", {s: found["symbols"][s] for s in found["symbols"] if s not in reads}),
        *_listed(
            "Reads (whatever is not listed here the rule cannot get):",
            {name: found["symbols"][name] for name in reads},
        ),
        *_listed("Use:", dict.fromkeys(found["examples"], "")),
    ]
    return "\n".join(lines).rstrip()


def _option(name: str, default: Any) -> str:
    value = f"{default:g}" if isinstance(default, float) else "none" if default is None else default
    return f"{name} (default {value}{IN_CARDS.get(name, '')})"


def _listed(title: str, entries: dict[str, str]) -> list[str]:
    rows = [f"  {name:<9} {meaning}".rstrip() for name, meaning in entries.items()]
    return [title, *rows, ""] if rows else []
