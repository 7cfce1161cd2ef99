"""One line of a report: what was looked at, what was found and expected, and the cure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..engine.errors import BionasError, DivergedError
from ..engine.rule_files import blamed_line

Status = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True)
class Finding:
    """text: expected and actual. status "skip": not tried, because something before it failed."""

    check: str
    status: Status
    text: str
    cure: str = ""


def guarded(check: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of one look; an error on the way is a failure of its own, with the line of the rule's file."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except DivergedError as error:  # no breach of contract: a matter of rates
        found.append(Finding(check, "warn", str(error)))
    except BionasError as error:
        found.append(Finding(check, "fail", str(error)))
    except Exception as error:  # whatever a user's rule may raise
        line = blamed_line(error)
        what = f"{line}: {type(error).__name__}: {error}".removeprefix(": ")
        found.append(Finding(check, "fail", f"{what}.", "Correct the line." if line else ""))
    return found
