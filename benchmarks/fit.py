"""The largest batch that all sides of a row can hold at once, the same for each."""

from collections.abc import Sequence
from typing import NamedTuple

from ..engine.errors import DeviceError
from .machine import available_mb
from .process import Job, Worker

PROBE = 4  # images of the step by which memory is estimated
SHARE = 0.85  # of the memory that is available
PARTS = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)


class Need(NamedTuple):
    """Megabytes of one side: before its first step, and for each image."""

    base: float
    image: float


def with_batch(job: Job, batch: int) -> Job:
    return job._replace(settings=job.settings | {"batch": batch})


def need(job: Job, threads: int) -> Need:
    """From one small step."""
    with Worker(with_batch(job, PROBE), threads) as worker:
        return Need(worker.base_mb, (worker.peak_mb - worker.base_mb) / PROBE)


def largest(batch: int, needs: Sequence[Need], available: float | None) -> int:
    """Of the parts of `batch` the largest that fits. Raises DeviceError where none does."""
    if available is None:
        return batch
    sizes = [int(batch * part) for part in PARTS]
    for size in sizes:
        if sum(n.base + n.image * size for n in needs) <= SHARE * available:
            return size
    raise DeviceError(
        f"not enough memory: {available:.0f} MB are free, {sizes[-1]} images need "
        f"{sum(n.base + n.image * sizes[-1] for n in needs):.0f} MB.",
        "End other programs, or name other rows.",
    )


def fitted(jobs: Sequence[Job], threads: int) -> list[Job]:
    """The jobs with the largest batch that they hold together."""
    batch = jobs[0].settings["batch"]
    size = largest(batch, [need(job, threads) for job in jobs], available_mb())
    return [with_batch(job, size) for job in jobs]
