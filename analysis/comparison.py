"""Finished runs side by side: grouped by their settings, compared over the seeds that they share.

    mean ± t(0.975, n − 1) · s/√n      of a group of n seeds, and of paired differences
    Wilcoxon's signed ranks            of paired differences that are not 0, six or more (below, no p under 0.05
                                       exists), two-sided; exact where no two have the same magnitude (SciPy)

An interval that covers 0 is a tie.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import UsageError, did_you_mean
from ..engine.run_folder import RunFolder, State
from ..engine.same_run import flat_settings
from ..search.intervals import Interval, interval

PLACES = {"data.dir", "table.file", "device"}  # settings that change no result
SAID = {"score", "provenance", "weights_per_rule", "transported_bits"}  # by the search that found a genotype
FEWEST = 6  # differences that Wilcoxon's test needs


class Run(NamedTuple):
    """genotype: what the network is, of a training of one, whatever the name of its file; else ""."""

    path: Path
    seed: int
    settings: dict[str, Any]
    value: float
    genotype: str = ""


class Group(NamedTuple):
    """Runs that differ in their seeds alone. label: the settings by which groups differ."""

    label: str
    values: dict[int, float]  # by seed


class Paired(NamedTuple):
    """A group less the first one, over the seeds of both. p: Wilcoxon's; None of fewer than six unequal pairs."""

    difference: Interval
    better: int
    worse: int
    p: float | None


def read_run(path: Path, measure: str) -> Run:
    """A finished run. Raises UsageError for another folder, or a measure that its result does not have."""
    folder = RunFolder(path)
    if folder.state is not State.FINISHED:
        raise UsageError(f'"{path}" is {_state(folder)}.', "Name finished runs of train or search.")
    settings, result = flat_settings(folder.settings), _result(folder)
    numbers = {k: v for k, v in result.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if measure not in numbers:
        raise UsageError(
            f'"{path}" has no "{measure}".', f"{did_you_mean(measure, numbers)} Name it with --of."
        )
    seed = int(settings.pop("seed", 0))
    return Run(path, seed, settings, float(numbers[measure]), _network(folder))


def _network(folder: RunFolder) -> str:
    stored = folder.manifest.get("genotype") if folder.settings.get("command") == "train" else None
    return json.dumps({k: v for k, v in stored.items() if k not in SAID}) if stored else ""


def _state(folder: RunFolder) -> str:
    return "no run" if folder.state is State.NEW else f"a run {folder.state.value}, not finished"


def _result(folder: RunFolder) -> dict[str, Any]:
    """result.json of a training; of a search, its genotype's score and what the genotype says of its rules."""
    if (folder.path / "result.json").is_file():
        trained = folder.read("result.json")
        return dict(trained.get("score", {})) | trained
    genotype = folder.read("genotype.json")
    return dict(genotype["score"]) | {"transported_bits": genotype["transported_bits"]}


def groups_of(runs: Sequence[Run], ignore: Collection[str] = ()) -> list[Group]:
    """In the order in which they come. Raises UsageError for a seed that comes twice in a group."""
    runs, ignored = _same_genotypes(runs), PLACES | set(ignore)
    keys = [key for key in dict.fromkeys(k for run in runs for k in run.settings) if key not in ignored]
    told = [{key: json.dumps(run.settings.get(key)) for key in keys} for run in runs]
    differing = [key for key in keys if len({each[key] for each in told}) > 1]
    found: dict[str, dict[int, Run]] = {}
    for run, label in zip(runs, _labels(runs, told, differing), strict=True):
        group = found.setdefault(label, {})
        if run.seed in group:
            raise _twice(run, group[run.seed])
        group[run.seed] = run
    return [Group(label, {seed: run.value for seed, run in group.items()}) for label, group in found.items()]


def _same_genotypes(runs: Sequence[Run]) -> list[Run]:
    """Trainings of one genotype from several files have one model: the first one's file, without its folder where
    that is enough to tell them apart."""
    first: dict[str, str] = {}
    for run in runs:
        if run.genotype:
            first.setdefault(run.genotype, str(run.settings["model"]))
    short = {genotype: Path(model).name for genotype, model in first.items()}
    names = short if len(set(short.values())) == len(short) else first
    return [
        run._replace(settings=run.settings | {"model": names[run.genotype]}) if run.genotype else run
        for run in runs
    ]


def _labels(runs: Sequence[Run], told: Sequence[dict[str, str]], differing: Sequence[str]) -> list[str]:
    """By the settings that differ among the runs that have them, where these tell all groups apart: what only one
    strategy has, its name says already."""

    def labels(keys: Sequence[str]) -> list[str]:
        nothing = "the others' settings left out" if differing else "all"
        own = [[f"{k}={_plain(each[k])}" for k in keys if k in run.settings] for run, each in pairs]
        return [", ".join(each) or nothing for each in own]

    pairs = list(zip(runs, told, strict=True))
    common = [k for k in differing if len({each[k] for run, each in pairs if k in run.settings}) > 1]
    short, whole = labels(common), labels(differing)
    return short if len(set(short)) == len(set(whole)) else whole


def _twice(run: Run, other: Run) -> UsageError:
    if run.path.resolve() == other.path.resolve():
        return UsageError(f'"{run.path}" is named twice.', "Name each run once.")
    what = f'"{other.path}" and "{run.path}" have the same settings and the same seed, {run.seed}.'
    return UsageError(what, "Name one of them.")


def _plain(text: str) -> str:
    return text.strip('"')


def paired(group: Group, first: Group) -> Paired | None:
    """None where no seed is shared."""
    seeds = sorted(group.values.keys() & first.values.keys())
    if not seeds:
        return None
    d = np.array([group.values[seed] - first.values[seed] for seed in seeds])
    return Paired(interval(d.tolist()), int((d > 0).sum()), int((d < 0).sum()), wilcoxon_p(d))


def wilcoxon_p(differences: NDArray[np.float64]) -> float | None:
    """Pairs that are equal are left out, as Wilcoxon (1945) does."""
    unequal = differences[differences != 0]
    if len(unequal) < FEWEST:
        return None
    from scipy import stats

    return float(stats.wilcoxon(unequal).pvalue)
