"""Runs that are stopped or killed, and resumed: they end with the bits of the run that never stopped.

What is stopped or killed is a process of its own; the runs that end in peace take place in this one.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.run_folder import RunFolder, State

import bionas_cupy

SEARCH = [
    *(
        "search",
        "--epochs",
        "12",
        "--rules",
        "fa,usf",
        "--set",
        "images_per_epoch=96",
        "--set",
        "size.channels=2",
    ),
    *("--set", "size.nodes=1", "--set", 'space.operations=["sep_conv_3x3", "skip_connect"]'),
]
TRAIN = ["train", "mlp", "--rule", "usf", "--epochs", "12", "--subset", "480", "--set", "hidden=[32]"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(bionas_cupy.__file__).parents[1])}


def start(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bionas_cupy.cli.main", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def finish(arguments: list[str]) -> None:
    assert main(arguments) == 0


def same(one: Path, other: Path, result: str) -> None:
    """Byte for byte the same result, and the same bits in the checkpoint."""
    assert (one / result).read_bytes() == (other / result).read_bytes()
    assert digest(*RunFolder(one).load()) == digest(*RunFolder(other).load())


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that was never stopped."""
    path = tmp_path_factory.mktemp("whole") / "search"
    finish([*SEARCH, "-q", "--out", str(path)])
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_search_says_how_to_go_on(tmp_path: Path, searched: Path, number: signal.Signals) -> None:
    path = tmp_path / "stopped"
    process = start([*SEARCH, "--out", str(path)])
    assert process.stderr
    first = process.stderr.readline()  # of the first epoch: the loop is under way
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert first.startswith("epoch 1/12")
    assert (process.returncode, out) == (128 + number, "")
    assert "Saving after this step; once more ends it at once, unsaved." in err
    last = err.splitlines()[-1]
    assert last.startswith("bionas-cupy: error: Stopped and saved in epoch")
    assert last.endswith(f"Resume with: bionas-cupy search --resume {path}")
    assert RunFolder(path).state is State.SAVED
    finish(["search", "--resume", str(path), "-q"])
    same(path, searched, "genotype.json")


def test_a_stopped_training(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole", tmp_path / "stopped"
    finish([*TRAIN, "-q", "--out", str(whole)])
    process = start([*TRAIN, "--out", str(path)])
    assert process.stderr
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "bionas-cupy train --resume" in err
    finish(["train", "--resume", str(path), "-q"])
    same(path, whole, "result.json")


def search_in(path: Path) -> list[str]:
    """The command that begins the search in `path`, or goes on with it."""
    resumable = (path / "run.toml").exists()
    return ["search", "--resume", str(path), "-q"] if resumable else [*SEARCH, "-q", "--out", str(path)]


def killed(path: Path, seconds: float) -> bool:
    """SIGKILL after so long. False where the search ended before."""
    process = start(search_in(path))
    try:
        _, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    assert process.returncode == 0, err
    return False


def test_searches_killed_at_random_instants(tmp_path: Path, searched: Path) -> None:
    """BIONAS_KILLS kills (3 by default; 20 take a minute), over as many searches as that needs."""
    chance, kills, path = random.Random(1), 0, tmp_path / "0"
    while kills < int(os.environ.get("BIONAS_KILLS", "3")):
        if killed(path, chance.uniform(0.2, 2.5)):
            kills += 1
        else:
            same(path, searched, "genotype.json")
            path = tmp_path / str(kills)
    finish(search_in(path))
    same(path, searched, "genotype.json")
    assert not list(tmp_path.rglob("*.bionas-tmp"))
