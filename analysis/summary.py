"""A course in one object a row: means over its last steps, ratios of norms, the rule that ran, flags."""

import math
from html import escape
from typing import Any

import numpy as np

from .course import Course, Floats
from .flags import flags, ran
from .numbers import NAMES

RATIOS = {
    "ratio_below": ("norm_below", "norm_below_exact"),
    "ratio_update": ("norm_update", "norm_update_exact"),
    "ratio_feedback_weights": ("norm_B", "norm_W"),
}
CLIMBING = 170.0  # degrees between ΔW and -δ ⊗ x in a step that goes up the error it was told
COLUMNS = {  # of tables
    "layer": "layer",
    "op": "operation",
    "rule": "rule",
    "angle_below": "angle",
    "angle_update": "update",
    "sign_agreement": "signs",
    "snr": "SNR",
    "angle_feedback_weights": "B–W",
    "norm_delta": "‖δ‖",
    "norm_below": "‖δx‖",
    "norm_update": "‖ΔW‖",
}


def summary(course: Course, last: int) -> list[dict[str, Any]]:
    """Means over the last steps of the course; None where a number has no meaning for a row."""
    if not len(course.updates):
        return []
    means = {name: course.mean(name, last) for name in NAMES}
    recent, inputs = course.numbers[-last:], course.of("norm_x")[-last:]
    spoilt = [
        bool(np.isinf(recent[:, i]).any() or np.isnan(inputs[:, i]).all()) for i in range(len(course.rows))
    ]
    steps = {
        "steps": min(last, len(course.updates)),
        "first_update": int(course.updates[-last:][0]),
        "last_update": int(course.updates[-1]),
    }
    found = []
    for i, row in enumerate(course.rows):
        numbers = {name: None if math.isnan(means[name][i]) else float(means[name][i]) for name in NAMES}
        each = row.to_json() | numbers | {name: _ratio(numbers, *pair) for name, pair in RATIOS.items()}
        each["angle_update_error"] = angle_error(course.of("angle_update")[-last:, i], row.shape)
        each["steps_climbing"] = int((course.of("angle_update_local")[-last:, i] > CLIMBING).sum())
        each |= {"lane": None if row.lane < 0 else row.lane, "not_finite": spoilt[i]} | steps
        found.append(each | {"ran": ran(each), "flags": flags(each)})
    return found


def angle_error(angles: Floats, shape: tuple[int, ...]) -> float | None:
    """Standard error in degrees of the mean over recorded steps (T,) of an angle between arrays of this shape.

    s/√n, and no less than chance alone: the angle of directions drawn at random in d dimensions varies by 1/√d, and
    a few steps may agree by luck; of one step nothing else is known. None where there is no angle.
    """
    known = angles[~np.isnan(angles)]
    if not known.size:
        return None
    chance = math.degrees(1 / math.sqrt(known.size * math.prod(shape)))
    spread = float(known.std(ddof=1)) / math.sqrt(known.size) if known.size > 1 else 0.0
    return max(spread, chance)


def _ratio(numbers: dict[str, float | None], over: str, under: str) -> float | None:
    a, b = numbers[over], numbers[under]
    return a / b if a is not None and b else None


def cells(each: dict[str, Any]) -> list[str]:
    """A row of a table: a flagged layer is marked."""
    name = each["layer"] if each["lane"] is None else f"{each['layer']}#{each['lane']}"
    mark = " !" if each["flags"] else ""
    return [name + mark, each["op"], each["rule"], *(shown(c, each[c]) for c in list(COLUMNS)[3:])]


def shown(column: str, value: float | None) -> str:
    if value is None:
        return "-"
    if column.startswith("angle"):
        return f"{value:.1f}°"
    if column in ("sign_agreement", "snr"):
        return f"{value:.2f}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def page(found: list[dict[str, Any]]) -> str:
    """The table as HTML, for notebooks."""
    head = "".join(f"<th>{escape(title)}</th>" for title in COLUMNS.values())
    body = "".join(_line(each) for each in found)
    return f"<table><thead><tr>{head}<th>odd</th></tr></thead><tbody>{body}</tbody></table>"


def _line(each: dict[str, Any]) -> str:
    texts = [*cells(each), "; ".join(each["flags"])]
    return "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>"
