"""Uniform draws of the CPU twin: the bits of NumPy's Philox, whatever the key, the shape and the bounds."""

import numpy as np
import pytest
from bionas_cupy.engine import random
from bionas_cupy.engine.kernels import philox
from bionas_cupy.engine.kernels.arrays import has_numba
from bionas_cupy.engine.random import Key

pytestmark = pytest.mark.skipif(not has_numba(), reason="the CPU twin needs the extra cpu")
KEYS = [Key(0), Key(7, "rules/a.B", 3, 5), Key(2**64 - 1, "α", 2**64 - 1, 2**63)]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-0.1234567, 0.1234567), (-0.3, 2.7)])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (16, 8), (7, 701)])
def test_uniforms_are_the_same_bits(key: Key, bounds: tuple[float, float], shape: tuple[int, ...]) -> None:
    drawn = philox.uniform(np.empty(shape, np.float32), key, *bounds)
    assert np.array_equal(drawn, random.uniform(key, shape, *bounds))


def test_any_strides() -> None:
    out = np.zeros((9, 8), np.float32)
    philox.uniform(out[:, ::2], KEYS[1])
    assert np.array_equal(out[:, ::2], random.uniform(KEYS[1], (9, 4)))
    assert not out[:, 1::2].any()


def test_a_clock_counts_on_from_the_keys_step() -> None:
    drawn = philox.uniform(np.empty(9, np.float32), Key(7, "a", 5), clock=np.array(2))
    assert np.array_equal(drawn, random.uniform(Key(7, "a", 7), (9,)))
