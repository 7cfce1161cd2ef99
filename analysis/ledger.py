"""One step as a ledger: a line a synapse, from the loss to the data, that a reader can follow by hand.

e = ∂L/∂logits enters at the top; each line says what arrived (δ), what the rule made of it (δx, ΔW), by which
equation, and how long each array is.
"""

import inspect
import math
import re
from dataclasses import dataclass
from typing import Any

from ..engine.backend import Array, fetch, to_host
from ..engine.errors import UsageError
from ..engine.probe import Pass, Told, Watch, opened
from ..engine.rule import Rule
from .likeness import likeness, norm
from .measures import Lane, lanes_of
from .operation import operation
from .subject import Subject

ARRAYS = ("x", "y", "W", "B", "delta", "below", "dW", "delta_exact", "below_exact", "dW_exact")
SHOWN = ("x", "W", "B", "delta", "below", "dW")  # with shape and norm


@dataclass(frozen=True)
class Entry:
    """One synapse's line. shapes and norms by name (x, W, B, delta, below, dW); angles to the exact gradient."""

    layer: str
    op: str
    rule: str
    sends: str
    learns: str
    shapes: dict[str, tuple[int, ...]]
    norms: dict[str, float]
    angles: dict[str, float]


class Ledger(Watch):
    """Watches one step. `numbers`: the name of a layer whose arrays are kept."""

    def __init__(self, numbers: str | None = None) -> None:
        super().__init__(exact=True)
        self.numbers, self.arrays = numbers, dict[str, Array]()
        self.top: tuple[tuple[int, ...], float] | None = None
        self.entries: list[Entry] = []

    def record(self, layer: Any, step: Pass, told: Told) -> None:
        top = told["top"]
        if top is not None and self.top is None:
            self.top = tuple(top.shape), float(norm(top))
        for r, lane in enumerate(lanes_of(layer, told)):
            name = layer.name if layer.lanes == 1 else f"{layer.name}#{r}"
            self.entries.append(entry(name, operation(layer), layer.rules[r], lane))
            if self.numbers == name:
                found = {key: getattr(lane, key) for key in ARRAYS}
                self.arrays = {
                    key: to_host(value).copy() for key, value in found.items() if value is not None
                }


def entry(name: str, op: str, rule: Rule, lane: Lane) -> Entry:
    arrays = {key: getattr(lane, key) for key in SHOWN if getattr(lane, key) is not None}
    pairs = {"below": (lane.below, lane.below_exact), "dW": (lane.dW, lane.dW_exact)}
    angles = {k: likeness(u, v).angle for k, (u, v) in pairs.items() if u is not None and v is not None}
    held = fetch([*(norm(a) for a in arrays.values()), *angles.values()])
    values = [float(each) for each in held]
    sends, learns = equations(rule)
    found = dict(zip(angles, values[len(arrays) :], strict=True))
    return Entry(
        layer=name,
        op=op,
        rule=str(rule),
        sends=sends if lane.below is not None else "",
        learns=learns,
        shapes={key: tuple(array.shape) for key, array in arrays.items()},
        norms=dict(zip(arrays, values, strict=False)),
        angles={key: angle for key, angle in found.items() if not math.isnan(angle)},
    )


def equations(rule: Rule) -> tuple[str, str]:
    """("s·sign(W)ᵀ δ", "-δ ⊗ x"): right sides of δx and ΔW, read off the rule's first line."""
    first = (inspect.getdoc(type(rule)) or "").split("\n", 1)[0]
    parts = dict(re.findall(r"(δx|ΔW|B) [=∝] (.*?)(?:,  |\. |\.$|$)", first))
    if rule.sends == "none":
        sends = "0"
    elif rule.sends == "exact":
        sends = "Wᵀ δ"
    elif "δx" in parts:
        sends = parts["δx"]
    else:
        sends = f"({parts['B']})ᵀ δ" if "B" in parts else "Bᵀ δ"
    return sends, parts.get("ΔW", "-δ ⊗ x")


def trace(subject: Subject, numbers: str | None = None) -> Ledger:
    """The ledger of the subject's next step. Raises UsageError where `numbers` names no layer."""
    ledger = Ledger(numbers)
    with opened(ledger):
        subject.run(1)
    names = [each.layer for each in ledger.entries]
    if numbers is not None and numbers not in names:
        raise UsageError(f'no weighted layer is named "{numbers}".', f"There are: {', '.join(names[:20])}.")
    return ledger
