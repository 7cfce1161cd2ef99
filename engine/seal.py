"""The head of a checkpoint file: its format, length and SHA-256, in the 512 bytes that HDF5 skips.

HDF5 notices neither flipped bits in data nor all of those in its own structures, so the digest of the whole
file is compared before the library sees a byte of it. Any HDF5 tool still opens the file.
"""

import re
from hashlib import sha256
from pathlib import Path

from .errors import CheckpointError

FORMAT = 1
SIZE = 512
CURE = "Restore it from a copy, or start a new run."

_MAGIC = "bionas-cupy checkpoint "


def seal(body: memoryview) -> bytes:
    """The 512 bytes to write before `body`: "bionas-cupy checkpoint FORMAT LENGTH SHA-256\\n" and zeros."""
    heading = f"{_MAGIC}{FORMAT} {len(body)} {sha256(body).hexdigest()}\n"
    return heading.encode().ljust(SIZE, b"\0")


def check_seal(path: Path, contents: memoryview) -> None:
    """Compare the head, to the last bit, with the one that this body would get; CheckpointError otherwise."""
    head, body = bytes(contents[:SIZE]), contents[SIZE:]
    found = re.match(rf"{_MAGIC}(\d+) (\d+) ".encode(), head)
    if found is None:
        raise CheckpointError(f'"{path}" is not a bionas-cupy checkpoint, or its head is damaged.', CURE)
    version, length = map(int, found.groups())
    if version != FORMAT:
        raise CheckpointError(
            f'Checkpoint "{path}" is of format {version}, expected {FORMAT}.',
            "Use the version of bionas-cupy that wrote it, or start a new run.",
        )
    if length != len(body):
        whole = f"{len(contents)} bytes, expected {SIZE + length}"
        raise CheckpointError(f'Checkpoint "{path}" is truncated or extended: it has {whole}.', CURE)
    if head != seal(body):
        raise CheckpointError(f'Checkpoint "{path}" is damaged: its SHA-256 is not the recorded one.', CURE)
