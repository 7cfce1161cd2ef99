"""What is inspected: a run from its checkpoint, a genotype, or a network by name, ready to be stepped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..data.load import load
from ..engine import backend
from ..engine.errors import UsageError, did_you_mean
from ..engine.kernels.threads import one_blas_thread
from ..engine.random import Key
from ..engine.run_folder import RunFolder
from ..layers.model import Model
from ..search.config import SearchConfig, TrainConfig, build
from ..search.feed import chosen_images
from ..search.genotype import AnyGenotype
from ..search.known import train_config
from ..search.networks import NAMES, genotype_of
from ..search.rule_copies import use_copies
from ..search.searches import supernet_search
from ..search.supernet_search import SupernetSearch
from ..search.train_run import stored_genotype
from ..search.training import Training
from .cell_picture import CellEdge, cells_of_genotype, cells_of_search

OF_A_RUN = {"data.dir", "device", "rule"}  # what may be asked for beside a run's own configuration


class Subject:
    """A job and where it stands. title: what it is, for tables and pictures."""

    def __init__(
        self, job: Training | SupernetSearch, update: int, title: str, genotype: AnyGenotype | None
    ) -> None:
        self.job, self.update, self.title, self.genotype = job, update, title, genotype

    @property
    def model(self) -> Model:
        return self.job.model

    def cells(self) -> dict[str, list[CellEdge]]:
        """The searched edges, by kind of cell; {} of a network that is known by its name."""
        if isinstance(self.job, SupernetSearch):
            return cells_of_search(self.job)
        genotype = self.genotype
        rule = self.job.config.rule
        return cells_of_genotype(genotype.with_rule(rule) if rule else genotype) if genotype else {}

    def run(self, steps: int, report: Callable[[int], bool] = lambda _: True) -> int:
        """Make so many steps, as the run itself would; how many were made. report(done) says whether to go on.

        A run that is finished has come to the end of its schedule: it is stepped at its last rate.
        """
        with one_blas_thread():
            for done in range(steps):
                self.job.step(*self._place())
                self.update += 1
                if not report(done + 1):
                    return done + 1
        return steps

    def _place(self) -> tuple[int, int]:
        """Epoch and step of the next update of the weights."""
        if isinstance(self.job, SupernetSearch):
            return self.job.step_of(self.update)
        return divmod(self.update, self.job.steps)


def open_subject(name: str, settings: dict[str, Any]) -> Subject:
    """name: a run's folder, a genotype's file, or a network. settings: a configuration's tree (docs/cli.md).

    A run's folder is read, and left as it is. Raises UsageError, DataError, CheckpointError.
    """
    path = Path(name)
    if is_run(name):
        return _of_run(path, settings)
    if path.is_dir() and not (path / "genotype.json").is_file():
        raise UsageError(f'"{name}" holds neither a run nor a genotype.', "Name the folder of a run.")
    check_name(name)
    config = train_config({"model": name} | settings)
    title = f"{name}, {config.rule}" if config.rule else name
    genotype = genotype_of(config)
    return Subject(_job(config, genotype), 0, f"{title}, {config.data.name}", genotype)


def is_run(name: str) -> bool:
    """Whether this is the folder of a run."""
    return Path(name, "run.toml").is_file()


def check_name(name: str) -> None:
    """Raises UsageError for what is no subject, before anything is loaded."""
    path = Path(name)
    if not path.exists() and path.suffix != ".json" and name not in NAMES:
        raise UsageError(f'"{name}" is no run, no genotype and no network.', did_you_mean(name, NAMES))


def _of_run(path: Path, settings: dict[str, Any]) -> Subject:
    folder = RunFolder(path)
    use_copies(folder)
    tree = folder.settings
    is_search = tree.get("command") == "search"
    _check_settings(path, is_search, settings)
    both = [tree, settings]
    config = build(SearchConfig, both) if is_search else build(TrainConfig, both)
    if isinstance(config, TrainConfig) and config.stages != "one":
        raise UsageError(
            f'"{path}" was trained in stages: no pass of it goes through all layers and back.',
            f"Watch such a network learn at once: bionas-cupy inspect {config.model}.",
        )
    if isinstance(config, SearchConfig) and not config.on_supernet:
        raise UsageError(
            f'"{path}" is a search over candidates: it holds no network of its own.',
            f'Name what it found: "{path / "genotype.json"}".',
        )
    genotype = stored_genotype(folder)
    job, update = _job(config, genotype), 0
    if folder.checkpoint.exists():
        arrays, meta = folder.load()
        job.restore(arrays)
        update = _update(job, int(meta["epoch"]), int(meta["step"]))
    rule = f" with {settings['rule']}" if "rule" in settings else ""
    return Subject(job, update, f"{path}{rule}", genotype)


def _update(job: Training | SupernetSearch, epoch: int, index: int) -> int:
    """How many times the weights have learnt before this step."""
    return job.update_of(epoch, index) if isinstance(job, SupernetSearch) else epoch * job.steps + index


def _check_settings(path: Path, is_search: bool, settings: dict[str, Any]) -> None:
    given = {
        f"{k}.{sub}" if sub else k
        for k, v in settings.items()
        for sub in (v if isinstance(v, dict) else [""])
    }
    allowed = OF_A_RUN - ({"rule"} if is_search else set())
    for name in sorted(given - allowed):
        raise UsageError(
            f'"{path}" is a run with a configuration of its own, so {name} cannot be given.',
            f"Beside a run: {', '.join(sorted(allowed))}.",
        )


def _job(config: SearchConfig | TrainConfig, genotype: AnyGenotype | None) -> Training | SupernetSearch:
    device = backend.select(config.device)
    splits = load(config.data.name, Path(config.data.dir) if config.data.dir else None)
    images = chosen_images(splits, config.data, Key(config.seed))
    if isinstance(config, SearchConfig):
        return supernet_search(config, images, device)
    return Training(config, genotype, images, device)
