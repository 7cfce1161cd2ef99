"""The opcodes that name, make and fill objects: only NumPy's arrays and their dtypes, and Latin-1 bytes."""

from collections.abc import Callable
from typing import Any

from .pickle_machine import Machine
from .pickle_numpy import (
    GLOBALS,
    Array,
    DType,
    Global,
    Refused,
    build_array,
    build_dtype,
    from_buffer,
    make_dtype,
)


def named(machine: Machine, module: Any, name: Any) -> None:
    known = GLOBALS.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
    if known is None:
        raise Refused(f"the global {str(module)[:60]!r} {str(name)[:60]!r} is not allowed")
    machine.stack.append(known)


def reduce(machine: Machine, _: Any) -> None:
    args, known = machine.pop(), machine.pop()
    if not isinstance(args, tuple) or not isinstance(known, Global):
        raise Refused("a call of something else than the parts of an array")
    machine.stack.append(MAKERS[known.kind](machine, args))


def encode(machine: Machine, args: tuple[Any, ...]) -> bytes:
    """codecs.encode(text, "latin1"): how Python 3 writes bytes below protocol 3."""
    if len(args) != 2 or not isinstance(args[0], str) or args[1] not in ("latin1", "latin-1"):
        raise Refused("an encoding other than Latin-1")
    return machine.latin1(args[0])


def reconstruct(_: Machine, args: tuple[Any, ...]) -> Array:
    if not args or args[0] != GLOBALS["numpy", "ndarray"]:
        raise Refused("an array of a class other than numpy.ndarray")
    return Array()


def frombuffer(_: Machine, args: tuple[Any, ...]) -> Array:
    """numpy's protocol 5: (bytes, dtype, shape, order)."""
    if len(args) != 4:
        raise Refused("an array's buffer of unknown form")
    return Array(from_buffer(*args))


def build(machine: Machine, _: Any) -> None:
    state, target = machine.pop(), machine.stack[-1]
    if isinstance(target, DType):
        build_dtype(target, state)
    elif isinstance(target, Array):
        build_array(target, state, machine.latin1)
    else:
        raise Refused("a state for something else than an array or its dtype")


def refuse_call(machine: Machine, _: tuple[Any, ...]) -> None:
    raise Refused("numpy.ndarray is not to be called")


MAKERS: dict[str, Callable[[Machine, tuple[Any, ...]], Any]] = {
    "reconstruct": reconstruct,
    "frombuffer": frombuffer,
    "encode": encode,
    "dtype": lambda _, args: make_dtype(args),
    "ndarray": refuse_call,
}
