"""Writing that survives a kill: afterwards a file holds its previous or its new contents, never a mixture.

Temporary file in the same folder → fsync → rename → fsync of the folder. What the disk refuses becomes an
OutputError (exit code 7).
"""

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from .errors import OutputError

SUFFIX = ".bionas-tmp"

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

_CURES = {
    errno.ENOSPC: "Free some space on that disk, or write to another one.",
    errno.EDQUOT: "Free some of your quota on that disk, or write to another one.",
    errno.EFBIG: "Raise the limit on the size of a file (ulimit -f), or write elsewhere.",
    errno.ENOTDIR: "A file stands in the place of a folder: move it away, or write elsewhere.",
    errno.EEXIST: "A file stands in the place of a folder: move it away, or write elsewhere.",
    errno.EISDIR: "A folder stands in the place of that file: move it away, or write elsewhere.",
}
_OTHERWISE = "Write to a folder that exists on a writable disk and that you may write to."


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the OSErrors of the body into an OutputError: `path`, what happened, the cure."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        cure = _CURES.get(error.errno or 0, _OTHERWISE)
        raise OutputError(f'Cannot write "{path}": {reason}.', cure) from error


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Replace `path` by what `write(temporary)` writes. OutputError, and no temporary, where that fails."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{SUFFIX}")
    with output_errors(path):
        try:
            write(temporary)
            _sync(temporary)
            os.replace(temporary, path)
        except BaseException:  # a KeyboardInterrupt too
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write the parts one after another, atomically."""

    def write(temporary: Path) -> None:
        with temporary.open("xb") as file:
            for part in parts:
                file.write(part)

    write_atomically(path, write)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: JSON) -> None:
    """Write indented JSON, atomically. ValueError for NaN and infinities, which JSON does not have."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def clean_orphans(folder: Path) -> int:
    """Remove the temporaries that killed writers left in `folder`; their number. No writer may be at work."""
    orphans = list(folder.glob(f".*{SUFFIX}"))
    for orphan in orphans:
        with output_errors(orphan):
            orphan.unlink(missing_ok=True)
    return len(orphans)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where its file system can (some network ones answer EINVAL)."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
