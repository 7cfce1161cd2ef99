"""The launches that `bionas-cupy bench` predicts a GPU's step from are those of the row's own step."""

import os
from typing import Any

import pytest
from bionas_cupy.benchmarks import gpu, rows
from bionas_cupy.benchmarks.ours import models
from bionas_cupy.benchmarks.worker import build
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from conftest import Device

SMALL = {"batch": 2, "channels": 2, "size": 8}  # DARTS_V2's auxiliary head wants 32


SLOW = {"supernet_step", "supernet_step_shared"}  # minutes each


@pytest.mark.parametrize("name", gpu.LAUNCHES)
def test_launches_are_those_of_the_row(
    emulated: Device, name: str, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    if name in SLOW and not os.environ.get("BIONAS_SLOW"):
        pytest.skip(f"{name} takes minutes: BIONAS_SLOW=1 pytest -m emulated -k {name}")

    def ready(network: Any) -> Model:
        normalise = Normalise((0.5,) * models.CHANNELS, (0.25,) * models.CHANNELS)
        return Model(network, normalise, models.KEY, backend=emulated.backend)

    monkeypatch.setattr(models, "ready", ready)
    job = rows.chosen([name])[0].ours
    small = SMALL | ({"size": 32} if name.startswith("darts") else {})
    subject = build(job.kind, job.settings | {k: v for k, v in small.items() if k in job.settings})
    subject.step()
    assert emulated.asked is not None
    with emulated.asked() as asked:
        subject.step()
    found = asked.calls["launches"] + asked.calls["products"] + asked.calls["d2d"]
    record_property("figure", f"{name}: {found} launches and copies on the device")
    assert found == gpu.LAUNCHES[name]
