"""The equation card of a rule, read off its class: nothing is written twice."""

import inspect
import sys
from typing import Any

from ..engine.registry import make_rule
from ..engine.rule import Rule

SYMBOLS = {
    "x": "the layer's input, present at the synapse",
    "y": "the layer's output before any nonlinearity, present at the synapse",
    "delta": "δ = ∂L/∂y as it arrived from the layer above",
    "top": "e = ∂L/∂logits, the output error: a signal broadcast to every layer",
    "modulator": "one number for the whole network in this step: reward, or surprise",
    "dloss": "how the loss answered to this synapse's own noise",
}


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
        "procedure": rule.procedure,
        "equation": document.split("\n", 1)[0],
        "sends": sends(rule),
        "source": (inspect.getdoc(sys.modules[kind.__module__]) or "").split("\n", 1)[0],
        "options": options_of(kind),
        "description": document,
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


def options_of(kind: type[Rule]) -> dict[str, float | None]:
    """{option: default}."""
    if kind.__init__ is object.__init__:  # its signature (*args, **kwargs) names no option
        return {}
    return {name: each.default for name, each in inspect.signature(kind).parameters.items()}


def printed(found: dict[str, Any]) -> str:
    """The card as text."""
    reads = [f"  {name:<6} {SYMBOLS[name]}" for name in found["reads"]]
    choices = [
        f"{name} (default {'none' if value is None else value})" for name, value in found["options"].items()
    ]
    lines = [
        found["description"],
        "",
        f"Source:      {found['source']}",
        f"Family:      {found['family']}; procedure: {found['procedure']}",
        f"Transports:  {found['bits']:g} bits per weight",
        f"Sends down:  {found['sends']}",
        f"Options:     {', '.join(choices) or 'none'}",
        "Reads (whatever is not listed here the rule cannot get):",
        *reads,
        f"  {'W, s':<6} its own weight, and the standard deviation of its initialiser",
        "",
        f"Use:  bionas-cupy train lenet --rule '{found['name']}'",
        f"      bionas-cupy search --rules 'bp,{found['name']}'" if found["name"] != "bp" else "",
    ]
    return "\n".join(lines).rstrip()
