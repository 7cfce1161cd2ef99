"""What a named network is trained with where nobody says otherwise: the settings of its paper."""

import re
from collections.abc import Mapping
from typing import Any

from .config import TrainConfig, build
from .tree import Tree

PLAIN = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "clip": 0.0}
ADAM = {"kind": "adam", "lr": 1e-3, "weight_decay": 0.0, "clip": 0.0}
AS_THEY_ARE = {"crop": 0, "flip": False}  # images, whose features are computed once
NETWORKS: dict[str, Tree] = {
    "softhebb": {
        "rules_per_layer": {
            "conv0": "softhebb(rate=0.08)",
            "conv1": "softhebb(t=0.65;rate=0.005)",
            "conv2": "softhebb(t=0.25;rate=0.01)",
        },
        "stages": "two",
        "epochs": 1,
        "batch": 10,
        "optimiser": {"lr": 1.0, "schedule": "constant", **PLAIN},
        "data": AS_THEY_ARE,
        "readout": {"epochs": 50, "batch": 64, "dropout": 0.5, "optimiser": ADAM},
    },
    "inoue": {
        "rules_per_layer": {"hidden*": "inoue(normalise=0)"},
        "hidden": [2000],
        "stages": "layerwise",
        "epochs": 5,
        "batch": 200,
        "optimiser": {"lr": 5e-4, "schedule": "linear", **PLAIN},
        "data": {"normalise": False, **AS_THEY_ARE},
        "readout": {"optimiser": {"lr": 1.0, "weight_decay": 0.0, "clip": 0.0}},
    },
    "krotov-hopfield": {
        "rules_per_layer": {"hidden0": "krotov_hopfield(rate=0.1)"},
        "hidden": [2000],
        "stages": "two",
        "epochs": 20,
        "batch": 100,
        "optimiser": {"lr": 1.0, "schedule": "linear", **PLAIN},
        "data": {"normalise": False, **AS_THEY_ARE},
        # features are mostly near 0: a large rate
        "readout": {"epochs": 50, "batch": 100, "optimiser": ADAM | {"lr": 0.03}},
    },
}
READOUTS: dict[str, Tree] = {  # by the rule's name
    "inoue_output": {
        "epochs": 1000,
        "batch": 2000,
        "optimiser": {"kind": "sgd", "lr": 5e-4, "schedule": "constant", **PLAIN},
    },
}


def train_config(asked: Mapping[str, Any]) -> TrainConfig:
    """The configuration of a training: what was asked for, on top of what its network and its read-out are known for.

    A rule that is asked for takes the place of those of the hidden layers.
    """
    model, readout = asked.get("model"), asked.get("readout", {})
    known = NETWORKS.get(model, {}) if isinstance(model, str) else {}
    if "rule" in asked:
        known = {name: value for name, value in known.items() if name != "rules_per_layer"}
    rule = readout.get("rule", "bp") if isinstance(readout, Mapping) else "bp"
    name = re.split(r"[(+]", rule)[0] if isinstance(rule, str) else ""
    return build(TrainConfig, [known, {"readout": READOUTS.get(name, {})}, asked])
