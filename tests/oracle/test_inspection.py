"""Every number that inspection gives of a step, against a computation of its own in PyTorch.

The twin makes two backward passes by autograd, an exact one and one by the rules; what each of its maps was told
is overheard, and norms, angles and shares are made of that with PyTorch's own functions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import test_genotype_network as genotype_network
import test_plain_networks as plain_networks
import test_supernet as supernet
from bionas_cupy.analysis.inspection import inspection
from bionas_cupy.analysis.numbers import NAMES
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.probe import descend
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.model import Model
from compare import RULES, Case, images, steady
from one_step import HEADS, Batch, theirs
from torch_rules import feedback_weights, torch
from torch_synapse import Synapse, Transport
from twin import bind, layer_and_lane

pytestmark = pytest.mark.oracle

ANGLE, NORM, SHARE = 0.1, 1e-4, 2e-3  # degrees; relative; of components
Numbers = dict[tuple[str, int], dict[str, float]]


def recorded(model: Model, batch: Batch) -> Numbers:
    """One step of ours under inspection."""
    net: Any = model.network
    model.arena.grad[...] = 0
    with inspection(histograms=False) as seen:
        step = Step(model.key.to("step"), batch.update)
        x = model.images(batch.images)
        logits = net.forward(x, step) if batch.q is None else net.forward_mixed(x, batch.q, step)
        heads = list(logits) if logits.ndim == 3 else [logits]
        told = [cross_entropy(y, batch.labels, batch.smoothing)[1] for y in heads]
        errors = np.stack([y.dtype.type(w) * e for w, e, y in zip(HEADS, told, heads, strict=False)])
        step.top = errors[0]
        backward = net.backward if batch.q is None else net.backward_mixed
        descend(backward, errors if len(heads) == 2 else errors[0], step)
    course = seen.course
    return {
        (row.layer, max(row.lane, 0)): dict(zip(NAMES, course.numbers[0, i], strict=True))
        for i, row in enumerate(course.rows)
    }


@contextmanager
def overheard() -> Iterator[dict[Synapse, dict[str, torch.Tensor]]]:
    """What autograd told each map of a twin, by map."""
    found: dict[Synapse, dict[str, torch.Tensor]] = {}
    backward = Transport.backward

    def spy(ctx: Any, delta: torch.Tensor) -> Any:
        sent, outer, _ = backward(ctx, delta)
        found[ctx.synapse] = {
            "x": ctx.saved_tensors[0].detach(),
            "delta": delta,
            "below": sent,
            "update": outer,
        }
        return sent, outer, None

    Transport.backward = staticmethod(spy)
    try:
        yield found
    finally:
        Transport.backward = staticmethod(backward)


def reference(case: Case, model: Model, batch: Batch) -> Numbers:
    """The same numbers from the twin, in float64."""
    net = bind(case.twin(), model, torch.float64)
    with overheard() as exact:
        theirs(net, model, batch._replace(exact=True))
    with overheard() as own:
        theirs(net, model, batch)
    names = {module: layer_and_lane(path) for path, module in net.named_modules()}
    return {names[synapse]: numbers(synapse, own[synapse], exact[synapse]) for synapse in own}


def numbers(synapse: Synapse, own: dict[str, Any], exact: dict[str, Any]) -> dict[str, float]:
    W = synapse.weight.detach()
    found = {"variance_W": float(W.var(correction=0))}
    found["norm_x"], found["norm_W"] = float(own["x"].norm()), float(W.norm())
    for name in ("delta", "below", "update"):
        u, v = own[name], exact[name]
        if u is not None:
            found |= {f"norm_{name}": float(u.norm()), f"norm_{name}_exact": float(v.norm())}
            found[f"angle_{name}"] = angle(u, v)
    for name, signal in ("sign_agreement", "update"), ("sign_agreement_below", "below"):
        if own[signal] is not None:
            found[name] = agreement(own[signal], exact[signal])
            found[f"rounding {name}"] = unsettled(own[signal])
    if own["below"] is not None:
        found["angle_below_local"] = angle(own["below"], synapse.pull(own["x"], W, own["delta"]))
    if all(rule != "dfa" for _, rule in synapse.rules):
        parts = [p * feedback_weights(rule, W, synapse.s, synapse.draw) for p, rule in synapse.rules]
        B = torch.stack(parts).sum(0)
        found |= {"norm_B": float(B.norm()), "angle_feedback_weights": angle(B, W)}
    x = own["x"]
    found["sparsity"] = float((x == 0).double().mean())
    found["dead"] = float((x.transpose(0, 1).flatten(1) == 0).all(1).double().mean())
    return found


def angle(u: torch.Tensor, v: torch.Tensor) -> float:
    cosine = torch.cosine_similarity(u.flatten(), v.flatten(), dim=0, eps=0)
    return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))


def agreement(u: torch.Tensor, v: torch.Tensor) -> float:
    return float((u.sign() == v.sign())[v != 0].double().mean())


def unsettled(u: torch.Tensor) -> float:
    """The share of components whose sign is a matter of rounding: e sums to 0 over the classes, so that Bᵀ e with
    a column of B = ±s that has but one sign is 0.
    """
    return float((u.abs() < 1e-5 * u.square().mean().sqrt()).double().mean())


def compare(found: Numbers, expected: Numbers) -> None:
    assert found.keys() == expected.keys()
    far = []
    for key, values in expected.items():
        for name, value in values.items():
            if name.startswith("rounding"):
                continue
            limit = ANGLE if name.startswith("angle") else SHARE + values.get(f"rounding {name}", 0.0)
            if name.startswith(("norm", "variance")):
                limit = NORM * abs(value)
            difference = abs(found[key][name] - value)
            if not (difference <= limit or (np.isnan(value) and np.isnan(found[key][name]))):
                far.append((key, name, found[key][name], value))
    assert not far, far[:5]
    nothing = [
        (key, name)
        for key, values in found.items()
        for name in ("norm_below", "angle_below_local", "angle_feedback_weights")
        if name not in expected[key] and not np.isnan(values[name])
    ]
    blended = [key for key, values in expected.items() if "norm_B" not in values]
    assert not [each for each in nothing if each[0] not in blended], nothing[:5]


def check(case: Case, batch: Batch, dtype: Any = np.float64) -> None:
    model = case.model(dtype)
    expected = reference(case, model, batch)
    compare(recorded(model, batch), expected)


MIXED = plain_networks.MIXED
ASSIGNMENTS = [pytest.param({"*": rule}, id=rule) for rule in RULES] + [pytest.param(MIXED, id="mixed")]


@pytest.mark.parametrize("network", ["lenet", "resnet20"])
@pytest.mark.parametrize("rules", ASSIGNMENTS)
def test_plain_networks(network: str, rules: dict[str, str]) -> None:
    case = plain_networks.case(network, rules)
    check(case, images(1, 6, plain_networks.SIZE, smoothing=0.1, update=3))


@pytest.mark.parametrize("network", ["lenet", "resnet20"])
@pytest.mark.parametrize("rules", ASSIGNMENTS)
def test_plain_networks_in_float32(network: str, rules: dict[str, str]) -> None:
    case = plain_networks.case(network, rules)
    batch, _ = next(steady(case, lambda seed: images(seed, 4, plain_networks.SIZE, smoothing=0.1)))
    check(case, batch, np.float32)


@pytest.mark.parametrize("rule", RULES)
def test_a_found_network_with_its_auxiliary_head(rule: str) -> None:
    check(genotype_network.case(rule), images(1, 4, genotype_network.SIZE, smoothing=0.1, update=3))


@pytest.mark.parametrize(("kind", "which"), [("lanes", w) for w in supernet.LANES] + [("blends", "default")])
def test_lanes_of_a_supernet(kind: str, which: str) -> None:
    case = supernet.case(kind, which)
    check(case, supernet.batch(1, case))
