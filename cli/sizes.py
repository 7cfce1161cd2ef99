"""Sizes in bytes, as people write them: 500MB, 1.5 GiB, 20000."""

import re

from ..engine.errors import UsageError

UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def size(text: str) -> int:
    """Bytes.

    >>> size("500MB"), size("1.5 GiB"), size("20000")
    (500000000, 1610612736, 20000)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in UNITS:
        raise UsageError(f'"{text}" is no size.', "Write 500MB, 2GiB or a number of bytes.")
    return int(float(match[1]) * UNITS[match[2]])
