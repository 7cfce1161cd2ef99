"""`bionas-cupy rules check`: does a rule keep its contract, and does it learn?"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from functools import partial

import numpy as np

from ..engine.constraints import split_constraints
from ..engine.errors import UsageError
from ..engine.kernels.arrays import reference_only
from ..engine.registry import make_rule
from .finding import Finding, guarded
from .rule_contract import (
    Make,
    deterministic,
    finite,
    in_place,
    precision,
    reads,
    resumes,
    shapes,
)
from .rule_lanes import beside_others
from .rule_transport import novelty, spelling, transport
from .rule_trial import Angles, Trial, layers_of, slowness, trial

CONTRACT: dict[str, Callable[[Make], Iterator[Finding]]] = {
    "shapes": shapes,
    "finite": finite,
    "in place": in_place,
    "reads": reads,
    "deterministic": deterministic,
    "resume": resumes,
    "float32": precision,
    "lanes": beside_others,
    "transport": transport,
    "own way": novelty,
    "spelling": spelling,
}
SLOW = 3.0  # times BP's step
WHOLE_NETWORK = ("two_pass", "relaxation")
UPHILL = 100.0  # degrees: a noisy rule may be a little over 90


def check_rule(spec: str) -> Iterator[Finding]:
    """One finding after the other. Raises UsageError where the specification makes no rule."""
    failed = False
    for each in contract(spec):
        failed = failed or each.status == "fail"
        yield each
    if failed:
        yield Finding("learning", "skip", "not tried while the contract is broken")
        return
    yield from guarded("learning", lambda: learning(spec))
    yield from guarded("speed", lambda: speed(spec))


def contract(spec: str) -> Iterator[Finding]:
    """What the rule answers on each kind of layer, alone; constraints, which bind weights after a step, left out."""
    procedure = make_rule(spec).procedure
    if procedure in WHOLE_NETWORK:
        text = f"{procedure} runs a whole network: shapes, finiteness and changes in place are looked at as it learns"
        yield Finding("contract", "skip", text)
        return
    for name, look in CONTRACT.items():
        with reference_only(), np.errstate(all="ignore"):  # nothing to compile; NaN is reported
            found = guarded(name, partial(look, partial(make_rule, split_constraints(spec)[0])))
        yield from found
        if name == "shapes" and any(each.status == "fail" for each in found):
            return  # everything else would stumble over the same


def learning(spec: str) -> Iterator[Finding]:
    """On the embedded digits, beside BP and beside no learning."""
    layers = layers_of(spec)
    own, bp, none = trial(layers), trial({"*": "bp"}), trial({"*": "bp"}, frozen=True)
    yield _angle(own, layers) if own.after else Finding("angle", "skip", "no backward pass to compare with")
    readout = ", the read-out by bp" if "classifier" in layers else ""
    beside = f"bp {bp.accuracy:.1f} %, no learning {none.accuracy:.1f} %"
    text = f"{own.accuracy:.1f} % of {own.images} digits{readout}; {beside}"
    useful = own.accuracy > none.accuracy
    yield Finding("learning", "pass" if useful else "warn", text, "" if useful else _advice(spec, layers))


def _angle(own: Trial, layers: Mapping[str, str]) -> Finding:
    text = f"ΔW to the exact gradient: {_listed(own.before)}; after learning {_listed(own.after)}"
    uphill = [name for name, degrees in own.after.items() if degrees > UPHILL and "classifier" not in layers]
    cure = f"Beyond 90° a step goes uphill, as in {uphill[0]}: is a sign wrong?" if uphill else ""
    return Finding("angle", "warn" if uphill else "pass", text, cure)


def _advice(spec: str, layers: Mapping[str, str]) -> str:
    procedure = make_rule(spec).procedure
    if procedure in WHOLE_NETWORK:
        return "A procedure of its own may want another rate, or more steps."
    if procedure == "perturbed":
        return "Noise is slow: it wants more steps, more probes, or fewer layers that learn by it."
    if "classifier" in layers:
        return "A local rule may want another rate, more steps, or layers that learn one after the other."
    return "Hidden layers learn nothing that helps: is ΔW's sign right (it is added), and its size?"


def speed(spec: str) -> Iterator[Finding]:
    """A step beside BP's, on an MLP and, if it can run it, on a LeNet."""
    rule, ratios = make_rule(spec), {"mlp": slowness(spec, "mlp")}
    usual = rule.procedure == "backward"
    anywhere = usual and not any(each.needs_bias for each in rule.constraints)
    with nullcontext() if anywhere else suppress(UsageError):  # some run on linear layers only
        ratios["lenet"] = slowness(spec, "lenet")
    text = "a step takes " + ", ".join(f"{ratio:.2f} times bp's on {m}" for m, ratio in ratios.items())
    slow = usual and max(ratios.values()) > SLOW
    cure = "Work on whole arrays with maps.push, pull and outer; no loops over samples." if slow else ""
    yield Finding("speed", "warn" if slow else "pass", text, cure)


def _listed(angles: Angles) -> str:
    known = {name: f"{degrees:.0f}°" if degrees == degrees else "none" for name, degrees in angles.items()}
    return ", ".join(f"{name} {shown}" for name, shown in known.items())
