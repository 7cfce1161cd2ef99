"""The workers of a Dask scheduler (extra `dask`; skipped without it), here in threads of this process.

benchmarks/killed_workers.py kills real ones.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bionas_cupy.engine.errors import BionasError, DeviceError, UsageError
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.strategies.strategy import Score, Spec
from bionas_cupy.search.trials import cluster
from bionas_cupy.search.trials.cluster import Cluster
from bionas_cupy.search.trials.laboratory import Abandoned, Laboratory, training_images
from bionas_cupy.search.trials.setup import setup_of, space_of

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own
SMALL = {"epochs": 1, "batch": 20, "size": {"nodes": 1, "cells": 1, "channels": 2}, "data": {"subset": 80}}
SPECS = [{"genome": [0, k, k, 0, 0, 4]} for k in range(3)]


@pytest.fixture
def config() -> SearchConfig:
    return build(SearchConfig, [{"strategy": "random", **SMALL}])


def local(**more: Any) -> Any:
    return distributed.LocalCluster(processes=False, dashboard_address=None, **more)


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Its address is one of this machine: inproc:// is no address that a user could name, so tcp is listened to."""
    with local(n_workers=2, threads_per_worker=1, protocol="tcp://") as started:
        yield started.scheduler_address


def test_the_same_scores_as_here(config: SearchConfig, scheduler: str) -> None:
    images = training_images(config)
    here = Laboratory(config, space_of(config, None), images)
    with Cluster(setup_of(config, None, images), scheduler) as there:
        assert list(there.scores(SPECS)) == [here.score(spec) for spec in SPECS]


def test_errors_and_stops(config: SearchConfig, scheduler: str) -> None:
    setup = setup_of(config, None, training_images(config))
    other = json.dumps(json.loads(setup) | {"images": "0" * 64})
    with Cluster(other, scheduler) as there, pytest.raises(BionasError, match="not the coordinator's"):
        list(there.scores(SPECS))
    with Cluster(setup, scheduler, lambda: True) as there, pytest.raises(Abandoned):
        list(there.scores(SPECS * 40))


def test_without_workers(config: SearchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    monkeypatch.setattr(cluster, "PAUSE", 0.1)
    setup = setup_of(config, None, training_images(config))
    with local(n_workers=0, protocol="tcp://") as started, pytest.raises(UsageError, match="has no worker"):
        Cluster(setup, started.scheduler_address)
    with local(n_workers=1, threads_per_worker=1, protocol="tcp://") as started:
        there = Cluster(setup, started.scheduler_address)

        def goes(_: Spec) -> Score:
            started.scale(0)
            time.sleep(2)
            raise Abandoned

        monkeypatch.setattr(there, "score", goes)
        with there, pytest.raises(DeviceError, match="no worker for"):
            list(there.scores(SPECS[:1]))


def test_workers_of_several_threads_are_refused(config: SearchConfig) -> None:
    setup = setup_of(config, None, training_images(config))
    many = local(n_workers=1, threads_per_worker=2, protocol="tcp://")
    with many as started, pytest.raises(UsageError, match="--nthreads 1"):
        Cluster(setup, started.scheduler_address)


def test_a_scheduler_that_is_not_there(config: SearchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with pytest.raises(UsageError, match="does not answer"):
        Cluster("{}", "tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("named", "said"),
    [(None, "Dask's configuration has none"), ("/no/such.pem", "cannot be read: .*No such file")],
)
def test_encryption_without_certificates(named: str | None, said: str) -> None:
    files = dict.fromkeys(("ca-file", "client.cert", "client.key"), named)
    told = {f"distributed.comm.tls.{name}": path for name, path in files.items()}
    with dask.config.set(told), pytest.raises(UsageError, match=said):
        Cluster("{}", "tls://10.0.0.7:8786")
