"""Tiles of matrix products whose sums stay in registers, in LLVM's own words: no loop of Numba keeps them there.

    product   y[o + r, i]       += Σ_t Σ_c W[t, o + r, c] · x[c, i + taps[t]]      r < 4, for whole vectors of i;
                                   = where `fresh`
    shifted   y[i]              = Σ_ab w[a, b] · x[i + down[a] + right[b]]      for whole vectors of i
    fetch     ask for the lines of x[i] before they are needed
    stream    y[i]  = x[i], whole vectors past the caches; y begins on a cache line
    dots      G[o + r, c + s]   += Σ_n Σ_i d[n, o + r, i] · x[n, c + s, i + place]     r, s < 4

A vector is 16 floats; LLVM cuts it into what the machine has (one register of AVX-512, two of AVX2, four of NEON).
Arrays may have any strides but that of the last axis. Indices are not checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

binding, ir, cgutils, types = (  # untyped
    import_module(name)
    for name in ("llvmlite.binding", "llvmlite.ir", "numba.core.cgutils", "numba.core.types")
)
intrinsic: Callable[[Callable[..., Any]], Callable[..., None]] = import_module("numba.extending").intrinsic

ROWS = 4
WIDTH = 16  # floats of a vector
LINE = 64  # bytes of a cache line
TO_READ, SECOND, DATA = (
    0,
    2,
    1,
)  # what a prefetched line is for, the cache it should come to, that it holds no code
# vectors of a tile: 4 x 4 sums and what they read need 24 wide registers
VECTORS = 4 if binding.get_host_cpu_features().get("avx512f") else 1

INT, BYTE = ir.IntType(64), ir.IntType(8)
FLOAT, VECTOR = ir.FloatType(), ir.VectorType(ir.FloatType(), WIDTH)
ZERO = ir.Constant(VECTOR, [0.0] * WIDTH)


class View:
    """An argument of an intrinsic that is an array: its shape, and where its items are."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.builder, self.item = builder, array.data.type.pointee
        self.start = builder.bitcast(array.data, BYTE.as_pointer())
        self.shape = cgutils.unpack_tuple(builder, array.shape)
        strides = cgutils.unpack_tuple(builder, array.strides)
        self.strides = [*strides[:-1], ir.Constant(INT, context.get_abi_sizeof(self.item))]

    def at(self, *index: Any, as_type: Any = None) -> Any:
        """A pointer to the item of this index, of the array's type or another."""
        b, place = self.builder, ir.Constant(INT, 0)
        for i, stride in zip(index, self.strides, strict=True):
            place = b.add(place, b.mul(i, stride))
        return b.bitcast(b.gep(self.start, [place]), (as_type or self.item).as_pointer())

    def vector(self, *index: Any) -> Any:
        """The vector that begins at this index."""
        return self.builder.load(self.at(*index, as_type=VECTOR), align=4)


class Sums:
    """`count` vectors that start at zero and stay in registers."""

    def __init__(self, builder: Any, count: int) -> None:
        self.builder = builder
        self.slots = [cgutils.alloca_once(builder, VECTOR) for _ in range(count)]
        for slot in self.slots:
            builder.store(ZERO, slot)
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        self.fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{WIDTH}f32")

    def add(self, index: int, a: Any, b: Any) -> None:
        """Add a · b to one of them."""
        slot = self.slots[index]
        self.builder.store(self.builder.call(self.fma, [a, b, self.builder.load(slot)]), slot)

    def values(self) -> list[Any]:
        return [self.builder.load(slot) for slot in self.slots]


def number(value: int) -> Any:
    return ir.Constant(INT, value)


def splat(builder: Any, scalar: Any) -> Any:
    """A vector of sixteen equal floats."""
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return shuffle(builder, one, one, [0] * WIDTH)


def shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    """The lanes of a (0 … 15) and of b (16 … 31) that are named."""
    kind = ir.VectorType(ir.IntType(32), len(lanes))
    return builder.shuffle_vector(a, b, ir.Constant(kind, lanes))


@contextmanager
def loop(builder: Any, count: Any, step: int = 1) -> Iterator[Any]:
    """for i in range(0, count, step)"""
    with cgutils.for_range_slice(builder, number(0), count, number(step), intp=INT) as (i, _):
        yield i


