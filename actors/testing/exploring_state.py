"""The complete state of a simulated system as 16 bytes: where they are equal, so is every future.

It is a walk over everything that can be reached from the system: exchange, venue, wires, broker,
lane, session, orders, positions, journal, queues, timers, and coroutines with the place and the
variables at which they wait. Nothing is known of what these objects mean, so nothing is forgotten
when one grows a field; a kind of object that the walk does not understand ends it with an error.
Which objects are one and the same counts as well: each is described once, under a number.

What is left out cannot change what happens, nor how it is judged (:data:`_LEFT_OUT` says why). Two
lists are sorted, because their order is only the numbering of a choice that is made in every way:
the coroutines that could go on, and the actors that have messages.

One thing Python does not show is what a waiting coroutine has put aside in the middle of an
expression. In ``f(x, await y)`` that is ``f`` and ``x``: here always something that follows from
the place and the variables.
"""

from __future__ import annotations

import itertools
import sys
import threading
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from functools import partial
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import msgspec

from engine.errors import InvariantViolated

from ..runtime.hand_driven import CoroutineDriver
from ..runtime.timers import Timetable
from ..runtime.turns import Box

__all__ = ["state_of"]

#: By class: what is not part of the state, and why.
_LEFT_OUT: Final[dict[str, tuple[str, ...]]] = {
    # The choices themselves; the same boxes stand in _runnable; numbers of turns, which are only
    # compared inside one.
    "SimulatedDispatcher": ("_choose_any", "_boxes", "_turn_number", "_driving"),
    "FaultyVenue": ("calls", "injected"),  # for reports
    "Wire": ("injected", "missed"),  # for reports
    "Faults": ("choose",),
    "LooseVenue": ("_choose",),
    "Counters": ("*",),  # for reports
    "Turn": ("facts_written",),  # for reports
    "Hub": ("_routes", "wanted", "_lock"),  # follow from the subscribers
    "MemoryJournal": ("_appends",),  # for reports
    "KeptJournal": ("batches", "_appends"),  # the records by turns; only cuts at a record look
    # Folds of the journal, and what was said: a run ends with its first violation.
    "Judge": ("books", "twin", "found", "alarms", "_noted", "_told", "_seq"),
    "ProtectionJudge": ("alarms", "excess"),
    "SimulatedSystem": ("_choose", "_choose_fault", "heard", "crashes"),
    "_Driven": ("ready",),  # the list it stands in
}
#: Tables of functions that are made with their object, and stay as they are.
_FIXED: Final = frozenset({"_ways", "_routes", "_verbs"})
#: Dicts by address, of which only the values count.
_BY_ADDRESS: Final = frozenset({"_started_actors", "_stop_waiters"})
_ATOMS: Final = frozenset({int, str, bytes, bool, float, Decimal, type(None), type(...)})
_LOCK: Final = type(threading.Lock())
_ABSENT: Final = object()


def state_of(*roots: object) -> bytes:
    """The state of all that can be reached from ``roots``.

    Raises:
        InvariantViolated: there is something that cannot be described.
    """
    walk = _Walk()
    for root in roots:
        walk.name(root)
    return walk.digest()


