"""Attacks: the gradient that they follow, where they may go, and what is left of the accuracy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.analysis.robustness import attack_run
from bionas_cupy.data.digits import read_digits
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.loss import sample_losses
from bionas_cupy.engine.random import Key, uniform
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.inoue import InoueNetwork
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.named import RulesByName
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.resnet import ResNet
from bionas_cupy.search.attacks import Attack, accuracy_under, direction, gradient_of
from bionas_cupy.search.calls import run_train
from bionas_cupy.search.training import logits_of

Array = np.ndarray[Any, Any]
RULES = {"*": "fa", "conv1": "dfa", "hidden1": "oja", "stage0_*": "usf", "classifier": "bp"}
NETWORKS: dict[str, Callable[[], Layer]] = {
    "lenet": lambda: LeNet(2, (8, 8), 3, RulesByName(RULES)),
    "mlp": lambda: MLP(128, 3, RulesByName(RULES), (20, 15)),
    "inoue": lambda: InoueNetwork(128, 3, RulesByName({"*": "inoue", "classifier": "bp"}), (20, 15)),
    "resnet": lambda: ResNet(2, 3, RulesByName(RULES), 8),
}


def model(kind: str, dtype: Any = np.float64) -> Model:
    return Model(NETWORKS[kind](), Normalise([0.2, 0.4], [0.5, 0.3]), Key(3), dtype)


def problem(count: int = 5) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.random((count, 2, 8, 8)), rng.integers(0, 3, count)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_gradient_is_that_of_the_loss_whatever_the_rules(kind: str) -> None:
    """Of each image, over 1 - p of its label; in evaluation mode, through the normalisation."""
    made, (images, labels) = model(kind), problem()
    g = gradient_of(made)(images, labels)
    v = np.random.default_rng(1).standard_normal(images.shape)
    sides = [sample_losses(logits_of(made, images + h * v), labels) for h in (1e-6, -1e-6)]
    p = np.exp(-sample_losses(logits_of(made, images), labels))
    found = (g * v).reshape(len(v), -1).sum(axis=1)
    assert np.allclose(found * (1 - p), (sides[0] - sides[1]) / 2e-6, rtol=1e-5, atol=1e-9)


def test_a_network_that_is_sure_is_attacked_all_the_same() -> None:
    """p - onehot is exactly 0 in float64 for these logits."""
    logits = np.array([[900.0, -80.0, 3.0], [0.0, 1.0, 2.0]])
    e = direction(logits.copy(), np.array([0, 0]))
    assert np.allclose(e[0], [-1, np.exp(-83.0), 1], atol=1e-15)
    p = np.exp(logits[1]) / np.exp(logits[1]).sum()
    assert np.allclose(e[1], (p - [1, 0, 0]) / (1 - p[0]))
    made, (images, labels) = model("mlp"), problem()
    made.network.layers["classifier"].W.value *= 1e5  # type: ignore[attr-defined]
    labels = logits_of(made, images).argmax(axis=1)
    assert not sample_losses(logits_of(made, images), labels).any()
    assert (abs(gradient_of(made)(images, labels)).reshape(5, -1).max(axis=1) > 1e-3).all()


def one_by_one(attack: Attack, made: Model, image: Array, label: int, start: Array) -> Array:
    """Madry's loop for one image, from the plain gradient of its loss."""
    x = start.copy()
    for _ in range(attack.steps):
        step = Step(made.key.to("step"), training=False, learn=False, exact=True)
        logits = made.network.forward(made.images(x[None]), step)
        error = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        error[0, label] -= 1
        g = made.network.backward(error, step).reshape(image.shape)
        for place in np.ndindex(image.shape):
            moved = x[place] + attack.step * np.sign(g[place])
            moved = min(max(moved, image[place] - attack.epsilon), image[place] + attack.epsilon)
            x[place] = min(max(moved, 0.0), 1.0)
    return x


@pytest.mark.parametrize("kind", ["lenet", "inoue"])
@pytest.mark.parametrize("random_start", [False, True])
def test_pgd_is_madrys_image_by_image(kind: str, random_start: bool) -> None:
    made, (images, labels) = model(kind), problem()
    attack = Attack("pgd", 0.1, 0.03, 6, random_start)
    found = attack(gradient_of(made), images, labels, Key(9))
    start = images
    if random_start:
        start = np.clip(images + uniform(Key(9), images.shape, -0.1, 0.1, np.float64), 0, 1)
    for n, label in enumerate(labels):
        assert np.allclose(found[n], one_by_one(attack, made, images[n], label, start[n]), atol=1e-12)
    assert abs(found - images).max() <= 0.1 + 1e-12
    assert found.min() >= 0
    assert found.max() <= 1


def test_fgsm_is_one_step_of_epsilon() -> None:
    made, (images, labels) = model("mlp"), problem()
    g = gradient_of(made)(images, labels)
    found = Attack("fgsm", 0.25)(gradient_of(made), images, labels, Key(0))
    assert np.allclose(found, np.clip(images + 0.25 * np.sign(g), 0, 1))


def test_accuracy_under_attack(tmp_path: Path) -> None:
    run_train(tmp_path / "run", model="mlp", hidden=[40], epochs=3)
    attacks = [Attack("fgsm", 0.0), Attack("fgsm", 0.1), Attack("pgd", 0.1), Attack("pgd", 0.3)]
    plain, fgsm, pgd, far = (
        each["test_accuracy"] for each in attack_run(tmp_path / "run", attacks, device="cpu")
    )
    assert plain == json.loads((tmp_path / "run/result.json").read_text())["test_accuracy"]
    assert plain > fgsm + 10
    assert fgsm >= pgd > far
    (few,) = attack_run(tmp_path / "run", [Attack("pgd", 0.1, steps=2)], 50, device="cpu")
    assert few["test_images"] == 50
    for wrong, said in (
        (Attack("fgsm", -1.0), "epsilon is -1"),
        (Attack("fgsm", np.nan), "epsilon is nan"),
        (Attack("pgd", np.inf), "epsilon is inf"),
        (Attack("pgd", 0.1, np.nan), "step nan"),
        (Attack("pgd", 0.1, steps=0), "steps 0"),
    ):
        with pytest.raises(UsageError, match=said):
            list(attack_run(tmp_path / "run", [wrong], device="cpu"))


def test_what_answers_by_goodness_is_not_attacked() -> None:
    made = Model(MLP(64, 10, RulesByName({"*": "ff"}), (20, 15)), Normalise([0.0], [1.0]), Key(0))
    with pytest.raises(UsageError, match="goodness"):
        accuracy_under(Attack("fgsm", 0.1), made, read_digits().test)
