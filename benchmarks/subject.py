"""What a worker times."""

from collections.abc import Callable
from dataclasses import dataclass


def nothing() -> None:
    """No preparation."""


@dataclass(frozen=True)
class Subject:
    """step() is timed; it tells figures by which two ways to take the same step are compared ({}: none).

    prepare() runs before each step and is not timed.
    """

    step: Callable[[], dict[str, float]]
    prepare: Callable[[], None] = nothing