def _product(vectors: int) -> Callable[..., None]:
    @intrinsic
    def tile(_: Any, W: Any, o: Any, x: Any, taps: Any, first: Any, y: Any, start: Any, fresh: Any) -> Any:
        def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
            views = [View(context, b, signature.args[k], args[k]) for k in (0, 2, 3, 5)]
            (W, x, taps, y), (o, first, start) = views, (args[k] for k in (1, 4, 6))
            forget = b.icmp_signed("!=", args[7], number(0))
            rows, sums = [b.add(o, number(r)) for r in range(ROWS)], Sums(b, ROWS * vectors)
            with loop(b, taps.shape[0]) as t:
                place = b.add(first, b.load(taps.at(t)))
                with loop(b, x.shape[0]) as c:
                    columns = [x.vector(c, b.add(place, number(WIDTH * v))) for v in range(vectors)]
                    for r in range(ROWS):
                        weight = splat(b, b.load(W.at(t, rows[r], c)))
                        for v in range(vectors):
                            sums.add(r * vectors + v, weight, columns[v])
            values = sums.values()
            to = [
                y.at(row, b.add(start, number(WIDTH * v)), as_type=VECTOR)
                for row in rows
                for v in range(vectors)
            ]
            with b.if_else(forget) as (new, more):  # what is new is not waited for: y may be far away
                with new:
                    for total, place in zip(values, to, strict=True):
                        b.store(total, place, align=4)
                with more:
                    for total, place in zip(values, to, strict=True):
                        b.store(b.fadd(b.load(place, align=4), total), place, align=4)
            return context.get_dummy_value()

        n = types.int64
        return types.void(W, n, x, taps, n, y, n, n), code

    return tile


product, product_narrow = _product(VECTORS), _product(1)


def _shifted(vectors: int) -> Callable[..., None]:
    @intrinsic
    def tile(_: Any, w: Any, x: Any, down: Any, right: Any, first: Any, y: Any) -> Any:
        def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
            w, x, down, right, y = (View(context, b, signature.args[k], args[k]) for k in (0, 1, 2, 3, 5))
            places, sums = [b.add(args[4], number(WIDTH * v)) for v in range(vectors)], Sums(b, vectors)
            with loop(b, down.shape[0]) as p, loop(b, right.shape[0]) as q:
                weight = splat(b, b.load(w.at(p, q)))
                shift = b.add(b.load(down.at(p)), b.load(right.at(q)))
                for v, place in enumerate(places):
                    sums.add(v, weight, x.vector(b.add(place, shift)))
            for place, total in zip(places, sums.values(), strict=True):
                b.store(total, y.at(place, as_type=VECTOR), align=4)
            return context.get_dummy_value()

        return types.void(w, x, down, right, types.int64, y), code

    return tile


shifted, shifted_narrow = _shifted(VECTORS), _shifted(1)


@intrinsic
def fetch(_: Any, x: Any) -> Any:
    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        x, word = View(context, b, signature.args[0], args[0]), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), word, word, word])
        prefetch = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0i8")
        hints = [ir.Constant(word, hint) for hint in (TO_READ, SECOND, DATA)]
        with loop(b, x.shape[0], WIDTH) as i:
            b.call(prefetch, [x.at(i, as_type=BYTE), *hints])
        return context.get_dummy_value()

    return types.void(x), code


@intrinsic
def stream(_: Any, x: Any, y: Any) -> Any:
    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        x, y = (View(context, b, signature.args[n], args[n]) for n in (0, 1))
        past_caches = b.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        with loop(b, y.shape[0], WIDTH) as i:
            store = b.store(x.vector(i), y.at(i, as_type=VECTOR), align=LINE)
            store.set_metadata("nontemporal", past_caches)
        return context.get_dummy_value()

    return types.void(x, y), code


@intrinsic
def dots(_: Any, d: Any, o: Any, start: Any, x: Any, c: Any, place: Any, count: Any, sums: Any) -> Any:
    """As above for i in [start, start + count), a multiple of 16; place is that of `start`. sums in float64."""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        d, x, G = (View(context, b, signature.args[k], args[k]) for k in (0, 3, 7))
        o, start, c, place, count = (args[k] for k in (1, 2, 4, 5, 6))
        total = Sums(b, ROWS * ROWS)
        with loop(b, d.shape[0]) as n, loop(b, count, WIDTH) as i:
            left = [d.vector(n, b.add(o, number(r)), b.add(start, i)) for r in range(ROWS)]
            right = [x.vector(n, b.add(c, number(s)), b.add(place, i)) for s in range(ROWS)]
            for k in range(ROWS * ROWS):
                total.add(k, left[k // ROWS], right[k % ROWS])
        all_sums = _sums(b, total.values())
        wide = ir.VectorType(ir.DoubleType(), ROWS)
        for r in range(ROWS):
            row = shuffle(b, all_sums, all_sums, [r * ROWS + s for s in range(ROWS)])
            to = G.at(b.add(o, number(r)), c, as_type=wide)
            b.store(b.fadd(b.load(to, align=8), b.fpext(row, wide)), to, align=8)
        return context.get_dummy_value()

    n = types.int64
    return types.void(d, n, n, x, n, n, n, sums), code


def _sums(b: Any, vectors: list[Any]) -> Any:
    """One vector that holds the sum of each of sixteen: pairs are added half by half, four times."""
    length = WIDTH  # lanes that still belong to one sum
    while len(vectors) > 1:
        half, merged = length // 2, []
        low = [lane for lane in range(2 * WIDTH) if lane % length < half]
        for p, q in zip(vectors[::2], vectors[1::2], strict=True):
            high = [lane + half for lane in low]
            merged.append(b.fadd(shuffle(b, p, q, low), shuffle(b, p, q, high)))
        vectors, length = merged, half
    return vectors[0]
