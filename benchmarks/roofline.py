"""What the machine allows: a step can be no faster than its arithmetic and its traffic.

    roofline = max(flops / peak, bytes / bandwidth)      (Williams, Waterman & Patterson 2009)

peak and bandwidth are measured at the start, each as the best of several ways (a higher limit is the stricter
one); flops and bytes are declared by the row: what the mathematics asks for, each array moved once (work.py).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from ..engine.kernels.arrays import has_numba
from .work import Work

SIDE = 1024  # of the matrices whose product is timed
LARGE = 1 << 25  # floats an array, 128 MiB: far more than the caches hold
NUMBERS, TIMES = 4096, 2000  # of the compiled loop: they stay in the first cache
REPEATS = 5


class Limits(NamedTuple):
    """flops: float32 operations a second (a fused multiply-add is two); bandwidth: bytes a second."""

    flops: float
    bandwidth: float

    def milliseconds(self, work: Work) -> float:
        return 1e3 * max(work.flops / self.flops, work.bytes / self.bandwidth)


@lru_cache
def limits(threads: int) -> Limits:
    """Of this machine with so many threads."""
    from ..engine.kernels.threads import one_blas_thread

    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        return Limits(peak(pool, threads), bandwidth(pool, threads))


def peak(pool: ThreadPoolExecutor, threads: int) -> float:
    """The faster of a matrix product a thread by NumPy's BLAS, and of a compiled loop of multiply-adds (Numba)."""
    a = np.ones((SIDE, SIDE), np.float32)
    products = [partial(np.matmul, a, a, out=np.empty_like(a)) for _ in range(threads)]
    found = threads * 2.0 * SIDE**3 / fastest(pool, products)
    if has_numba():
        from .fma_cpu import FLOPS, polynomials

        loops = [partial(polynomials, np.full(NUMBERS, 0.5, np.float32), TIMES) for _ in range(threads)]
        found = max(found, threads * FLOPS * NUMBERS * TIMES / fastest(pool, loops))
    return found


def bandwidth(pool: ThreadPoolExecutor, threads: int) -> float:
    """The faster of reading one array (its dot product with itself) and of copying one to another."""
    a, b = np.ones(LARGE, np.float32), np.zeros(LARGE, np.float32)
    parts = list(zip(np.array_split(a, threads), np.array_split(b, threads), strict=True))
    reading = a.nbytes / fastest(pool, [partial(np.dot, p, p) for p, _ in parts])
    copying = 2 * a.nbytes / fastest(pool, [partial(np.copyto, q, p) for p, q in parts])
    return max(reading, copying)


def fastest(pool: ThreadPoolExecutor, work: Sequence[Callable[[], object]]) -> float:
    """Seconds that all threads take together, the best of a few times."""
    times = []
    for _ in range(REPEATS + 1):  # the first one warms up
        began = time.perf_counter()
        for future in [pool.submit(each) for each in work]:
            future.result()
        times.append(time.perf_counter() - began)
    return min(times[1:])
