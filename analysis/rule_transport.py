"""What a rule really transports: does the error that it sends follow W's signs, W's magnitudes, or neither?

`bits` is the price that a search puts on a rule, so it is compared with what the rule does: W is changed while
everything that the rule may have drawn or kept stays as it is.
"""

import difflib
from collections.abc import Iterator

import numpy as np

from ..engine.backend import Array
from ..engine.rule_declared import METHODS
from .finding import Finding
from .rule_contract import Make
from .rule_meeting import KINDS, Meeting, drawn, sends

ALIKE = 1e-6  # relative norm


def transport(make: Make) -> Iterator[Finding]:
    """The declared bits against what the error below follows."""
    rule = make()
    if not sends(rule):
        yield Finding("transport", "pass", "sends no error down, so it transports nothing")
        return
    signs, magnitudes = _follows(make, "signs"), _follows(make, "magnitudes")
    follows = " and ".join(w for w, yes in (("signs", signs), ("magnitudes", magnitudes)) if yes) or "nothing"
    text = f"the error below follows {follows} of W; bits = {rule.bits:g}"
    if rule.bits < signs or (magnitudes and rule.bits <= 1):
        expected = "more than 1" if magnitudes else "1 or more"
        cure = "It is the price that a search puts on the rule: 32 for W itself, log2 of the levels, 1 for signs."
        yield Finding("transport", "fail", f"{text}, expected {expected}.", cure)
    elif rule.bits > 0 and not signs and not magnitudes:
        cure = "Write bits = 0, unless what is sent follows W in a slower way."
        yield Finding("transport", "warn", f"{text}, but nothing of W is sent.", cure)
    else:
        yield Finding("transport", "pass", text)


def _follows(make: Make, what: str) -> bool:
    """Whether the direction of what is sent changes when only W's signs, or only its magnitudes, do."""
    for kind in KINDS.values():
        meeting = Meeting(make(), kind)
        before = meeting.ask("below")
        noise = drawn(what, meeting.W.shape, meeting.W.dtype)
        meeting.W[...] *= np.sign(noise) if what == "signs" else np.exp(noise)
        if not _alike(_unit(before), _unit(meeting.ask("below"))):
            return True
    return False


def novelty(make: Make) -> Iterator[Finding]:
    """A rule of its own: not back-propagation under another name."""
    rule = make()
    same = all(_is_backprop(Meeting(make(), kind)) for kind in KINDS.values())
    if same and rule.name != "bp":
        text = "sends Wᵀ δ and learns by -δ ⊗ x on every layer: this is back-propagation."
        yield Finding(
            "own way", "warn", text, "Write feedback_weights, below or update: check their spelling."
        )


def spelling(make: Make) -> Iterator[Finding]:
    """A method of the class that nobody will call."""
    for name in vars(type(make())):
        close = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.8)
        if close and name not in METHODS:
            yield Finding("spelling", "warn", f"`{name}` is never called.", f"Did you mean `{close[0]}`?")


def _is_backprop(meeting: Meeting) -> bool:
    s = meeting.signals
    x, delta = meeting._given.x[:, 0], meeting._given.delta[:, 0]
    below = meeting.ask("below")
    return (
        below is not None
        and _alike(below, meeting.maps.pull(delta, s.W))
        and _alike(meeting.ask("update"), -meeting.maps.outer(delta, x))
    )


def _unit(a: Array | None) -> Array:
    assert a is not None
    unit: Array = a / max(float(np.linalg.norm(a)), 1e-30)
    return unit


def _alike(a: Array | None, b: Array) -> bool:
    assert a is not None
    return bool(np.linalg.norm(a - b) <= ALIKE * max(float(np.linalg.norm(b)), 1e-30))
