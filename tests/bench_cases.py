"""A small job of the benchmarks, and an answer of a worker."""

from typing import Any

from bionas_cupy.benchmarks.process import Job

LOOP = Job("ours.hebbian_loop", {"inputs": 5, "units": 4, "batch": 3})


def answer(seconds: float, others: float | None = 0.0, peak: float = 100.0) -> dict[str, Any]:
    return {"seconds": seconds, "others": others, "peak_mb": peak}
