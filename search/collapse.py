"""Against the collapse of a search into skip connections: when to stop, and a dropout that weakens them.

stop "skips"    the normal cell that α would choose has two skip connections or more (DARTS+, Liang et al. 2019,
                criterion 1)
stop "ranking"  on every edge the order of the operations that learn has not changed for 10 epochs (its criterion 1*);
                an operation counts by the sum over its rules
skip_dropout    dropout after every identity of the supernet (P-DARTS, Chen et al. 2019). Its rate falls linearly:
                    p(epoch) = p₀ (1 - epoch/epochs)
max_skips       is a matter of the parse (parse.py)
"""

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import to_host
from .architecture import Architecture
from .parse import parse, skips
from .space import CONVOLUTIONS
from .strategy_config import Collapse

Ints = NDArray[np.int64]


def dropout(settings: Collapse, epoch: int, epochs: int) -> float:
    """The probability with which a skip connection's output is dropped in an epoch."""
    return settings.skip_dropout * (1 - epoch / epochs)


class EarlyStop:
    """Looks at α after each epoch in which it moved. after: so many epochs were enough; None: go on."""

    def __init__(self, settings: Collapse, architecture: Architecture) -> None:
        self.settings, self.architecture = settings, architecture
        self.after: int | None = None
        self.stable = 0  # epochs for which the ranking has been the same
        self.ranking: Ints = np.full_like(ranking(architecture), -1)

    def look(self, epoch: int) -> None:
        now = ranking(self.architecture)
        self.stable = self.stable + 1 if (now == self.ranking).all() else 0
        self.ranking = now
        if self.settings.stop == "skips":
            enough = skips(parse(self.architecture, False)) >= self.settings.skips
        else:
            enough = self.settings.stop == "ranking" and self.stable >= self.settings.patience
        self.after = epoch + 1 if enough else None

    def arrays(self) -> dict[str, Ints]:
        if self.settings.stop is None:
            return {}
        counts = np.array([-1 if self.after is None else self.after, self.stable])
        return {"stop.counts": counts, "stop.ranking": self.ranking}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        if self.settings.stop is None:
            return
        after, stable = (int(n) for n in arrays["stop.counts"])
        self.after, self.stable = None if after < 0 else after, stable
        self.ranking = arrays["stop.ranking"].astype(np.int64)


def ranking(architecture: Architecture) -> Ints:
    """(2, edges, operations that learn) their order by weight on each edge, the heaviest first."""
    p = to_host(architecture.probabilities())
    learn = [o for o in architecture.operations if o in CONVOLUTIONS]
    of = [[k for k, c in enumerate(architecture.candidates) if c.operation == o] for o in learn]
    weights = np.array([p[..., ks].sum(axis=-1) for ks in of]).reshape(len(of), *p.shape[:2])
    order: Ints = np.argsort(-weights, axis=0, kind="stable")
    return np.moveaxis(order, 0, -1)
