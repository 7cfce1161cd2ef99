"""Depthwise products of a k × k kernel with whole vectors of pixels, in LLVM's own words (see tiles_cpu.py).

    correlate   y[r, c, i, j]  = Σ_ab w[r, c, a, b] · x[c, s·i + d·a, s·j + d·b]
    associate   G[r, c, a, b] += Σ_ij δ[r, c, i, j] · x[c, s·i + d·a, s·j + d·b]      in vectors, to be added up later

A block is 4 rows of 16 pixels of y. Each vector of x is loaded once for all the rows that it reaches, so that
k·(4 + k − 1) loads serve 4·k·k products; the sums of G stay in registers from block to block.
Where rows or columns leave a rest, the last block lies over the one before: y gets the same numbers twice, and to G
a pixel counts once. An image of 8 × 8 is one block, its rows in pairs.

x is on padded planes, with stride s on s × s of them: pixel (s·i + u, s·j + v) is pixel (i, j) of plane (u, v). Rows
are `down` apart in a plane, columns `right`, planes `phase`; the first block's first tap lies at `at`. y and δ are
flat without padding, `rows` ≥ 4 rows of `columns` ≥ 16 pixels, the rows `wide` apart from `to` on. Indices are not
checked."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import product
from typing import Any

from .tiles_cpu import VECTOR, VECTORS, WIDTH, Sums, View, intrinsic, ir, loop, number, shuffle, splat, types

ROWS = 4
EIGHT = 8
SUMMED = 3  # tap rows of G at a time: the sums of all 25 taps would leave no register for what they need
HALF = ir.VectorType(ir.FloatType(), EIGHT)
LANES = ir.Constant(ir.VectorType(ir.IntType(64), WIDTH), list(range(WIDTH)))
NOTHING = ir.Constant(VECTOR, [0.0] * WIDTH)
Index = tuple[Any, ...]  # of a map: its lane, its channel


class Wide:
    """Blocks of four rows of sixteen pixels; at the edges they lie over those before."""

    def __init__(self, b: Any, given: tuple[Any, ...]) -> None:
        (self.down, self.right, self.wide), (self.rows, self.columns) = given[:3], given[3:]
        self.b = b

    @contextmanager
    def blocks(self) -> Iterator[tuple[Any, Any]]:
        """Where each begins, in x and in y."""
        b = self.b
        with loop(b, self.rows, ROWS) as i, loop(b, self.columns, WIDTH) as j:
            row, column = self._back(i, self.rows, ROWS), self._back(j, self.columns, WIDTH)
            self.known_rows, self.known_columns = b.sub(i, row), b.sub(j, column)
            yield b.add(b.mul(row, self.down), column), b.add(b.mul(row, self.wide), column)

    def _back(self, i: Any, count: Any, step: int) -> Any:
        last = self.b.sub(count, number(step))
        return self.b.select(self.b.icmp_signed("<", i, last), i, last)

    def read(self, x: View, c: Any, place: Any) -> Any:
        return x.vector(c, place)

    def store(self, vector: Any, y: View, which: Index, place: Any) -> None:
        self.b.store(vector, y.at(*which, place, as_type=VECTOR), align=4)

    def load(self, y: View, which: Index, places: list[Any]) -> list[Any]:
        """The rows of a block; zero where an earlier block had the pixel."""
        b = self.b
        known = b.icmp_signed(">", b.or_(self.known_rows, self.known_columns), number(0))
        with b.if_else(known) as (over_others, whole):
            with over_others:
                new = b.icmp_signed(">=", LANES, _everywhere(b, self.known_columns))
                some = []
                for row, place in enumerate(places):
                    new_row = b.icmp_signed(">=", number(row), self.known_rows)
                    some.append(b.select(new, b.select(new_row, y.vector(*which, place), NOTHING), NOTHING))
                over = b.block
            with whole:
                every = [y.vector(*which, place) for place in places]
                alone = b.block
        rows = [b.phi(VECTOR) for _ in places]
        for row, one, other in zip(rows, some, every, strict=True):
            row.add_incoming(one, over)
            row.add_incoming(other, alone)
        return rows


class Pairs:
    """One block of 8 × 8 pixels: row r beside row r + `apart`, both in one vector."""

    def __init__(self, b: Any, given: tuple[Any, ...]) -> None:
        (self.down, self.right, self.wide), (self.xs, self.ys) = given[:3], given[3:]
        self.b = b

    @contextmanager
    def blocks(self) -> Iterator[tuple[Any, Any]]:
        yield number(0), number(0)

    def read(self, x: View, c: Any, place: Any) -> Any:
        return self._join(x, (c,), place, self.xs)

    def store(self, vector: Any, y: View, which: Index, place: Any) -> None:
        for lanes, where in ((range(EIGHT), place), (range(EIGHT, WIDTH), self.b.add(place, self.ys))):
            half = shuffle(self.b, vector, vector, list(lanes))
            self.b.store(half, y.at(*which, where, as_type=HALF), align=4)

    def load(self, y: View, which: Index, places: list[Any]) -> list[Any]:
        return [self._join(y, which, place, self.ys) for place in places]

    def _join(self, x: View, which: Index, place: Any, step: Any) -> Any:
        one, two = (
            self.b.load(x.at(*which, where, as_type=HALF), align=4)
            for where in (place, self.b.add(place, step))
        )
        return shuffle(self.b, one, two, list(range(WIDTH)))


Pixels = Wide | Pairs


def _everywhere(b: Any, value: Any) -> Any:
    one = b.insert_element(ir.Constant(LANES.type, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return b.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _reach(
    pixels: Pixels, x: View, c: Any, start: Any, phase: Any, k: int, s: int, wanted: range
) -> Iterator[tuple[Any, list[tuple[int, int, int]]]]:
    """The vectors of x that a block needs for tap rows `wanted`, each once, with the (row, a, b) that it serves."""
    b = pixels.b
    for u in range(s):
        for v in range(s):
            taps, width = len(range(u, k, s)), len(range(v, k, s))
            plane = b.add(start, b.mul(number(u * s + v), phase))
            for row in range(ROWS + taps - 1):
                line = b.add(plane, b.mul(number(row), pixels.down))
                reached = range(max(0, row - taps + 1), min(ROWS, row + 1))
                served = [(r, a) for r in reached if (a := (row - r) * s + u) in wanted]
                for q in range(width if served else 0):
                    vector = pixels.read(x, c, b.add(line, b.mul(number(q), pixels.right)))
                    yield vector, [(r, a, q * s + v) for r, a in served]


def _correlate(k: int, s: int, kind: type[Pixels]) -> Callable[..., None]:
    """(w (R, C, k, k), x, y, at, to, phase, down, right, wide, rows or xs, columns or ys)"""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        w, x, y = (View(context, b, signature.args[n], args[n]) for n in range(3))
        (at, to, phase), pixels = args[3:6], kind(b, args[6:])
        taps = list(product(range(k), range(k)))

        def block(c: Any, lanes: list[Any], source: Any, target: Any) -> None:
            # a load at each use: kept in registers, the weights of k = 5 would drive out the sums
            weights = [{t: splat(b, b.load(w.at(r, c, *map(number, t)))) for t in taps} for r in lanes]
            sums = Sums(b, len(lanes) * ROWS)
            for vector, served in _reach(pixels, x, c, b.add(at, source), phase, k, s, range(k)):
                for (n, _), (row, *tap) in product(enumerate(lanes), served):
                    sums.add(n * ROWS + row, weights[n][tuple(tap)], vector)
            for n, total in enumerate(sums.values()):
                place = b.add(b.add(to, target), b.mul(number(n % ROWS), pixels.wide))
                pixels.store(total, y, (lanes[n // ROWS], c), place)

        for each in _maps(b, w.shape[0], w.shape[1], s, _together(k, s, kind)):
            with each as (c, some), pixels.blocks() as places:
                block(c, some, *places)
        return context.get_dummy_value()

    return unchecked(code)


def _associate(k: int, s: int, kind: type[Pixels]) -> Callable[..., None]:
    """(G (R, C, k·k, 16), x, δ, at, to, phase, down, right, wide, rows or xs, columns or ys)"""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        G, x, d = (View(context, b, signature.args[n], args[n]) for n in range(3))
        (at, to, phase), pixels = args[3:6], kind(b, args[6:])

        def tap_rows(c: Any, lanes: list[Any], wanted: range) -> None:
            count = len(wanted) * k
            sums = Sums(b, len(lanes) * count)
            with pixels.blocks() as (source, target):
                rows = [b.add(b.add(to, target), b.mul(number(row), pixels.wide)) for row in range(ROWS)]
                deltas = [pixels.load(d, (r, c), rows) for r in lanes]
                for vector, served in _reach(pixels, x, c, b.add(at, source), phase, k, s, wanted):
                    for (n, _), (row, p, q) in product(enumerate(lanes), served):
                        sums.add(n * count + (p - wanted.start) * k + q, deltas[n][row], vector)
            for n, total in enumerate(sums.values()):
                tap = number(wanted.start * k + n % count)
                place = G.at(lanes[n // count], c, tap, number(0), as_type=VECTOR)
                b.store(b.fadd(b.load(place, align=4), total), place, align=4)

        for each in _maps(b, G.shape[0], G.shape[1], s, _together(k, s, kind)):
            with each as (c, some):
                for wanted in filter(len, (range(SUMMED), range(SUMMED, k))):
                    tap_rows(c, some, wanted)
        return context.get_dummy_value()

    return unchecked(code)


def _together(k: int, s: int, kind: type[Pixels]) -> int:
    """Lanes for which a vector of x is loaded once: with two planes in each direction a 3 × 3 kernel has nearly as many
    loads as products."""
    return 2 if (k, s, kind) == (3, 2, Wide) and VECTORS > 1 else 1


def _maps(
    b: Any, R: Any, C: Any, s: int, step: int
) -> Iterator[AbstractContextManager[tuple[Any, list[Any]]]]:
    """Loops over channels and lanes, so many of these at a time; then over the lanes that are left."""
    whole = b.sub(R, b.srem(R, number(step)))
    yield _each(b, number(0), whole, step, C, s)
    if step > 1:
        yield _each(b, whole, R, 1, C, s)


@contextmanager
def _each(b: Any, first: Any, last: Any, step: int, C: Any, s: int) -> Iterator[tuple[Any, list[Any]]]:
    """A channel and some of its lanes; with stride 2 a channel's planes stay near while its lanes pass."""
    channels, lanes = loop(b, C), loop(b, b.sub(last, first), step)
    outer, inner = (channels, lanes) if s == 2 else (lanes, channels)
    with outer as i, inner as j:
        c, r = (i, j) if s == 2 else (j, i)
        yield c, [b.add(b.add(first, r), number(n)) for n in range(step)]


