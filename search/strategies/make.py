"""The strategy that a configuration names."""

from collections.abc import Callable, Sequence
from typing import Any

from ...engine.random import Key
from ..config import SearchConfig
from ..strategy_config import Guided
from .evolution_guided import EvolutionGuided
from .genetic import GeneticSearch
from .random_search import RandomSearch
from .regularised_evolution import RegularisedEvolution
from .strategy import Genome, Strategy
from .successive_halving import SuccessiveHalving


def make_strategy(
    config: SearchConfig,
    sizes: Sequence[int],
    budgets: Sequence[int],
    nothing: int | None = None,
    limit: int | None = None,
    starts: Sequence[Genome] = (),
) -> Strategy:
    """sizes: alternatives of each decision; budgets: the lengths of training, for halving, and limit: what it may
    spend, in units of the shortest (None: config.evaluations); nothing: the alternative without a connection;
    starts: genomes to begin with (not with eg, which has points)."""
    makers: dict[str, Callable[[Key], Strategy]] = {
        "random": lambda key: RandomSearch(sizes, key, starts),
        "evolution": lambda key: RegularisedEvolution(sizes, key, starts=starts, **_settings(config)),
        "ga": lambda key: GeneticSearch(sizes, key, nothing=nothing, starts=starts, **_settings(config)),
        "eg": lambda key: EvolutionGuided(sizes, key, config.eg or Guided()),
        "halving": lambda key: SuccessiveHalving(
            sizes, key, budgets, limit or config.evaluations or 1, starts
        ),
    }
    return makers[config.strategy](Key(config.seed))


def _settings(config: SearchConfig) -> dict[str, Any]:
    """The strategy's own section."""
    return dict(getattr(config, config.strategy).model_dump())
