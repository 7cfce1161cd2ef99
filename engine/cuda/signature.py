"""What a kernel text says of its kernels: the parameters of every __global__ function."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

TYPES = {
    "bool": "?",
    "char": "i1",
    "signed char": "i1",
    "unsigned char": "u1",
    "short": "i2",
    "unsigned short": "u2",
    "int": "i4",
    "unsigned": "u4",
    "unsigned int": "u4",
    "long long": "i8",
    "unsigned long long": "u8",
    "float": "f4",
    "double": "f8",
}
MOST_THREADS = 1024  # of a block

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_BOUND = r"(?:__launch_bounds__\s*\(\s*(\d+)[^)]*\)\s*)?"
_KERNEL = re.compile(rf"__global__\s+{_BOUND}void\s+{_BOUND}(\w+)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Parameter:
    """One parameter: an array of `dtype` where `pointer` (only read where `const`), else a number."""

    name: str
    dtype: "np.dtype[Any]"
    pointer: bool
    const: bool

    def __str__(self) -> str:
        return f'{"array" if self.pointer else "number"} "{self.name}" of {self.dtype}'


@dataclass(frozen=True)
class Signature:
    """A kernel's name, its parameters, and the most threads that a block of it may have."""

    name: str
    parameters: tuple[Parameter, ...]
    threads: int = MOST_THREADS


def without_comments(text: str) -> str:
    """The text without its comments; lines keep their numbers."""
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)


def signatures(text: str) -> dict[str, Signature]:
    """Every __global__ function of a text, by name. Raises ValueError where a type is none of TYPES."""
    found: dict[str, Signature] = {}
    for before, after, name, listed in _KERNEL.findall(without_comments(text)):
        parameters = tuple(_parameter(name, part) for part in listed.split(",") if part.strip())
        found[name] = Signature(name, parameters, int(before or after or MOST_THREADS))
    return found


def _parameter(kernel: str, declared: str) -> Parameter:
    """`const float* __restrict__ x` and the like."""
    words = re.sub(r"\b__restrict__\b", " ", declared).replace("*", " * ").split()
    *kind, name = words
    type_name = " ".join(w for w in kind if w not in ("const", "*"))
    if type_name not in TYPES or kind.count("*") > 1:
        known = ", ".join(TYPES)
        raise ValueError(f'{kernel}: parameter "{declared.strip()}" is of no known type; known: {known}.')
    return Parameter(name, np.dtype(TYPES[type_name]), "*" in kind, "const" in kind)
