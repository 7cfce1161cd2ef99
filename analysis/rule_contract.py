"""The contract of a rule, looked at method by method and layer by layer: what `rules check` asks first."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from ..engine.backend import Array
from ..engine.errors import UsageError
from ..engine.rule import Rule
from ..engine.rule_declared import METHODS
from .finding import Finding
from .rule_meeting import KINDS, Kind, Meeting, listening, sends

Make = Callable[[], Rule]
TOLERANCE = 1e-4  # of float32 against float64, relative norm


def shapes(make: Make) -> Iterator[Finding]:
    """B and ΔW have W's shape, the error below has the input's; all are arrays of the signals' type."""
    wrong = next((text for name, kind in KINDS.items() for text in _misshapen(make(), name, kind)), "")
    if wrong:
        yield Finding("shapes", "fail", wrong, "maps.outer gives W's shape, maps.pull the input's.")
    else:
        yield Finding("shapes", "pass", f"B, the error below and ΔW on {', '.join(KINDS)}")


def _misshapen(rule: Rule, name: str, kind: Kind) -> Iterator[str]:
    meeting = Meeting(rule, kind)
    for method in METHODS:
        found, expected = meeting.ask(method), meeting.expected(method)
        if found is None and (method == "feedback_weights" or not sends(rule)):
            continue
        shape = getattr(found, "shape", None)
        if shape is None:
            yield f"`{method}` gives {type(found).__name__} on {name}, expected an array {expected.shape}."
        elif shape != expected.shape:
            yield f"`{method}` gives {shape} on {name}, expected {expected.shape}."


def finite(make: Make) -> Iterator[Finding]:
    """No NaN from ordinary signals; none from zeros either, which rectifiers and pruning make."""
    for (name, kind), update in product(KINDS.items(), (0, 3)):
        for method, found in Meeting(make(), kind, update=update).answers().items():
            if not np.isfinite(found).all():
                yield Finding("finite", "fail", f"`{method}` gives NaN or infinity on {name}.", DIVIDE)
                return
    zeros = [what for what in ("W", "x", "delta") if not _finite_at_zero(make(), what)]
    if zeros:
        yield Finding("finite", "warn", f"NaN or infinity where {' or '.join(zeros)} is all zero.", DIVIDE)
    else:
        yield Finding("finite", "pass", "also where W, x or delta is all zero")


DIVIDE = "Look for a division by zero, a logarithm or an overflow: divide by np.maximum(..., 1e-12)."


def _finite_at_zero(rule: Rule, what: str) -> bool:
    for kind in KINDS.values():
        meeting = Meeting(rule, kind)
        arrays = {"W": meeting.layer.W.value, "x": meeting._given.x, "delta": meeting._given.delta}
        arrays[what][...] = 0
        if not all(np.isfinite(found).all() for found in meeting.answers().values()):
            return False
    return True


def in_place(make: Make) -> Iterator[Finding]:
    """Nothing that the rule is given is changed: others read it too."""
    for name, kind in KINDS.items():
        meeting = Meeting(make(), kind)
        for method in METHODS:
            before = _arrays(meeting)
            meeting.ask(method)
            after = _arrays(meeting)
            for what in before:
                if not np.array_equal(before[what], after[what], equal_nan=True):
                    cure = f"Others read it too: write {what} = {what} + ..., not {what} += ... or {what}[...] = ..."
                    yield Finding("in place", "fail", f"`{method}` changes {what} in place on {name}.", cure)
                    return
    yield Finding("in place", "pass", "W, x, delta and top are as they were")


def _arrays(meeting: Meeting) -> dict[str, Array]:
    given = meeting._given
    found = {"W": meeting.W, "x": given.x, "delta": given.delta, "top": given.top}
    return {name: array.copy() for name, array in found.items() if array is not None}


