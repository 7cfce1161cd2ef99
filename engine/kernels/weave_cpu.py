"""Back through a depthwise product of stride 2, all lanes at once, in LLVM's own words (see taps_cpu.py).

    e[2·i + u, 2·j + v] = Σ_r Σ_ab w[r, a, b] · δ[r, i + t(u, a), j + t(v, b)]

with t(u, a) = (u + p − d·a) / 2, for those a where it is whole, and p = d·(k − 1) / 2, the padding. A block is 4 rows
of 16 pixels of δ, whose 8 rows of 32 pixels of e stay in registers over all lanes and taps and are woven as they are
stored. δ (R, floats) is on padded planes, pixel (0, 0) at row and column p // 2; e is flat, 2·columns to a row; each
of its pixels is written. Where d = 2 the taps reach even rows and columns alone, and the others are zero. An image of
8 × 8 is one block, its rows in pairs."""

from collections.abc import Callable
from itertools import product
from typing import Any

from .arrays import Array
from .images_cpu import Maps
from .jit import in_order
from .taps_cpu import EIGHT, NOTHING, ROWS, Pairs, Pixels, Wide, unchecked
from .tiles_cpu import WIDTH, Sums, View, loop, number, shuffle, splat

LOW = [n // 2 + n % 2 * WIDTH for n in range(WIDTH)]  # the first halves of two vectors, woven
HIGH = [n + EIGHT for n in LOW]


def _reached(k: int, d: int) -> list[tuple[int, int, int]]:
    """(u, a, t) of the taps that reach row 2·i + u; t counted from where the plane is padded."""
    p = d * (k - 1) // 2
    shifts = [(u, a, u + p - d * a) for u in range(2) for a in range(k)]
    return [(u, a, t // 2 + p // 2) for u, a, t in shifts if t % 2 == 0]


def _weave(k: int, d: int, kind: type[Pixels]) -> Callable[..., None]:
    """(w (R, k, k), δ, e, 0, 0, 0, down, 1, wide, rows or xs, columns or ys); wide: a row of e"""
    taps, phases = _reached(k, d), 2 // d
    span = max(t for _, _, t in taps) + 1

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        w, x, y = (View(context, b, signature.args[n], args[n]) for n in range(3))
        pixels = kind(b, args[6:])
        with pixels.blocks() as (source, target):
            sums = Sums(b, ROWS * phases**2)
            with loop(b, x.shape[0]) as r:
                weights = [
                    [splat(b, b.load(w.at(r, number(p), number(q)))) for q in range(k)] for p in range(k)
                ]
                for row, column in product(range(ROWS + span - 1), range(span)):
                    line = b.add(source, b.mul(number(row), pixels.down))
                    vector = pixels.read(x, r, b.add(line, number(column)))
                    for (u, p, down), (v, q, right) in product(taps, taps):
                        if right == column and 0 <= row - down < ROWS:
                            sums.add(((row - down) * phases + u) * phases + v, weights[p][q], vector)
            found = sums.values()
            apart = number(WIDTH) if kind is Wide else b.mul(number(2 * ROWS), pixels.wide)
            for row, u in product(range(ROWS), range(2)):
                first = (row * phases + u) * phases
                even, odd = (found[first + v] if max(u, v) < phases else NOTHING for v in range(2))
                place = b.add(b.mul(number(2), target), b.mul(number(2 * row + u), pixels.wide))
                for lanes, where in ((LOW, place), (HIGH, b.add(place, apart))):
                    b.store(shuffle(b, even, odd, lanes), y.at(where, as_type=NOTHING.type), align=4)
        return context.get_dummy_value()

    return unchecked(code)


weave3, weave3_pairs = _weave(3, 1, Wide), _weave(3, 1, Pairs)
weave5, weave5_pairs = _weave(5, 1, Wide), _weave(5, 1, Pairs)
weave3_even, weave3_even_pairs = _weave(3, 2, Wide), _weave(3, 2, Pairs)
weave5_even, weave5_even_pairs = _weave(5, 2, Wide), _weave(5, 2, Pairs)


@in_order
def weave(w: Array, x: Array, e: Array, maps: Maps) -> None:
    """As above, for one channel: w (R, k, k), x (R, floats), e (2·H · 2·W,), H × W the size of δ."""
    H, W, pitch, k, every = maps.H, maps.W, maps.y.pitch, w.shape[1], maps.x.phases == 2
    if H == EIGHT and W == EIGHT:
        xs = ROWS * pitch
        if every and k == 3:
            weave3_pairs(w, x, e, 0, 0, 0, pitch, 1, 2 * W, xs, 0)
        elif every:
            weave5_pairs(w, x, e, 0, 0, 0, pitch, 1, 2 * W, xs, 0)
        elif k == 3:
            weave3_even_pairs(w, x, e, 0, 0, 0, pitch, 1, 2 * W, xs, 0)
        else:
            weave5_even_pairs(w, x, e, 0, 0, 0, pitch, 1, 2 * W, xs, 0)
    elif every and k == 3:
        weave3(w, x, e, 0, 0, 0, pitch, 1, 2 * W, H, W)
    elif every:
        weave5(w, x, e, 0, 0, 0, pitch, 1, 2 * W, H, W)
    elif k == 3:
        weave3_even(w, x, e, 0, 0, 0, pitch, 1, 2 * W, H, W)
    else:
        weave5_even(w, x, e, 0, 0, 0, pitch, 1, 2 * W, H, W)


@in_order
def crop(e: Array, maps: Maps, image: Array) -> None:
    """The pixels of an image (H·W,) that an output of this size has one row or column less of than e."""
    H, W = maps.x.H, maps.x.W
    for i in range(H):
        for j in range(W):
            image[i * W + j] = e[2 * i * maps.W + j]
