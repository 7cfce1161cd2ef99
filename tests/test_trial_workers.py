"""Workers that die, that have other images, and the addresses of schedulers."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from bionas_cupy.engine.errors import DataError, UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.search.config import SearchConfig
from bionas_cupy.search.strategies.strategy import Score, Spec, random_genome
from bionas_cupy.search.trials import workers
from bionas_cupy.search.trials.cluster import check_address
from bionas_cupy.search.trials.executor import one_thread, opened
from bionas_cupy.search.trials.laboratory import WORST, training_images
from bionas_cupy.search.trials.setup import setup_of
from bionas_cupy.search.trials.workers import Processes, Worker, answer_to
from trial_cases import configured, made


def genomes(count: int) -> list[Spec]:
    sizes = made(configured()).decisions.sizes
    return [{"genome": list(random_genome(sizes, Key(n)))} for n in range(count)]


def scored(config: SearchConfig, specs: Sequence[Spec]) -> list[Score]:
    laboratory = made(config)
    setup = setup_of(config, None, training_images(config))
    with opened(config, setup, laboratory, lambda: False) as scores:
        return list(scores(specs))


def test_a_worker_that_is_killed_changes_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two, when it is given its first candidate."""
    specs, config = genomes(5), configured(workers=1)
    serial, score = scored(config, specs), Worker.score
    with Processes(setup_of(config, None, training_images(config)), 2) as processes:
        victim = processes.workers[1].process

        def killed(worker: Worker, spec: Spec) -> Score:
            if worker.process is victim:
                victim.kill()
            return score(worker, spec)

        monkeypatch.setattr(Worker, "score", killed)
        found = list(processes.scores(specs))
        assert processes.workers[1].process is not victim
    assert found == serial
    assert all(worker.process.exitcode is not None for worker in processes.workers)


def test_a_candidate_that_kills_its_workers_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that ends its process, in the file of a user; the other candidate is scored as ever."""
    text = '''
import os
from bionas_cupy import Rule
class Deadly(Rule):
    """deadly: B = W, until it ends its process."""
    name = "deadly"
    bits = 32.0
    def feedback_weights(self, W, state):
        os._exit(9)
'''
    (tmp_path / "deadly.py").write_text(text)
    config = configured(space={"rules": ["bp", str(tmp_path / "deadly.py")]}, trials={"seeds": 1})
    laboratory = made(config)
    bad = next(k for k, c in enumerate(laboratory.decisions.inner.candidates) if c.rule == "deadly")
    setup = setup_of(config, None, training_images(config))
    (tmp_path / "deadly.py").write_text("raise SystemExit")  # the text of the beginning counts
    assert workers.DEATHS == 3
    monkeypatch.setattr(workers, "DEATHS", 2)  # each takes a second
    with Processes(setup, 1) as processes:
        first, second = processes.scores(
            [{"genome": [0, bad, bad, 0, bad, bad]}, {"genome": [0, 0, 0, 0, 0, 0]}]
        )
    assert first["failed"] == "2 workers died"
    assert first["objective"] == WORST
    assert second == made(configured(space={"rules": ["bp"]}, trials={"seeds": 1})).score({"genome": [0] * 6})


def test_a_worker_with_other_images_is_refused() -> None:
    config = configured()
    setup = json.loads(setup_of(config, None, training_images(config))) | {"images": "0" * 64}
    with one_thread():
        answer = answer_to({"genome": [0] * 6}, json.dumps(setup))
    assert isinstance(answer, DataError)
    assert "not the coordinator's" in str(answer)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://10.0.0.7:8786", "tls://10.0.0.7:8786"),
        ("node7:8786", "tls://node7:8786"),
        ("localhost.evil.org:8786", "neither encrypted"),
        ("tcp://127.0.0.1", "no address"),
        ("http://127.0.0.1:80", "no address"),
        ("tcp://127.0.0.1:x", "cannot be read"),
    ],
)
def test_addresses_that_are_refused(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_address(address)


def test_addresses_that_are_taken() -> None:
    taken = [
        "tcp://127.0.0.1:8786",
        "localhost:8786",
        "tcp://[::1]:8786",
        "tls://10.0.0.7:8786",
        "127.8.9.1:1",
    ]
    assert [check_address(a).rpartition(":")[2] for a in taken] == ["8786", "8786", "8786", "8786", "1"]
