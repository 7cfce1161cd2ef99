"""One process a folder: a lock that the kernel gives back when its holder ends, however it ends."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from .atomic import output_errors
from .errors import UsageError


class Lock:
    """Holds `folder` until closed. UsageError if another process does; OutputError in an unwritable place."""

    def __init__(self, folder: Path) -> None:
        path = folder / ".lock"
        with output_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            self.close()
            raise UsageError(
                f'"{folder}" is in use by another process (number {holder or "unknown"}).',
                "Wait for its end, or use another --out.",
            ) from error
        except OSError:
            pass  # a network file system without locks: a run there is worth more than its protection
        with suppress(OSError):  # a full disk: the number is only for the message above
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        """Give the folder back; a second time does nothing. The file stays: removing it would be a race."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
