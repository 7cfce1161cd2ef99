"""Rules by layer name: patterns, their errors, the shares of rules and the bits they transport."""

from collections.abc import Callable

import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.model import transported_bits, weights_per_rule
from bionas_cupy.layers.named import RulesByName
from bionas_cupy.layers.resnet import ResNet
from bionas_cupy.layers.synapse import Synapse
from bionas_cupy.search.config import TrainConfig, build
from bionas_cupy.search.networks import ImageShape, build_network
from network_cases import model


def rules_of(network: Layer) -> dict[str, str]:
    return {name: str(s.rules[0]) for name, s in network.walk() if isinstance(s, Synapse)}


def test_the_last_matching_pattern_gives_the_rule() -> None:
    rules = RulesByName({"*": "usf", "stage2_*": "fa", "*conv1": "qsf2", "stem": "bp"})
    found = rules_of(ResNet(3, 10, rules, 8))
    rules.check()
    assert found == {
        "stem": "bp",
        "stage0_block0.body.conv0": "usf",
        "stage0_block0.body.conv1": "qsf2",
        "stage1_block0.body.conv0": "usf",
        "stage1_block0.body.conv1": "qsf2",
        "stage2_block0.body.conv0": "fa",
        "stage2_block0.body.conv1": "qsf2",
        "classifier": "usf",
    }


@pytest.mark.parametrize("kind", ["mlp", "lenet", "resnet"])
def test_a_layer_is_known_by_the_name_that_it_has(kind: str) -> None:
    asked: list[str] = []

    class Listening(RulesByName):
        def __call__(self, name: str):  # type: ignore[no-untyped-def]
            asked.append(name)
            return super().__call__(name)

    builders: dict[str, Callable[[RulesByName], Layer]] = {
        "mlp": lambda rules: MLP(64, 3, rules),
        "lenet": lambda rules: LeNet(1, (8, 8), 3, rules),
        "resnet": lambda rules: ResNet(1, 3, rules, 8),
    }
    network = builders[kind](Listening({"*": "usf"}))
    assert asked == list(rules_of(network))


def test_a_layer_without_a_rule_is_an_error() -> None:
    with pytest.raises(UsageError, match='no rule is given for layer "classifier"'):
        MLP(4, 2, RulesByName({"hidden*": "usf"}))


def test_a_pattern_without_a_layer_is_an_error() -> None:
    rules = RulesByName({"*": "usf", "hidden7": "fa"})
    MLP(4, 2, rules)
    with pytest.raises(UsageError, match=r'like "hidden7".*hidden0, hidden1, classifier'):
        rules.check()


def test_an_unknown_rule_by_name_is_an_error() -> None:
    with pytest.raises(UsageError, match="Did you mean"):
        RulesByName({"*": "usff"})


def test_shares_and_bits() -> None:
    rules = RulesByName({"*": "usf", "hidden1": "bp", "classifier": "fa"})
    made = model(MLP(8, 5, rules, (10, 20)))
    total = 80 + 200 + 100
    assert weights_per_rule(made.synapses) == {"bp": 200 / total, "fa": 100 / total, "usf": 80 / total}
    assert transported_bits(made.synapses) == pytest.approx(32 * 200 / total)  # the first layer sends nothing


@pytest.mark.parametrize("model", ["mlp", "lenet", "resnet20"])
def test_a_read_out_that_hears_of_no_label_is_refused(model: str) -> None:
    shape, given = ImageShape(1, 8, 8, 10), {"model": model, "rule": "oja(sends=exact)"}
    with pytest.raises(UsageError, match=r"hears of no label.*rules_per_layer\.classifier=bp"):
        build_network(build(TrainConfig, [given]), None, shape)
    for rule in ("bp", "wp", "three_factor", "dfa"):
        build_network(build(TrainConfig, [given | {"rules_per_layer": {"classifier": rule}}]), None, shape)
