"""The transforms of winograd_cpu.py, in LLVM's own words (see tiles_cpu.py): rows of an image in, rows out.

    lift     V[u, c, place + q·pitch + j] = Σ_k Bᵀ[u, k] · x[(4q + k)·W + j]      six rows of x give six
    raise_   Δ[u, o, place + q·pitch + j] = Σ_i A[u, i] · δ[(4q + i)·W + j]       four rows of δ give six
    drop     y[(4q + i)·W + j] = Σ_u Aᵀ[i, u] · Y[u, o, place + q·pitch + j]      for rows below `height`

for q < blocks and j < W. Each matrix is a product of sparse ones, so that a row of six costs about two
multiply-adds. Vectors of eight floats, and single floats behind the last whole one. Indices are not checked."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import Array
from .tiles_cpu import FLOAT, INT, View, cgutils, intrinsic, ir, loop, number, types

ROWS = 4  # outputs of a block; six rows of the input reach them
EIGHT = 8
HALF = ir.VectorType(FLOAT, EIGHT)
Matrix = tuple[tuple[float, ...], ...]

P, Q = (
    0.75,
    1.5,
)  # with 0, -P, -Q and infinity the points of the interpolation: all constants are exact in binary
BOTH: Matrix = (  # sums and differences: what ±P, and what ±Q, have in common is computed once
    (1, 0, 0, 0, 0, 0), (0, 1, 1, 0, 0, 0), (0, 1, -1, 0, 0, 0), (0, 0, 0, 1, 1, 0), (0, 0, 0, 1, -1, 0),
    (0, 0, 0, 0, 0, 1),
)  # fmt: skip
PARTS: Matrix = (  # Π (x - points): even and odd powers apart
    (P * P * Q * Q, 0, -P * P - Q * Q, 0, 1, 0),
    (0, 0, -Q * Q, 0, 1, 0), (0, -P * Q * Q, 0, P, 0, 0),
    (0, 0, -P * P, 0, 1, 0), (0, -Q * P * P, 0, Q, 0, 0),
    (0, P * P * Q * Q, 0, -P * P - Q * Q, 0, 1),
)  # fmt: skip
POWERS: Matrix = (
    (1, 1, 0, 1, 0, 0), (0, 0, P, 0, Q, 0), (0, P * P, 0, Q * Q, 0, 0), (0, 0, P**3, 0, Q**3, 1)
)  # fmt: skip


def filters() -> Array:
    """G (6, 3): the kernel's values at the points, over Π (point - other points)."""
    points = (0.0, P, -P, Q, -Q)
    scales = [np.prod([p - q for q in points if q != p]) for p in points]
    rows = [[p**a / s for a in range(3)] for p, s in zip(points, scales, strict=True)]
    return np.array([*rows, [0.0, 0.0, 1.0]])


def _times(b: Any, matrix: Matrix, rows: list[Any]) -> list[Any]:
    return [_sum(b, [(a, row) for a, row in zip(line, rows, strict=True) if a]) for line in matrix]


def _sum(b: Any, terms: list[tuple[float, Any]]) -> Any:
    """Σ a · row; the terms of 1 and -1 are added behind the others."""
    (a, total), *others = sorted(terms, key=lambda term: abs(term[0]) == 1)
    kind = total.type
    total = total if a == 1 else b.fmul(_constant(kind, a), total)
    fma = cgutils.get_or_insert_function(
        b.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.{'f32' if kind == FLOAT else 'v8f32'}"
    )
    for a, row in others:
        if abs(a) == 1:
            total = b.fadd(total, row) if a == 1 else b.fsub(total, row)
        else:
            total = b.call(fma, [_constant(kind, a), row, total])
    return total


def _constant(kind: Any, value: float) -> Any:
    return ir.Constant(kind, value if kind == FLOAT else [value] * EIGHT)


def _columns(b: Any, width: Any, body: Callable[[Any, Any], None]) -> None:
    """body(kind, j) for every j < width: in vectors of eight, then one by one."""
    whole = b.and_(width, number(-EIGHT))
    with loop(b, whole, EIGHT) as j:
        body(HALF, j)
    with cgutils.for_range_slice(b, whole, width, number(1), intp=INT) as (j, _):
        body(FLOAT, j)


def _lift(*stages: Matrix) -> Callable[..., None]:
    @intrinsic
    def rows(_: Any, x: Any, W: Any, blocks: Any, V: Any, c: Any, place: Any, pitch: Any) -> Any:
        def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
            (x, V), (W, blocks, c, place, pitch) = (
                (View(context, b, signature.args[k], args[k]) for k in (0, 3)),
                (args[k] for k in (1, 2, 4, 5, 6)),
            )
            with loop(b, blocks) as q:
                at, to = b.mul(b.mul(q, number(ROWS)), W), b.add(place, b.mul(q, pitch))

                def block(kind: Any, j: Any) -> None:
                    found = []
                    for k in range(len(stages[0][0])):
                        where = b.add(b.add(at, b.mul(number(k), W)), j)
                        found.append(b.load(x.at(where, as_type=kind), align=4))
                    for stage in stages:
                        found = _times(b, stage, found)
                    for u, row in enumerate(found):
                        b.store(row, V.at(number(u), c, b.add(to, j), as_type=kind), align=4)

                _columns(b, W, block)
            return context.get_dummy_value()

        n = types.int64
        return types.void(x, n, n, V, n, n, n), code

    return rows


lift, raise_ = _lift(PARTS, BOTH), _lift(tuple(zip(*POWERS, strict=True)), BOTH)


@intrinsic
def drop(_: Any, Y: Any, o: Any, place: Any, pitch: Any, blocks: Any, y: Any, W: Any, height: Any) -> Any:
    """As above."""

    def code(context: Any, b: Any, signature: Any, args: Any) -> Any:
        Y, y = (View(context, b, signature.args[k], args[k]) for k in (0, 5))
        o, place, pitch, blocks, W, height = (args[k] for k in (1, 2, 3, 4, 6, 7))
        with loop(b, blocks) as q:
            first, at = b.mul(q, number(ROWS)), b.add(place, b.mul(q, pitch))

            def block(kind: Any, j: Any) -> None:
                found = [b.load(Y.at(number(u), o, b.add(at, j), as_type=kind), align=4) for u in range(6)]
                for i, row in enumerate(_times(b, POWERS, _times(b, BOTH, found))):
                    line = b.add(first, number(i))
                    with b.if_then(b.icmp_signed("<", line, height)):
                        b.store(row, y.at(b.add(b.mul(line, W), j), as_type=kind), align=4)

            _columns(b, W, block)
        return context.get_dummy_value()

    n = types.int64
    return types.void(Y, n, n, n, n, y, n, n), code
