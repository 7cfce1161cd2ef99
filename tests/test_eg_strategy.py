"""CMA-ES through the loop of a search, and EG-NAS, which asks it, against their definitions."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.errors import DivergedError
from bionas_cupy.engine.random import Key
from bionas_cupy.search.ask_tell import Exploration
from bionas_cupy.search.strategies.cma_search import CmaSearch
from bionas_cupy.search.strategies.eg_round import Round, similarity, softmax_of
from bionas_cupy.search.strategies.evolution_guided import EvolutionGuided
from bionas_cupy.search.strategies.strategy import Score, Spec, Strategy
from bionas_cupy.search.strategy_config import Guided
from strategy_cases import SIZES, Hidden

FUNCTIONS: dict[str, Callable[[np.ndarray], float]] = {
    "sphere": lambda x: float(x @ x),
    "ellipsoid": lambda x: float(10 ** (6 * np.arange(len(x)) / (len(x) - 1)) @ x**2),
    "rosenbrock": lambda x: float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()),
}


class Function:
    def __init__(self, function: Callable[[np.ndarray], float]) -> None:
        self.function = function

    def evaluate(self, specs: Sequence[Spec]) -> Iterator[Score]:
        yield from ({"objective": self.function(np.array(spec["x"]))} for spec in specs)

    def cost(self, spec: Spec) -> float:
        return 1.0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_cma_es_through_the_loop(name: str, record_property: Callable[[str, str], None]) -> None:
    """Down to 1e-9 from (3, …, 3) in 6 dimensions; replayed from half of the journal it is the same to the bit."""
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    whole = Exploration(CmaSearch(np.full(6, 3.0), 1.0, Key(1)), Function(FUNCTIONS[name]), 6000)
    whole.run()
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert whole.best.score["objective"] < 1e-9
    reached = next(t.number for t in whole.trials if t.score["objective"] < 1e-9)
    record_property("figure", f"{name}: 1e-9 after {reached} evaluations")
    lines = [json.loads(json.dumps(trial.to_json())) for trial in whole.trials[: reached // 2]]
    again = Exploration(CmaSearch(np.full(6, 3.0), 1.0, Key(1)), Function(FUNCTIONS[name]), 6000, lines)
    again.run()
    assert again.trials == whole.trials


def test_cma_es_refuses_what_is_not_finite() -> None:
    search = CmaSearch(np.zeros(3), 1.0, Key(0), 4)
    search.sample()
    with pytest.raises(DivergedError, match="not finite"):
        search.adapt([1.0, float("nan"), 2.0, 3.0])


def guided(**settings: Any) -> EvolutionGuided:
    return EvolutionGuided(SIZES, Key(5), Guided(**{"searches": 3, "population": 6} | settings))


def told(strategy: Strategy) -> list[Score]:
    scores = list(Hidden().evaluate(strategy.ask()))
    strategy.tell(scores)
    return scores


def test_the_searches_of_eg_differ_and_adapt() -> None:
    strategy = guided()
    told(strategy)
    strategy.ask()
    assert strategy.round is not None
    searches = strategy.round.searches
    first = [search.points for search in searches]
    for a, b in itertools.combinations(first, 2):
        assert np.abs(np.array(a) - np.array(b)).min() > 0
    means = [search.es.mean.copy() for search in searches]
    starts = [np.linalg.norm(mean - strategy.alpha) for mean in means]
    assert all(3 < start < 8 for start in starts)  # σ·‖N(0, I)‖ in 27 dimensions is about 5.2
    strategy.tell(list(Hidden().evaluate([{"genome": strategy.genome(p)} for ps in first for p in ps])))
    assert all((s.es.mean != m).any() for s, m in zip(searches, means, strict=True))
    assert all(not np.allclose(s.es.C, np.eye(27)) for s in searches)


@pytest.mark.parametrize("step", ["point", "difference", "probabilities"])
def test_a_round_of_eg_by_its_definition(step: str) -> None:
    strategy = guided(step=step)
    alpha = strategy.alpha
    (centre,) = told(strategy)
    assert strategy.round is not None
    searches, best = strategy.round.searches, list[tuple[int, float, float, np.ndarray]]()
    for _ in range(2):
        asked = strategy.ask()
        points = [p for search in searches for p in search.points]
        losses = [score["objective"] for score in Hidden().evaluate(asked)]
        assert [s["genome"] for s in asked] == [list(strategy.genome(p)) for p in points]
        for i, (loss, z) in enumerate(zip(losses, points, strict=True)):
            cosine = alpha @ z / np.linalg.norm(alpha) / np.linalg.norm(z)
            sign = 1 if loss <= centre["objective"] else -1
            best.append((i // 6, loss + sign * 0.4 * (cosine + 1) / 2, loss, z))
        strategy.tell([{"objective": loss} for loss in losses])
    leaders = [min((b for b in best if b[0] == n), key=lambda b: b[1]) for n in range(3)]
    s = min(leaders, key=lambda b: b[2])[3]
    moves = {"point": s, "difference": s - alpha, "probabilities": softmax_of(s, SIZES)}
    expected = alpha + 0.6 * moves[step]
    np.testing.assert_array_equal(strategy.alpha, expected)
    assert strategy.ask() == [{"genome": list(strategy.genome(expected))}]


def test_a_round_as_the_released_code_reads_it() -> None:
    """From softmax(α), start points close by, CMA-ES wide, points of unit length in each decision."""
    settings = Guided(
        searches=2, population=4, generations=1, spread=0.01, sigma=1, centre="probabilities", unit=True,
        similarity="decisions", move=0.1, step="probabilities",
    )  # fmt: skip
    sizes, alpha = (3, 2), np.array([0.0, 1.0, 2.0, 0.5, 0.5])
    one = Round(alpha, sizes, Key(1), settings)
    p = np.concatenate([np.exp(row) / np.exp(row).sum() for row in (alpha[:3], alpha[3:])])
    np.testing.assert_allclose(one.centre, p)
    assert all(0 < np.abs(search.es.mean - p).max() < 0.05 for search in one.searches)
    assert all(search.es.sigma == 1 for search in one.searches)
    points = one.sample()
    assert all(abs(np.linalg.norm(row) - 1) < 1e-12 for z in points for row in (z[:3], z[3:]))
    one.error = 5.0
    cosines = [[a @ b / np.linalg.norm(a) for a, b in ((p[:3], z[:3]), (p[3:], z[3:]))] for z in points]
    sims = [(sum(pair) / 2 + 1) / 2 for pair in cosines]
    errors = [5.0, 6.0, 4.0, 7.0, 9.0, 9.0, 9.0, 9.0]
    for z, sim, error in zip(points, sims, errors, strict=True):
        assert one.fitness(1.0, error, z) == pytest.approx(1.0 + (0.4 if error <= 5 else -0.4) * sim)
    one.tell([1.0] * 8, errors)
    f = [one.fitness(1.0, error, z) for error, z in zip(errors, points, strict=True)]
    s = points[int(np.argmin(f[:4]))]
    assert errors[int(np.argmin(f[:4]))] < 9
    np.testing.assert_allclose(one.alpha, alpha + 0.1 * softmax_of(s, sizes))
    assert one.finished


def test_the_most_accurate_leader_moves_alpha_whatever_its_loss() -> None:
    one = Round(np.zeros(5), (3, 2), Key(2), Guided(searches=3, population=2, generations=1))
    points = one.sample()
    one.error = 0.5
    one.tell([1.0, 9.0, 2.0, 9.0, 3.0, 9.0], [0.4, 0.1, 0.3, 0.9, 0.3, 0.0])
    assert [leader.number for leader in one.leaders] == [0, 2, 4]  # of the least f
    assert one.leader.number == 2  # the most accurate of these, and of two the one of the smaller loss
    np.testing.assert_array_equal(one.alpha, 0.6 * points[2])


def test_similarity() -> None:
    x = np.array([1.0, 2.0])
    assert similarity(x, 3 * x) == pytest.approx(1)
    assert similarity(x, -x) == pytest.approx(0)
    assert similarity(x, np.array([2.0, -1.0])) == similarity(x, 0 * x) == 0.5
