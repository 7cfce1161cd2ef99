"""What is odd about a synapse, in plain words. Each flag says what was measured and what it means."""

from collections.abc import Callable
from typing import Any

SAME = 1e-4  # degrees: no feedback but W itself comes closer (16 bits of W are 9e-4 degrees away)
NOT_SENT = 1e-3  # of sent_error: float32 leaves 1e-6
NOTHING_FELT, CHANCE, AGAINST = 85.0, 90.0, 95.0  # degrees
SURE = 2.0  # standard errors beyond a limit
WRONG_SIGN = 120.0
FACTOR = 100.0  # between the norms of the sent and of the exact error
MANY_DEAD = 0.5

Numbers = dict[str, Any]  # of one row: means, None where there is none


def ran(n: Numbers) -> str:
    """The rule by which the error was really sent: the row's own, "bp" where it is Wᵀδ, or "unknown"."""
    if n["sends"] != "feedback" or n["rule"] == "bp" or not n["norm_below"]:
        return str(n["rule"])
    if _is(n["angle_below_local"], below=SAME):
        return "bp"
    return "unknown" if _is(n["sent_error"], over=NOT_SENT) else str(n["rule"])


def flags(n: Numbers) -> list[str]:
    """All that is odd, the worst first."""
    return [text for check in CHECKS if (text := check(n))]


def _not_finite(n: Numbers) -> str | None:
    if n["not_finite"]:
        return "its signals are not finite: the run has diverged"
    return None


def _no_error(n: Numbers) -> str | None:
    if n["norm_delta"] == 0 and "delta" in n["reads"]:
        return "no error arrives: this layer cannot learn from the loss"
    return None


def _sends_nothing(n: Numbers) -> str | None:
    if n["norm_below"] == 0 and n["norm_delta"] and n["sends"] != "none":
        return "an error arrives and none is sent on: everything below is cut off from the loss"
    return None


def _no_update(n: Numbers) -> str | None:
    if n["norm_update"] == 0 and n["norm_delta"]:
        return "an error arrives and ΔW is 0: this layer does not learn"
    return None


def _silent_bp(n: Numbers) -> str | None:
    if n["rule"] != "bp" and ran(n) == "bp":
        return f'rule "{n["rule"]}" sends what bp sends (angle {_deg(n["angle_below_local"], 4)}): it is bp in fact'
    return None


def _silent_descent(n: Numbers) -> str | None:
    if n["learns"] != "descent" and _is(n["angle_update_local"], below=SAME):
        return f'rule "{n["rule"]}" learns by -δ ⊗ x, as bp does, and by nothing of its own'
    return None


def _not_its_rule(n: Numbers) -> str | None:
    if _is(n["sent_error"], over=NOT_SENT):
        return (
            f'the error that was sent is not Bᵀδ of rule "{n["rule"]}" (off by {100 * n["sent_error"]:.3g} %)'
        )
    return None


def _not_exact(n: Numbers) -> str | None:
    if (n["rule"] == "bp" or n["sends"] == "exact") and _is(n["angle_below_local"], over=0.1):
        return f"rule {n['rule']} sends something else than Wᵀδ, {_deg(n['angle_below_local'])} away from it"
    return None


def _transposed(n: Numbers) -> str | None:
    turned, straight = n["angle_transposed"], n["angle_feedback_weights"]
    if turned is not None and straight is not None and turned < 60.0 and turned < straight - 20.0:
        return f"B is W transposed or turned: {_deg(turned)} from that, {_deg(straight)} from W itself"
    return None


def _wrong_sign(n: Numbers) -> str | None:
    if _is(n["angle_below_local"], over=WRONG_SIGN):
        return f"the error is sent with the wrong sign (angle {_deg(n['angle_below_local'])} to Wᵀδ)"
    return None


def _climbs(n: Numbers) -> str | None:
    if n["learns"] == "descent" and _is(n["angle_update_local"], over=WRONG_SIGN):
        return f"ΔW has the wrong sign (angle {_deg(n['angle_update_local'])} to -δ ⊗ x): it climbs its own error"
    return None


def _climbs_at_times(n: Numbers) -> str | None:
    """A mean angle near 90° of steps at 0° and 180° is not noise; a neuromodulator may turn ΔW over."""
    climbing, steps = n["steps_climbing"], n["steps"]
    if "delta" not in n["reads"] or "modulator" in n["reads"] or not 0 < climbing < steps:
        return None
    return f"in {climbing} of {steps} steps ΔW is turned over: it climbs the error that it was told"


def _nothing_felt(n: Numbers) -> str | None:
    angle = n["angle_update"]
    if angle is None:
        return None
    least = AGAINST if n["learns"] == "noise" else NOTHING_FELT  # noise is near 90°, and right on average
    surely = angle - SURE * n["angle_update_error"]  # few noisy steps prove nothing
    if surely <= least:
        return None
    if angle >= AGAINST and surely > CHANCE:
        return f"angle {_deg(angle)}: this layer learns against its loss"
    return f"angle {_deg(angle)}: this layer learns nothing that its loss can feel"


def _size(n: Numbers) -> str | None:
    sent, exact = n["norm_below"], n["norm_below_exact"]
    if not sent or not exact or 1 / FACTOR < sent / exact < FACTOR:
        return None
    return f"the error that was sent is {sent / exact:.3g} times as large as the exact one"


def _dead(n: Numbers) -> str | None:
    if _is(n["dead"], over=MANY_DEAD):
        return f"{100 * n['dead']:.0f} % of its inputs are 0 for whole batches"
    return None


CHECKS: list[Callable[[Numbers], str | None]] = [
    _not_finite,
    _no_error,
    _sends_nothing,
    _no_update,
    _silent_bp,
    _silent_descent,
    _not_its_rule,
    _not_exact,
    _transposed,
    _wrong_sign,
    _climbs,
    _climbs_at_times,
    _nothing_felt,
    _size,
    _dead,
]


def _is(value: float | None, over: float | None = None, below: float | None = None) -> bool:
    if value is None:
        return False
    return value > over if over is not None else value < (below or 0.0)


def _deg(angle: float, digits: int = 0) -> str:
    return f"{angle:.{digits}f}°"
