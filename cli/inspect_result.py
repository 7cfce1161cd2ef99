"""What an inspection found, for people and for programs."""

from pathlib import Path
from typing import Any

from ..analysis import by_rule as rules
from ..analysis.cell_picture import CellEdge
from ..analysis.course import WINDOW, Course
from ..analysis.signals_file import SignalsFile
from ..analysis.summary import COLUMNS, cells, shown, summary
from ..engine.atomic import output_errors
from ..engine.errors import UsageError
from ..engine.words import several
from .output import print_json, print_table, print_text
from .sizes import shown as shown_size

LEGEND = (
    "angle: the error that was sent to the exact one; update: ΔW to the exact "
    "ΔW; signs: components of ΔW with the right sign; SNR: of ΔW over minibatches; B–W: feedback to forward weights."
)
WIDE = 160  # of a pipe or file: names of layers are long
SIDE_BY_SIDE = ("rule", "angle_below", "angle_update", "sign_agreement", "snr", "norm_update")


def show(course: Course, as_json: bool, by_rule: bool = False) -> None:
    """A row a synapse, a row a rule, then what is odd, layers as they lie from the data to the loss.

    by_rule: with JSON an object a rule as well, after those of the synapses.
    """
    found = summary(course, WINDOW)
    if as_json:
        for each in found:
            print_json({"event": "synapse", **each})
        for each in rules.by_rule(found) if by_rule else []:
            print_json({"event": "rule", **each})
        return
    if not found:
        print_text("No step was recorded.")
        return
    print_table(list(COLUMNS.values()), [cells(each) for each in found], WIDE)
    print_text(f"{course.title}: {covered(found)}. {LEGEND}{not_compared(found)}")
    print("\nBy rule, means over its synapses:")
    print_table(list(rules.COLUMNS.values()), [rules.cells(each) for each in rules.by_rule(found)], WIDE)
    odd = [f"{name_of(each)}: {flag}." for each in found for flag in each["flags"]]
    print("\n" + ("\n".join(odd) if odd else "Nothing is odd."))


def show_file(signals: SignalsFile, as_json: bool) -> None:
    """Where the signals are, and what the budget has left of them."""
    if as_json:
        kept = {"bytes": signals.size, "recorded": signals.recorded, "stride": signals.stride}
        print_json({"event": "signals", "path": str(signals.path), **kept, "complete": not signals.stopped})
        return
    told = f"{shown_size(signals.size)}, {several(signals.recorded, 'recorded step')}"
    if signals.stride > 1:
        told += f"; one in {signals.stride} is kept, for the budget is {shown_size(signals.budget)}"
    if signals.stopped:
        told = f"{shown_size(signals.size)}; the disk refused the rest"
    print(f"\nSignals: {signals.path}")
    print_text(f"{told}.")


def covered(found: list[dict[str, Any]]) -> str:
    first, last, steps = (found[0][key] for key in ("first_update", "last_update", "steps"))
    return f"update {last}" if steps == 1 else f"means over {steps} recorded steps, updates {first} to {last}"


def not_compared(found: list[dict[str, Any]]) -> str:
    """Why columns are empty: of rules whose updates have no exact gradient beside them."""
    alone = [each["rule"] for each in found if each["norm_update"] and each["norm_update_exact"] is None]
    return "".join(
        f" Rule {rule}: no exact gradient beside it, for its passes give no logits that a loss could be taken of."
        for rule in dict.fromkeys(alone)
    )


def name_of(each: dict[str, Any]) -> str:
    return str(each["layer"] if each["lane"] is None else f"{each['layer']}#{each['lane']}")


def show_two(a: Course, b: Course, *, as_json: bool) -> None:
    """The layers of both, by name, side by side; those of one only with the other's column empty."""
    tables = [{name_of(each): each for each in summary(course, WINDOW)} for course in (a, b)]
    names = list(dict.fromkeys(name for table in tables for name in table))
    pairs = [(name, tables[0].get(name), tables[1].get(name)) for name in names]
    if as_json:
        for name, one, other in pairs:
            print_json({"event": "synapses", "layer": name, "a": one, "b": other})
        return
    columns = [f"{COLUMNS[column]} {which}" for column in SIDE_BY_SIDE for which in "AB"]
    rows = [
        [name, *(_cell(column, each) for column in SIDE_BY_SIDE for each in both)] for name, *both in pairs
    ]
    print_table(["layer", *columns], rows, WIDE)
    both = [each for table in tables for each in table.values()]
    print_text(f"A: {a.title}. B: {b.title}. {LEGEND}{not_compared(both)}")
    for which, table in zip("AB", tables, strict=True):
        for name, each in table.items():
            for flag in each["flags"]:
                print(f"{which}, {name}: {flag}.")


def _cell(column: str, each: dict[str, Any] | None) -> str:
    if each is None:
        return "-"
    return str(each[column]) if column == "rule" else shown(column, each[column])


def check_pictures(out: Path | None, comparing: bool) -> None:
    """Before anything is computed. Raises UsageError where pictures cannot be drawn."""
    from ..analysis.pictures import check_matplotlib

    if out is None or comparing:
        raise UsageError("--pictures need a folder, and one subject:", "add --out DIR, leave out --compare.")
    check_matplotlib()


def draw(course: Course, cells: dict[str, list[CellEdge]], out: Path, as_json: bool) -> None:
    from ..analysis.cell_picture import draw_cells
    from ..analysis.pictures import draw_all

    with output_errors(out):  # of a recording that is read it is a new folder
        out.mkdir(parents=True, exist_ok=True)
    paths = draw_all(course, out) + draw_cells(cells, course.title, out)
    if as_json:
        print_json({"event": "pictures", "paths": [str(path) for path in paths]})
    else:
        print("Pictures: " + ", ".join(path.name for path in paths if path.suffix == ".png"))
