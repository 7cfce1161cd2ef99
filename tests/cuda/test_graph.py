"""Whole steps as CUDA graphs: a search's in each mode and a training's, recorded once and launched with new inputs.

The emulated device refuses in a recording what CUDA refuses, and more: copies from and to the host, waiting,
allocations, work on other streams, cuBLAS. What was launched must then be the step, in every bit.
"""

import gc
from pathlib import Path
from typing import Any

import jobs
import numpy as np
import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.engine.backend import Backend
from bionas_cupy.engine.checkpoint import load
from bionas_cupy.engine.cuda.graph import Graph
from bionas_cupy.engine.errors import DeviceError
from bionas_cupy.engine.registry import registered
from bionas_cupy.search.recorded import Recorded
from conftest import Device

STEPS = 6  # two or three as they are, the next recorded and launched, the others launched

WHOLE = [name for name, rule in registered().items() if rule.procedure in ("two_pass", "relaxation")]
OTHERS = [name for name in registered() if name not in WHOLE]


def job_of(case: str, backend: Backend) -> jobs.Job:
    if case in jobs.SEARCHES:
        return jobs.tiny_search(backend, **jobs.SEARCHES[case])
    if case == "every rule":
        space = {"operations": ["dil_conv_3x3", "none"], "rules": OTHERS}
        return jobs.search(backend, size={"channels": 2, "cells": 3, "nodes": 1}, space=space, batch=2)
    if case in WHOLE:
        return jobs.training(backend, "mlp", rule=case)
    return jobs.training(backend, case, rule="brsf")


def take_steps(*runners: Any) -> None:
    """In turns."""
    for index in range(STEPS):
        for runner in runners:
            runner.step(0, index)


@pytest.mark.parametrize("case", [*jobs.SEARCHES, "every rule", *WHOLE, "lenet", "resnet20"])
def test_a_launched_step_is_the_step(device: Device, case: str) -> None:
    plain, recorded = job_of(case, device.backend), job_of(case, device.backend)
    take_steps(plain, Recorded(recorded))
    expected, found = plain.arrays(), recorded.arrays()
    different = [name for name in expected if not np.array_equal(found[name], expected[name])]
    assert not different, jobs.distances(recorded, plain).most_common(3)


def test_a_step_of_another_kind_is_recorded_anew(device: Device) -> None:
    """α rests for two of six steps; drop-path is off in the first epoch."""
    size = {"epochs": 1, "images_per_epoch": 6 * STEPS}
    settings = {"rules": ["usf"], "architecture": {"warmup": 0.4}, **size}
    plain, recorded = (jobs.tiny_search(device.backend, **settings) for _ in range(2))
    take_steps(plain, Recorded(recorded))
    assert not any(jobs.distances(recorded, plain).values())


def test_no_collection_of_garbage_changes_what_a_run_needs(device: Device) -> None:
    """Arrays that it frees early in one run, and not in the next, would be an allocation in the recording."""
    assert device.backend.xp is not np
    seen: list[bool] = []
    Graph(lambda: seen.append(gc.isenabled())).run()
    assert (seen, gc.isenabled()) == ([False], True)


def test_a_launch_is_all_that_a_step_asks(emulated: Device) -> None:
    """Besides its inputs: two batches, a rate, a clock."""
    assert emulated.asked is not None
    runner = Recorded(job_of("own", emulated.backend))
    for index in range(3):
        runner.step(0, index)
    with emulated.asked() as asked:
        runner.step(0, 3)
    calls = asked.calls
    assert calls["graph_launches"] == 1
    assert (calls["h2d"], calls["d2h"], calls["syncs"], calls["mallocs"]) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    "command",
    [
        ("train", "mlp", "--hidden", "8", "--rule", "brsf"),
        ("search", "--rules", "usf", "--set", 'space.operations=["dil_conv_3x3"]', "--set", "size.nodes=1"),
    ],
)
def test_the_option_records_steps(
    emulated: Device, command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--graph`: what a run without it finds, byte for byte, and its last state."""
    assert emulated.asked is not None
    small = ("--subset", "120", "--batch", "12", "--epochs", "1", "--device", "cuda", "-q")
    launches, files, states = [], [], []
    for name, options in (("plain", ()), ("recorded", ("--graph",))):
        with emulated.asked() as asked:
            assert main([*command, *small, *options, "--out", str(tmp_path / name)]) == 0
        launches.append(asked.calls["graph_launches"])
        found = "result.json" if command[0] == "train" else "genotype.json"
        files.append([(tmp_path / name / each).read_bytes() for each in (found, "run.toml")])
        states.append(load(tmp_path / name / "checkpoint.h5")[0])
    capsys.readouterr()
    assert launches[0] == 0 < launches[1]
    assert files[0] == files[1]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_what_a_graph_cannot_repeat_is_refused(emulated: Device) -> None:
    job = job_of("lenet", emulated.backend)
    take = job.take

    def waits(given: Any) -> None:
        take(given)
        float(job.meter.sums[0, 0])

    job.take = waits
    runner = Recorded(job)
    with pytest.raises(DeviceError, match=r"captur.*\. Leave out --graph\."):
        take_steps(runner)
