"""`bionas-cupy evaluate`: the trained network of a run, tested again from its checkpoint."""

from pathlib import Path
from typing import Any

from ..data.dataset import Images
from ..data.load import load
from ..engine import backend
from ..engine.checkpoint import Arrays
from ..engine.errors import CheckpointError, UsageError
from ..engine.kernels.threads import one_blas_thread
from ..engine.random import Key
from ..engine.run_folder import RunFolder
from ..layers.model import Model
from .config import TrainConfig, build
from .feed import chosen_images, normalisation
from .image_shape import ImageShape
from .networks import build_network
from .rule_copies import use_copies
from .train_run import stored_genotype
from .training import scores_on


def evaluate_run(path: Path, data_dir: str | None = None, device: str = "auto") -> dict[str, Any]:
    """{"test_loss", "test_accuracy" (%), "test_images", "epoch"}. Raises as `trained`."""
    model, images, epoch = trained(path, data_dir, device)
    with one_blas_thread():
        return {"run": str(path), "epoch": epoch, **scores_on(model, images)}


def trained(path: Path, data_dir: str | None = None, device: str = "auto") -> tuple[Model, Images, int]:
    """The network of a training as its checkpoint has it, the test images, and the epochs that it learned.

    Raises UsageError where the run is no training, CheckpointError where it has no checkpoint yet.
    """
    folder = RunFolder(path)
    use_copies(folder)
    if not (path / "run.toml").is_file():
        raise UsageError(f'"{path}" is not a run: it has no run.toml.', "Name the folder of a training.")
    tree = folder.settings
    if tree.get("command") != "train":
        raise UsageError(
            f'"{path}" is a search, and a supernet has no accuracy of its own.',
            f'Train what it found: bionas-cupy train "{path}".',
        )
    if not folder.checkpoint.exists():
        raise CheckpointError(
            f'"{path}" has no checkpoint yet.', f'Go on with: bionas-cupy train --resume "{path}".'
        )
    config = build(TrainConfig, [tree])
    arrays, meta = folder.load()
    return *restored(config, folder, arrays, data_dir, device), int(meta["epoch"])


def restored(
    config: TrainConfig, folder: RunFolder, arrays: Arrays, data_dir: str | None, device: str
) -> tuple[Model, Images]:
    """The run's network with its trained weights, and the test images."""
    place = data_dir or config.data.dir
    splits = load(config.data.name, Path(place) if place else None)
    images = chosen_images(splits, config.data, Key(config.seed))
    network = build_network(config, stored_genotype(folder), ImageShape(*images.shape, len(images.classes)))
    model = Model(
        network, normalisation(images, config.data), Key(config.seed), backend=backend.select(device)
    )
    model.restore(arrays)
    return model, splits.test
