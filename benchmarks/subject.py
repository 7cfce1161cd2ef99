"""What a worker times."""

from collections.abc import Callable
from dataclasses import dataclass

from .machine import peak_mb


def nothing() -> None:
    """No preparation."""


@dataclass(frozen=True)
class Subject:
    """step() is timed; it tells figures by which two ways to take the same step are compared ({}: none).

    prepare() runs before each step and is not timed. warm_up: steps after the first one, before any is timed;
    the rest are left out after a step of more than a second. first=False: not even a first step is taken untimed.
    peak_mb(): the most memory so far.
    """

    step: Callable[[], dict[str, float]]
    prepare: Callable[[], None] = nothing
    warm_up: int = 3
    first: bool = True
    peak_mb: Callable[[], float] = peak_mb
