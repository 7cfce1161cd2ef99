"""What a search by scores of untrained networks found, in words."""

from ..engine.words import several
from ..search.genotype import AnyGenotype
from .found import ties


def summary(genotype: AnyGenotype) -> str:
    """The scores of the candidate, and of the published network what follows from its rules."""
    s, size = genotype.score, genotype.provenance["size"]
    scores = ", ".join(f"{name} {value:.5g}" for name, value in s["scores"].items())
    return (
        f"Scores (larger is meant to be better): {scores}; {s['transported_bits']:.2f} transported bits per weight, in "
        f"a network of {size['channels']} channels and {size['cells']} cells with {s['parameters']:,} weights; of the "
        f"published network {genotype.transported_bits:.2f} bits per weight."
    )


def why(genotype: AnyGenotype) -> str:
    """That nothing was trained, how many were compared, and how many of them could not be told from the best."""
    s, p = genotype.score, genotype.provenance
    found = by_several(genotype) if "front" in s else by_one(genotype)
    failures = f" {s['failed']} failed." if s["failed"] else ""
    return (
        f"Why believe it: networks were judged {p['judged']}, {s['candidates']} of them on {p['trials']['images']} "
        f"images with {several(p['trials']['seeds'], 'seed')} each; {found} {ties(genotype)}{failures} No accuracy was "
        "looked at: what a score says of one has to be shown by training this network, and random ones beside it."
    )


def by_one(genotype: AnyGenotype) -> str:
    p = genotype.provenance
    price = f" − {p['price']:g} · bits" if p["price"] else ""
    return (
        f"this one has the largest {p['trials']['scores'][0]}{price} of the {genotype.score['compared'] + 1}."
    )


def by_several(genotype: AnyGenotype) -> str:
    s, names = genotype.score, ", ".join(genotype.provenance["settings"]["objectives"])
    return (
        f"{s['front']} of them are beaten by no other one in {names} at once (all minimised), and of these this one "
        "has the least sum of ranks."
    )


told = summary, why
