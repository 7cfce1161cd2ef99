"""Searches that mix transport, local, perturbative and modulated rules, and Hebbian and predictive operations."""

from typing import Any

import numpy as np
import pytest
from bionas_cupy.data.load import load
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.step import Step
from bionas_cupy.search.compatible import check_compatible, chosen_candidates
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.darts import DartsSearch
from bionas_cupy.search.parse import parse
from bionas_cupy.search.space import hl_pc_candidates
from bionas_cupy.search.tree import settings

TINY = ["batch=16", "images_per_epoch=32", "epochs=2", "size.channels=4", "size.cells=2", "size.nodes=1"]
OWN = [*TINY, "space.preset=hl-pc", 'space.rules=["usf", "oja", "wp(probes=2)", "np", "three_factor"]']
SHARED = [*TINY, "space.weights=shared", "architecture.gradient=lookahead"]


def search(*options: str) -> DartsSearch:
    config = build(SearchConfig, [settings(options)])
    return DartsSearch(config, load("digits", None).train.take(np.arange(200)), cpu())


def run(job: DartsSearch, start: int, end: int) -> None:
    for update in range(start, end):
        job.step(*divmod(update, job.steps))


@pytest.mark.parametrize(
    "options", [OWN, [*SHARED, 'space.rules=["usf", "oja", "swta(sends=feedback)"]']], ids=["own", "shared"]
)
def test_every_weight_learns_and_a_resumed_search_goes_on_in_the_same_bits(options: list[str]) -> None:
    job, half = search(*options), search(*options)
    before = {s.name: np.array(s.W.value) for s in job.model.synapses}
    run(job, 0, 4)
    run(half, 0, 2)
    arrays = {name: np.array(a) for name, a in half.arrays().items()}
    again = search(*options)
    again.restore(arrays)
    run(again, 2, 4)
    for name, array in job.arrays().items():
        assert np.array_equal(array, again.arrays()[name]), name
        assert np.isfinite(array).all()
    for synapse in job.model.synapses:
        moved = (synapse.W.value != before[synapse.name]).reshape(synapse.lanes, -1).any(axis=1)
        for rule, learned in zip(synapse.rules, moved, strict=True):
            assert learned, (synapse.name, str(rule))
    assert len(parse(job.architecture, False)) == 2


def test_a_rule_that_sends_none_leaves_the_layers_below_to_other_paths() -> None:
    """With nothing but silent candidates no error reaches the stem; with a skip beside them it does."""

    def error_at_the_stem(operations: str) -> Any:
        job = search(*TINY, f"space.operations={operations}", 'space.rules=["oja"]', "size.cells=1")
        step, q = Step(job.model.key), job.architecture.lane_weights()
        batch = job.train(0, 0)
        logits = job.supernet.forward_mixed(job.model.images(batch.images), q, step)
        job.supernet.backward_mixed(np.ones_like(logits) / logits.size - (logits > 0) / 7, step)
        stem = job.model.synapses[0]
        assert stem.name == "stem.conv"
        return stem.W.grad

    assert not error_at_the_stem('["sep_conv_3x3", "dil_conv_3x3"]').any()
    assert error_at_the_stem('["sep_conv_3x3", "skip_connect"]').any()


def test_the_hl_pc_space() -> None:
    found = hl_pc_candidates(("usf", "fa"))
    assert len(found) == 4 + 4 * 2 + 1 + 2
    assert [c for c in found if c.operation == "conv_3x3"] == [("conv_3x3", "hebbian")]
    assert {c.rule for c in found if c.operation == "pc_conv_3x3"} == {"usf", "fa"}
    config = build(SearchConfig, [settings(["space.preset=hl-pc"])])
    assert len(chosen_candidates(config)) == 4 + 4 * 4 + 1 + 4
    with pytest.raises(UsageError, match="operations of its own"):
        build(SearchConfig, [settings(["space.preset=hl-pc", 'space.operations=["none"]'])])


@pytest.mark.parametrize("rule", ["wp", "np", "three_factor"])
def test_a_look_ahead_refuses_what_its_sweep_cannot_follow(rule: str) -> None:
    options = [*SHARED, f'space.rules=["usf", "{rule}"]']
    with pytest.raises(UsageError, match=f"--alpha lookahead with {rule}") as caught:
        check_compatible(build(SearchConfig, [settings(options)]))
    assert caught.value.exit_code == 2
    assert make_rule(rule)
