"""The ends of residual blocks: planes of one strip and of two, one lane and three."""

from collections.abc import Iterator

from . import Call, draw


def calls() -> Iterator[Call]:
    for shape in ((3, 1, 5, 7, 3), (2, 3, 2, 17, 19), (1, 1, 1, 1, 1)):
        x, s, g = draw(1, *shape), draw(2, *shape), draw(3, *shape)
        a, b = draw(4, *shape[1:3]), draw(5, *shape[1:3])
        yield "join", x, a, b, s
        yield "gate", g, s, x, a
        yield "add", x, g
