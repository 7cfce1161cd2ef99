"""Adversarial images against torchattacks, and against a loop with autograd, on networks with the same weights."""

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.layers import lenet, resnet
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.named import RulesByName
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.search.attacks import Attack, gradient_of
from torch_models import LeNet, ResNet
from torch_rules import Tensor, torch
from torch_synapse import Synapse
from twin import Array, bind

pytestmark = pytest.mark.oracle

SIZE, CLASSES = (9, 11), 5
EPSILON, A, STEPS = 0.1, 0.03, 5
NETWORKS = pytest.mark.parametrize("network", ["lenet", "resnet20"])


class Normalised(torch.nn.Module):
    """The twin in evaluation mode, on images in [0, 1]."""

    def __init__(self, net: torch.nn.Module, model: Model) -> None:
        super().__init__()
        self.net = net.eval()
        for module in net.modules():
            if isinstance(module, Synapse):
                module.exact, module.top, module.draw = True, None, None
        data = model.normalise.buffers
        self.mean, self.std = (torch.tensor(data[name])[:, None, None] for name in ("mean", "std"))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net((x - self.mean) / self.std)[0]
        return logits


def twins(network: str) -> tuple[Model, Normalised]:
    rules = RulesByName({"*": "bp"})
    layer = lenet.LeNet(3, SIZE, CLASSES, rules) if network == "lenet" else resnet.ResNet(3, CLASSES, rules)
    model = Model(layer, Normalise([0.4, 0.5, 0.6], [0.3, 0.2, 0.25]), Key(1), np.float64)
    rng = np.random.default_rng(2)
    for _, part in layer.walk():
        for buffer in getattr(part, "buffers", {}).values():
            buffer += rng.uniform(0.1, 0.5, buffer.shape)
    net = (
        LeNet(3, SIZE, CLASSES, lambda _: "bp") if network == "lenet" else ResNet(3, CLASSES, lambda _: "bp")
    )
    return model, Normalised(bind(net, model, torch.float64), model)


def images() -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    return rng.random((6, 3, *SIZE)), rng.integers(0, CLASSES, 6)


def ours(model: Model, attack: Attack) -> Array:
    return attack(gradient_of(model), *images(), Key(0))


@NETWORKS
def test_pgd_is_a_loop_with_autograd(network: str) -> None:
    model, net = twins(network)
    x, labels = (torch.from_numpy(each) for each in images())
    moved = x.clone()
    for _ in range(STEPS):
        moved = moved.detach().requires_grad_()
        (g,) = torch.autograd.grad(torch.nn.functional.cross_entropy(net(moved), labels), moved)
        moved = (x + (moved + A * g.sign() - x).clamp(-EPSILON, EPSILON)).clamp(0, 1)
    found = ours(model, Attack("pgd", EPSILON, A, STEPS, random_start=False))
    assert np.allclose(found, moved.detach().numpy(), atol=1e-12)


@NETWORKS
@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_torchattacks_moves_the_images_there_too(network: str, name: str) -> None:
    torchattacks = pytest.importorskip("torchattacks")
    model, net = twins(network)
    attack = (
        torchattacks.FGSM(net, eps=EPSILON)
        if name == "fgsm"
        else torchattacks.PGD(net, eps=EPSILON, alpha=A, steps=STEPS, random_start=False)
    )
    expected = attack(*(torch.from_numpy(each) for each in images())).numpy()
    found = ours(model, Attack(name, EPSILON, A, STEPS, random_start=False))
    assert np.allclose(found, expected, atol=1e-7)
