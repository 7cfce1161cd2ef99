"""Optimisers against the papers' equations by hand, schedules at known points, the loss and its gradient."""

import math

import numpy as np
import pytest
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.loss import correct, cross_entropy
from bionas_cupy.engine.optim import SGD, Adam, clip_norm
from bionas_cupy.engine.parameter import Arena, Parameter, constant, fans, norm, xavier_std
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.schedule import SCHEDULES, learning_rate

RNG = np.random.default_rng(0)


def steps(optimiser: SGD | Adam, grads: list[float], lr: float) -> list[float]:
    """The value after each step."""
    found = []
    for g in grads:
        optimiser.step(np.array([float(g)]), lr)
        found.append(float(optimiser.value[0]))
    return found


# SGD


def test_plain_descent() -> None:
    assert steps(SGD(np.array([1.0]), momentum=0.0), [0.5, -1.0], 0.1) == pytest.approx([0.95, 1.05])


def test_momentum() -> None:
    """m = 2, then 0.5·2 + 4 = 5, then 0.5·5 + 0 = 2.5."""
    assert steps(SGD(np.array([1.0]), 0.5), [2, 4, 0], 0.1) == pytest.approx([0.8, 0.3, 0.05])


def test_nesterov() -> None:
    """The steps are g + μm: 2 + 1, 4 + 2.5, 0 + 1.25."""
    assert steps(SGD(np.array([1.0]), 0.5, nesterov=True), [2, 4, 0], 0.1) == pytest.approx(
        [0.7, 0.05, -0.075]
    )


def test_decay_enters_the_momentum() -> None:
    """g + wd·w: 2 + 0.1·10 = 3, w = 7; 0 + 0.1·7 = 0.7, m = 1.5 + 0.7 = 2.2, w = 4.8."""
    assert steps(SGD(np.array([10.0]), 0.5, weight_decay=0.1), [2, 0], 1.0) == pytest.approx([7.0, 4.8])


def test_geometric_decay_without_a_gradient() -> None:
    value = np.array([1.0, -2.0])
    optimiser = SGD(value, momentum=0.0, weight_decay=0.2)
    for _ in range(5):
        optimiser.step(np.zeros(2), 0.5)
    assert value == pytest.approx(np.array([1.0, -2.0]) * 0.9**5)
    assert optimiser.value is value  # in place: the arena's views follow


def test_constant_gradient_with_momentum_has_a_closed_form() -> None:
    mu, lr, n = 0.9, 0.01, 30
    found = steps(SGD(np.array([0.0]), mu), [1.0] * n, lr)[-1]
    moved = sum((1 - mu**k) / (1 - mu) for k in range(1, n + 1))
    assert found == pytest.approx(-lr * moved)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_by_a_naive_loop(nesterov: bool) -> None:
    value = RNG.standard_normal(5)
    w, m = list(value), [0.0] * 5
    optimiser = SGD(value, 0.9, 3e-4, nesterov)
    for _ in range(6):
        grad = RNG.standard_normal(5)
        for i, g in enumerate(grad):
            g += 3e-4 * w[i]
            m[i] = 0.9 * m[i] + g
            w[i] -= 0.05 * (g + 0.9 * m[i] if nesterov else m[i])
        optimiser.step(grad, 0.05)
        assert value == pytest.approx(w, rel=1e-12)


# Adam


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.999)])
@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_adam_by_the_papers_loop(betas: tuple[float, float], decay: float) -> None:
    """Algorithm 1 of Kingma & Ba, a weight at a time."""
    rng = np.random.default_rng(1)
    value = rng.standard_normal(4)
    w, m, v = value.copy(), np.zeros(4), np.zeros(4)
    optimiser = Adam(value, betas, decay)
    for t in range(1, 8):
        grad = rng.standard_normal(4)
        given = grad.copy()
        optimiser.step(grad, 3e-2)
        assert np.array_equal(grad, given)
        for i in range(4):
            g = given[i] + decay * w[i]
            m[i] = betas[0] * m[i] + (1 - betas[0]) * g
            v[i] = betas[1] * v[i] + (1 - betas[1]) * g * g
            m_hat, v_hat = m[i] / (1 - betas[0] ** t), v[i] / (1 - betas[1] ** t)
            w[i] -= 3e-2 * m_hat / (math.sqrt(v_hat) + 1e-8)
        assert value == pytest.approx(w, rel=1e-10)


