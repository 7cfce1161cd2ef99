"""Against the collapse into skip connections: the cap, early stopping, the dropout that falls."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.data.load import load
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.search.architecture import Architecture
from bionas_cupy.search.collapse import EarlyStop, dropout, ranking
from bionas_cupy.search.compatible import check_compatible
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.darts import DartsSearch
from bionas_cupy.search.parse import parse, skips
from bionas_cupy.search.space import candidates
from bionas_cupy.search.strategy_config import Collapse
from bionas_cupy.search.tree import settings

OFFERED = ["none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"]
NONE, POOL, SKIP, SEP_FA, SEP_USF, DIL_FA, DIL_USF = range(7)


def architecture(shared: bool = False, **form: Any) -> Architecture:
    found = Architecture(candidates(OFFERED, ["fa", "usf"]), 2, Key(0), make_rule("bp"), shared, **form)
    found.values[...] = 0
    return found


def chosen(a: Architecture, cap: int | None, reduction: bool = False) -> list[tuple[int, int, str]]:
    return [(c.edge.node, c.edge.source, c.edge.op) for c in parse(a, reduction, cap)]


@pytest.mark.parametrize("shared", [False, True])
def test_the_weakest_skips_are_struck_out(shared: bool) -> None:
    a = architecture(shared)
    a.alpha[:, :, SKIP] = [3.0, 2.9, 2.8, 1.0, 2.7]  # edges 0→2, 1→2, 0→3, 1→3, 2→3
    a.alpha[:, :, POOL] = 1.5
    skip, pool = "skip_connect", "max_pool_3x3"
    assert chosen(a, None) == [(2, 0, skip), (2, 1, skip), (3, 0, skip), (3, 2, skip)]
    assert chosen(a, 3)[:3] == [(2, 0, skip), (2, 1, skip), (3, 0, skip)]
    assert chosen(a, 1) == [(2, 0, skip), (2, 1, pool), (3, 1, pool), (3, 2, pool)]
    assert skips(parse(a, False, 0)) == 0
    assert chosen(a, 0, reduction=True) == chosen(a, None)
    a.alpha[:, :, SKIP] = 1e4  # nothing else has any weight left
    assert skips(parse(a, False, 0)) == 0
    assert all(0 <= c.runner_up <= 1 for c in parse(a, False, 0))


def test_a_cap_that_leaves_nothing_is_refused() -> None:
    only = ['space.operations=["none", "skip_connect"]', "collapse.max_skips=1"]
    with pytest.raises(UsageError, match="nothing to choose but skip"):
        check_compatible(build(SearchConfig, [settings(only)]))


def test_two_skips_in_the_normal_cell_end_a_search() -> None:
    a = architecture()
    stop = EarlyStop(Collapse(stop="skips"), a)
    a.alpha[1, :, SKIP] = 5.0  # of the reduction cell: that is no sign
    a.alpha[0, :, SEP_FA] = 1.0
    a.alpha[0, 0, SKIP] = 5.0
    stop.look(3)
    assert stop.after is None
    a.alpha[0, 1, SKIP] = 5.0
    stop.look(4)
    assert stop.after == 5
    never = EarlyStop(Collapse(), a)
    never.look(4)
    assert never.after is None


def test_a_ranking_that_is_stable_ends_a_search() -> None:
    """Operations count by the sum over their rules; the order of what does not learn is of no matter."""
    a = architecture()
    a.alpha[:, :, [SEP_FA, DIL_USF]] = 1.0, 0.9
    stop = EarlyStop(Collapse(stop="ranking", patience=3), a)
    assert ranking(a).shape == (2, 5, 2)
    assert (ranking(a) == [0, 1]).all()
    for epoch in range(3):
        a.alpha[0, 0, POOL] += 1.0
        stop.look(epoch)
    assert (stop.stable, stop.after) == (2, None)
    a.alpha[1, 4, DIL_FA] = 0.8
    assert ranking(a)[1, 4].tolist() == [1, 0]
    for epoch in range(3, 7):
        assert stop.after is None
        stop.look(epoch)
    assert stop.after == 7
    again = EarlyStop(Collapse(stop="ranking", patience=3), a)
    again.restore(stop.arrays())
    assert (again.after, again.stable, again.ranking.tolist()) == (7, 3, stop.ranking.tolist())


def test_the_dropout_falls_to_nothing() -> None:
    rates = [dropout(Collapse(skip_dropout=0.4), epoch, 4) for epoch in range(4)]
    assert rates == pytest.approx([0.4, 0.3, 0.2, 0.1])
    tiny = [
        "batch=16",
        "images_per_epoch=32",
        "epochs=2",
        "size.cells=2",
        "size.nodes=2",
        "architecture.warmup=0",
    ]

    def job(*more: str) -> DartsSearch:
        config = build(SearchConfig, [settings([*tiny, *more])])
        return DartsSearch(config, load("digits", None).train.take(np.arange(100)), cpu())

    with_it, without, zero = job("collapse.skip_dropout=0.5"), job(), job("collapse.skip_dropout=0")
    for each in (with_it, without, zero):
        each.step(0, 0)
    assert (zero.adam.mean == without.adam.mean).all()
    assert (zero.model.arena.value == without.model.arena.value).all()
    assert (with_it.adam.mean != without.adam.mean).any()  # the pass of α drops too
    assert (with_it.model.arena.value != without.model.arena.value).any()


def test_a_search_that_has_enough_ends_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """α hardly moves, so that its ranking is the same after the second epoch of six."""
    tiny = ["batch=16", "data.subset=64", "size.cells=2", "size.nodes=1", "architecture.warmup=0"]
    more = ["architecture.lr=1e-9", "collapse.stop=ranking", "collapse.patience=1", "collapse.max_skips=0"]
    words = [word for option in [*tiny, *more] for word in ("--set", option)]
    out = str(tmp_path / "run")
    assert main(["search", "--rules", "usf", "--epochs", "6", *words, "--out", out, "-q"]) == 0
    epochs = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    told = json.loads((tmp_path / "run" / "genotype.json").read_text())["provenance"]["collapse"]
    assert len(epochs) == 2
    assert told["stopped_after"] == 2
    assert (told["max_skips"], told["stop"]) == (0, "ranking")
    assert told["skips_before"] >= 0
    assert main(["search", "--resume", out, "-q"]) == 0
    assert "skip_connect" not in capsys.readouterr().out.partition("reduce")[0]


def test_what_is_of_a_supernet_is_refused_elsewhere() -> None:
    for setting in ("collapse.max_skips=1", "size.partial=2", "architecture.edge_weights=true"):
        with pytest.raises(UsageError, match="is of a supernet"):
            build(SearchConfig, [settings(["strategy=random", setting])])
    with pytest.raises(UsageError, match="Choose channels=6"):
        build(SearchConfig, [settings(["size.partial=3"])])
