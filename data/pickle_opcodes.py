"""What each opcode that batches use does to the machine; all others are refused."""

from collections.abc import Callable
from typing import Any

from .pickle_machine import Machine, Nested, number
from .pickle_numpy import DType, Global, Refused
from .pickle_objects import build, named, reduce

Action = Callable[[Machine, Any], None]
SCALAR = (int, float, str, bytes, type(None))  # a bool is an int
NEWEST_PROTOCOL = 5


def step(machine: Machine, name: str, argument: Any) -> None:
    """One opcode. Raises Refused, or IndexError where the stack is too short."""
    if name not in ACTIONS:
        raise Refused("this opcode is not allowed")
    ACTIONS[name](machine, argument)


def protocol(machine: Machine, version: Any) -> None:
    if version > NEWEST_PROTOCOL:
        raise Refused(f"protocol {version}, at most {NEWEST_PROTOCOL} is known")


def push_tuple(machine: Machine, items: list[Any]) -> None:
    if any(isinstance(item, (Nested, list, dict)) for item in items):
        raise Refused("containers nested deeper than batches need")
    machine.stack.append((Nested if any(isinstance(item, tuple) for item in items) else tuple)(items))


def short_tuple(length: int) -> Callable[[Machine, Any], None]:
    return lambda machine, _: push_tuple(machine, [machine.pop() for _ in range(length)][::-1])


def extend(machine: Machine, items: list[Any]) -> None:
    if not all(isinstance(item, SCALAR) for item in items):
        raise Refused("a list of something else than numbers and text")
    machine.top(list).extend(items)


def update(machine: Machine, items: list[Any]) -> None:
    if len(items) % 2 or not all(isinstance(key, (str, bytes)) for key in items[::2]):
        raise Refused("a dictionary whose keys are not text")
    if any(isinstance(value, (dict, tuple, Global, DType)) for value in items[1::2]):
        raise Refused("a dictionary of something else than numbers, text, lists and arrays")
    machine.top(dict).update(zip(items[::2], items[1::2], strict=True))


def new_list(machine: Machine, items: list[Any]) -> None:
    machine.stack.append([])
    extend(machine, items)


def new_dict(machine: Machine, items: list[Any]) -> None:
    machine.stack.append({})
    update(machine, items)


def put(machine: Machine, index: Any) -> None:
    machine.memo[len(machine.memo) if index is None else index] = machine.stack[-1]


def get(machine: Machine, index: Any) -> None:
    if index not in machine.memo:
        raise Refused("a memo that was never filled")
    machine.stack.append(machine.memo[index])


def push(machine: Machine, value: Any) -> None:
    machine.stack.append(number(value))


def always(value: Any) -> Action:
    return lambda machine, _: machine.stack.append(value)


NUMBERS = ["INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"]
BYTES = ["STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"]
TEXTS = ["UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"]
ACTIONS: dict[str, Action] = {
    "PROTO": protocol,
    "FRAME": lambda machine, _: None,
    **dict.fromkeys([*NUMBERS, *BYTES, *TEXTS], push),
    "NONE": always(None),
    "NEWTRUE": always(True),
    "NEWFALSE": always(False),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "EMPTY_TUPLE": always(()),
    "TUPLE": lambda machine, _: push_tuple(machine, machine.since_mark()),
    "TUPLE1": short_tuple(1),
    "TUPLE2": short_tuple(2),
    "TUPLE3": short_tuple(3),
    "EMPTY_LIST": lambda machine, _: new_list(machine, []),
    "LIST": lambda machine, _: new_list(machine, machine.since_mark()),
    "APPEND": lambda machine, _: extend(machine, [machine.pop()]),
    "APPENDS": lambda machine, _: extend(machine, machine.since_mark()),
    "EMPTY_DICT": lambda machine, _: new_dict(machine, []),
    "DICT": lambda machine, _: new_dict(machine, machine.since_mark()),
    "SETITEM": lambda machine, _: update(machine, [machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: update(machine, machine.since_mark()),
    **dict.fromkeys(["PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"], put),
    **dict.fromkeys(["GET", "BINGET", "LONG_BINGET"], get),
    "GLOBAL": lambda machine, argument: named(machine, *argument.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: named(machine, *[machine.pop(), machine.pop()][::-1]),
    "REDUCE": reduce,
    "BUILD": build,
}
