"""The stack, marks and memo behind pickles.py."""

from typing import Any

from .pickle_numpy import Refused

LARGEST_INT = 2**63


class Nested(tuple[Any, ...]):
    """A tuple that holds a tuple: no container takes it, so that no depth can grow."""


class Machine:
    """A stack with marks and a memo. `budget` counts the bytes that may still be made out of text."""

    def __init__(self, budget: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.budget = budget

    def pop(self) -> Any:
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise IndexError
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise Refused(f"there is no {kind.__name__} to add to")
        return self.stack[-1]

    def latin1(self, value: str) -> bytes:
        self.budget -= len(value)
        if self.budget < 0:
            raise Refused("more bytes than the file has")
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            raise Refused("text outside Latin-1 in place of bytes") from None


def number(value: Any) -> Any:
    if isinstance(value, int) and not -LARGEST_INT <= value < LARGEST_INT:
        raise Refused("a number of more than 64 bits")
    return bytes(value) if isinstance(value, bytearray) else value
