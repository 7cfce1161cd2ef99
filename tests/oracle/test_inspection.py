"""Every number that inspection gives of a step, against a computation of its own in PyTorch, for every rule.

The twin makes two backward passes by autograd, an exact one and one by the rules; what each of its maps was told
is overheard, and norms, angles and shares are made of that with PyTorch's own functions. Rules that run whole
networks: test_inspection_whole.py.
"""

from typing import Any

import numpy as np
import pytest
import test_genotype_network as genotype_network
import test_plain_networks as plain_networks
import test_supernet as supernet
import torch_local
import torch_perturbed
import torch_whole
from bionas_cupy.analysis.inspection import inspection
from bionas_cupy.analysis.numbers import OVER_A_WINDOW
from bionas_cupy.engine.registry import make_rule, registered
from bionas_cupy.layers.procedure import WHOLE
from compare import RULES, Case, images, steady
from inspected import FLOAT64, Stirred, check, compare, rows, take
from one_step import theirs
from torch_numbers import layer_and_lane, over_a_window, overheard
from torch_rules import torch
from twin import bind

pytestmark = pytest.mark.oracle

OPTIONS = {  # of rules that learn in a way of their own, what is asked besides their name alone
    "hebbian": ["hebbian(rate=2;sends=exact)"],
    "oja": ["oja(normalise=0;sends=feedback)"],
    "hpca": ["hpca(normalise=0;rate=0.5;sends=exact)"],
    "swta": ["swta(t=0.3;sends=feedback)"],
    "softhebb": ["softhebb(t=0.65;rate=1;sends=exact)"],
    "krotov_hopfield": ["krotov_hopfield(p=3;k=3;anti=0.2;sends=feedback)"],
    "inoue": ["inoue(normalise=0;sends=exact)"],
    "wp": ["wp(probes=3;sigma=0.1;rate=2)"],
    "np": ["np(probes=2;sigma=0.1)", "np(probes=2;batch=1)"],
    "inoue_output": ["inoue_output(alpha=1;beta=0.5;probes=2;sigma=0.1)"],
}
TRANSPORT = {make_rule(rule).name for rule in RULES}
OWN = [name for name, kind in registered().items() if kind.procedure not in WHOLE and name not in TRANSPORT]
ALONE = [*RULES, *(spec for name in OWN for spec in (name, *OPTIONS.get(name, [])))]
DEEP = [*RULES, *(OPTIONS.get(name, [name])[0] for name in OWN)]  # of each a form that sends, if it can
MIXED_OWN = {
    "*": "usf",
    "*conv0": "wp(sigma=0.1)",
    "*conv1": "hebbian(sends=exact)",
    "stage1_*": "oja(sends=feedback)",
    "linear": "np(probes=2)",
}
MIXED = [pytest.param(plain_networks.MIXED, id="mixed"), pytest.param(MIXED_OWN, id="mixed own")]


def everywhere(rules: list[str]) -> list[Any]:
    return [*(pytest.param({"*": rule}, id=rule) for rule in rules), *MIXED]


def test_no_registered_rule_is_left_out() -> None:
    """Whatever is registered is inspected below, or in test_inspection_whole.py: it needs an equation in PyTorch."""
    known = {*TRANSPORT, *torch_local.UPDATES, *torch_perturbed.SIGMA, *torch_whole.PASSES}
    assert known == set(registered())


def plain(network: str, rules: dict[str, str]) -> Case:
    return Stirred(*plain_networks.case(network, rules))


@pytest.mark.parametrize("rules", everywhere(ALONE))
def test_lenet(rules: dict[str, str]) -> None:
    check(plain("lenet", rules), images(1, 6, plain_networks.SIZE, smoothing=0.1, update=3))


@pytest.mark.parametrize("rules", everywhere(DEEP))
def test_resnet20(rules: dict[str, str]) -> None:
    check(plain("resnet20", rules), images(1, 6, plain_networks.SIZE, smoothing=0.1, update=3))


@pytest.mark.parametrize("network", ["lenet", "resnet20"])
@pytest.mark.parametrize("rules", everywhere(DEEP))
def test_plain_networks_in_float32(network: str, rules: dict[str, str]) -> None:
    case = plain(network, rules)
    batch, _ = next(steady(case, lambda seed: images(seed, 4, plain_networks.SIZE, smoothing=0.1)))
    check(case, batch, np.float32)


@pytest.mark.parametrize("rule", DEEP)
def test_a_found_network_with_its_auxiliary_head(rule: str) -> None:
    case = Stirred(*genotype_network.case(rule))
    check(case, images(1, 4, genotype_network.SIZE, smoothing=0.1, update=3))


def test_what_a_neuromodulator_says() -> None:
    for modulator in ("reward", "surprise"):
        check(plain("lenet", {"*": "three_factor"}), images(1, 6, plain_networks.SIZE, modulator=modulator))


SUPERNETS = [("lanes", which) for which in (*supernet.LANES, *supernet.OWN_LANES)] + [
    ("blends", which) for which in (*supernet.BLENDS, *supernet.OWN_BLENDS)
]


@pytest.mark.parametrize(("kind", "which"), SUPERNETS)
def test_lanes_of_a_supernet(kind: str, which: str) -> None:
    case = supernet.case(kind, which)
    check(case, supernet.batch(1, case))


@pytest.mark.parametrize("rules", everywhere(["usf", "hebbian", "wp"]))
def test_over_a_window_of_minibatches(rules: dict[str, str]) -> None:
    case = plain("lenet", rules)
    model, batches = case.model(np.float64), [images(s, 6, plain_networks.SIZE, update=s) for s in range(3)]
    net = bind(case.twin(), model, torch.float64)
    told: dict[Any, list[torch.Tensor]] = {}
    for batch in batches:
        with overheard() as own:
            theirs(net, model, batch)
        for synapse, each in own.items():
            told.setdefault(synapse, []).append(each["update"])
    names = {module: layer_and_lane(path) for path, module in net.named_modules()}
    with inspection(histograms=False, window=3) as seen:
        for batch in batches:
            take(model, batch)
    expected = {names[synapse]: over_a_window(updates) for synapse, updates in told.items()}
    compare(rows(seen.course, 2), expected, FLOAT64, OVER_A_WINDOW)
