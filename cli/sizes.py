"""Sizes in bytes, as people write and read them: 500MB, 1.5 GiB, 20000."""

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


def shown(bytes_: int) -> str:
    """To two digits or more, in powers of ten.

    >>> shown(999), shown(6_150_000), shown(57_300)
    ('999 bytes', '6.2 MB', '57 kB')
    """
    for unit, name in (10**9, "GB"), (10**6, "MB"), (10**3, "kB"):
        if bytes_ >= unit:
            return f"{bytes_ / unit:.1f} {name}" if bytes_ < 10 * unit else f"{bytes_ / unit:.0f} {name}"
    return f"{bytes_} bytes"
