"""The journal of a run: JSON Lines, only ever appended to, each line on the disk before `append` returns.

A record's "score" holds reproducible values only; `append` adds the time beside it, so that the scores of a
resumed run can be compared with those of a run that was never stopped.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from .atomic import JSON, output_errors
from .errors import CheckpointError
from .seal import CURE


class Journal:
    """Appends to `path`, which it creates. OutputError where that cannot be done. Close it, or use `with`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with output_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    @property
    def offset(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._descriptor).st_size

    def append(self, record: Mapping[str, JSON]) -> None:
        """Add one line, with the time. ValueError for NaN and infinities, OutputError from the disk."""
        stamped = {**record, "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
        line = memoryview(json.dumps(stamped, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        start = self.offset
        with output_errors(self.path):
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
                os.fsync(self._descriptor)
            except BaseException:
                with suppress(OSError):  # the first error is the one to report; a torn last line is tolerated
                    os.ftruncate(self._descriptor, start)
                raise

    def cut_back(self, offset: int, digest: str | None = None) -> None:
        """Forget what follows byte `offset`. CheckpointError if less is there, or other bytes (`digest`)."""
        if offset > self.offset:
            raise CheckpointError(
                f'Journal "{self.path}" holds {self.offset} bytes, expected at least {offset}.',
                CURE,
            )
        if digest is not None and digest != self._digest(offset):
            raise CheckpointError(
                f'Journal "{self.path}" was changed before byte {offset}.',
                CURE,
            )
        with output_errors(self.path):
            os.ftruncate(self._descriptor, offset)
            os.fsync(self._descriptor)

    def position(self) -> dict[str, JSON]:
        """{"offset", "sha256"} of all that is written: what `cut_back` takes."""
        return {"offset": self.offset, "sha256": self._digest(self.offset)}

    def _digest(self, offset: int) -> str:
        return sha256(self.path.read_bytes()[:offset]).hexdigest()


def read(path: Path) -> list[dict[str, Any]]:
    """The records but a torn last line; [] if there is no file. CheckpointError for any other bad line."""
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    except OSError as error:
        raise CheckpointError(f'Cannot read journal "{path}": {error.strerror}.', CURE) from error
    records = []
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline is nothing, or torn
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise CheckpointError(
                f'Journal "{path}", line {number}: not JSON ({error}).',
                CURE,
            ) from error
    return records