class _Walk:
    """Writes values down; objects get a number, and are described one after the other."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self._numbers: dict[int, int] = {}
        self._found: list[object] = []  # kept, so that no address is given twice
        self._texts: dict[int, str] = {}  # of frozen structs

    def digest(self) -> bytes:
        """Describe all that was found, and all that is found on the way."""
        out = self.out
        for number, one in enumerate(self._found):  # grows meanwhile
            out.append(f"\n{number}=")
            _OBJECTS.get(type(one), _object)(self, one)
        return blake2b("".join(out).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def name(self, value: object) -> None:
        """Write a value, or the number of the object that it is."""
        number = self._numbers.get(id(value))
        if number is not None:
            self.out.append(f"#{number},")
            return
        kind = type(value)
        if kind in _ATOMS:
            self.out.append(f"{value!r},")
            return
        _writer_of(kind)(self, value)

    def number(self, value: object) -> None:
        """Write the number of an object that is met for the first time."""
        number = self._numbers[id(value)] = len(self._found)
        self._found.append(value)
        self.out.append(f"#{number},")

    def items(self, values: Iterable[object]) -> None:
        """Write values in their order."""
        self.out.append("[")
        for value in values:
            self.name(value)
        self.out.append("]")

    def struct(self, value: msgspec.Struct) -> None:
        """Write a struct that never changes as its text."""
        text = self._texts.get(id(value))
        if text is None:
            text = self._texts[id(value)] = repr(value)
            if " at 0x" in text:
                raise InvariantViolated(f"Invariant: a frozen struct is a value: {text:.200}")
        self.out.append(text)


_Write: TypeAlias = Callable[[_Walk, Any], None]

# --- values: written where they stand -------------------------------------------------------------


def _enum(walk: _Walk, value: Enum) -> None:
    walk.out.append(f"{type(value).__name__}.{value.name},")


def _class(walk: _Walk, value: type) -> None:
    walk.out.append(f"{value.__module__}.{value.__qualname__},")


def _tuple(walk: _Walk, value: tuple[object, ...]) -> None:
    walk.out.append(type(value).__name__)
    walk.items(value)


def _method(walk: _Walk, value: types.MethodType) -> None:
    walk.out.append(f"{value.__qualname__} of ")
    walk.name(value.__self__)


def _builtin(walk: _Walk, value: types.BuiltinFunctionType) -> None:
    walk.out.append(f"{value.__qualname__} of ")
    if not isinstance(value.__self__, types.ModuleType):
        walk.name(value.__self__)


def _function(walk: _Walk, value: types.FunctionType) -> None:
    if value.__closure__ is None and not value.__defaults__:
        walk.out.append(f"{value.__module__}.{value.__qualname__},")
    else:
        walk.number(value)


def _lock(walk: _Walk, value: Any) -> None:
    walk.out.append(f"lock {value.locked()},")


def _kind_only(walk: _Walk, value: object) -> None:
    walk.out.append(f"{type(value).__name__},")


def _text(walk: _Walk, value: object) -> None:
    walk.out.append(f"{value!r},")


def _exception(walk: _Walk, value: BaseException) -> None:
    walk.out.append(f"{type(value).__qualname__}({value}),")


def _weak(walk: _Walk, value: weakref.ref[Any]) -> None:
    walk.name(value())


def _writer_of(kind: type) -> _Write:
    """How values of a kind are written."""
    write = _VALUES.get(kind)
    if write is None:
        write = _VALUES[kind] = _new_writer(kind)
    return write


def _new_writer(kind: type) -> _Write:
    if issubclass(kind, type):
        return _class
    if issubclass(kind, Enum):
        return _enum
    if issubclass(kind, BaseException):
        return _exception
    if issubclass(kind, tuple):
        return _tuple
    if issubclass(kind, msgspec.Struct):
        return _Walk.struct if kind.__struct_config__.frozen else _Walk.number
    if issubclass(kind, weakref.ref):
        return _weak
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        raise InvariantViolated(f"Invariant: every part of the state can be described, not {kind}")
    return _Walk.number


# --- objects: described once ----------------------------------------------------------------------


def _object(walk: _Walk, one: object) -> None:
    kind = type(one)
    known = _FIELDS.get(kind)
    if known is None:
        known = _FIELDS[kind] = _fields(kind)
    slots, left_out = known
    write, name = walk.out.append, walk.name
    write(kind.__qualname__)
    for field in slots:
        value = getattr(one, field, _ABSENT)
        if value is not _ABSENT:
            write(f" {field}:")
            name(value)
    attributes: dict[str, Any] = getattr(one, "__dict__", {})
    for field, value in attributes.items():
        if field in left_out:
            continue
        write(f" {field}:")
        if field in _BY_ADDRESS:
            walk.items(value.values())
        elif field == "_runnable":
            walk.items(sorted(value, key=_box_name))
        else:
            name(value)


def _box_name(box: Any) -> str:
    return type(box.actor).__name__


def _fields(kind: type) -> tuple[tuple[str, ...], frozenset[str]]:
    """What lies in slots, and which attributes are left out."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__, _FIXED
    out = _LEFT_OUT.get(kind.__name__, ())
    names: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names += (slots,) if isinstance(slots, str) else slots
    hidden = _FIXED.union(out, ("__dict__", "__weakref__"))
    if "*" in out:
        return (), hidden
    return tuple(name for name in names if name not in hidden), hidden


