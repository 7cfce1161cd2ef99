"""Draws on a device: uniforms are the host's bits, Gaussians its numbers to 1e-6, in any thread order."""

import numpy as np
import pytest
from bionas_cupy.engine import random
from bionas_cupy.engine.kernels import philox
from bionas_cupy.engine.random import Key
from emulator.build import compiler_missing
from emulator.compare import on_host
from emulator.host import Host

pytestmark = pytest.mark.skipif(bool(compiler_missing()), reason=compiler_missing())
KEYS = [Key(0), Key(7, "rules/a.B", 3, 5), Key(2**64 - 1, "α", 2**64 - 1, 2**63)]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-0.1234567, 0.1234567), (-0.3, 2.7)])
def test_uniforms_are_the_same_bits(key: Key, bounds: tuple[float, float]) -> None:
    with on_host(Host(2)):
        drawn = philox.uniform(np.empty((7, 701), np.float32), key, *bounds)
    assert np.array_equal(drawn, random.uniform(key, (7, 701), *bounds))


@pytest.mark.parametrize("key", KEYS)
def test_gaussians_to_a_millionth(key: Key) -> None:
    with on_host(Host(2)):
        drawn = philox.normal(np.empty((7, 701), np.float32), key, 0.5)
    assert np.allclose(drawn, random.normal(key, (7, 701), 0.5), rtol=1e-6, atol=1e-6)


def test_a_clock_goes_on() -> None:
    """What a recorded launch draws at its second replay is what the next step's key draws."""
    clock = np.zeros((), np.int64)
    with on_host(Host(0)):
        for step in range(3):
            drawn = philox.uniform(np.empty(9, np.float32), Key(7, "a", 5), clock=clock)
            assert np.array_equal(drawn, random.uniform(Key(7, "a", 5 + step), (9,)))
            clock += 1
