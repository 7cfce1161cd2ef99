"""One call for every data set: a known name, or a folder of class folders."""

import os
from pathlib import Path

from ..engine.errors import DataError, UsageError, did_you_mean
from .catalogue import EMBEDDED, KNOWN, NAMES
from .dataset import Splits
from .digits import read_digits
from .folder import read_folder
from .locate import locate


def load(name_or_dir: str, data_dir: str | Path | None = None) -> Splits:
    """Training and test images of digits, mnist, fashion-mnist, cifar10, cifar100, imagenet16 or a folder.

    `data_dir` is the folder of the files or a folder above it; by default locate.default_data_dir(). A known
    name goes before a folder of the same name ("./mnist" is the folder). Raises UsageError for a name that is
    neither, or a data_dir that is not asked for, DataError for whatever is missing, damaged or refused.
    """
    if name_or_dir in KNOWN:
        return locate(name_or_dir, Path(data_dir) if data_dir else None).read()
    folder = None if name_or_dir == EMBEDDED else folder_of(name_or_dir)
    if data_dir:
        what = "is embedded" if folder is None else "is a folder by itself"
        raise UsageError(
            f'data "{name_or_dir}" {what}: nothing would be read from "{data_dir}".',
            f"Leave out --data-dir, or name what lies there: --data {', '.join(KNOWN)}.",
        )
    return read_digits() if folder is None else read_folder(folder)


def folder_of(text: str) -> Path:
    """The folder that a user named; UsageError where it reads like a misspelt name."""
    folder = Path(text).expanduser()
    if text and folder.is_dir():
        return folder
    if os.sep in text or text.startswith("~") or (text and folder.exists()):
        raise DataError(
            f"{text} is no folder.", f"Name a folder of class folders, or one of {', '.join(NAMES)}."
        )
    raise UsageError(f'data "{text}" is neither a known data set nor a folder.', did_you_mean(text, NAMES))
