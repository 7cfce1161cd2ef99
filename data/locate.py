"""Where a named data set lies on disk."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import DataError
from .catalogue import KNOWN, Form
from .dataset import Splits


@dataclass(frozen=True)
class Located:
    """A form of a data set and the folder that holds its files."""

    form: Form
    folder: Path

    def read(self) -> Splits:
        return self.form.read(self.folder)


def default_data_dir() -> Path:
    """$XDG_DATA_HOME/bionas-cupy, or ~/.local/share/bionas-cupy."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".local" / "share") / "bionas-cupy"


def locate(name: str, data_dir: Path | None = None) -> Located:
    """The first form of a named data set whose files are all there, else the first with some of them.

    `data_dir` is the folder of the files or a folder above. Raises DataError with the paths it looked at.
    """
    root = (data_dir or default_data_dir()).expanduser()
    places = [Located(form, root / below) for form in KNOWN[name].forms for below in ("", *form.folders)]
    places = [place for place in places if not named_for_another(name, place.folder)]
    found = [(place, place.form.present(place.folder)) for place in places]
    for place, count in found:
        if count == len(place.form.files):
            return place
    for place, count in found:
        if count:
            return place
    raise missing(name, root, [place.folder for place in places])


def named_for_another(name: str, folder: Path) -> bool:
    """MNIST and Fashion-MNIST go by the same file names: only their folders' names tell them apart."""
    title = (folder.parent if folder.name == "raw" else folder).name.lower()
    return (name == "mnist" and "fashion" in title) or (name == "fashion-mnist" and title == "mnist")


def missing(name: str, root: Path, folders: list[Path]) -> DataError:
    state = "" if root.is_dir() else f" ({root} {'is no folder' if root.exists() else 'does not exist'})"
    looked = ", ".join(dict.fromkeys(str(folder) for folder in folders))
    return DataError(
        f"{name} was not found{state}. Looked in {looked}.",
        f"Get it from {KNOWN[name].source}, unpack it, and name its folder with --data-dir.",
    )
