"""Clipping, SGD and Adam over the arena, and what local rules take off it: the CPU twins beside their references."""

from collections.abc import Iterator
from inspect import unwrap
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import elementwise, threads, update
from bionas_cupy.engine.parameter import norm
from kernel_cases import Array, needs_numba

SIZES = [1, 700, 200_017, 1 << 19]  # one block, several, and several a thread
STEPS = {
    "sgd": [
        ("w", "m", "g", 0.1, 0.9, 3e-4, True),
        ("w", "m", "g", np.array(0.1, np.float32), 0.9, 0.0, False),
    ],
    "adam": [
        ("w", "m", "v", np.array(3), "g", 0.01, (0.5, 0.999), 1e-3, 1e-8),
        ("w", "m", "v", np.array(900), "g", np.array(0.01, np.float32), (0.9, 0.999), 0.0, 1e-8),
    ],
}


@pytest.fixture(autouse=True)
def machine_threads() -> Iterator[None]:
    yield
    threads.set_threads(None)


def arrays(size: int) -> dict[str, Array]:
    random = np.random.default_rng(size)
    found = {name: random.standard_normal(size).astype(np.float32) for name in "wmvg"}
    return found | {"v": found["v"] ** 2}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind in STEPS for form in STEPS[kind]])
def test_a_step_is_the_references_in_every_bit(kind: str, form: tuple[Any, ...], size: int) -> None:
    step, expected = getattr(update, kind), arrays(size)
    unwrap(step)(*(expected.get(x, x) if isinstance(x, str) else x for x in form))
    for count in (1, 2, 3):
        threads.set_threads(count)
        found = arrays(size)
        step(*(found.get(x, x) if isinstance(x, str) else x for x in form))
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert not np.array_equal(expected["w"], arrays(size)["w"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("limit", [0.0, 0.5, 1e9])
def test_what_is_clipped(size: int, limit: float) -> None:
    expected = arrays(size)["g"]
    length = float(unwrap(update.clip)(expected, limit))
    results = []
    for count in (1, 2, 3):
        threads.set_threads(count)
        found = arrays(size)["g"]
        results.append((float(update.clip(found, limit)), found))
        assert results[-1][0] == pytest.approx(length, rel=1e-14)
        assert np.allclose(found, expected, rtol=1e-6, atol=0)
        assert results[-1][0] == results[0][0]
        assert np.array_equal(found, results[0][1])
    assert np.array_equal(results[0][1], arrays(size)["g"]) == (limit in (0.0, 1e9))


@pytest.mark.parametrize("limit", [0.5, 1e9])
def test_what_is_not_finite_is_not_clipped(limit: float) -> None:
    g = arrays(700)["g"]
    g[3] = np.inf
    before = g.copy()
    assert update.clip(g, limit) == np.inf
    assert np.array_equal(g, before)


def test_the_norm_on_any_number_of_threads() -> None:
    x = arrays(3_000_001)["g"]
    found = []
    for count in (1, 2, 3):
        threads.set_threads(count)
        found.append(float(norm(x)))
    assert (
        found[0]
        == found[1]
        == found[2]
        == pytest.approx(float(np.linalg.norm(x.astype(np.float64))), rel=1e-12)
    )


@pytest.mark.parametrize("shape", [(3, 5), (2000, 700), (4, 700, 3, 200)])
def test_taken_off(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    a, b = (random.standard_normal(shape).astype(np.float32) for _ in range(2))
    expected = a - b
    elementwise.take(a, b)
    assert np.array_equal(a, expected)


@needs_numba
def test_what_is_taken_off_has_one_shape() -> None:
    a = np.zeros((3, 5), np.float32)
    with pytest.raises(ValueError, match="one shape"):
        elementwise.take(a, a[:1])
