"""A summary by rule: of each rule's synapses, the means of what each of them showed."""

from typing import Any

from .numbers import NAMES
from .summary import RATIOS, shown

MEANS = (*NAMES, *RATIOS)
COLUMNS = {  # of tables
    "rule": "rule",
    "synapses": "synapses",
    "angle_below": "angle",
    "angle_update": "update",
    "sign_agreement": "signs",
    "snr": "SNR",
    "angle_feedback_weights": "B–W",
    "norm_mean_update": "‖mean ΔW‖",
    "variance_update": "var ΔW",
    "odd": "odd",
}


def by_rule(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An object a rule, in the order in which they occur, of a summary's objects (summary.py).

    synapses    how many rows are the rule's
    odd         how many of them have a flag
    NUMBER      the mean over those that have the number, each row counting once; None where none has it
    """
    rules: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        rules.setdefault(each["rule"], []).append(each)
    return [
        {"rule": rule, "synapses": len(rows), "odd": sum(bool(each["flags"]) for each in rows)}
        | {name: _mean([each[name] for each in rows if each[name] is not None]) for name in MEANS}
        for rule, rows in rules.items()
    ]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def cells(each: dict[str, Any]) -> list[str]:
    """A row of a table."""
    plain = ("rule", "synapses", "odd")
    return [str(each[name]) if name in plain else shown(name, each[name]) for name in COLUMNS]
