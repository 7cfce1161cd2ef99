"""A training step by PyTorch: forward, autograd, clipping, SGD."""

from collections.abc import Callable
from typing import Any

from ...layers.model import Model
from ...search.passes import Batch
from ..ours.steps import AUXILIARY, CLIP, DECAY, MOMENTUM, RATE
from ..subject import Subject
from .frame import F, Tensor, torch
from .weights import Weights, laid_out


def subject(
    weights: Weights, model: Model, batch: Batch, forward: Callable[[Tensor], list[Tensor]]
) -> Subject:
    """forward: of normalised images (N, C, H, W), the logits, and those of an auxiliary head."""
    form: dict[str, Any] = {"momentum": MOMENTUM, "nesterov": True, "weight_decay": DECAY, "foreach": True}
    sgd = torch.optim.SGD(weights.leaves, RATE, **form)
    images, labels = torch.from_numpy(batch.images), torch.from_numpy(batch.labels)
    data = model.normalise.buffers
    mean, std = (torch.tensor(data[of].astype("f4"))[:, None, None] for of in ("mean", "std"))

    def step() -> dict[str, float]:
        sgd.zero_grad()
        heads = forward(laid_out((images - mean) / std))
        loss = F.cross_entropy(heads[0], labels)
        for second in heads[1:]:
            loss = loss + AUXILIARY * F.cross_entropy(second, labels)
        loss.backward()
        size = torch.nn.utils.clip_grad_norm_(weights.leaves, CLIP, foreach=True)
        sgd.step()
        return {"loss": loss.item(), "gradient_norm": size.item()}

    return Subject(step)
