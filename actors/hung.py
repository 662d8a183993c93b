"""Calls of an adapter that do not end: given up in time, counted, told, and never without number.

A call whose time is out is *unknown*, and the engine goes on without it. The coroutine it runs in
may go on too, for what a placement or a cancel says late is still a fact. Then it is cancelled. One
that ignores even that cannot be ended from outside: of those only so many of a kind may be left.
Beyond, no call of that kind is made: a question counts as not answered and is asked again, an order
request is refused, for it has never left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .roles import BrokerRole
from .runtime import Task

__all__ = ["HUNG_MAX", "LATE_MAX", "LATE_NS", "HungCalls"]

#: Cancelled calls of one kind that have not ended, before no other is made.
HUNG_MAX: Final = 16
#: How long a request to an order may still answer after its time is out, and how many may.
LATE_NS: Final = 60_000_000_000
LATE_MAX: Final = 256
#: The same trouble is told so often at most.
_TOLD_NS: Final = 60_000_000_000


class HungCalls:
    """The part of a broker that lets go of calls. Lives and dies with it, on its thread; outside
    turns, or from their effects.

    Attributes:
        full: kinds of which no call may be made now; read it before each call.
    """

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self.full: dict[str, None] = {}
        self._late: dict[Task[Any], str] = {}  # insertion order is time order
        self._left: dict[str, dict[Task[Any], None]] = {}
        self._told_ns: dict[str, int] = {}
        self._untold: dict[str, int] = {}

    @property
    def left(self) -> Mapping[str, int]:
        """How many cancelled calls have not ended, by kind."""
        return {kind: len(tasks) for kind, tasks in self._left.items() if tasks}

    def is_late(self, kind: str, task: Task[Any]) -> None:
        """A request to an order is past its time; what it says soon is still taken."""
        if task.done():
            return
        late = self._late
        late[task] = kind
        task.add_done_callback(lambda _: late.pop(task, None))
        if len(late) > LATE_MAX:
            oldest = next(iter(late))
            self.give_up(late[oldest], oldest)
        self.broker.dispatcher.watch_later(LATE_NS, lambda: self._later(task))

    def _later(self, task: Task[Any]) -> None:
        self.broker.turn.effects.append((self._too_late, task, None))

    def _too_late(self, task: Task[Any], _: None) -> None:
        kind = self._late.get(task)
        if kind is not None:
            self.give_up(kind, task)

    def give_up(self, kind: str, task: Task[Any]) -> None:
        """Its time is out for good: it is told, and let go of."""
        if task.done():
            return
        self.broker.counters.hung += 1
        self._untold[kind] = self._untold.get(kind, 0) + 1
        self.let_go(kind, task)
        self._tell(kind)

    def let_go(self, kind: str, task: Task[Any]) -> None:
        """Cancel what nobody waits for any more."""
        if task.done():
            return
        self._late.pop(task, None)
        left = self._left.setdefault(kind, {})
        left[task] = None
        if len(left) >= HUNG_MAX:
            self.full[kind] = None
        task.add_done_callback(lambda _: self._ended(kind, task))
        task.cancel()

    def _ended(self, kind: str, task: Task[Any]) -> None:
        left = self._left[kind]
        left.pop(task, None)
        if len(left) < HUNG_MAX:
            self.full.pop(kind, None)

    def _tell(self, kind: str) -> None:
        clock = self.broker.dispatcher
        now, told = clock.monotonic_ns(), self._told_ns.get(kind)
        if kind not in self.full and told is not None and now - told < _TOLD_NS:
            return
        self._told_ns[kind] = now
        detail = f"{self.broker.name}: {self._untold.pop(kind)} calls of {kind} came to no end in"
        detail += " time and were given up"
        if kind in self.full:
            detail += f"; {HUNG_MAX} ignore it, and no other is made until one of them ends"
        clock.call_soon(lambda: self.broker.alarm("call_hung", detail))
