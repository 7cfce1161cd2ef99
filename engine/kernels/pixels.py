"""Every other pixel of each image, as a factorized reduce takes them.

    even[i, j] = x[2i, 2j]        odd[i, j] = x[2i + 1, 2j + 1], 0 beyond x's last row and column

x (N, R, C, H, W); even, odd (N, R, C, ⌈H/2⌉, ⌈W/2⌉).

    even, odd = apart(x);  x's error = together(even's error, odd's error, (H, W))
"""

from .arrays import Array, Size, array_module, twins


@twins
def apart(x: Array) -> tuple[Array, Array]:
    """The even pixels and the odd ones."""
    xp, (H, W) = array_module(x), x.shape[3:]
    even: Array = xp.ascontiguousarray(x[..., 0::2, 0::2])
    odd: Array = xp.zeros(even.shape, x.dtype)
    odd[..., : H // 2, : W // 2] = x[..., 1::2, 1::2]
    return even, odd


@twins
def together(even: Array, odd: Array, size: Size) -> Array:
    """The transpose of `apart`: each where it came from, 0 elsewhere; (N, R, C, *size)."""
    check(even, odd, size)
    x: Array = array_module(even).zeros((*even.shape[:3], *size), even.dtype)
    x[..., 0::2, 0::2] = even
    x[..., 1::2, 1::2] = odd[..., : size[0] // 2, : size[1] // 2]
    return x


def check(even: Array, odd: Array, size: Size) -> None:
    """Raises ValueError where these are no halves of images of this size."""
    halves = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    if even.shape != odd.shape or even.shape[3:] != halves:
        raise ValueError(
            f"together: even {even.shape} and odd {odd.shape} of images {size}: expected {halves}."
        )
