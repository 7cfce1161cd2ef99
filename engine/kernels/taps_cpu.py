"""Depthwise products of a k × k kernel with whole vectors of pixels, in LLVM's own words (see tiles_cpu.py).

A block is 4 output rows of 16 pixels, or of 8 pixels at two places. Each input vector is loaded once for all the
rows that it reaches, so that k·(4 + k − 1) loads serve 4·k·k products:

    correlate   y[i, j]    = Σ_ab w[a, b] · x[i + a, j + b]          rows and columns in steps of the dilation
    associate   G[a, b]   += Σ_ij δ[i, j] · x[i + a, j + b]          lane by lane; the lanes of G are still to be added

x is a flat padded plane: the block's first tap lies at `at`, the next row `down` from it, the next column `right`.
y and δ are flat without padding: the block begins at `to`, and has `count` ≤ 16 pixels in rows `wide` apart; or 8 at
`to` and 8 at `to + ys`, which read x from `at` and `at + xs`. Indices are not checked."""

from collections.abc import Callable
from typing import Any

from .tiles_cpu import WIDTH, Sums, View, cgutils, intrinsic, ir, loop, number, shuffle, splat, types

ROWS = 4
EIGHT = 8
WORD, FLOAT = ir.IntType(32), ir.FloatType()
VECTOR, HALF = ir.VectorType(FLOAT, WIDTH), ir.VectorType(FLOAT, EIGHT)
MASK = ir.VectorType(ir.IntType(1), WIDTH)
LANES = ir.Constant(ir.VectorType(WORD, WIDTH), list(range(WIDTH)))


class Whole:
    """Sixteen pixels side by side, of which `count` belong to the image."""

    def __init__(self, b: Any, count: Any) -> None:
        self.b = b
        few = b.insert_element(
            ir.Constant(LANES.type, ir.Undefined), b.trunc(count, WORD), ir.Constant(WORD, 0)
        )
        everywhere = b.shuffle_vector(few, few, ir.Constant(LANES.type, [0] * WIDTH))
        self.lanes = b.icmp_signed("<", LANES, everywhere)

    def read(self, x: View, place: Any) -> Any:
        """Of a padded plane; what lies beyond the image may be anything."""
        return x.vector(place)

    def load(self, x: View, place: Any) -> Any:
        """Of an array without padding: zeros beyond the image, where nothing is read."""
        pointer = x.at(place, as_type=VECTOR)
        kind = ir.FunctionType(VECTOR, [pointer.type, WORD, MASK, VECTOR])
        call = cgutils.get_or_insert_function(self.b.module, kind, "llvm.masked.load.v16f32.p0v16f32")
        return self.b.call(
            call, [pointer, ir.Constant(WORD, 4), self.lanes, ir.Constant(VECTOR, [0.0] * WIDTH)]
        )

    def store(self, vector: Any, y: View, place: Any) -> None:
        pointer = y.at(place, as_type=VECTOR)
        kind = ir.FunctionType(ir.VoidType(), [VECTOR, pointer.type, WORD, MASK])
        call = cgutils.get_or_insert_function(self.b.module, kind, "llvm.masked.store.v16f32.p0v16f32")
        self.b.call(call, [vector, pointer, ir.Constant(WORD, 4), self.lanes])


class Pair:
    """Eight pixels at one place and eight at another, `xs` further in the plane and `ys` in what has no padding."""

    def __init__(self, b: Any, xs: Any, ys: Any) -> None:
        self.b, self.xs, self.ys = b, xs, ys

    def read(self, x: View, place: Any) -> Any:
        return self._join(x, place, self.xs)

    def load(self, x: View, place: Any) -> Any:
        return self._join(x, place, self.ys)

    def store(self, vector: Any, y: View, place: Any) -> None:
        for lanes, where in ((range(EIGHT), place), (range(EIGHT, WIDTH), self.b.add(place, self.ys))):
            half = shuffle(self.b, vector, vector, list(lanes))
            self.b.store(half, y.at(where, as_type=HALF), align=4)

    def _join(self, x: View, place: Any, step: Any) -> Any:
        one, two = (
            self.b.load(x.at(where, as_type=HALF), align=4) for where in (place, self.b.add(place, step))
        )
        return shuffle(self.b, one, two, list(range(WIDTH)))


