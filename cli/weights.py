"""`bionas-cupy weights`: how the synaptic weights of a run are distributed, and what its first layer looks for."""

from pathlib import Path
from typing import Any

import click

from . import options


@click.command(short_help="How a run's synaptic weights are distributed.")
@click.argument("subject", metavar="RUN|GENOTYPE.json|NAME")
@click.option("--layers", multiple=True, metavar="PATTERN", help="Only layers named like this. Repeatable.")
@options.data_options
@options.device
@click.option("--set", "pairs", multiple=True, metavar="A.B=C", help="Any other setting of a training.")
@click.option(
    "--pictures", type=options.FOLDER, metavar="DIR", help="Draw distributions and kernels, SVG and PNG."
)
@options.as_json
def weights(
    subject: str,
    layers: tuple[str, ...],
    pairs: tuple[str, ...],
    pictures: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Print, layer by layer, how large the weights are, how many are zero, and which distribution fits them best:
    Gaussian, Student's t, lognormal, or stretched exponential.

    Of a run, the weights of its checkpoint; of a genotype or a network, those that it starts from.
    """
    from ..analysis.style import check_matplotlib
    from ..analysis.weights import weights_of
    from . import configuration, weights_result
    from .watching import Progress

    if pictures:
        check_matplotlib()
    settings = configuration.asked_for(None, given, pairs)
    found = weights_of(subject, layers or ("*",), settings, Progress(unit="layer"))
    weights_result.show(found, as_json)
    if pictures:
        weights_result.draw(found, Path(subject).name, pictures, as_json)
