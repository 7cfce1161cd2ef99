"""The numbers of inspection, from what autograd told a twin's maps, with PyTorch's own functions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bionas_cupy.layers.model import Model
from compare import Case
from one_step import Batch, theirs
from torch_rules import Tensor, feedback_weights, torch
from torch_synapse import Synapse, Transport
from twin import bind, layer_and_lane

Numbers = dict[tuple[str, int], dict[str, float]]  # by layer and lane; "rounding NAME": what rounding decides
Told = dict[str, Tensor | None]  # x, delta, below; update, which is -ΔW


@contextmanager
def overheard() -> Iterator[dict[Synapse, Told]]:
    """What autograd told each map of a twin, by map."""
    found: dict[Synapse, Told] = {}
    backward = Transport.backward

    def spy(ctx: Any, delta: Tensor) -> Any:
        sent, update, _ = backward(ctx, delta)
        x = ctx.saved_tensors[0].detach()
        found[ctx.synapse] = {"x": x, "delta": delta, "below": sent, "update": update}
        return sent, update, None

    Transport.backward = staticmethod(spy)
    try:
        yield found
    finally:
        Transport.backward = staticmethod(backward)


def reference(case: Case, model: Model, batch: Batch) -> Numbers:
    """Of one step of the twin, in float64: an exact pass, and one by the rules."""
    net = bind(case.twin(), model, torch.float64)
    with overheard() as exact:
        theirs(net, model, batch._replace(exact=True))
    with overheard() as own:
        theirs(net, model, batch)
    return by_name(net, own, exact)


def by_name(net: torch.nn.Module, own: dict[Synapse, Told], exact: dict[Synapse, Told]) -> Numbers:
    names = {module: layer_and_lane(path) for path, module in net.named_modules()}
    return {names[synapse]: numbers(synapse, own[synapse], exact.get(synapse, {})) for synapse in own}


def numbers(synapse: Synapse, own: Told, exact: Told) -> dict[str, float]:
    """Every number that this synapse has; exact: {} where the rule knows no gradient."""
    W, x, delta = synapse.weight.detach(), own["x"], own["delta"]
    found = {"variance_W": float(W.var(correction=0)), "norm_x": float(x.norm()), "norm_W": float(W.norm())}
    for name in ("delta", "below", "update"):
        u, v = own[name], exact.get(name)
        found |= {f"norm_{name}": float(u.norm())} if u is not None else {}
        if u is not None and v is not None:
            found |= {f"norm_{name}_exact": float(v.norm()), f"angle_{name}": angle(u, v)}
    for name, signal in ("sign_agreement", "update"), ("sign_agreement_below", "below"):
        if own[signal] is not None and exact.get(signal) is not None:
            found[name] = agreement(own[signal], exact[signal])
            found[f"rounding {name}"] = unsettled(own[signal])
    found["angle_update_local"] = angle(own["update"], synapse.outer(x, W, delta))
    if own["below"] is not None:
        found["angle_below_local"] = angle(own["below"], synapse.pull(x, W, delta))
    return found | of_feedback(synapse, own) | of_input(x)


def of_feedback(synapse: Synapse, own: Told) -> dict[str, float]:
    """B against W; and how far the error that was sent is from Bᵀδ, by the forward map."""
    W = synapse.weight.detach()
    each = [(p, rule, feedback_weights(rule, W, synapse.s, synapse.draw)) for p, rule in synapse.rules]
    parts = [p * B for p, _, B in each if B is not None]
    if not parts:
        return {}
    B = torch.stack(parts).sum(0)
    found = {"norm_B": float(B.norm()), "angle_feedback_weights": angle(B, W)}
    turned = mistaken(W)
    if turned:
        found["angle_transposed"] = min(angle(B, each) for each in turned)
    if own["below"] is not None and all(B is not None for _, _, B in each):
        sent, delta = own["below"][:8], own["delta"][:8]
        square = sent.square().sum()
        apart = (square - (delta * synapse.push(sent, B)).sum()).abs()
        found["sent_error"] = (
            float(apart / square) if square else 0.0
        )  # no error arrived, none was to be sent
    return found


def mistaken(W: Tensor) -> list[Tensor]:
    """W with its outputs and inputs exchanged, with its kernels turned by 180°, and both."""
    turns = W.ndim == 4 and W.shape[3] > 1
    found = [W.flip(2, 3)] if turns else []
    if W.shape[0] > 1 and W.shape[1] > 1:
        swapped = W.transpose(0, 1)
        found += [swapped.reshape(W.shape), *([swapped.flip(2, 3).reshape(W.shape)] if turns else [])]
    return found


def of_input(x: Tensor) -> dict[str, float]:
    size, features = x.abs(), x.transpose(0, 1).flatten(1)
    present = size[size > 0]
    return {
        "sparsity": float((x == 0).double().mean()),
        "dead": float((features == 0).all(1).double().mean()),
        "saturation": float((present >= 0.99 * present.max()).double().mean()) if len(present) else 0.0,
    }


def over_a_window(updates: Sequence[Tensor]) -> dict[str, float]:
    """Of ΔW of several minibatches."""
    stacked, n = torch.stack(list(updates)), len(updates)
    mean, variance = stacked.mean(0), stacked.var(0, correction=1)
    signal = max(float(mean.square().sum() - variance.sum() / n), 0.0)
    return {
        "norm_mean_update": float(mean.norm()),
        "variance_update": float(variance.mean()),
        "snr": (signal / float(variance.sum())) ** 0.5,
        "window_steps": n,
    }


def angle(u: Tensor, v: Tensor) -> float:
    cosine = torch.cosine_similarity(u.flatten(), v.flatten(), dim=0, eps=0)
    return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))


def agreement(u: Tensor, v: Tensor) -> float:
    return float((u.sign() == v.sign())[v != 0].double().mean())


def unsettled(u: Tensor) -> float:
    """The share of components whose sign is a matter of rounding: e sums to 0 over the classes, so that Bᵀ e with
    a column of B = ±s that has but one sign is 0.
    """
    return float((u.abs() < 1e-5 * u.square().mean().sqrt()).double().mean())
