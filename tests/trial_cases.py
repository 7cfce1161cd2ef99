"""Searches whose candidates train for a tenth of a second."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.strategies.strategy import Score, Spec
from bionas_cupy.search.trials.laboratory import Laboratory, training_images
from bionas_cupy.search.trials.setup import space_of
from bionas_cupy.search.trials.untrained import laboratory_for
from cli_cases import InLines, journal

TINY: dict[str, Any] = {
    "batch": 20,
    "size": {"nodes": 1, "cells": 1, "channels": 2},
    "data": {"subset": 80},
}
OPTIONS = [
    *("--batch", "20", "--subset", "80", "--workers", "1"),
    *("--set", "size.nodes=1", "--set", "size.cells=1", "--set", "size.channels=2"),
]


def configured(**settings: Any) -> SearchConfig:
    """Trainings of a tenth of a second."""
    return build(SearchConfig, [{"strategy": "random", "epochs": 1, **TINY}, settings])


def made(config: SearchConfig) -> Laboratory:
    return laboratory_for(config, space_of(config, None), training_images(config))


@contextmanager
def a_signal_in_candidate(number: int) -> Iterator[None]:
    """SIGTERM in the midst of it, in this process."""
    original, calls = Laboratory.score, []

    def score(self: Laboratory, spec: Spec, stopped: Callable[[], bool]) -> Score:
        calls.append(spec)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, spec, stopped)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Laboratory, "score", score)
        yield


def check_that_a_stop_changes_nothing(search: InLines, asked: list[str], workers: int) -> None:
    """Stopped by a signal in the midst of the fifth candidate, resumed with so many processes: the same bytes."""
    assert search(*asked, "--out", "whole")[0] == 0
    with a_signal_in_candidate(5):
        code, _, err = search(*asked, "--out", "stopped")
    assert code == 143
    assert "after 4 candidates" in err
    assert len(journal("stopped")) == 4
    assert search("--resume", "stopped", "--workers", str(workers))[0] == 0
    assert Path("stopped/genotype.json").read_bytes() == Path("whole/genotype.json").read_bytes()
    assert journal("stopped") == journal("whole")
