"""Processes that train candidates, each on one thread: a score depends neither on their number nor on their deaths.

    coordinator   threads, one a process:  specification ──▶ pipe ──▶ worker   laboratory(setup).score(specification)
                                                   score ◀── pipe ◀──
                  results in the order asked

A worker that dies (killed, out of memory) is replaced, and its candidate trained again; a candidate with DEATHS deaths
is marked as failed. Only the coordinator writes. A worker whose coordinator is gone ends with its candidate.
"""

import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock

from ...engine.errors import BionasError, DeviceError, UsageError
from ...engine.kernels.threads import one_blas_thread, set_threads
from ...engine.rule_files import blamed_line
from ..strategies.strategy import Score, Spec
from .in_order import InOrder
from .laboratory import Abandoned, failed, never
from .setup import laboratory

DEATHS = 3


class Died(Exception):
    """The process at the other end of the pipe is no more."""


class Processes(InOrder):
    """`count` processes of this machine."""

    def __init__(self, setup: str, count: int, stopped: Callable[[], bool] = never) -> None:
        super().__init__(count, stopped)
        self.workers = [Worker(setup) for _ in range(count)]
        self._closed, self._lock, self._idle = False, Lock(), SimpleQueue[Worker]()
        for worker in self.workers:
            self._idle.put(worker)

    def score(self, spec: Spec) -> Score:
        worker = self._idle.get()
        try:
            for _ in range(DEATHS):
                try:
                    return worker.score(spec)
                except Died:
                    self._replace(worker)
            return failed(f"{DEATHS} workers died")
        finally:
            self._idle.put(worker)

    def _replace(self, worker: "Worker") -> None:
        with self._lock:
            if self._closed:
                raise Abandoned
            worker.end()
            worker.start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for worker in self.workers:
                worker.process.kill()
        super().close()  # the threads have seen the ends of their pipes
        for worker in self.workers:
            worker.end()


class Worker:
    """One process, and our end of its pipe. Nothing of ours is open in it: it is spawned, not forked."""

    def __init__(self, setup: str) -> None:
        self.setup = setup
        self.start()

    def start(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.setup), daemon=True)
        self.process.start()
        theirs.close()

    def score(self, spec: Spec) -> Score:
        """Raises Died, and whatever was raised there."""
        try:
            self.pipe.send(spec)
            answer: Score | Exception = self.pipe.recv()
        except (EOFError, OSError):
            raise Died from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def serve(pipe: "Connection[Score | Exception, Spec]", setup: str) -> None:
    """The worker's process: a score for each specification, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's: it ends its workers
    while True:
        try:
            pipe.send(answer_to(pipe.recv(), setup))
        except (EOFError, OSError):
            return


def answer_to(spec: Spec, setup: str) -> Score | Exception:
    """What goes back, in a process that does nothing else: an error in a form that any pipe takes."""
    set_threads(1)
    with warnings.catch_warnings(), one_blas_thread():
        if not sys.warnoptions:
            warnings.simplefilter("ignore", RuntimeWarning)  # a candidate that diverges is told by its loss
        try:
            return laboratory(setup).score(spec)
        except BionasError as error:
            return error
        except MemoryError as error:
            return DeviceError(
                f"Not enough memory for a candidate. {error}", "Use fewer --workers, or a smaller --batch."
            )
        except Exception as error:
            what, line = f"{type(error).__name__}: {error}", blamed_line(error)
            if line:
                return UsageError(f"{line}: {what}.", "`bionas-cupy rules check FILE` tells more.")
            return RuntimeError(f"in a worker: {what}")