def unchecked(code: Callable[..., Any]) -> Callable[..., None]:
    """A function of three arrays and eight integers."""

    def typed(
        _: Any, w: Any, x: Any, y: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any
    ) -> Any:
        return types.void(w, x, y, *[types.int64] * 8), code

    return intrinsic(typed)


def _gather(s: int) -> Callable[..., None]:
    """(x, y, rows, count, down, wide): y[wide·r + i] = x[down·r + s·i], i in [0, count), a multiple of 8; s ≤ 2."""

    @intrinsic
    def rows_of(_: Any, x: Any, y: Any, rows: Any, count: Any, down: Any, wide: Any) -> Any:
        def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
            x, y = (View(context, b, signature.args[n], args[n]) for n in (0, 1))
            rows, count, down, wide = args[2:]
            with loop(b, rows) as r, loop(b, count, EIGHT) as i:
                first = b.add(b.mul(r, down), b.mul(i, number(s)))
                # with s = 2 sixteen floats, the last of which need not exist
                places = first, b.add(first, number((EIGHT - 1) * (s - 1)))
                low, high = (b.load(x.at(place, as_type=HALF), align=4) for place in places)
                found = shuffle(b, low, high, [n * s + (n * s >= EIGHT) for n in range(EIGHT)])
                b.store(found, y.at(b.add(b.mul(r, wide), i), as_type=HALF), align=4)
            return context.get_dummy_value()

        return types.void(x, y, *[types.int64] * 4), code

    return rows_of