def reads(make: Make) -> Iterator[Finding]:
    """What the rule declares is what it asks for, in the error below and the update."""
    rule, asked = make(), set[str]()
    for name, kind in KINDS.items():
        meeting = Meeting(rule, kind)
        s = meeting.signals
        for method in METHODS[1:] if sends(rule) else METHODS[2:]:
            with listening(rule) as heard:
                try:
                    getattr(rule, method)(meeting.maps, s)
                except UsageError:
                    more = sorted(heard - set(rule.reads))
                    if not more:
                        raise
                    declared = (*rule.reads, *more)
                    yield Finding(
                        "reads",
                        "fail",
                        f"`{method}` reads {', '.join(more)} on {name}, but declares only {', '.join(rule.reads)}.",
                        f"Write reads = {declared!r}.",
                    )
                    return
            asked |= heard
    unused = [signal for signal in rule.reads if signal not in asked]
    if unused:
        kept = tuple(signal for signal in rule.reads if signal in asked)
        text = f"declares {', '.join(rule.reads)}, but never reads {', '.join(unused)}."
        yield Finding("reads", "warn", text, f"Write reads = {kept!r}: a local rule is more believable.")
    else:
        yield Finding("reads", "pass", f"{', '.join(rule.reads)}: declared, and really read")


def deterministic(make: Make) -> Iterator[Finding]:
    """The same question twice has the same answer, to the bit."""
    for name, kind in KINDS.items():
        meeting = Meeting(make(), kind)
        method = _different(meeting.answers(), meeting.answers())
        if method:
            cure = "Draw random numbers by state.draw(name, like), and keep nothing on self between calls."
            yield Finding("deterministic", "fail", f"`{method}` answers differently twice on {name}.", cure)
            return
    yield Finding("deterministic", "pass", "the same signals give the same bits")


def resumes(make: Make) -> Iterator[Finding]:
    """A rule that is made anew at update 3 answers as one that has lived through updates 0 to 3, on all layers."""
    veteran = make()
    for update in range(4):
        for kind in KINDS.values():
            Meeting(veteran, kind, update=update).answers()
    for name, kind in KINDS.items():
        old = Meeting(veteran, kind, update=3).answers()
        method = _different(old, Meeting(make(), kind, update=3).answers())
        if method:
            text = f"`{method}` on {name} depends on what the rule saw before, so a resumed run would go another way."
            cure = "Keep nothing on self: what changes between updates is state.draw(name, like, renew=True)."
            yield Finding("resume", "fail", text, cure)
            return
    yield Finding("resume", "pass", "an answer depends on layer, signals and update alone")


def _different(one: dict[str, Array], other: dict[str, Array]) -> str:
    """The first method whose answers differ in a bit, else ''."""
    pairs = ((method, one[method], other.get(method)) for method in one)
    return next((m for m, a, b in pairs if b is None or not np.array_equal(a, b, equal_nan=True)), "")


def precision(make: Make) -> Iterator[Finding]:
    """float32 in gives float32 out, and about the numbers of float64."""
    worst, where = 0.0, ""
    for name, kind in KINDS.items():
        single, double = (Meeting(make(), kind, dtype).answers() for dtype in (np.float32, np.float64))
        for method, found in single.items():
            if found.dtype != np.float32:
                text = f"`{method}` gives {found.dtype} for float32 on {name}."
                yield Finding(
                    "float32", "warn", text, "Make arrays by like.dtype; Python numbers do no harm."
                )
                return
            size = max(float(np.linalg.norm(double[method])), 1e-30)
            error = float(np.linalg.norm(found - double[method])) / size
            worst, where = max((worst, where), (error, f"`{method}` on {name}"))
    if worst <= TOLERANCE:
        yield Finding("float32", "pass", f"within {worst:.0e} of float64, expected {TOLERANCE:.0e} or less")
    else:
        text = f"{where} is {worst:.0e} from float64, expected {TOLERANCE:.0e} or less."
        yield Finding("float32", "fail", text, "Look for a difference of large numbers, or a threshold.")
