"""Work over fixed chunks of the batch, by a few threads.

The borders of the chunks depend on the shapes alone, and partial sums are added in the order of the chunks:
whatever the number of threads, the results are the same bits. Compiled functions release Python's lock."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import pairwise
from typing import Any

MOST_CHUNKS = 32
LEAST_COST = 2e6  # operations a chunk should hold, or starting it costs more than it saves

_count = 0
_pool: ThreadPoolExecutor | None = None
_second: ThreadPoolExecutor | None = None
_part = threading.local()  # .share: of one of two tasks


def set_threads(count: int | None) -> None:
    """Use `count` threads from now on; None asks the environment and the machine again."""
    global _count, _pool
    if _pool is not None:
        _pool.shutdown(wait=False)
    _count, _pool = count or 0, None


def get_threads() -> int:
    """The number of threads: as set, else NUMBA_NUM_THREADS, OMP_NUM_THREADS, or every processor."""
    global _count
    if _count < 1:
        given = (os.environ.get(name, "") for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"))
        _count = next((int(v) for v in given if v.isdigit() and int(v) > 0), os.cpu_count() or 1)
    return _count


@lru_cache(maxsize=4096)
def chunks(count: int, cost: float, step: int = 1, most: int = MOST_CHUNKS) -> tuple[tuple[int, int], ...]:
    """[first, last) over `count` items of `cost` operations each; all but the last chunk hold whole steps.

    They are about equally large and, but for one alone, an even number: two threads have the same to do."""
    least = max(LEAST_COST / max(cost, 1.0), count / most, 1.0)
    steps = -(-count // step)
    number = -(-steps // -int(-least // step))
    number = min(number + (number > 1 and number % 2), steps, most)
    borders = [min(step * (i * steps // number), count) for i in range(number + 1)]
    return tuple(pairwise(borders))


def run(work: Callable[[int, int, int], object], borders: Sequence[tuple[int, int]]) -> None:
    """work(first, last, index) for every chunk, in any order; an error in a chunk is raised here."""
    if len(borders) == 1:
        work(*borders[0], 0)
        return
    job, share = Job(work, borders), _share()
    if share is None:
        job.run(get_threads())
        return
    share.job = job
    try:
        job.run(share.threads)
    finally:
        share.job = None


class Job:
    """The chunks of one call, for the thread that runs it and for all that join."""

    def __init__(self, work: Callable[[int, int, int], object], borders: Sequence[tuple[int, int]]) -> None:
        self._work = work
        self._todo = deque((first, last, index) for index, (first, last) in enumerate(borders))
        self._joined: list[Future[None]] = []

    def run(self, threads: int) -> None:
        """To the end, by so many threads and whoever joins."""
        helpers = min(threads, len(self._todo)) - 1
        self._joined += [_executor().submit(self._drain) for _ in range(helpers)]
        try:
            self._drain()
        finally:  # after an error nothing new is begun, and nobody writes any longer when this returns
            self._todo.clear()
            # one that never woke has nothing to say; `exception` waits
            errors = [future.exception() for future in self._joined if not future.cancel()]
        for error in filter(None, errors):
            raise error

    def join(self) -> None:
        """Take chunks until none is left. An error is raised by `run`."""
        future: Future[None] = Future()
        self._joined.append(future)  # before a chunk is taken: `run` looks here when all have been
        if future.set_running_or_notify_cancel():
            try:
                self._drain()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)

    def _drain(self) -> None:
        while self._todo:
            try:
                chunk = self._todo.popleft()
            except IndexError:  # another thread took the last one
                return
            self._work(*chunk)


class Share:
    """Of one of two tasks: how many threads it has for its kernels, and the kernel it is in."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.job: Job | None = None


def both(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Two tasks side by side, each with half of the threads; one after the other where there is one thread.

    What the one does between its kernels, the other's kernels hide. The threads of the one that ends are the other's,
    from the kernel on which that one is at work.
    An error is raised when both have ended."""
    mine = _threads()
    if mine < 2:
        first()
        second()
        return
    shares = Share(mine - mine // 2), Share(mine // 2)
    future = _beside().submit(_with_share, shares[1], second, shares[0], mine)
    try:
        _with_share(shares[0], first, shares[1], mine)
    finally:
        begun = not future.cancel()
        error = future.exception() if begun else None  # waits
    if not begun:
        second()
    if error:
        raise error


def _with_share(own: Share, task: Callable[[], object], other: Share, both_have: int) -> None:
    before, _part.share = _share(), own
    try:
        task()
    finally:
        _part.share, other.threads = before, both_have
        if (job := other.job) is not None:
            job.join()


def _threads() -> int:
    """Those that a kernel called by this thread may use."""
    share = _share()
    return get_threads() if share is None else share.threads


def _share() -> Share | None:
    """This thread's, where it is at one of two tasks."""
    found: Share | None = getattr(_part, "share", None)
    return found


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within this block BLAS works on one thread, so that the bits of its sums depend on no machine's count."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no annotations

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


def _executor() -> ThreadPoolExecutor:
    """The threads that take chunks."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(max(get_threads() - 1, 1), thread_name_prefix="kernels")
    return _pool


def _beside() -> ThreadPoolExecutor:
    """The thread of second tasks: always the same one, as the C library keeps freed memory for each thread apart."""
    global _second
    if _second is None:
        _second = ThreadPoolExecutor(1, thread_name_prefix="second")
    return _second


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    global _pool, _second
    _pool = _second = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
