"""The proof ladder of the CUDA kernels (docs/proof.md)."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bionas_cupy.engine.backend import Backend, select
from bionas_cupy.engine.errors import DeviceError

sys.path.insert(0, str(Path(__file__).parent))  # the modules that the tests of this folder share

EMULATED = pytest.param("emulated", marks=pytest.mark.emulated)
GPU = pytest.param("gpu", marks=pytest.mark.gpu)


class Device(NamedTuple):
    """A CUDA device; `asked` counts what a block asks of it, where it is an emulated one."""

    backend: Backend
    asked: Callable[[], AbstractContextManager[Any]] | None


@pytest.fixture(scope="session", params=[EMULATED, GPU])
def device(request: pytest.FixtureRequest) -> Device:
    if request.param == "gpu":
        try:
            return Device(select("cuda"), None)
        except DeviceError as error:
            pytest.skip(str(error))
    from emulator import cupy_build
    from emulator.build import compiler_missing

    reason = compiler_missing() or cupy_build.missing()
    if reason:
        pytest.skip(reason)
    from emulator.cupy_emulated import asked, load

    load()
    return Device(select("cuda"), asked)


@pytest.fixture
def emulated(device: Device) -> Device:
    """The device, for what only an emulated one can tell."""
    if device.asked is None:
        pytest.skip("counts what is asked of the driver: pytest -m emulated")
    return device
