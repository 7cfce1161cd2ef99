"""Groups of runs over their seeds, each compared with the first one, for people and for programs."""

from collections.abc import Sequence
from typing import Any

from ..analysis.comparison import Group, Paired, paired
from ..search.intervals import Interval, interval
from .output import print_json, print_table, print_text

NOTE = (
    "± is half of a 95 % interval over seeds (Student's t); differences are paired by seed, a tie is one whose "
    "interval covers 0, p is that of Wilcoxon's signed-rank test (two-sided, six unequal pairs or more), for each "
    "comparison by itself."
)


def show(groups: Sequence[Group], measure: str, as_json: bool, bits: Sequence[float] = ()) -> None:
    """bits: transported bits per weight of each group, one more column; the groups are then of rules."""
    compared = [None if group is groups[0] else paired(group, groups[0]) for group in groups]
    if as_json:
        for n, (group, pairs) in enumerate(zip(groups, compared, strict=True)):
            more = {"transported_bits": bits[n]} if bits else {}
            print_json(event(group, measure) | differences(pairs) | more)
        return
    rows = []
    for n, (group, pairs) in enumerate(zip(groups, compared, strict=True)):
        own = interval(list(group.values.values()))
        row = [group.label, *([f"{bits[n]:.2f}"] if bits else []), str(own.n), shown(own)]
        rows.append([*row, *beside(pairs, group is groups[0])])
    names = [
        *(["rules", "bits"] if bits else ["settings"]),
        "seeds",
        measure,
        "less the first",
        "better, worse",
        "",
    ]
    print_table(names, rows)
    print_text(NOTE)


def shown(found: Interval, sign: str = "") -> str:
    half = "" if found.half is None else f" ± {found.half:.3f}"
    return f"{found.mean:{sign}.3f}{half}"


def beside(pairs: Paired | None, first: bool) -> list[str]:
    """The last columns: difference, counts, and what may be said of it."""
    if pairs is None:
        return ["", "", "" if first else "no seed in common"]
    d = pairs.difference
    told = "one seed" if d.half is None else "tie" if d.tie else ""
    p = f" p = {pairs.p:.2g}" if pairs.p is not None else ""
    return [shown(d, "+"), f"{pairs.better}, {pairs.worse}", told + p]


def event(group: Group, measure: str) -> dict[str, Any]:
    own = interval(list(group.values.values()))
    known = {"event": "group", "label": group.label, "measure": measure}
    return known | {"mean": own.mean, "interval": own.half, "values": group.values}


def differences(pairs: Paired | None) -> dict[str, Any]:
    if pairs is None:
        return {}
    d = pairs.difference
    found = {"difference": d.mean, "difference_interval": d.half, "pairs": d.n, "tie": d.tie}
    return found | {"better": pairs.better, "worse": pairs.worse, "wilcoxon_p": pairs.p}
