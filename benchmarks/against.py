"""PyTorch as the peer of a row: in every form that is known to be fast, of which the fastest is quoted."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from ..engine.errors import BionasError, UsageError
from .process import GaveUp, Job, Worker

COMPILE_LIMIT = (
    90.0  # seconds that torch.compile gets for its first steps; what it compiled stays in its cache
)
PILOT = 2  # steps that choose the form
ALLOCATOR = (  # freed memory stays in the process: PyTorch's large tensors then cost no page faults
    ("MALLOC_MMAP_THRESHOLD_", "8589934592"),
    ("MALLOC_TRIM_THRESHOLD_", "17179869184"),
)


class Form(NamedTuple):
    """A way to run the peer. limit: seconds for its start."""

    name: str
    job: Job
    limit: float | None


def require_torch() -> None:
    """Raises UsageError where PyTorch is not installed."""
    if find_spec("torch") is None:
        raise UsageError("--against torch needs PyTorch.", "Install it (pip install torch), or leave it out.")


def forms(peer: Job) -> list[Form]:
    """peer: the job without a form."""
    found = []
    for name, compiled, limit in (("torch eager", False, None), ("torch.compile", True, COMPILE_LIMIT)):
        settings = peer.settings | {"compiled": compiled}
        found.append(Form(name, Job(peer.kind, settings, ALLOCATOR), limit))
    return found


def fastest(
    peer: Job, ours: Job, threads: int, tell: Callable[[str], object] = lambda _: None
) -> tuple[Form, dict[str, float | str]]:
    """The form that takes the step of `ours` in the least time, and the milliseconds of those that were tried, or why
    they have none. Where the compiled form has none, eager is not tried: there is nothing to choose.

    tell: hears which form is tried.
    """
    eager, compiled = forms(peer)
    found: dict[str, float | str] = {}
    seconds: dict[str, float] = {}
    for form in (compiled, eager):
        if form is eager and not seconds:
            break
        bound = f", given up after {form.limit:.0f} s" if form.limit else ""
        tell(f"{form.name}: first steps{bound}, then {PILOT} to choose the faster form by")
        try:
            with Worker(form.job, threads, form.limit) as worker:
                seconds[form.name] = min(worker.step()["seconds"] for _ in range(PILOT))
                found[form.name] = 1e3 * seconds[form.name]
        except GaveUp:
            found[form.name] = f"given up after {form.limit:.0f} s"
        except BionasError as error:
            found[form.name] = str(error)
    best = min(seconds, key=lambda name: seconds[name], default=eager.name)
    return next(form for form in (eager, compiled) if form.name == best), found
