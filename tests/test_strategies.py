"""Search strategies: their contract, replay, and each against its own definition."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.errors import CheckpointError, DivergedError
from bionas_cupy.engine.random import Key
from bionas_cupy.search.ask_tell import Exploration
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.strategies.genetic import GeneticSearch
from bionas_cupy.search.strategies.make import make_strategy
from bionas_cupy.search.strategies.pareto import non_dominated, rank_sum, survivors
from bionas_cupy.search.strategies.random_search import RandomSearch
from bionas_cupy.search.strategies.regularised_evolution import RegularisedEvolution
from bionas_cupy.search.strategies.strategy import Score, Spec, Strategy, other, random_genome
from bionas_cupy.search.strategies.successive_halving import SuccessiveHalving
from strategy_cases import SIZES, Hidden

NAMES = ["random", "evolution", "ga", "eg", "halving"]
BUDGETS = [1, 4]


def made(name: str, seed: int = 3, **settings: Any) -> Strategy:
    tree = {"strategy": name, "seed": seed, "evaluations": 60, "space": {"preset": "nasbench201"}}
    config = build(
        SearchConfig, [tree | {"table": {"file": "t.csv"}} | ({name: settings} if settings else {})]
    )
    return make_strategy(config, SIZES, BUDGETS, nothing=0)


@pytest.mark.parametrize("name", NAMES)
def test_replay_is_bitwise_the_search_that_was_never_stopped(name: str) -> None:
    """Stopped after any candidate: the journal's lines give the same trials, and nothing is evaluated twice."""
    whole = Exploration(made(name), Hidden(), 60)
    whole.run()
    lines = [json.loads(json.dumps(trial.to_json())) for trial in whole.trials]
    assert len({json.dumps(trial.spec) for trial in whole.trials}) == len(whole.trials) > 30
    for stopped in (1, 17, len(lines) - 1):
        evaluator, new = Hidden(), []
        again = Exploration(made(name), evaluator, 60, lines[:stopped])
        again.run(lambda trial, fresh, new=new: new.append(fresh))
        assert again.trials == whole.trials
        assert evaluator.calls == len(lines) - stopped == sum(new)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "eg"])
def test_a_search_may_start_with_given_genomes(name: str) -> None:
    """They come first; what follows them is what the search without them asks in these places."""
    starts = [(1,) * len(SIZES), (2,) * len(SIZES)]
    tree = {"strategy": name, "seed": 3, "evaluations": 60, "space": {"preset": "nasbench201"}}
    config = build(SearchConfig, [tree | {"table": {"file": "t.csv"}}])
    asked = [spec["genome"] for spec in make_strategy(config, SIZES, BUDGETS, 0, None, starts).ask()]
    plain = [spec["genome"] for spec in make_strategy(config, SIZES, BUDGETS, 0).ask()]
    assert asked[:2] == [list(start) for start in starts]
    assert asked[2:] == (plain[:-2] if name == "halving" else plain[2:])
    assert len(asked) == len(plain)


