"""From a row to its results."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .against import fastest, forms
from .fit import fitted
from .gpu import predicted
from .pairs import Measured, measure
from .process import Job
from .roofline import limits
from .rows import Row


@dataclass(frozen=True)
class Result:
    """Times in milliseconds, medians over `rounds` rounds; memory in megabytes (10⁶ bytes), the most that the
    whole process had resident. ratio: peer over ours. roofline_ms: what the machine's limits allow (roofline.py).
    predicted_gpu_ms: a prediction (gpu.py) for the device that predicted_gpu names, never a measurement.
    spread: (slowest - fastest) / median of the rounds. quiet: whether the machine was idle otherwise. batch: of
    both sides; less than the row's where memory asked for it. forms: of the peer, the milliseconds of each, or why
    it has none; the fastest is the peer.
    """

    name: str
    ours_ms: float
    peer: str | None
    peer_ms: float | None
    ratio: float | None
    roofline_ms: float | None
    predicted_gpu_ms: float | None
    predicted_gpu: str | None
    peak_mb: float
    peer_peak_mb: float | None
    rounds: int
    discarded: int
    quiet: bool
    spread: float
    peer_spread: float | None
    threads: int
    batch: int | None
    forms: dict[str, float | str] | None

    def plain(self) -> dict[str, object]:
        """As JSON, four digits of each figure."""
        return {name: digits(value) for name, value in asdict(self).items()}


def digits(value: Any) -> Any:
    """Four significant ones of every float."""
    if isinstance(value, dict):
        return {name: digits(each) for name, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


Tell = Callable[[str], object]


def bench(
    row: Row, against_torch: bool, threads: int, rounds: int, tell: Tell = lambda _: None
) -> Iterator[Result]:
    """Measure one row: against its peer of our own, against PyTorch where it is asked for, or alone.

    tell: hears what is done next, where it may take minutes.
    """
    rounds = min(rounds, row.rounds or rounds)
    if row.own_peer:
        name, peer = row.own_peer
        yield paired(row, name, peer, threads, rounds)
    if against_torch and row.torch:
        yield with_torch(row, row.torch, threads, rounds, tell)
    elif not row.own_peer:
        jobs = held(row, [row.ours], threads)
        yield result(row, jobs[0], None, measure(jobs, threads, rounds), threads, None)


def paired(row: Row, name: str, peer: Job, threads: int, rounds: int) -> Result:
    jobs = held(row, [row.ours, peer], threads)
    return result(row, jobs[0], name, measure(jobs, threads, rounds), threads, None)


def with_torch(row: Row, peer: Job, threads: int, rounds: int, tell: Tell) -> Result:
    """The fastest form of the peer in turns with ours."""
    if row.large:
        tell("how many images memory holds: a small step of each side")
    ours, theirs = held(row, [row.ours, forms(peer)[0].job], threads)  # eager: it needs more
    form, tried = fastest(theirs, ours, threads, tell)
    tell(f"rounds of ours and {form.name}, after first steps of both")
    found = measure([ours, form.job], threads, rounds)
    tried.setdefault(form.name, found.sides[1].ms)
    return result(row, ours, form.name, found, threads, tried)


def held(row: Row, jobs: list[Job], threads: int) -> list[Job]:
    """With a batch that memory holds."""
    return fitted(jobs, threads) if row.large else jobs


def result(
    row: Row,
    ours: Job,
    peer: str | None,
    found: Measured,
    threads: int,
    forms: dict[str, float | str] | None,
) -> Result:
    mine, *others = found.sides
    other = others[0] if others else None
    work = row.work(ours.settings) if row.work else None
    gpu = predicted(row.name, work) if work else None
    return Result(
        name=row.name,
        ours_ms=mine.ms,
        peer=peer,
        peer_ms=other.ms if other else None,
        ratio=other.ms / mine.ms if other else None,
        roofline_ms=limits(threads).milliseconds(work) if work else None,
        predicted_gpu_ms=1e3 * gpu.graph if gpu else None,
        predicted_gpu=f"{gpu.gpu}: predicted, not measured" if gpu else None,
        peak_mb=mine.peak_mb,
        peer_peak_mb=other.peak_mb if other else None,
        rounds=found.rounds,
        discarded=found.discarded,
        quiet=found.quiet,
        spread=mine.spread,
        peer_spread=other.spread if other else None,
        threads=threads,
        batch=ours.settings.get("batch"),
        forms=forms,
    )
