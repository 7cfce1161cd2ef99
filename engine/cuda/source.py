"""The kernel texts engine/kernels/NAME.cu as they are compiled: on a device, for the tests, and by ptxas.

A text may hold `#include "x.cuh"`; the file of that name in engine/kernels takes its place, once a text. No other
header is known: the texts are plain CUDA C, and NVRTC brings what CUDA itself defines. #line directives keep
the messages of a compiler at the lines that a person edits.
"""

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "kernels"
_INCLUDE = re.compile(r'^[ \t]*#include[ \t]+"([\w.]+)"[ \t]*$')


def stems() -> list[str]:
    """The names of all kernel texts, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.cu"))


@cache
def text(stem: str) -> str:
    """NAME.cu with its includes in place. Raises FileNotFoundError where a file is missing."""
    return assemble(FOLDER / f"{stem}.cu")


def assemble(path: Path) -> str:
    """The text at `path`, with the files that it includes (from its own folder) in place."""
    return "\n".join(_lines(path, set())) + "\n"


def _lines(path: Path, seen: set[str]) -> list[str]:
    lines = [f'#line 1 "{path.name}"']
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        found = _INCLUDE.match(line)
        if found is None:
            lines.append(line)
        elif found[1] not in seen:
            seen.add(found[1])
            lines += [*_lines(path.with_name(found[1]), seen), f'#line {number + 1} "{path.name}"']
        else:
            lines.append("")
    return lines
