"""Scores from several others at once, told in the order in which they were asked for."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Self

from ..strategies.strategy import Score, Spec
from .laboratory import Abandoned, never

LOOK = 0.2  # seconds between two looks whether the search is to stop


class InOrder:
    """`count` threads, each of which waits for one candidate of somebody else's. Close it, or use `with`."""

    def __init__(self, count: int, stopped: Callable[[], bool] = never) -> None:
        self.stopped = stopped
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="candidates")

    def scores(self, specs: Sequence[Spec]) -> Iterator[Score]:
        """Of each specification, in their order. Raises Abandoned once `stopped` says so."""
        futures = [self._threads.submit(self.score, spec) for spec in specs]
        for future in futures:
            yield self._wait(future)

    def score(self, spec: Spec) -> Score:
        """Of one candidate; called in several threads at once."""
        raise NotImplementedError

    def _wait(self, future: "Future[Score]") -> Score:
        while not self.stopped():
            try:
                return future.result(LOOK)
            except NotYet:
                self.look()
        raise Abandoned

    def look(self) -> None:
        """Raises an error where nobody will answer any more; asked again and again while one is waited for."""

    def close(self) -> None:
        """Wait for the threads. Whoever overrides this first ends what they wait for."""
        self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
