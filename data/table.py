"""A table of known results, as tabular benchmarks come: CSV with a header, plain or packed by gzip, bzip2 or xz."""

import bz2
import csv
import gzip
import hashlib
import io
import lzma
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..engine.errors import DataError, did_you_mean
from .files import LARGEST, read_bytes

PACKED: dict[str, Callable[[io.BytesIO], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
CURE = "A table is CSV with a line of column names, plain or packed as .gz, .bz2 or .xz."


class Table:
    """Numbers by key and column. digest: SHA-256 of the file."""

    def __init__(self, path: Path, key: str) -> None:
        """Raises DataError where the file, its header or the column `key` is missing, or a key comes twice."""
        contents = read_bytes(path, CURE)
        self.path, self.digest = path, hashlib.sha256(contents).hexdigest()
        rows = csv.reader(io.StringIO(_text(path, contents), newline=""))
        self.columns = next(rows, [])
        if not self.columns:
            raise DataError(f"{path} is empty.", CURE)
        place = self._place(key)
        self._rows: dict[str, list[str]] = {}
        for row in rows:
            if len(row) != len(self.columns):
                raise DataError(
                    f"{path}, line {rows.line_num}: {len(row)} values, {len(self.columns)} are expected.",
                    CURE,
                )
            if row[place] in self._rows:
                raise DataError(f'{path}, line {rows.line_num}: "{row[place]}" is there a second time.')
            self._rows[row[place]] = row

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def column(self, name: str) -> "Column":
        """A column of numbers. Raises DataError where there is none of this name."""
        return Column(self, name, self._place(name))

    def _place(self, name: str) -> int:
        if name not in self.columns:
            raise DataError(f'{self.path} has no column "{name}".', did_you_mean(name, self.columns))
        return self.columns.index(name)


class Column:
    """column[key]: one number. Raises DataError where the key is unknown, or its value is no finite number."""

    def __init__(self, table: Table, name: str, place: int) -> None:
        self._table, self.name, self._at = table, name, place

    def __getitem__(self, key: str) -> float:
        row = self._table._rows.get(key)
        if row is None:
            raise DataError(
                f'{self._table.path} has no row "{key}".', "It has to hold every cell of the space."
            )
        try:
            value = float(row[self._at])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DataError(
                f'{self._table.path}: "{row[self._at]}" stands under {self.name} of {key}, no number.',
                "Choose a column that is whole.",
            )
        return value


def _text(path: Path, contents: bytes) -> str:
    try:
        if path.suffix in PACKED:
            with PACKED[path.suffix](io.BytesIO(contents)) as file:
                contents = file.read(LARGEST + 1)
        if len(contents) > LARGEST:
            raise DataError(f"{path} unpacks to more than {LARGEST} bytes.", CURE)
        return contents.decode("utf-8-sig")
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", CURE) from None
