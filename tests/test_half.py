"""The fused half: the reference against finite differences, the CPU twin against the reference."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import half
from bionas_cupy.engine.kernels.arrays import has_numba, reference_only
from bionas_cupy.engine.kernels.conv import Geometry
from bionas_cupy.engine.kernels.half import Below, Norm, Upstream
from bionas_cupy.engine.kernels.threads import set_threads

Array = Any
# images, input lanes, lanes, channels, outputs, size, kernel, stride, dilation, lanes of the error above
CASES = [
    (3, 1, 4, 16, 16, (9, 9), 3, 1, 1, 1),
    (3, 1, 2, 5, 7, (8, 11), 5, 1, 1, 1),
    (5, 4, 4, 4, 4, (8, 8), 3, 1, 1, 1),
    (2, 3, 3, 6, 8, (7, 9), 5, 2, 1, 3),
    (2, 1, 3, 6, 8, (7, 9), 5, 2, 1, 3),
    (2, 1, 1, 6, 8, (32, 31), 3, 2, 2, 1),
    (5, 1, 3, 8, 8, (6, 6), 5, 1, 2, 1),
    (5, 6, 6, 8, 8, (6, 6), 5, 2, 2, 1),
    (33, 1, 2, 20, 20, (8, 8), 3, 1, 1, 1),
    (70, 1, 3, 4, 4, (4, 4), 3, 2, 1, 1),
    (2, 1, 1, 36, 36, (16, 16), 3, 1, 1, 1),
    (1, 2, 2, 3, 1, (1, 1), 3, 2, 1, 2),
    (3, 1, 2, 4, 6, (10, 28), 5, 1, 1, 1),
    (2, 2, 2, 5, 4, (9, 17), 3, 1, 2, 2),
    (17, 1, 2, 8, 8, (8, 8), 5, 1, 2, 1),
    (3, 2, 2, 4, 4, (8, 8), 3, 1, 2, 1),
    (2, 1, 3, 4, 4, (5, 40), 5, 1, 2, 1),
    (3, 1, 2, 4, 4, (32, 32), 3, 2, 1, 1),
    (2, 2, 2, 5, 6, (33, 35), 5, 2, 1, 2),
    (2, 1, 2, 4, 4, (32, 37), 3, 2, 2, 1),
    (2, 2, 2, 36, 4, (19, 32), 5, 2, 2, 1),
    (9, 1, 2, 4, 4, (16, 16), 5, 2, 1, 1),
    (9, 1, 2, 4, 4, (15, 16), 3, 2, 1, 1),
    (3, 2, 2, 4, 4, (16, 16), 3, 2, 2, 1),
    (2, 1, 1, 36, 8, (37, 17), 3, 1, 1, 1),
    (3, 1, 3, 4, 4, (32, 33), 3, 2, 1, 3),
    (5, 1, 3, 4, 4, (16, 16), 5, 2, 2, 1),
    (2, 1, 3, 4, 4, (35, 36), 5, 2, 1, 1),
]
# of several chunks: stride 2 with lanes that go together, and a norm
LARGE = [(160, 1, 3, 8, 8, (32, 32), 3, 2, 1, 1), (24, 2, 2, 16, 16, (32, 32), 3, 1, 1, 2)]


class Problem:
    """Arrays of one case, the same in both types; `norm` where every lane has its own input."""

    def __init__(self, case: tuple[Any, ...], dtype: Any = np.float64) -> None:
        N, L, R, C, K, (H, W), k, stride, dilation, U = case
        self.g = Geometry(k, stride, dilation * (k - 1) // 2, dilation, C)
        random = np.random.default_rng(7)

        def draw(*shape: int) -> Array:
            return random.standard_normal(shape).astype(dtype)

        self.x, self.D, self.Db = draw(N, L, C, H, W), draw(R, C, 1, k, k), draw(R, C, 1, k, k)
        self.P, self.Pb = draw(R, K, C, 1, 1), draw(R, K, C, 1, 1)
        self.norm = Norm(draw(R, C), draw(R, C), draw(R, C)) if L == R > 1 else None
        self.above = draw(N, U, K, self.g.out_size(H), self.g.out_size(W))
        self.A, self.B, self.E = draw(R, K), draw(R, K), draw(R, K)
        self.into = draw(*self.x.shape)

    def forward(self) -> tuple[Array, Array, Array]:
        return half.forward(self.x, self.D, self.P, self.g, self.norm)

    def backward(self, y: Array, learn: bool = True) -> Below:
        up = Upstream(self.above, y, self.A, self.B, self.E)
        self.into = self.into.copy()
        into = None if self.norm else self.into
        return half.backward(up, self.x, self.D, self.Db, self.Pb, self.g, self.norm, into, learn)

    def everything(self) -> list[Array]:
        y, mean, variance = self.forward()
        below = self.backward(y)
        return [a for a in (y, mean, variance, *below, self.into) if a is not None]


def slope(problem: Problem, name: str, direction: Array) -> float:
    """d⟨above, y⟩ along a direction of one array, by central differences."""
    array, step = getattr(problem, name), 1e-6
    found = []
    for sign in (1, -1):
        setattr(problem, name, array + sign * step * direction)
        found.append(float((problem.above * problem.forward()[0]).sum()))
    setattr(problem, name, array)
    return (found[0] - found[1]) / (2 * step)


@pytest.mark.parametrize("case", CASES)
def test_the_reference_is_the_gradient_where_the_feedback_is_the_weight(case: tuple[Any, ...]) -> None:
    p = Problem(case)
    p.Db, p.Pb = p.D, p.P
    p.A, p.B, p.E = np.ones_like(p.A), 0 * p.B, 0 * p.E
    before = p.into
    below = p.backward(p.forward()[0])
    random = np.random.default_rng(3)
    error = (p.into - before) if p.norm is None else below.error * p.norm.a[:, :, None, None]
    for name, gradient in (("D", below.dD), ("P", below.dP), ("x", error)):
        direction = random.standard_normal(gradient.shape)
        expected = float((gradient * direction).sum())
        assert slope(p, name, direction) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_error_goes_through_the_feedback_and_the_coefficients() -> None:
    """Of a 1 x 1 image with one channel: the equations of the docstring, by hand."""
    a, b, mean, D, Db, P, Pb, x = 2.0, 0.5, 0.3, 1.5, -0.7, 3.0, 0.9, 1.25
    g, A, B, E = 0.4, 2.0, -1.0, 0.1

    def one(value: float, dims: int = 5) -> Array:
        return np.full((1,) * dims, value)

    norm = Norm(one(a, 2), one(b, 2), one(mean, 2))
    geometry = Geometry(1, groups=1)
    z = a * x + b
    y = P * D * z
    delta = A * g + B * y + E
    up = Upstream(one(g), one(y), one(A, 2), one(B, 2), one(E, 2))
    found = half.backward(up, one(x), one(D), one(Db), one(Pb), geometry, norm)
    dz = Db * Pb * delta
    expected = (Pb * delta * z, delta * D * z, dz, dz, dz * (x - mean))
    assert [float(v.item()) for v in found] == pytest.approx(expected)


@pytest.mark.skipif(not has_numba(), reason="the CPU twin needs the extra cpu")
@pytest.mark.parametrize("case", CASES)
def test_the_twin_agrees_with_the_reference(case: tuple[Any, ...]) -> None:
    exact, rounded = Problem(case).everything(), Problem(case, np.float32).everything()
    assert len(exact) == len(rounded)
    for e, r in zip(exact, rounded, strict=True):
        assert r.dtype == np.float32
        assert r.shape == e.shape
        assert np.linalg.norm(r - e) <= 2e-6 * np.linalg.norm(e)


@pytest.mark.parametrize("reference", [False, True])
def test_without_learning_only_the_error_travels(reference: bool) -> None:
    p, q = Problem(CASES[3], np.float32), Problem(CASES[3], np.float32)
    with reference_only() if reference else nullcontext():
        y = p.forward()[0]
        full, still = p.backward(y), q.backward(y, learn=False)
    assert still.dD is None
    assert still.dP is None
    assert np.array_equal(full.error, still.error)
    assert np.array_equal(full.S1, still.S1)


def test_the_number_of_threads_changes_no_bit() -> None:
    found = []
    try:
        for threads in (1, 2, 3):
            set_threads(threads)
            found.append(
                [a.tobytes() for case in CASES + LARGE for a in Problem(case, np.float32).everything()]
            )
    finally:
        set_threads(None)
    assert found[0] == found[1] == found[2]


def test_a_large_mean_leaves_the_variance_its_digits() -> None:
    N, R, C, H = 4, 2, 4, 12
    x = np.random.default_rng(0).standard_normal((N, 1, C, H, H)).astype(np.float32) + 1000
    D = np.zeros((R, C, 1, 3, 3), np.float32)
    D[..., 1, 1] = 1
    P = np.tile(np.eye(C, dtype=np.float32)[None, :, :, None, None], (R, 1, 1, 1, 1))
    y, mean, variance = half.forward(x, D, P, Geometry(3, 1, 1, 1, C))
    exact = y.astype(np.float64)
    assert variance == pytest.approx(exact.var((0, 3, 4)), rel=1e-5)
    assert mean == pytest.approx(exact.mean((0, 3, 4)), rel=1e-6)


def test_shapes_that_do_not_fit_are_refused() -> None:
    p = Problem(CASES[0], np.float32)
    y = p.forward()[0]
    with pytest.raises(ValueError, match="D is"):
        half.forward(p.x, p.D[:2], p.P, p.g)
    with pytest.raises(ValueError, match="y is"):
        p.backward(y[:, :, :, 1:])
    with pytest.raises(ValueError, match="must be"):
        half.forward(p.x, p.D, p.P, p.g, Norm(p.A, p.B, p.E[:1]))


ONE_PASS = """
import hashlib, numpy as np
from bionas_cupy.engine.kernels import half
from bionas_cupy.engine.kernels.conv import Geometry
random = np.random.default_rng(0)
x, D, P = (random.standard_normal(s).astype("f4") for s in ((8, 1, 4, 8, 8), (2, 4, 1, 3, 3), (2, 4, 4, 1, 1)))
print([hashlib.sha256(a.tobytes()).hexdigest() for a in half.forward(x, D, P, Geometry(3, 1, 1, 1, 4))])
"""


@pytest.mark.skipif(not has_numba(), reason="the CPU twin needs the extra cpu")
def test_the_process_that_compiles_computes_the_same_bits_as_those_that_find_the_code(tmp_path: Path) -> None:
    """What a function sums must not depend on whether its parts were compiled alone in this process."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    found = [
        subprocess.run(
            [sys.executable, "-c", ONE_PASS], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert any(tmp_path.iterdir())
    assert found[0] == found[1]