@intrinsic
def gather_rectified(
    _: Any, x: Any, a: Any, d: Any, y: Any, rows: Any, count: Any, down: Any, wide: Any
) -> Any:
    """y[wide·r + i] = max(a · x[down·r + i] + d, 0), NaN where it is NaN; i as in `gather`."""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        x, y = (View(context, b, signature.args[n], args[n]) for n in (0, 3))
        (scale, shift), (rows, count, down, wide) = (splat(b, v) for v in args[1:3]), args[4:]
        scale, shift, zero = (shuffle(b, v, v, list(range(EIGHT))) for v in (scale, shift, NOTHING))
        with loop(b, rows) as r, loop(b, count, EIGHT) as i:
            value = b.load(x.at(b.add(b.mul(r, down), i), as_type=HALF), align=4)
            value = b.fadd(b.fmul(value, scale, flags=("contract",)), shift, flags=("contract",))
            value = b.select(b.fcmp_ordered("<", value, zero), zero, value)
            b.store(value, y.at(b.add(b.mul(r, wide), i), as_type=HALF), align=4)
        return context.get_dummy_value()

    n, f = types.int64, types.float32
    return types.void(x, f, f, y, n, n, n, n), code


@intrinsic
def interleave(_: Any, even: Any, odd: Any, y: Any, rows: Any, count: Any, wide: Any, down: Any) -> Any:
    """y[down·r + 2·i], y[down·r + 2·i + 1] = even[wide·r + i], odd[wide·r + i], i as in `gather`."""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        even, odd, y = (View(context, b, signature.args[n], args[n]) for n in range(3))
        rows, count, wide, down = args[3:]
        with loop(b, rows) as r, loop(b, count, EIGHT) as i:
            place = b.add(b.mul(r, wide), i)
            low, high = (b.load(x.at(place, as_type=HALF), align=4) for x in (even, odd))
            found = shuffle(b, low, high, [n // 2 + n % 2 * EIGHT for n in range(WIDTH)])
            b.store(found, y.at(b.add(b.mul(r, down), b.mul(i, number(2))), as_type=VECTOR), align=4)
        return context.get_dummy_value()

    return types.void(even, odd, y, *[types.int64] * 4), code


gather, gather_by2 = _gather(1), _gather(2)
correlate3, correlate3_pairs = _correlate(3, 1, Wide), _correlate(3, 1, Pairs)
correlate5, correlate5_pairs = _correlate(5, 1, Wide), _correlate(5, 1, Pairs)
correlate3_by2, correlate3_by2_pairs = _correlate(3, 2, Wide), _correlate(3, 2, Pairs)
correlate5_by2, correlate5_by2_pairs = _correlate(5, 2, Wide), _correlate(5, 2, Pairs)
associate3, associate3_pairs = _associate(3, 1, Wide), _associate(3, 1, Pairs)
associate5, associate5_pairs = _associate(5, 1, Wide), _associate(5, 1, Pairs)
associate3_by2, associate3_by2_pairs = _associate(3, 2, Wide), _associate(3, 2, Pairs)
associate5_by2, associate5_by2_pairs = _associate(5, 2, Wide), _associate(5, 2, Pairs)
