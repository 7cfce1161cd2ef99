"""The folder of a run that was given no name: runs/search-1, runs/search-2 …"""

import re
from contextlib import suppress
from pathlib import Path

from .atomic import output_errors


def claim_run_path(name: str = "search", root: Path = Path("runs")) -> Path:
    """Make and return root/name-N, a folder that did not exist, N following the highest there is."""
    with output_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        taken = [re.fullmatch(re.escape(name) + r"-(\d{1,9})", each.name) for each in root.iterdir()]
        number = max((int(each[1]) for each in taken if each), default=0)
        while True:
            number += 1
            with suppress(FileExistsError):  # another process was faster
                (path := root / f"{name}-{number}").mkdir()
                return path
