"""What else the machine did during a span of time, and what memory it has, as Linux tells."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

MB = 1e6  # bytes


class Span:
    """`with Span() as span:` then span.seconds, and span.others: the share of this process's processors that
    other processes (or the host of a virtual machine) used meanwhile; None where the system does not tell.
    """

    seconds: float
    others: float | None

    def __enter__(self) -> "Span":
        self._busy, self._own, self._began = processors(), time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, own = time.perf_counter() - self._began, time.process_time() - self._own
        self.others = others(self._busy, processors(), own)


Ticks = tuple[float, float]  # (busy, all) processor time in seconds


def others(before: Ticks | None, after: Ticks | None, own: float) -> float | None:
    """The share of the processors' time between two readings that went to others; own: seconds of our own."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return max(after[0] - before[0] - own, 0.0) / (after[1] - before[1])


def processors() -> Ticks | None:
    """Time of the processors that this process may use, since the machine started."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    usable = {f"cpu{i}" for i in os.sched_getaffinity(0)}
    return ticks([line.split()[1:9] for line in lines if line.partition(" ")[0] in usable])


def ticks(rows: Sequence[Sequence[str]]) -> Ticks:
    """rows: user, nice, system, idle, iowait, irq, softirq, steal of each processor, in clock ticks."""
    hertz = os.sysconf("SC_CLK_TCK")
    counts = [[int(field) for field in row] for row in rows]
    total, rest = sum(map(sum, counts)), sum(row[3] + row[4] for row in counts)
    return (total - rest) / hertz, total / hertz


def peak_mb() -> float:
    """The most memory that this process has had resident so far, everything included: interpreter, libraries,
    compiled kernels, weights, buffers.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        return kilobytes * 1024 / MB
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024) / MB


def available_mb() -> float | None:
    """Memory that programs may still take; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = (int(line.split()[1]) * 1024 / MB for line in lines if line.startswith("MemAvailable"))
    return next(found, None)
