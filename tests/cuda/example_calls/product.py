"""Products of matrices, one transposed or none; sizes that fill no tile, and one long sum."""

from collections.abc import Iterator

from . import Call, draw


def calls() -> Iterator[Call]:
    for I, K, J in ((1, 1, 1), (5, 7, 3), (33, 65, 17), (3, 700, 5)):  # noqa: E741  # the equation's letters
        yield "product", draw(1, I, K), draw(2, K, J)
        yield "product", draw(1, I, K), draw(2, J, K).T
        yield "product", draw(1, K, I).T, draw(2, K, J)
        yield "product", draw(1, 3, I, K), draw(2, 3, J, K).swapaxes(1, 2)
