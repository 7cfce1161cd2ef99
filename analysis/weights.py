"""The synaptic weights of a run, layer by layer: how large, how many are zero, and what distribution they follow."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.load import load
from ..engine.backend import to_host
from ..engine.random import Key
from ..engine.run_folder import RunFolder
from ..layers.model import Model
from ..layers.synapse import Synapse
from ..search.config import TrainConfig, build
from ..search.evaluate import restored
from ..search.feed import chosen_images, normalisation
from ..search.image_shape import ImageShape
from ..search.known import train_config
from ..search.networks import build_network, genotype_of
from ..search.rule_copies import use_copies
from ..search.supernet_search import SupernetSearch
from .course import check_layers
from .fits import Fit, fits
from .subject import open_subject

SMALL = 0.01  # of the layer's largest magnitude: smaller weights count as nearly zero


class LayerWeights(NamedTuple):
    """W (O, ...) of one lane of a synapse. zero, nearly_zero: shares; fits: the best by AIC first."""

    name: str
    rule: str
    W: NDArray[Any]
    image: tuple[int, int, int] | None  # (C, H, W) of what a unit of the first layer looks at
    mean: float
    deviation: float
    zero: float
    nearly_zero: float
    negative: float
    fits: list[Fit]

    def to_json(self) -> dict[str, Any]:
        named = ("name", "rule", "mean", "deviation", "zero", "nearly_zero", "negative")
        found = {name: getattr(self, name) for name in named}
        return found | {"shape": list(self.W.shape), "fits": [fit.to_json() for fit in self.fits]}


def weights_of(
    name: str,
    layers: tuple[str, ...],
    settings: dict[str, Any],
    report: Callable[[int, int], object] = lambda done, of: None,
) -> list[LayerWeights]:
    """Of a run's folder, as its checkpoint has them; of a genotype or a network by name, the initial ones.

    layers: name patterns. settings: beside a run only data.dir and device. report(done, of): how many layers are
    fitted. Raises UsageError, CheckpointError, DataError.
    """
    model, image = opened(name, settings)
    check_layers([synapse.name for synapse in model.synapses], layers)
    chosen = [
        synapse for synapse in model.synapses if any(fnmatchcase(synapse.name, each) for each in layers)
    ]
    found = []
    for done, synapse in enumerate(chosen, 1):
        found += of_synapse(synapse, image if synapse is model.synapses[0] else None)
        report(done, len(chosen))
    return found


def opened(name: str, settings: dict[str, Any]) -> tuple[Model, tuple[int, int, int]]:
    """The network with its weights, and the shape of an image."""
    folder = RunFolder(Path(name))
    if not (folder.path / "run.toml").is_file():
        return _initial(name, settings)
    if folder.checkpoint.is_file() and folder.settings.get("command") == "train":
        config = build(TrainConfig, [folder.settings])  # also of a training in stages
        use_copies(folder)
        place, device = settings.get("data", {}).get("dir"), settings.get("device", "cpu")
        model, images = restored(config, folder, folder.load()[0], place, device)
        return model, images.shape
    subject = open_subject(name, settings)
    feed = subject.job.train if isinstance(subject.job, SupernetSearch) else subject.job.feed
    return subject.model, feed.images.shape


def _initial(name: str, settings: dict[str, Any]) -> tuple[Model, tuple[int, int, int]]:
    config = train_config({"model": name} | settings)
    splits = load(config.data.name, Path(config.data.dir) if config.data.dir else None)
    images = chosen_images(splits, config.data, Key(config.seed))
    network = build_network(config, genotype_of(config), ImageShape(*images.shape, len(images.classes)))
    return Model(network, normalisation(images, config.data), Key(config.seed)), images.shape


def of_synapse(synapse: Synapse, image: tuple[int, int, int] | None) -> list[LayerWeights]:
    """A layer for each lane."""
    found = []
    for r, W in enumerate(to_host(synapse.laned(synapse.W.value))):
        name = synapse.name if synapse.lanes == 1 else f"{synapse.name}#{r}"
        found.append(measured(name, str(synapse.rules[r]), W, _seen(W, image)))
    return found


def measured(
    name: str, rule: str, W: NDArray[Any], image: tuple[int, int, int] | None = None
) -> LayerWeights:
    w = np.asarray(W, np.float64)
    size = abs(w)
    return LayerWeights(
        name,
        rule,
        W,
        image,
        float(w.mean()),
        float(w.std()),
        float((w == 0).mean()),
        float((size <= SMALL * size.max()).mean()),
        float((w < 0).mean()),
        fits(W),
    )


def _seen(W: NDArray[Any], image: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    """(C, H, W) of a unit's weights as a picture: a convolution's taps, or a whole image."""
    if image is None:
        return None
    if W.ndim == 4:
        return W.shape[1:]
    return image if W[0].size == int(np.prod(image)) else None
