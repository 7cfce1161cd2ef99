"""Forward and backward of a model and of its twin, as named arrays: logits, loss, gradients, statistics.

Gradients are -ΔW: "grad stem.conv.W#0"; ∂L/∂q is "dq 0 edge5" (0: normal, 1: reduction cells).
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.model import Model
from torch_perturbed import answers
from torch_rules import Tensor, torch
from torch_synapse import Synapse
from twin import Array, Arrays, buffers, draw, noise, parameters, twin_buffers, twin_parameters

F = torch.nn.functional

HEADS = (1.0, 0.4)  # what the losses of the logits and of the auxiliary head count
BEFORE = 0.3  # the reward, or surprise, of the steps before


class Batch(NamedTuple):
    """images (N, C, H, W) in [0, 1], labels (N,); q: a supernet's weights of lanes in both kinds of cell.

    modulator: what the network hears of, "reward" or "surprise".
    """

    images: Array
    labels: Array
    q: tuple[Array, Array] | None = None
    smoothing: float = 0.0
    update: int = 0
    training: bool = True
    exact: bool = False
    modulator: str = "reward"


def ours(model: Model, batch: Batch) -> Arrays:
    """One pass of the model."""
    step = Step(model.key.to("step"), batch.update, training=batch.training, exact=batch.exact)
    net: Any = model.network
    model.arena.grad[...] = 0
    images = model.images(batch.images)
    logits = net.forward(images, step) if batch.q is None else net.forward_mixed(images, batch.q, step)
    heads = list(logits) if logits.ndim == 3 else [logits]
    told = [cross_entropy(y, batch.labels, batch.smoothing) for y in heads]
    found: Arrays = {"loss": sum(w * loss for w, (loss, _) in zip(HEADS, told, strict=False))}
    errors = np.stack([y.dtype.type(w) * e for w, (_, e), y in zip(HEADS, told, heads, strict=False)])
    step.top = errors[0]
    if batch.q is None:
        net.backward(errors if len(heads) == 2 else errors[0], step)
    else:
        for kind, dq in enumerate(net.backward_mixed(errors[0], step)):
            found |= {f"dq {kind} edge{e}": row for e, row in enumerate(dq)}
    found |= {f"logits{i}": y for i, y in enumerate(heads)}
    found |= {f"buffer {name}": buffer for name, buffer in buffers(model).items()}
    return found | {f"grad {name}": grad for name, grad in parameters(model, "grad").items()}


def normalised(model: Model, batch: Batch, dtype: torch.dtype) -> Tensor:
    data = model.normalise.buffers
    mean, std = (torch.tensor(data[name], dtype=dtype)[:, None, None] for name in ("mean", "std"))
    return (torch.tensor(batch.images, dtype=dtype) - mean) / std


def theirs(net: torch.nn.Module, model: Model, batch: Batch) -> Arrays:
    """One pass of the twin by autograd. e = ∂L/∂logits of each head is found first: DFA sends its head's."""
    net.train(batch.training).zero_grad()
    dtype = next(net.parameters()).dtype
    images, labels = normalised(model, batch, dtype), torch.from_numpy(batch.labels)
    q = None if batch.q is None else [torch.tensor(x, dtype=dtype, requires_grad=True) for x in batch.q]
    synapses = {name: module for name, module in net.named_modules() if isinstance(module, Synapse)}
    for synapse in synapses.values():
        synapse.draw = partial(draw, synapse.key, batch.update, dtype)
        synapse.noise = partial(noise, synapse.key, batch.update, dtype)
        synapse.exact = batch.exact

    def forward(reduction: str) -> tuple[list[Tensor], list[Tensor]]:
        heads = net(images) if q is None else net(images, q)
        form = {"label_smoothing": batch.smoothing, "reduction": reduction}
        return heads, [w * F.cross_entropy(y, labels, **form) for w, y in zip(HEADS, heads, strict=False)]

    apart = None if batch.exact else answers(net, list(synapses.values()), lambda: sum(forward("none")[1]))
    heads, losses = forward("mean")
    loss = sum(losses, start=torch.zeros((), dtype=dtype))
    tops = [torch.autograd.grad(part, y, retain_graph=True)[0] for part, y in zip(losses, heads, strict=True)]
    reward = (heads[0].argmax(1) == labels).to(dtype).mean()
    for name, synapse in synapses.items():
        synapse.top = tops[len(tops) > 1 and name.startswith("auxiliary")]
        synapse.apart = apart
        synapse.modulator = (reward if batch.modulator == "reward" else losses[0].detach()) - BEFORE
    loss.backward()
    found = {"loss": array(loss)} | {f"logits{i}": array(y) for i, y in enumerate(heads)}
    for kind, weights in enumerate(q or ()):
        found |= {f"dq {kind} edge{e}": array(row) for e, row in enumerate(weights.grad)}
    found |= {f"buffer {name}": array(buffer) for name, buffer in twin_buffers(net).items()}
    for name, parameter in twin_parameters(net).items():
        unreached = parameter.grad is None
        found[f"grad {name}"] = array(torch.zeros_like(parameter) if unreached else parameter.grad)
    return found


def array(x: Tensor) -> Array:
    return x.detach().numpy().copy()


def distance(x: Array, reference: Array) -> float:
    """‖x - reference‖ / ‖reference‖ in float64; 0 where both are zero, ∞ where only the reference is."""
    x, reference = (np.asarray(a, np.float64).ravel() for a in (x, reference))
    error, size = np.linalg.norm(x - reference), np.linalg.norm(reference)
    return float(error / size) if size else float(error and np.inf)


def distances(found: Arrays, reference: Arrays) -> dict[str, float]:
    """Of every array; both must hold the same ones."""
    assert found.keys() == reference.keys()
    return {name: distance(found[name], x) for name, x in reference.items()}