def _pixels(b: Any, pair: bool, given: tuple[Any, ...]) -> Whole | Pair:
    return Pair(b, *given) if pair else Whole(b, given[0])


def _correlate(k: int, rows: int, pair: bool = False) -> Callable[..., None]:
    """(w, x, at, down, right, y, to, wide, count or xs, ys): one block."""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        w, x, y = (View(context, b, signature.args[n], args[n]) for n in (0, 1, 5))
        (at, down, right), (to, wide), pixels = args[2:5], args[6:8], _pixels(b, pair, args[8:])
        sums = Sums(b, rows)
        weights = [[splat(b, b.load(w.at(number(p), number(q)))) for q in range(k)] for p in range(k)]
        for row in range(rows + k - 1):
            line = b.add(at, b.mul(number(row), down))
            for q in range(k):
                vector = pixels.read(x, b.add(line, b.mul(number(q), right)))
                for r in range(max(0, row - k + 1), min(rows, row + 1)):
                    sums.add(r, weights[row - r][q], vector)
        for r, total in enumerate(sums.values()):
            pixels.store(total, y, b.add(to, b.mul(number(r), wide)))
        return context.get_dummy_value()

    return _intrinsic(code, arrays=(0, 1, 5), count=10 if pair else 9)


def _associate(k: int, rows: int, pair: bool = False) -> Callable[..., None]:
    """(G (k·k, 16), x, at, down, right, δ, to, wide, blocks, count or xs, ys): blocks that follow down the image."""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        G, x, d = (View(context, b, signature.args[n], args[n]) for n in (0, 1, 5))
        (at, down, right), (to, wide, blocks) = args[2:5], args[6:9]
        pixels, sums = _pixels(b, pair, args[9:]), Sums(b, k * k)
        with loop(b, blocks) as i:
            first = b.mul(i, number(rows))
            start, top = b.add(to, b.mul(first, wide)), b.add(at, b.mul(first, down))
            deltas = [pixels.load(d, b.add(start, b.mul(number(r), wide))) for r in range(rows)]
            for row in range(rows + k - 1):
                line = b.add(top, b.mul(number(row), down))
                for q in range(k):
                    vector = pixels.read(x, b.add(line, b.mul(number(q), right)))
                    for r in range(max(0, row - k + 1), min(rows, row + 1)):
                        sums.add((row - r) * k + q, deltas[r], vector)
        for n, total in enumerate(sums.values()):
            place = G.at(number(n), number(0), as_type=VECTOR)
            b.store(b.fadd(b.load(place, align=4), total), place, align=4)
        return context.get_dummy_value()

    return _intrinsic(code, arrays=(0, 1, 5), count=11 if pair else 10)


def _intrinsic(code: Callable[..., Any], arrays: tuple[int, ...], count: int) -> Callable[..., None]:
    """A function of `count` arguments: arrays where named, else integers."""

    def signed(args: tuple[Any, ...]) -> Any:
        return types.void(*(kind if n in arrays else types.int64 for n, kind in enumerate(args))), code

    if count == 9:
        return intrinsic(lambda _, a, b, c, d, e, f, g, h, i: signed((a, b, c, d, e, f, g, h, i)))
    if count == 10:
        return intrinsic(lambda _, a, b, c, d, e, f, g, h, i, j: signed((a, b, c, d, e, f, g, h, i, j)))
    return intrinsic(lambda _, a, b, c, d, e, f, g, h, i, j, k: signed((a, b, c, d, e, f, g, h, i, j, k)))


correlate3, correlate3_row, correlate3_pair = _correlate(3, ROWS), _correlate(3, 1), _correlate(3, ROWS, True)
correlate5, correlate5_row, correlate5_pair = _correlate(5, ROWS), _correlate(5, 1), _correlate(5, ROWS, True)
associate3, associate3_row, associate3_pair = _associate(3, ROWS), _associate(3, 1), _associate(3, ROWS, True)
associate5, associate5_row, associate5_pair = _associate(5, ROWS), _associate(5, 1), _associate(5, ROWS, True)