def _mapping(walk: _Walk, one: dict[object, object]) -> None:
    walk.out.append("{")
    for key, value in one.items():
        walk.name(key)
        walk.name(value)
    walk.out.append("}")


def _set(walk: _Walk, one: Iterable[object]) -> None:
    walk.out += sorted(f"{value!r}," for value in one)


def _bytes(walk: _Walk, one: bytearray) -> None:
    walk.out.append(blake2b(one, digest_size=16).hexdigest())


def _closure(walk: _Walk, one: types.FunctionType) -> None:
    walk.out.append(f"{one.__module__}.{one.__qualname__}:{one.__code__.co_firstlineno}")
    walk.items(one.__defaults__ or ())
    walk.items(one.__closure__ or ())


def _cell(walk: _Walk, one: types.CellType) -> None:
    try:
        value = one.cell_contents
    except ValueError:
        return  # empty
    walk.name(value)


def _partial(walk: _Walk, one: partial[Any]) -> None:
    walk.items((one.func, one.args, one.keywords))


def _coroutine(walk: _Walk, one: types.CoroutineType[Any, Any, Any]) -> None:
    _frame(walk, one.cr_code, one.cr_frame)
    walk.name(one.cr_await)


def _generator(walk: _Walk, one: types.GeneratorType[Any, Any, Any]) -> None:
    _frame(walk, one.gi_code, one.gi_frame)
    walk.name(one.gi_yieldfrom)


def _frame(walk: _Walk, code: types.CodeType, frame: types.FrameType | None) -> None:
    walk.out.append(f"{code.co_qualname}:{code.co_firstlineno}")
    if frame is None:
        walk.out.append(" over ")
        return
    walk.out.append(f" at {frame.f_lasti}")
    for name, value in frame.f_locals.items():
        walk.out.append(f" {name}:")
        walk.name(value)


def _timetable(walk: _Walk, one: Timetable) -> None:
    """What is due, in its order; timers that were called off are gone."""
    for due_ns, fn in one.waiting():
        walk.out.append(f"{due_ns} ")
        walk.name(fn)


def _box(walk: _Walk, one: Box) -> None:
    walk.name(one.actor)
    walk.out.append(f"{one.first} ")
    walk.items(item for item, _ in one.items)


def _driver(walk: _Walk, one: CoroutineDriver) -> None:
    """The coroutines that could go on, then those that wait."""
    for group in (one.ready, one.parked()):
        walk.items(sorted(group, key=_driven_name))


def _driven_name(driven: Any) -> str:
    """Where a coroutine waits, with its plain variables: enough to tell most of them apart."""
    found: list[str] = []
    coro = driven.coro
    while isinstance(coro, types.CoroutineType) and coro.cr_frame is not None:
        frame = coro.cr_frame
        found.append(f"{coro.cr_code.co_qualname} {frame.f_lasti}")
        found += [
            f"{name}={value!r}"
            for name, value in frame.f_locals.items()
            if type(value) in _ATOMS or _writer_of(type(value)) is _Walk.struct
        ]
        coro = coro.cr_await
    return " ".join(found)


_FIELDS: Final[dict[type, tuple[tuple[str, ...], frozenset[str]]]] = {}
_VALUES: Final[dict[type, _Write]] = {
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.FunctionType: _function,
    types.ModuleType: _text,
    types.TracebackType: _kind_only,
    itertools.count: _text,
    range: _text,
    **dict.fromkeys((type({}.keys()), type({}.values()), type({}.items())), _Walk.items),
    _LOCK: _lock,
    **dict.fromkeys(
        (
            dict,
            list,
            deque,
            set,
            frozenset,
            OrderedDict,
            types.CellType,
            types.CoroutineType,
            types.GeneratorType,
            partial,
            bytearray,
        ),
        _Walk.number,
    ),
}
_OBJECTS: Final[dict[type, _Write]] = {
    dict: _mapping,
    OrderedDict: _mapping,
    list: _Walk.items,
    deque: _Walk.items,
    set: _set,
    frozenset: _set,
    bytearray: _bytes,
    types.FunctionType: _closure,
    types.CellType: _cell,
    types.CoroutineType: _coroutine,
    types.GeneratorType: _generator,
    partial: _partial,
    Timetable: _timetable,
    Box: _box,
    CoroutineDriver: _driver,
}
