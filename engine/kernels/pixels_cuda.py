"""The CUDA twin of pixels.py: a launch each."""

from ..cuda.arrays import contiguous, empty
from ..cuda.launch import kernels
from .arrays import Array, Size
from .pairs_cuda import strips
from .pixels import check


def apart(x: Array) -> tuple[Array, Array]:
    """As pixels.apart."""
    (N, R, C, H, W), planes = x.shape, x.shape[0] * x.shape[1] * x.shape[2]
    h, w = (H + 1) // 2, (W + 1) // 2
    even, odd = empty(x, (N, R, C, h, w)), empty(x, (N, R, C, h, w))
    kernels("pixels").apart(*strips(planes, h * w), even, odd, contiguous(x), planes, H, W)
    return even, odd


def together(even: Array, odd: Array, size: Size) -> Array:
    """As pixels.together."""
    check(even, odd, size)
    (N, R, C), (H, W) = even.shape[:3], size
    x = empty(even, (N, R, C, H, W))
    planes = N * R * C
    kernels("pixels").together(*strips(planes, H * W), x, contiguous(even), contiguous(odd), planes, H, W)
    return x
