"""The front for people and for programs."""

from collections.abc import Iterator
from typing import Any

from ..analysis.front import Front, Need, Point, bits_at
from ..search.rule_copies import named_files
from .groups_result import shown
from .output import print_table, print_text


def show(front: Front) -> None:
    points = [
        (f"{p.bits:.2f}", shown(p.accuracy), str(p.accuracy.n), share(front, p), mix(p)) for p in front.front
    ]
    name = "BP" if front.of_bp else "best"
    print_table(
        ["bits", f"{front.measure} accuracy", "seeds", f"of {name}", "rules, by edge or part"], points
    )
    for need in front.needs:
        print(
            f"{100 * need.share:g} % of {name}'s accuracy with the fewest bits: {need.point.bits:.2f} per weight"
        )
        print_table(
            ["place", "rule", "bits"],
            [(place, rule, f"{bits_at(place, rule):g}") for place, rule in need.point.rules.items()],
        )
    print_text(why(front))


def share(front: Front, point: Point) -> str:
    return f"{100 * point.accuracy.mean / front.reference:.1f} %"


def mix(point: Point) -> str:
    """How many places learn by which rule."""
    names = list(point.rules.values())
    told = ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))
    return told if point.plain else f"{told}; below it nothing learns"


def why(front: Front) -> str:
    beaten = f"{len(front.front)} of {len(front.points)} assignments are beaten by none in both numbers."
    reference = (
        f"BP has {front.reference:.2f} %."
        if front.of_bp
        else f"None of them is BP alone: shares are of the best, {front.reference:.2f} %."
    )
    flattered = (
        "They were chosen by the numbers that are shown, which flatters them: train those of --out anew, with "
        "other seeds."
        if front.measure == "validation"
        else "The best of many is flattered by its choice."
    )
    return f"{beaten} {reference} ± is half of a 95 % interval over seeds (Student's t). {flattered}"


def events(front: Front) -> Iterator[dict[str, Any]]:
    """Every point, then what each share needs."""
    for p in front.points:
        yield {
            "event": "point",
            **numbers(p),
            "front": p in front.front,
            "measure": front.measure,
            "rules": p.rules,
        }
    for need in front.needs:
        told = {"keep": need.share, "reference": front.reference, "reference_is_bp": front.of_bp}
        layers = {
            place: {"rule": rule, "bits": bits_at(place, rule)} for place, rule in need.point.rules.items()
        }
        yield {"event": "need", **told, **numbers(need.point), "places": layers}


def genotype(need: Need) -> dict[str, Any]:
    """genotype.json of the point, to be trained anew; what its search said of what it found is left out."""
    kept = need.point.genotype
    told: dict[str, Any] = {
        "score": {},
        "provenance": {},
        "weights_per_rule": {},
        "transported_bits": None,
    }
    return kept.model_copy(update=told | {"rule_files": named_files(kept.used_rules())}).to_json()


def numbers(p: Point) -> dict[str, Any]:
    a = p.accuracy
    return {"transported_bits": p.bits, "accuracy": a.mean, "interval": a.half, "accuracies": p.accuracies}
