"""Searches and trainings from Python, and a probe that changes nothing."""

import numpy as np
import pytest

import bionas_cupy as bn

SMALL = {"images_per_epoch": 64, "epochs": 1, "size": {"channels": 2, "nodes": 1}}


def test_search_from_python_writes_what_it_returns(tmp_path):
    space = {"operations": ["sep_conv_3x3"], "rules": ["usf"]}
    found = bn.run_search(tmp_path / "run", space=space, **SMALL)
    assert bn.read_genotype(tmp_path / "run") == found
    assert {edge.rule for edge in found.normal} == {"usf"}


def test_an_open_probe_changes_no_bit(tmp_path):
    settings = {"model": "lenet", "rule": "brsf", "epochs": 1, "batch": 64, "data": {"subset": 192}}
    silent = bn.run_train(tmp_path / "silent", **settings)
    with bn.probe("x", "delta", "below", "dW", "B", every=2) as p:
        probed = bn.run_train(tmp_path / "probed", **settings)
    assert probed == silent
    updates = [update for update, _ in p["conv1", "dW"]]
    assert updates == [0, 2]
    (_, first), (_, second) = p["conv1", "B"]
    assert not np.array_equal(first, second)
    assert ("conv0", "below") not in p.records  # nothing is sent to the data


def test_what_is_not_known_is_an_error_for_people(tmp_path):
    with pytest.raises(bn.BionasError, match="epoch"):
        bn.run_train(tmp_path / "run", model="lenet", epoch=3)
