"""What `data list` and `data check` show: whether a data set is there, whole, and the official one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..engine.errors import DataError
from .catalogue import EMBEDDED, NAMES
from .dataset import Splits
from .load import load
from .locate import Located, locate
from .official import COUNTS, DIGESTS, differing


@dataclass(frozen=True)
class Finding:
    """One row. Counts, shape (C, H, W) and digests are empty unless the status is "whole".

    `official` is None where nothing is known to compare with; `note` says in a line what is missing, broken
    or different.
    """

    name: str
    status: Literal["missing", "found", "broken", "whole"]
    path: Path | None = None
    form: str = ""
    train: int = 0
    test: int = 0
    classes: int = 0
    shape: tuple[int, ...] = ()
    digests: tuple[str, ...] = ()
    official: bool | None = None
    note: str = ""


def find(data_dir: Path | None = None) -> list[Finding]:
    """A row for each data set that has a name, without reading any images."""
    return [place(name, data_dir)[0] for name in NAMES]


def check(name_or_dir: str | None = None, data_dir: Path | None = None) -> list[Finding]:
    """Reads one data set, or all that have a name, and says what it found. UsageError for an unknown name."""
    return [inspect(name, data_dir) for name in ([name_or_dir] if name_or_dir else NAMES)]


def place(name: str, data_dir: Path | None) -> tuple[Finding, Located | None]:
    """Where a data set lies."""
    if name == EMBEDDED:
        return Finding(name, "found", form="embedded"), None
    if name not in NAMES:
        return Finding(name, "found", Path(name).expanduser(), "folder"), None
    try:
        located = locate(name, data_dir)
    except DataError as error:
        return Finding(name, "missing", note=str(error)), None
    return Finding(name, "found", located.folder, located.form.kind), located


def inspect(name: str, data_dir: Path | None) -> Finding:
    """A row with everything."""
    finding, located = place(name, data_dir)
    if finding.status == "missing":
        return finding
    try:
        splits = located.read() if located else load(name)
        return compare(describe(finding, splits), located)
    except DataError as error:
        return replace(finding, status="broken", note=str(error))


def describe(finding: Finding, splits: Splits) -> Finding:
    return replace(
        finding,
        status="whole",
        train=len(splits.train),
        test=len(splits.test),
        classes=len(splits.train.classes),
        shape=splits.train.shape,
        digests=(splits.train.digest(), splits.test.digest()),
    )


def compare(finding: Finding, located: Located | None) -> Finding:
    """Whether these are the official images: by their digests, else by the sums of their files."""
    paths = [located.form.path(located.folder, file) for file in located.form.files] if located else []
    wrong = differing(finding.name, paths)
    official: bool | None = None if wrong is None else not wrong
    if finding.name in DIGESTS:
        official = finding.digests == DIGESTS[finding.name]
    counted, expected = (finding.train, finding.test), COUNTS.get(finding.name)
    if expected is not None and expected != counted:
        found, wanted = (f"{a:,} training and {b:,} test images" for a, b in (counted, expected))
        note = f"Not the official images: {found}, expected {wanted}."
        return replace(finding, official=False, note=note)
    return replace(finding, official=official, note=difference(wrong or []) if official is False else "")


def difference(wrong: list[Path]) -> str:
    if not wrong:
        return "The images are not the official ones."
    more = f" and {len(wrong) - 1} more differ" if len(wrong) > 1 else " differs"
    return f"Not the official images: by its MD5 {wrong[0].name}{more}."
