"""A frozen body takes no part in backward: what learns does so in the same bits, and who watches sees all."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bionas_cupy.data.load import load
from bionas_cupy.engine import backend
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.synapse import Synapse
from bionas_cupy.search import training
from bionas_cupy.search.config import TrainConfig, build
from bionas_cupy.search.genotype import Genotype
from bionas_cupy.search.genotype201 import Genotype201
from bionas_cupy.search.training import Training

import bionas_cupy as bn

EDGES = [
    {"node": 2, "from": 0, "op": "sep_conv_3x3", "rule": "brsf"},
    {"node": 2, "from": 1, "op": "skip_connect", "rule": None},
]
GENOTYPES = {
    "darts": Genotype.model_validate({"normal": EDGES, "reduce": EDGES, "concat": [2]}),
    "nasbench201": Genotype201(
        cell="|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
    ),
}
CASES = [
    *(("darts", {"auxiliary": 0.4, "drop_path": 0.2}, block) for block in ("cell1", "cell2", "classifier")),
    ("darts", {"auxiliary": 0.4, "size": {"channels": 4, "cells": 4}}, "cell3"),  # the head is at cell2
    ("darts", {}, "cell2"),
    ("nasbench201", {}, "stage1_cell0"),
    ("resnet20", {"rule": "fa"}, "stage2_block0"),
    ("lenet", {"rule": "dfa"}, "linear"),
    ("mlp", {"rule": "oja", "rules_per_layer": {"classifier": "bp"}}, "classifier"),
]


def job_of(model: str, settings: dict[str, Any], block: str) -> Training:
    small = {"batch": 20, "epochs": 1, "size": {"channels": 4, "cells": 3}}
    config = build(TrainConfig, [{"model": model, "learn_from": block, **small}, settings])
    images = load("digits").train.subset(40, Key(0))
    if config.auxiliary:  # the head needs images of 32 x 32
        images = replace(images, images=images.images.repeat(4, 2).repeat(4, 3))
    return Training(config, GENOTYPES.get(model), images, backend.cpu())


def after(job: Training, steps: int = 2) -> dict[str, Any]:
    """All that a checkpoint would keep."""
    for index in range(steps):
        job.step(0, index)
    return {name: value.copy() for name, value in job.arrays().items()}


@pytest.mark.parametrize(("model", "settings", "block"), CASES)
def test_what_learns_does_so_in_the_same_bits_without_the_rest(
    model: str, settings: dict[str, Any], block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Step] = []

    def recorded(*given: Any, **options: Any) -> Step:
        steps.append(Step(*given, **options))
        return steps[-1]

    monkeypatch.setattr(training, "Step", recorded)
    job = job_of(model, settings, block)
    found = after(job)
    blocks = [name for name, _ in job.model.network.children()]
    kept = steps[-1].tape  # what backward did not take
    left = {layer.name.split(".")[0] for layer in kept}
    below = set(blocks[: blocks.index(block)])
    assert left
    assert left <= below
    whole = job_of(model, settings, block)
    monkeypatch.setattr(Step, "ends_at", lambda *_: False)
    expected = after(whole)
    assert len(steps[-1].tape) < len(kept)
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_who_watches_a_frozen_body_sees_it() -> None:
    plain = after(job_of("lenet", {}, "linear"))
    job = job_of("lenet", {}, "linear")
    with bn.probe("delta", "delta_exact") as told:
        watched = after(job)
    assert {layer for layer, _ in told.records} == {
        s.name for s in job.model.synapses if isinstance(s, Synapse)
    }
    for name, value in plain.items():
        np.testing.assert_array_equal(watched[name], value, err_msg=name)