def test_children_of_evolution_are_asked_for_at_once() -> None:
    """All of the same living, each of a draw of its own; with one at a time the next one knows its elder sister."""
    strategy = made("evolution", population=4, sample=4, children=3)
    first = strategy.ask()
    strategy.tell([{"objective": float(n)} for n in range(4)])
    children = [spec["genome"] for spec in strategy.ask()]
    best = first[0]["genome"]
    assert [sum(a != b for a, b in zip(child, best, strict=True)) for child in children] == [1, 1, 1]
    assert len({tuple(child) for child in children}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_is_another_search(name: str) -> None:
    first, second = made(name).ask(), made(name, seed=4).ask()
    assert first == made(name).ask() != second


def test_a_journal_of_another_search_is_refused() -> None:
    line = {"candidate": 0, "spec": {"genome": [0, 0, 0, 0, 0, 0]}, "score": {"objective": 1.0}}
    with pytest.raises(CheckpointError, match="candidate 0 is"):
        Exploration(made("random"), Hidden(), 60, [line]).run()


def test_a_score_that_is_not_finite_ends_the_search() -> None:
    class Bad(Hidden):
        def evaluate(self, specs: Sequence[Spec]) -> Iterator[Score]:
            yield {"objective": float("nan")}

    with pytest.raises(DivergedError, match="Candidate 0"):
        Exploration(made("random"), Bad(), 60).run()


def test_what_is_known_costs_nothing_and_the_budget_holds() -> None:
    class Same(Strategy):
        def __init__(self) -> None:
            self.told: list[Sequence[Score]] = []

        def ask(self) -> list[Spec]:
            return [{"genome": [0, 0, 0, 0, 0, len(self.told) // 3]}] * 2

        def tell(self, scores: Sequence[Score]) -> None:
            self.told.append(scores)

    evaluator = Hidden()
    found = Exploration(strategy := Same(), evaluator, 4)
    found.run()
    assert evaluator.calls == len(found.trials) == found.spent == 4
    assert [len(scores) for scores in strategy.told] == [2] * 12  # the thirteenth batch was beyond the budget
    assert found.asked == 26


def test_one_that_asks_nothing_new_ends() -> None:
    found = Exploration(RandomSearch((1, 1), Key(0)), _Constant(), 5)
    found.run()
    assert len(found.trials) == 1


class _Constant(Hidden):
    def evaluate(self, specs: Sequence[Spec]) -> Iterator[Score]:
        yield from ({"objective": 1.0} for _ in specs)


def test_the_best_has_the_largest_budget_then_the_least_objective() -> None:
    found = Exploration(made("halving"), Hidden(), 60)
    found.run()
    long = [trial for trial in found.trials if trial.spec["budget"] == 4]
    assert found.best == min(long, key=lambda trial: trial.score["objective"])
    assert found.best.score["objective"] > 0


def test_random_genomes_are_uniform() -> None:
    drawn = np.array([random_genome(SIZES, Key(0, str(n))) for n in range(2000)])
    for place, size in enumerate(SIZES):
        counts = np.bincount(drawn[:, place], minlength=size)
        assert len(counts) == size
        assert abs(counts - 2000 / size).max() < 5 * np.sqrt(2000 / size)
    changed = [other(5, 2, Key(0, str(n))) for n in range(200)]
    assert set(changed) == {0, 1, 3, 4}
    assert other(1, 0, Key(0)) == 0


def test_regularised_evolution_by_its_definition() -> None:
    """The child differs in one decision from the best of a sample of the living; the oldest goes."""
    strategy = RegularisedEvolution(SIZES, Key(1), population=6, sample=6)  # the sample is all the living
    born: list[tuple[tuple[int, ...], float]] = []
    for _ in range(25):
        asked = strategy.ask()
        scores = list(Hidden().evaluate(asked))
        if born:
            parent = min(born[-6:], key=lambda one: one[1])[0]
            assert sum(a != b for a, b in zip(parent, asked[0]["genome"], strict=True)) == 1
        strategy.tell(scores)
        born += [(tuple(s["genome"]), v["objective"]) for s, v in zip(asked, scores, strict=True)]
        assert [genome for genome, _ in strategy.living] == [genome for genome, _ in born[-6:]]


def test_halving_keeps_the_best_and_those_who_tie() -> None:
    strategy = SuccessiveHalving(SIZES, Key(2), [1, 4, 16], 96)
    asked = strategy.ask()
    assert len(asked) == len({tuple(s["genome"]) for s in asked}) == 32
    objectives = [float(n // 3) for n in range(32)]
    strategy.tell([{"objective": v} for v in objectives])
    second = strategy.ask()  # 32·1/4 = 8, and the ninth is as good as the eighth
    assert [s["genome"] for s in second] == [s["genome"] for s in asked[:9]]
    assert {s["budget"] for s in second} == {4}
    strategy.tell([{"objective": float(-n)} for n in range(9)])
    assert [s["genome"] for s in strategy.ask()] == [s["genome"] for s in second[-2:]][::1]
    strategy.tell([{"objective": 0.0}] * 2)
    assert strategy.ask() == []


def test_the_front_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (40, 3)).astype(float)
    scores[rng.random((40, 3)) < 0.1] = np.inf  # of candidates that failed
    front = [not any((b <= a).all() and (b < a).any() for b in scores) for a in scores]
    assert non_dominated(scores).tolist() == front
    assert non_dominated(scores[:, :1]).tolist() == (scores[:, 0] == scores[:, 0].min()).tolist()
    assert rank_sum([[1, 5], [2, 5], [3, 0]]).tolist() == [1 + 2.5, 2 + 2.5, 3 + 1]
    kept = survivors(scores, 10)
    assert len(kept) == 10
    assert {int(i) for i in scores.argmin(axis=0)} <= set(kept)
    sums = rank_sum(scores)
    fronts = [i for i in kept if front[i]]
    assert [sums[i] for i in fronts] == sorted(sums[i] for i in fronts)
    assert kept[: len(fronts)] == fronts


def test_the_genetic_search_ages_crosses_and_adapts() -> None:
    strategy = GeneticSearch(SIZES, Key(3), population=8, children=8, age=3, tournament=2, nothing=0)
    rates, oldest = set[float](), 0
    for _ in range(12):
        parents = [one.genome for one in strategy.living]
        asked = strategy.ask()
        strategy.tell(list(Hidden().evaluate(asked)))
        assert len(strategy.living) <= 8
        assert len({one.genome for one in strategy.living}) == len(strategy.living)
        oldest = max(oldest, *(one.age for one in strategy.living))
        rates |= {float(one.rates[0]) for one in strategy.living}
        if parents:
            entries = [{p[i] for p in parents} for i in range(len(SIZES))]
            shared = [s["genome"][i] in entries[i] for s in asked for i in range(len(SIZES))]
            assert np.mean(shared) > 0.6
    assert oldest == 2  # generations 0, 1 and 2 of a life
    assert len(rates) > 8
    single = GeneticSearch((1,) * 4, Key(3), 2, 2, 3, 2)
    assert single.ask() == [{"genome": [0] * 4}] * 2


def test_two_objectives_keep_the_best_of_each() -> None:
    strategy = made("ga", objectives=["objective", "parameters"], population=6, children=6)
    found = Exploration(strategy, Hidden(), 120)
    found.run()
    assert isinstance(strategy, GeneticSearch)
    living = np.array([one.scores for one in strategy.living])
    assert living[:, 1].min() < 4 < 4.5 < living[living[:, 0].argmin(), 1]
