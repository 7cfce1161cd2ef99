"""What goes to stdout: tables and sentences for people, JSON Lines for programs."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 100  # of a pipe or file


def print_json(value: dict[str, Any]) -> None:
    """One object on one line, at once: a reader of the pipe follows the run."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], width: int = WIDTH) -> None:
    """Columns of text, on a terminal as wide as it is, elsewhere `width`. Columns without names have no heading."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=box.SIMPLE_HEAD, show_header=any(columns), pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else width, highlight=False, markup=False)
    with console.capture() as captured:  # rich itself would end the process where a pipe is broken
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def print_text(text: str) -> None:
    """A paragraph."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    sys.stdout.write(textwrap.fill(text, min(width, WIDTH), break_on_hyphens=False) + "\n")


def share(value: float) -> str:
    return f"{100 * value:.1f} %"
