"""One step of LeNet and of ResNet-20 with each rule."""

from fnmatch import fnmatchcase

import pytest
from bionas_cupy.layers import lenet, resnet
from bionas_cupy.layers.named import RulesByName
from compare import CLASSES, RULES, Case, check_float32, check_float64, images
from torch_models import LeNet, ResNet

pytestmark = pytest.mark.oracle

SIZE = 9, 11  # strides meet odd sizes
MIXED = {"*": "usf", "conv1": "fa", "stage0_*": "brsf", "stage1_*": "dfa", "*conv0": "qsf2", "class*": "frsf"}
ASSIGNMENTS = [pytest.param({"*": rule}, id=rule) for rule in RULES] + [pytest.param(MIXED, id="mixed")]
NETWORKS = pytest.mark.parametrize("network", ["lenet", "resnet20"])
ALL_RULES = pytest.mark.parametrize("rules", ASSIGNMENTS)


def case(network: str, patterns: dict[str, str]) -> Case:
    def rule_of(name: str) -> str:
        return [rule for pattern, rule in patterns.items() if fnmatchcase(name, pattern)][-1]

    if network == "lenet":
        return Case(
            lambda: lenet.LeNet(3, SIZE, CLASSES, RulesByName(patterns)),
            lambda: LeNet(3, SIZE, CLASSES, rule_of),
        )
    return Case(lambda: resnet.ResNet(3, CLASSES, RulesByName(patterns)), lambda: ResNet(3, CLASSES, rule_of))


@NETWORKS
@ALL_RULES
def test_float64(network: str, rules: dict[str, str]) -> None:
    check_float64(case(network, rules), images(1, 4, SIZE, smoothing=0.1, update=3))


@NETWORKS
@ALL_RULES
def test_exact_flag_gives_the_gradient(network: str, rules: dict[str, str]) -> None:
    check_float64(case(network, rules), images(2, 4, SIZE, exact=True))


@ALL_RULES
def test_lenet_float32(rules: dict[str, str]) -> None:
    check_float32(case("lenet", rules), lambda seed: images(seed, 4, SIZE, smoothing=0.1), limit=1e-5)


@ALL_RULES
def test_resnet20_float32(rules: dict[str, str]) -> None:
    check_float32(case("resnet20", rules), lambda seed: images(seed, 4, SIZE, smoothing=0.1))
