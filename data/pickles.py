"""CIFAR's and ImageNet16's Python batches, read WITHOUT pickle: an interpreter of an allow-list of opcodes.

`pickletools.genops` splits the file into opcodes; what pickle_opcodes.py does not name is refused, and so is
every global but NumPy's array parts (pickle_numpy.py). Nothing is imported or called. The file's own length
bounds all work: lists hold only scalars and tuples nest twice at most, so that no memo and no depth can grow;
arrays are views of the file's bytes; text turned into bytes is counted.
"""

import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..engine.errors import DataError
from .files import AGAIN, read_bytes
from .pickle_machine import Machine
from .pickle_numpy import Array, Refused
from .pickle_opcodes import step

# A batch of CIFAR takes 4 or 5 opcodes an image, CIFAR-100's train file about 250,000.
MOST_OPCODES = 1_000_000


def read_batch(path: Path) -> dict[str, Any]:
    """The dictionary that a batch holds: keys as str, values int, float, str, bytes, None, list or array.

    Python 2's strings become str by Latin-1. Raises DataError for a missing or damaged file and for any
    opcode or global that such files do not need, with its byte position.
    """
    result = run(path, read_bytes(path))
    if not isinstance(result, dict):
        raise DataError(f"{path} holds no dictionary, so it is no CIFAR or ImageNet16 batch.", AGAIN)
    return {text(key): value.values if isinstance(value, Array) else value for key, value in result.items()}


def text(key: Any) -> str:
    """A dictionary's key as str: Python 3 writes the old keys as bytes."""
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def run(path: Path, data: bytes) -> Any:
    """What the stream leaves on its stack."""
    machine = Machine(budget=len(data))
    name, position = "nothing", 0
    for count, (name, argument, position) in enumerate(opcodes(path, data)):
        if name == "STOP":
            break
        try:
            if count >= MOST_OPCODES:
                raise Refused(f"more than {MOST_OPCODES} opcodes")
            step(machine, name, argument)
        except (Refused, IndexError) as error:
            why = str(error) if isinstance(error, Refused) else "its operands are missing"
            raise refusal(path, f"{name} at byte {position}: {why}") from None
    if len(machine.stack) != 1 or machine.marks:
        raise refusal(path, f"{name} at byte {position}: {len(machine.stack)} values are left, expected 1")
    return machine.stack[0]


def opcodes(path: Path, data: bytes) -> Iterator[tuple[str, Any, int]]:
    """(name, argument, byte position) of each opcode."""
    stream = pickletools.genops(data)
    position = 0
    while True:
        try:
            opcode, argument, at = next(stream)
        except StopIteration:
            return
        except Exception as error:  # a damaged argument raises whatever its decoder raises
            raise refusal(path, f"after byte {position}: {str(error)[:100]}") from None
        position = at or 0
        yield opcode.name, argument, position


def refusal(path: Path, why: str) -> DataError:
    return DataError(f"{path} is no plain batch of images: {why}.", AGAIN)
