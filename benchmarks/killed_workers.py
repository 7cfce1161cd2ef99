"""Workers killed by SIGKILL while a search trains its candidates: is its journal that of the serial run?

    python -m bionas_cupy.benchmarks.killed_workers --executor dask
    python -m bionas_cupy.benchmarks.killed_workers --executor processes --kills 20 --candidates 100

A worker dies after every fifth candidate, the next one in turn, and somebody (Dask's nanny, the coordinator) starts
another. Small candidates on the digits: minutes, most of them for the starts of new workers.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SMALL = "--epochs 2 --subset 200 --set size.cells=1 --set size.nodes=2 --set trials.seeds=1 --strategy random"
START = "import sys; from bionas_cupy.cli.main import main; sys.exit(main())"
SETTLED = 0.5  # seconds: a nanny gives up where its worker dies while it starts
Pids = Callable[[], Sequence[int]]


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as folder:
        serial, killed = Path(folder, "serial"), Path(folder, "killed")
        began = time.monotonic()
        search(given.candidates, serial, "--workers", "1").wait()
        told = f"serial {time.monotonic() - began:.0f} s"
        began = time.monotonic()
        with EXECUTORS[given.executor]() as (options, pids):
            process = search(given.candidates, killed, *options)
            deaths = kill(process, killed / "journal.jsonl", given, pids)
        told += f", with {deaths} deaths {time.monotonic() - began:.0f} s"
        runs = [scores(each / "journal.jsonl") for each in (serial, killed)]
        found = [each / "genotype.json" for each in (serial, killed)]
        same = all(each.exists() for each in found) and found[0].read_bytes() == found[1].read_bytes()
        print(
            f"{given.executor}: {deaths} workers killed, {len(runs[1])} of {given.candidates} candidates have a "
            f"score; the journal is {'' if runs[0] == runs[1] else 'NOT '}that of the serial run, the genotype "
            f"{'the same bytes' if same else 'ANOTHER ONE'}; {told}"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--executor", choices=sorted(EXECUTORS), default="dask")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    return parser.parse_args()


def search(candidates: int, out: Path, *options: str) -> "subprocess.Popen[bytes]":
    words = [*SMALL.split(), "--evaluations", str(candidates), "--out", str(out), "-q", *options]
    return subprocess.Popen([sys.executable, "-c", START, "search", *words], stdout=subprocess.DEVNULL)


def kill(process: "subprocess.Popen[bytes]", journal: Path, given: argparse.Namespace, pids: Pids) -> int:
    """Kill one worker after every few candidates, until the search has ended; how many."""
    every, done, since = given.candidates // given.kills, 0, dict[int, float]()
    while process.poll() is None:
        lines = len(journal.read_bytes().splitlines()) if journal.exists() else 0
        now = time.monotonic()
        since = {pid: since.get(pid, now) for pid in (pids() if done < given.kills else ())}
        ready = sorted(pid for pid, began in since.items() if now - began > SETTLED)
        if ready and lines >= every * done:
            os.kill(ready[done % len(ready)], signal.SIGKILL)
            done += 1
        time.sleep(0.05)
    return done


def scores(journal: Path) -> list[dict[str, Any]]:
    """Its lines without their times."""
    lines = map(json.loads, journal.read_text().splitlines())
    return [{name: value for name, value in line.items() if name != "time"} for line in lines]


@contextmanager
def dask() -> Iterator[tuple[list[str], Pids]]:
    from dask import config  # type: ignore[import-not-found, unused-ignore]  # an extra
    from distributed import Client, LocalCluster  # type: ignore[import-not-found, unused-ignore]  # an extra

    # 15 s after a death LocalCluster would close a nanny whose worker is just then starting again
    config.set({"distributed.deploy.lost-worker-timeout": "1h"})
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as c,
    ):
        address = cluster.scheduler_address
        yield (
            ["--executor", "dask", "--scheduler", address],
            lambda: sorted(c.run(os.getpid, on_error="ignore").values()),
        )


@contextmanager
def processes() -> Iterator[tuple[list[str], Pids]]:
    yield ["--workers", "2"], lambda: descendants(os.getpid())


def descendants(pid: int) -> list[int]:
    """Of this process, those that multiprocessing has spawned."""
    found: list[int] = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, each.read_text().split()):
            spawned = b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
            found += [*([child] if spawned else []), *descendants(child)]
    return sorted(found)


EXECUTORS = {"dask": dask, "processes": processes}

if __name__ == "__main__":
    main()
