"""The CUDA twin of batchnorm.py: one launch each. What changes in place has to be contiguous."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import THREADS, blocks, kernels
from .arrays import Array
from .batchnorm import Pair


def forward(
    mean: Array, variance: Array, learned: Pair | None = None, followed: Pair | None = None, count: int = 0
) -> tuple[Array, Array, Array]:
    """As batchnorm.forward."""
    _same(mean, variance, *(learned or ()), *(followed or ()))
    mean, variance = contiguous(mean), contiguous(variance)
    a, b, rstd = (empty(mean, mean.shape) for _ in range(3))
    gamma, beta = learned or Pair(mean, mean)
    kernels("batchnorm").forward(
        blocks(mean.size), THREADS, a, b, rstd, *(followed or (rstd, rstd)), mean, variance, contiguous(gamma),
        contiguous(beta), learned is not None, followed is not None, count / max(count - 1, 1), mean.size,
    )  # fmt: skip
    return a, b, rstd


def weigh(mean: Array, variance: Array, q: Array, t: Array) -> tuple[Array, Array]:
    """As batchnorm.weigh."""
    _same(mean, variance)
    R, C = mean.shape
    if q.shape != (R,) or t.shape != (C,):
        raise ValueError(f"weigh: the mean is {mean.shape}, q {q.shape} and t {t.shape}.")
    a, rstd = empty(mean, mean.shape), empty(mean, mean.shape)
    q, mean, variance = contiguous(q), contiguous(mean), contiguous(variance)
    kernels("batchnorm").weigh(blocks(C, 32), 32, a, rstd, t, mean, variance, q, R, C)
    return a, rstd


def backward(
    mean: Array,
    rstd: Array,
    S0: Array,
    S1: Array,
    scale: Array | None,
    count: int,
    gradients: Pair | None = None,
    dq: Array | None = None,
) -> tuple[Array, Array, Array]:
    """As batchnorm.backward."""
    _same(mean, rstd, S0, S1, *(gradients or ()))
    R, C = mean.shape
    if (scale is not None and scale.shape not in ((R, C), (R, 1))) or (dq is not None and dq.shape != (R,)):
        raise ValueError(f"batchnorm: the mean is {mean.shape}; the scale or dq does not fit it.")
    mean, rstd, S0, S1 = (contiguous(v) for v in (mean, rstd, S0, S1))
    A, B, E = (empty(mean, mean.shape) for _ in range(3))
    lanes_only = scale is not None and scale.shape[1] < C
    factor, added, told = (
        mean if scale is None else contiguous(scale),
        gradients or (A, A),
        A if dq is None else dq,
    )
    flags = (scale is not None, lanes_only, gradients is not None, dq is not None)
    kernels("batchnorm").backward(
        R, 128, A, B, E, *added, told, mean, rstd, S0, S1, factor, *flags, float(count), C
    )  # fmt: skip
    return A, B, E


def _same(mean: Array, *others: Array) -> None:
    for other in others:
        if other.shape != mean.shape:
            raise ValueError(f"batchnorm: the mean is {mean.shape}, got {other.shape} beside it.")
