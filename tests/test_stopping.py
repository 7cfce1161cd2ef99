"""Signals: a first one asks, a second one ends; a run killed again and again ends as if it never was."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bionas_cupy.engine.stopping import Stopping
from run_folder_cases import ENVIRONMENT


def run_python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_asks_and_restores(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Stopping() as stopping:
        assert stopping.requested is None
        signal.raise_signal(number)
        assert stopping.requested == number
        error = stopping.error("Stopped after step 3.", Path("runs/a b"))
    assert signal.getsignal(number) is before
    assert error.exit_code == 128 + number
    assert str(error) == "Stopped after step 3. Resume with: bionas-cupy search --resume 'runs/a b'"


def test_stopping_outside_the_main_thread_does_nothing() -> None:
    before, found = signal.getsignal(signal.SIGINT), []

    def body() -> None:
        with Stopping() as stopping:
            found.append((stopping.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found == [(None, before)]


def test_the_second_signal_ends_at_once() -> None:
    script = """if 1:
        from signal import SIGINT, SIGTERM, raise_signal
        from bionas_cupy.engine.stopping import Stopping
        with Stopping() as stopping:
            raise_signal(SIGTERM); raise_signal(SIGINT); print(stopping.requested, flush=True)
            raise_signal(SIGINT); print("not reached")"""
    done = run_python(script)
    assert (done.stdout, done.returncode) == (f"{int(signal.SIGTERM)}\n", -signal.SIGINT)


LOOP = """
import json, os, random, signal, sys, time
from pathlib import Path
import numpy as np
from bionas_cupy.engine import checkpoint, journal
from bionas_cupy.engine.manifest import manifest
from bionas_cupy.engine.run_folder import RunFolder, State

def train(path):
    inputs = manifest(1, "", "cpu", 1, {})
    started = (path / "run.toml").exists()
    run = RunFolder.open_for_resume(path) if started else RunFolder.create(path, "", inputs)
    w, step = np.ones(2000), 0
    if run.state is State.SAVED:
        arrays, meta = run.load()
        w, step = arrays["w"], meta["step"]
    elif run.state is State.STARTED:
        run.begin(inputs)
    while run.state is not State.FINISHED:
        step, w = step + 1, np.cos(w + step)
        time.sleep(0.002)  # so that no machine is done before the first kills
        run.journal.append({"score": {"step": step, "w": float(w[0])}})
        if step % 4 == 0:
            run.save({"w": w}, {"step": step})
        if step == 40:
            run.finish({"result.json": {"w": float(w[0])}})

def left(path):
    arrays, meta = checkpoint.load(path / "checkpoint.h5")
    scores = [each["score"] for each in journal.read(path / "journal.jsonl")]
    return checkpoint.digest(arrays, {"step": meta["step"]}), scores, (path / "result.json").read_text()

whole, killed = Path(sys.argv[1], "whole"), Path(sys.argv[1], "killed")
train(whole)
kills = 0
while True:
    child = os.fork()
    if child == 0:
        train(killed)
        os._exit(0)
    time.sleep(random.Random(kills).uniform(0, 0.05 + 0.004 * kills))
    os.kill(child, signal.SIGKILL)
    if os.waitpid(child, 0)[1] == 0:
        break
    kills += 1
assert kills > 1, kills
assert left(whole) == left(killed)
assert sorted(os.listdir(whole)) == sorted(os.listdir(killed)), os.listdir(killed)
print(kills)
"""


def test_killed_again_and_again_a_run_ends_as_if_never_stopped(tmp_path: Path) -> None:
    done = run_python(LOOP, tmp_path)
    assert done.returncode == 0, done.stderr
