"""Sizes in bytes, as people write them: 500MB, 1.5 GiB, 20000."""

import re
from typing import Any

import click

UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


class Size(click.ParamType):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([\d.]+)\s*([a-z]*)", str(value).strip().lower())
        if not match or match[2] not in UNITS or match[1].count(".") > 1 or match[1] == ".":
            self.fail(f'"{value}" is no size: write 500MB, 2GB or a number of bytes.', param, ctx)
        return int(float(match[1]) * UNITS[match[2]])


SIZE = Size()
