"""Calls that a session makes for itself, one of each kind at a time: given up where they do not
end.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidValue

from .door import check_instruments, checked_answer
from .lane import LISTS_NS, note_raised
from .link_door import LinkDoor
from .roles import BrokerRole

if TYPE_CHECKING:
    from .runtime import Task, Timer

__all__ = ["LinkCalls"]


class LinkCalls(LinkDoor):
    """The part of a broker's link that makes its calls. Lives and dies with it."""

    def __init__(self, broker: BrokerRole) -> None:
        super().__init__(broker)
        self._has_instruments = False
        self._timers: dict[str, Timer] = {}  # by what they guard: "connect", "lists"
        self._calls: dict[str, Task[None]] = {}  # what runs, by kind; also "instruments"

    def _begin(self, what: str, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Make a call of the session's own; one of its kind that still runs is let go."""
        hung, before = self.broker.lane.hung, self._calls.pop(what, None)
        if before is not None:
            hung.let_go(what, before)
        if what not in hung.full:  # else nobody answers, which is seen to in time
            self._calls[what] = self.broker.dispatcher.spawn(ask())

    def _end(self, what: str, _: None) -> None:
        task = self._calls.pop(what, None)
        if task is not None:
            self.broker.lane.hung.give_up(what, task)

    def _guard(self, what: str, wait_ns: int, give_up: Callable[[], object]) -> None:
        self._unguard(what)
        self._timers[what] = self.broker.dispatcher.call_later(wait_ns, give_up)

    def _unguard(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()

    def ask_first(self) -> Task[None]:
        """Ask for instruments before the first connect; done when that has come to an end."""
        self._begin("instruments", self.ask_instruments)
        self.broker.dispatcher.watch_later(LISTS_NS, lambda: self._end_later("instruments"))
        return self._calls["instruments"]

    def _end_later(self, what: str) -> None:
        self.broker.turn.effects.append((self._end, what, None))

    async def ask_instruments(self) -> None:
        """Have the venue name its instruments; what it does not tell now is asked again when its
        link stands.
        """
        broker = self.broker
        try:
            answer = checked_answer(await broker.venue.instruments())
            check_instruments(answer.items, broker.name)
        except Exception as error:  # until it is up, those of the journal and given ones serve
            why = error if isinstance(error, InvalidValue) else note_raised(error)
            detail = f"{broker.name} names no instruments: {why}"
            broker.dispatcher.call_soon(lambda: broker.alarm("instruments", detail))
            return
        self._has_instruments = answer.complete
        broker.dispatcher.call_soon(lambda: broker.on_instruments(answer.items))
