"""From a row to its result."""

from dataclasses import asdict, dataclass

from .pairs import Measured, measure
from .rows import Row


@dataclass(frozen=True)
class Result:
    """Times in milliseconds, medians over `rounds` rounds; memory in megabytes (10⁶ bytes), the most that the
    whole process had resident. ratio: peer over ours. roofline_ms: what the machine's limits allow (machine.py).
    spread: (slowest - fastest) / median of the rounds. quiet: whether the machine was idle otherwise.
    """

    name: str
    ours_ms: float
    peer: str | None
    peer_ms: float | None
    ratio: float | None
    roofline_ms: float | None
    peak_mb: float
    peer_peak_mb: float | None
    rounds: int
    discarded: int
    quiet: bool
    spread: float
    peer_spread: float | None
    threads: int

    def plain(self) -> dict[str, object]:
        """As JSON, four digits of each figure."""
        return {n: float(f"{v:.4g}") if isinstance(v, float) else v for n, v in asdict(self).items()}


def bench(row: Row, threads: int, rounds: int) -> Result:
    """Measure one row."""
    peer, jobs = None, [row.ours]
    if row.own_peer:
        peer = row.own_peer[0]
        jobs.append(row.own_peer[1])
    return result(row.name, peer, measure(jobs, threads, rounds), threads)


def result(name: str, peer: str | None, found: Measured, threads: int) -> Result:
    ours, *others = found.sides
    other = others[0] if others else None
    return Result(
        name=name,
        ours_ms=ours.ms,
        peer=peer,
        peer_ms=other.ms if other else None,
        ratio=other.ms / ours.ms if other else None,
        roofline_ms=None,
        peak_mb=ours.peak_mb,
        peer_peak_mb=other.peak_mb if other else None,
        rounds=found.rounds,
        discarded=found.discarded,
        quiet=found.quiet,
        spread=ours.spread,
        peer_spread=other.spread if other else None,
        threads=threads,
    )
