"""The Hebbian update by PyTorch: products of whole batches; a convolution's patches unfolded."""

from ..ours.hebbian import layered
from ..subject import Subject
from .frame import F, Tensor, torch


def build(compiled: bool, **form: int) -> Subject:
    _, layer, batch = layered(**form)
    W, x = torch.tensor(layer.W.value).flatten(1), torch.from_numpy(batch)
    kernel = form.get("kernel", 0)
    update = torch.compile(associate, dynamic=False) if compiled else associate

    def step() -> dict[str, float]:
        with torch.no_grad():
            found = update(W, patches(x, kernel))
            return {"update_norm": found.norm().item()}

    return Subject(step)


def associate(W: Tensor, x: Tensor) -> Tensor:
    """⟨y/‖y‖ ⊗ x/‖x‖⟩ over the rows of x (samples, D)."""
    y = x @ W.T
    y = y / (y.norm(dim=1, keepdim=True) * x.norm(dim=1, keepdim=True))
    return y.T @ x / len(x)


def patches(x: Tensor, kernel: int) -> Tensor:
    return F.unfold(x, kernel).transpose(1, 2).flatten(0, 1) if kernel else x
