"""Rows of benchmarks on stdout: JSON Lines as they come, or one table; which row is at work on stderr."""

from collections.abc import Iterable

from ..benchmarks.bench import Result
from .output import print_json, print_table, print_text

COLUMNS = ["row", "ours", "peer", "ratio", "roofline", "memory", "peer's", "rounds", "GPU, predicted"]


def print_rows(results: Iterable[Result], as_json: bool) -> None:
    """All results; JSON one by one."""
    if as_json:
        for each in results:
            print_json(each.plain())
        return
    found = list(results)
    print_table(COLUMNS, [cells(each) for each in found])
    for note in notes(found):
        print_text(note)


def notes(results: Iterable[Result]) -> list[str]:
    """Which forms of a peer took no step, and why."""
    return [
        f"{each.name}: {form}: {why}."
        for each in results
        for form, why in (each.forms or {}).items()
        if isinstance(why, str)
    ]


def cells(r: Result) -> tuple[str, ...]:
    """One line of the table."""
    peer = "" if r.peer_ms is None else f"{milliseconds(r.peer_ms)} ({r.peer})"
    ratio = "" if r.ratio is None else f"{r.ratio:.2f}"
    roofline = "" if r.roofline_ms is None else f"{r.ours_ms / r.roofline_ms:.1f} x"
    memory = "" if r.peer_peak_mb is None else f"{r.peer_peak_mb:.0f} MB"
    rounds = f"{r.rounds}{'' if r.quiet else ', not idle'}"
    measured = (r.name, milliseconds(r.ours_ms), peer, ratio, roofline, f"{r.peak_mb:.0f} MB", memory, rounds)
    return *measured, "" if r.predicted_gpu_ms is None else milliseconds(r.predicted_gpu_ms)


def milliseconds(ms: float) -> str:
    return f"{ms / 1e3:.2f} s" if ms >= 1e4 else f"{ms:.4g} ms"
