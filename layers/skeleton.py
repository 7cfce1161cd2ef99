"""What search and evaluation share: where reductions lie, how wide each cell is, the stem."""

from typing import NamedTuple

from ..engine.rule import Rule
from .conv import Conv
from .layer import Sequential
from .norm import BatchNorm


class CellPlan(NamedTuple):
    """One cell of the skeleton: channels of its two inputs, its own width, and what its place asks of it."""

    inputs: tuple[int, int]
    channels: int
    reduction: bool
    halve: bool  # the cell before was a reduction: the older input is twice as large


def plan(cells: int, channels: int, concat: dict[bool, int]) -> list[CellPlan]:
    """DARTS' skeleton: reductions at cells//3 and 2·cells//3 double the width; concat[reduction] nodes joined."""
    older = last = 3 * channels
    halve, plans = False, []
    for i in range(cells):
        reduction = i in (cells // 3, 2 * cells // 3)
        channels *= 2 if reduction else 1
        plans.append(CellPlan((older, last), channels, reduction, halve))
        older, last, halve = last, channels * concat[reduction], reduction
    return plans


def stem(image_channels: int, channels: int, rule: Rule) -> Sequential:
    """3x3 convolution to 3·channels, BN (affine in search too). It sends no error to the data."""
    conv = Conv(image_channels, 3 * channels, 3, [rule])
    conv.sends_error = False
    return Sequential(conv=conv, norm=BatchNorm(3 * channels))
