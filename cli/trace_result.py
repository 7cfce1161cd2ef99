"""A ledger as text."""

import numpy as np

from ..analysis.ledger import Entry, Ledger
from ..analysis.summary import shown
from .output import print_table, print_text

WIDE = 320  # of a pipe or file: a name that is cut short names no layer
MOST = 2000  # numbers of an array that are printed whole
LEGEND = (
    "A shape and a norm for each array. x: what the layer read; δ: the error that arrived; δx: the error that it sent "
    "down; ΔW: its update before the learning rate. Angles are those to the exact gradient. A sum over branches, a "
    "norm or a rectifier between two lines changes the error on its way from δx to the next δ."
)


def show(ledger: Ledger) -> None:
    if ledger.top:
        shape, size = ledger.top
        print(f"e = ∂L/∂logits {_shape(shape)}  {size:.4g}\n")
    columns = ["layer", "operation", "rule", "δ", "x", "W", "δx", "", "ΔW", ""]
    print_table(columns, [_cells(each) for each in ledger.entries], WIDE)
    print_text(LEGEND)
    if ledger.arrays:
        _numbers(ledger)


def _cells(each: Entry) -> list[str]:
    sent = f"= {each.sends}" if each.sends else "none: the data lie below"
    read = [_array(each, name) for name in ("delta", "x", "W")]
    return [
        each.layer,
        each.op,
        each.rule,
        *read,
        _array(each, "below"),
        sent + _angle(each, "below"),
        _array(each, "dW"),
        f"= {each.learns}" + _angle(each, "dW"),
    ]


def _array(each: Entry, name: str) -> str:
    if name not in each.shapes:
        return "-"
    return f"{_shape(each.shapes[name])}  {each.norms[name]:.4g}"


def _angle(each: Entry, name: str) -> str:
    return f"  {shown('angle', each.angles[name])}" if name in each.angles else ""


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _numbers(ledger: Ledger) -> None:
    """Whole arrays where they are small, else their corners."""
    with np.printoptions(precision=4, suppress=False, linewidth=120, threshold=MOST, edgeitems=3):
        for name, array in ledger.arrays.items():
            print(f"\n{ledger.numbers} {name} {_shape(array.shape)}\n{array}")