def test_adams_first_step_is_the_rate() -> None:
    assert steps(Adam(np.array([1.0])), [1e-3], 0.1) == pytest.approx([0.9], rel=1e-4)
    assert steps(Adam(np.array([1.0])), [-500.0], 0.1) == pytest.approx([1.1], rel=1e-4)


@pytest.mark.parametrize("make", [lambda w: SGD(w, 0.9, 1e-3, True), lambda w: Adam(w, weight_decay=1e-3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_state_is_all_that_a_checkpoint_needs(make, dtype) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(2)
    start, grads = rng.standard_normal(6).astype(dtype), rng.standard_normal((6, 6)).astype(dtype)
    whole, first = make(start.copy()), make(start.copy())
    for g in grads:
        whole.step(g.copy(), 0.1)
    for g in grads[:3]:
        first.step(g.copy(), 0.1)
    resumed = make(first.value.copy())
    for name, array in first.state().items():
        resumed.state()[name][...] = np.array(array)
    for g in grads[3:]:
        resumed.step(g.copy(), 0.1)
    assert np.array_equal(resumed.value, whole.value)
    assert whole.value.dtype == dtype


# The norm, clipped


def test_clip_norm() -> None:
    grad = np.array([3.0, 4.0])
    assert clip_norm(grad, 10.0) == 5.0
    assert grad.tolist() == [3.0, 4.0]
    assert clip_norm(grad, 0.0) == 5.0  # 0: never
    assert grad.tolist() == [3.0, 4.0]
    assert clip_norm(grad, 1.0) == 5.0
    assert grad == pytest.approx([0.6, 0.8], rel=1e-6)
    assert norm(grad) <= 1.0
    assert clip_norm(np.zeros(3), 1.0) == 0.0


def test_norm_of_many_small_float32() -> None:
    x = np.full(2_000_000, 1e-3, np.float32)
    assert norm(x) == pytest.approx(float(np.float32(1e-3)) * 2e6**0.5, rel=1e-12)


# Schedules


@pytest.mark.parametrize(
    ("name", "t", "rate"),
    [
        ("constant", 0.0, 0.1),
        ("constant", 0.99, 0.1),
        ("cosine", 0.0, 0.1),
        ("cosine", 1 / 3, 0.001 + 0.099 * 0.75),
        ("cosine", 0.5, (0.1 + 0.001) / 2),
        ("cosine", 1.0, 0.001),
        ("linear", 0.0, 0.1),
        ("linear", 0.25, 0.07525),
        ("linear", 1.0, 0.001),
        ("multistep", 0.0, 0.1),
        ("multistep", 0.39, 0.1),
        ("multistep", 0.4, 0.01),
        ("multistep", 0.6, 0.001),
        ("multistep", 0.9, 0.0001),
    ],
)
def test_schedules_at_known_points(name: str, t: float, rate: float) -> None:
    assert learning_rate(name, t, start=0.1, end=0.001) == pytest.approx(rate)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warmup_rises_to_the_schedule(name: str) -> None:
    def at(t: float) -> float:
        return learning_rate(name, t, start=0.2, warmup=0.1)

    assert [at(t) for t in (0.0, 0.025, 0.05)] == pytest.approx([0.0, 0.05, 0.1])
    assert at(0.1) == pytest.approx(0.2)
    assert at(0.0999) == pytest.approx(at(0.1), rel=2e-3)


def test_after_the_warmup() -> None:
    """Cosine and line span what is left of the run; milestones are shares of the whole run."""
    assert learning_rate("cosine", 0.6, start=1.0, warmup=0.2) == pytest.approx(0.5)
    assert learning_rate("linear", 0.6, start=1.0, warmup=0.2) == pytest.approx(0.5)
    rates = [learning_rate("multistep", t, start=1.0, warmup=0.2) for t in (0.39, 0.41, 0.61, 0.81)]
    assert rates == pytest.approx([1.0, 0.1, 0.01, 0.001])


def test_milestones_and_gamma() -> None:
    assert learning_rate("multistep", 0.5, start=1.0, milestones=(0.5, 0.75), gamma=0.2) == pytest.approx(0.2)


def test_unknown_schedule() -> None:
    with pytest.raises(UsageError, match='Did you mean "cosine"'):
        learning_rate("cosin", 0.5, start=0.1)


# The loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_by_its_definition(smoothing: float) -> None:
    logits, labels = RNG.standard_normal((5, 4)), np.array([0, 3, 3, 1, 2])
    total = 0.0
    for z, label in zip(logits, labels, strict=True):
        log_p = [float(a - math.log(sum(math.exp(b) for b in z))) for a in z]
        q = [smoothing / 4 + (1 - smoothing) * (k == label) for k in range(4)]
        total -= sum(a * b for a, b in zip(q, log_p, strict=True))
    loss, error = cross_entropy(logits, labels, smoothing)
    assert float(loss) == pytest.approx(total / 5, rel=1e-12)
    h, seen = 1e-5, np.zeros_like(logits)
    for i in np.ndindex(logits.shape):
        unit = np.zeros_like(logits)
        unit[i] = h
        up, down = (cross_entropy(logits + s * unit, labels, smoothing)[0] for s in (1, -1))
        seen[i] = (up - down) / (2 * h)
    assert np.linalg.norm(error - seen) < 1e-8 * np.linalg.norm(error)


def test_cross_entropy_of_equal_logits() -> None:
    loss, error = cross_entropy(np.zeros((2, 4), np.float32), np.array([1, 2]))
    assert loss == pytest.approx(math.log(4))
    assert error == pytest.approx((0.25 - np.eye(4)[[1, 2]]) / 2)
    assert error.dtype == loss.dtype == np.float32


def test_cross_entropy_of_large_logits() -> None:
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], np.float32)
    loss, error = cross_entropy(logits, np.array([0, 0]))
    assert float(loss) == pytest.approx(1e4)
    assert np.allclose(error, [[0, 0, 0], [-0.5, 0.5, 0]])


def test_smoothing_is_a_minimum_at_the_smoothed_labels() -> None:
    q = np.full((1, 5), 0.02)
    q[0, 2] += 0.9
    loss, error = cross_entropy(np.log(q), np.array([2]), 0.1)
    assert abs(error).max() < 1e-15
    assert float(loss) == pytest.approx(float(-(q * np.log(q)).sum()))


def test_correct() -> None:
    assert correct(np.array([[1, 2, 0], [5, 4, 4], [0, 0, 1]]), np.array([1, 1, 2])) == 2


# The arena


def test_arena_is_one_array_of_views() -> None:
    shapes = [(2, 3), (4,), (1, 2, 2)]
    parameters = [Parameter(shape, constant(float(i))) for i, shape in enumerate(shapes)]
    arena = Arena(parameters, Key(0), np.float64)
    assert arena.value.tolist() == [0.0] * 6 + [1.0] * 4 + [2.0] * 4
    for p, shape in zip(parameters, shapes, strict=True):
        assert p.value.shape == p.grad.shape == shape
        assert np.shares_memory(p.value, arena.value)
    parameters[1].grad[...] = 2.0
    assert arena.norm() == 4.0
    arena.value[0] = 9.0
    assert parameters[0].value[0, 0] == 9.0


@pytest.mark.parametrize(
    ("shape", "groups", "fan"),
    [
        ((5, 7), 1, (7, 5)),
        ((6, 4, 3, 3), 1, (36, 54)),
        ((8, 1, 5, 5), 8, (25, 200)),
        ((6, 2, 3, 3), 2, (18, 54)),
    ],
)
def test_fans(shape: tuple[int, ...], groups: int, fan: tuple[int, int]) -> None:
    assert fans(shape) == fan
    assert xavier_std(shape, groups) == pytest.approx(math.sqrt(2 / (fan[0] + fan[1] / groups)))
