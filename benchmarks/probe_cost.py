"""What watching costs: a step without probe, with one that is open and records nothing, and under inspection.

    python -m bionas_cupy.benchmarks.probe_cost [--model resnet20] [--data-dir D --data cifar10] [--rounds 3]

Steps of one training, in rounds of one configuration after the other, so that a slower machine is slower for all of
them; the fastest of each counts. With and without a probe that waits: single steps in turns, ten times as many, since
the difference is small. Inspection writes signals.h5: bytes per recorded step are its size.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ..analysis.inspection import inspection
from ..analysis.signals_file import SignalsFile
from ..analysis.subject import Subject, open_subject
from ..engine.probe import descend, probe
from ..engine.step import Step

SHARES = (1, 10, 100)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--rule", default="usf")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4, help="a round and configuration")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


@contextmanager
def watching(how: str, folder: Path) -> Iterator[None]:
    """none; waiting: open, and recording none of these steps; numbers; everything: histograms, and on disk."""
    with ExitStack() as stack:
        if how == "waiting":
            stack.enter_context(probe("delta", every=10**9))
        elif how == "numbers":
            stack.enter_context(inspection(histograms=False))
        elif how == "everything":
            stack.enter_context(inspection(sink=stack.enter_context(SignalsFile(folder))))
        yield


def seconds(subject: Subject, how: str, steps: int, folder: Path) -> float:
    """A step, mean."""
    with watching(how, folder):
        began = time.perf_counter()
        subject.run(steps)
        return (time.perf_counter() - began) / steps


def bookkeeping(subject: Subject, count: int = 2000) -> float:
    """Seconds a step of all that a probe adds to one: the step's own making, `descend`, and each synapse's look."""
    nothing = np.zeros(1)
    began = time.perf_counter()
    for _ in range(count):
        step = Step(subject.model.key)
        descend(lambda error, _: error, nothing, step)
        for synapse in subject.model.synapses:
            synapse.tell(None, nothing, None, step)  # type: ignore[arg-type]  # it looks whether to, and does not
    return (time.perf_counter() - began) / count


def main() -> None:
    given = arguments()
    data = {"name": given.data, "dir": given.data_dir}
    subject = open_subject(
        given.model, {"rule": given.rule, "batch": given.batch, "data": data, "epochs": 100}
    )
    subject.run(2)  # what is compiled, or allocated, at first
    subject.update += 1  # no step of these is a multiple of 10**9
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(10 * given.rounds):
            for how in ("none", "waiting"):
                found.setdefault(how, []).append(seconds(subject, how, 1, Path(folder)))
        for _ in range(given.rounds):
            for how in ("numbers", "everything"):
                found.setdefault(how, []).append(seconds(subject, how, given.steps, Path(folder)))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.h5"))
    best = {how: min(times) for how, times in found.items()}
    plain = best["none"]
    print(f"{given.model}, {given.rule}, {given.data}, batch {given.batch}: {1e3 * plain:.1f} ms a step")
    closed = bookkeeping(subject)
    print(f"no probe: its bookkeeping takes {1e6 * closed:.0f} µs a step, {100 * closed / plain:.4f} %")
    print(f"a probe that waits: {100 * (best['waiting'] / plain - 1):+.1f} %")
    for how in ("numbers", "everything"):
        over = best[how] - plain
        shares = ", ".join(f"--every {n}: {100 * over / n / plain:+.1f} %" for n in SHARES)
        print(f"{how}: a recorded step takes {best[how] / plain:.2f} times as long; {shares}")
    print(f"signals.h5: {size / given.rounds / given.steps:.0f} bytes a recorded step")


if __name__ == "__main__":
    main()
