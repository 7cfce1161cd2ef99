"""SIGINT and SIGTERM between two steps: the loop asks, saves, and raises StoppedError.

with Stopping() as stopping:
    for step in steps:
        ...
        if stopping.requested:
            save()
            raise stopping.error(f"Stopped after step {step}.", folder)
"""

import shlex
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

from .errors import StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Catches the signals while open; the second of a kind ends the process. In other threads: no effect.

    announce: called at the first signal, within its handler; it may write a line, no more.
    """

    def __init__(self, announce: Callable[[], object] | None = None) -> None:
        self._announce = announce
        self.requested: int | None = None  # the number of the first signal
        self._seen: set[int] = set()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {each: signal.signal(each, self._catch) for each in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._previous.items():
            signal.signal(each, signal.SIG_DFL if handler is None else handler)  # None: it was not Python's
        self._previous = {}

    def error(self, what: str, folder: Path, command: str = "search") -> StoppedError:
        """The error to raise once all is saved; ValueError if no signal came."""
        if self.requested is None:
            raise ValueError("no signal was caught")
        cure = f"Resume with: bionas-cupy {command} --resume {shlex.quote(str(folder))}"
        return StoppedError(what, cure, self.requested)

    def _catch(self, number: int, _: FrameType | None) -> None:
        if number in self._seen:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._seen.add(number)
        self.requested = self.requested or number
        if self._announce:
            self._announce()
