"""Errors for people: what failed, expected and actual, the cure. Each kind carries its exit code (docs/cli.md)."""

import difflib
from collections.abc import Iterable


class BionasError(Exception):
    """Base of every error that a user can cause or cure; `exit_code` is what the command line returns."""

    exit_code = 1

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(f"{what} {cure}".strip())


class UsageError(BionasError):
    """A bad option or value, an unknown name, an invalid genotype or configuration."""

    exit_code = 2


class RuleError(UsageError):
    """A rule that breaks its contract: a wrong shape, NaN, something changed in place."""


class DataError(BionasError):
    """Anything under --data-dir, its absence included."""

    exit_code = 3


class CheckpointError(BionasError):
    """A checkpoint that is missing, damaged or of another format."""

    exit_code = 4


class DeviceError(BionasError):
    """No such device, or not enough memory."""

    exit_code = 5


class DivergedError(BionasError):
    """The loss or a weight is no longer finite."""

    exit_code = 6


class OutputError(BionasError):
    """A full disk, or an output folder that cannot be written."""

    exit_code = 7


class StoppedError(BionasError):
    """Stopped by a signal after saving; exit code 128 + the signal's number."""

    def __init__(self, what: str, cure: str, signal_number: int) -> None:
        super().__init__(what, cure)
        self.exit_code = 128 + signal_number


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean "usf"?' where something known is close, else the list of what is known."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(f'"{c}"' for c in close) + "?"
    return "Known: " + ", ".join(names) + "."
