"""What is launched: how many kernels, by name, and the bytes of their arrays. Tests and benchmarks read it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_open: list["Launches"] = []


class Launches(Counter[str]):
    """Launches by "stem.name"; `bytes` is the size of all arrays that they were given, each read or written once."""

    bytes = 0


@contextmanager
def counted() -> Iterator[Launches]:
    """Counts the launches of our own kernels within this block.

    with counted() as launches:
        step()
    launches["channel.moments"], launches.total(), launches.bytes
    """
    found = Launches()
    _open.append(found)
    try:
        yield found
    finally:
        _open[:] = [other for other in _open if other is not found]


def note(name: str, bytes_of_arrays: int) -> None:
    """One launch of `name`."""
    for found in _open:
        found[name] += 1
        found.bytes += bytes_of_arrays
