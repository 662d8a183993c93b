"""What is said to a broker besides the vocabulary of ``engine``, and what it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.errors import EngineError, UserError
from engine.messages import AmendOrder
from engine.values import PositionSlot

from .runtime import Future
from .tickets import Until

if TYPE_CHECKING:
    from .turn import Turn

__all__ = [
    "Ask",
    "Counters",
    "ExecutionElsewhere",
    "InTurn",
    "NewSlot",
    "Thaw",
    "TookOver",
    "UnknownInstrument",
    "WaitFor",
]


class Ask(NamedTuple):
    """A command from the facade and the future its answer goes to."""

    command: Any
    future: Future[Any] | None
    overtook: bool = False  # what waited, and so maybe the order it is about


class WaitFor(NamedTuple):
    """Somebody waits until an order is there."""

    client_order_id: str
    until: Until
    future: Future[Any]


class InTurn:
    """A question of the facade, as a call: its answer leaves after the commit, and so does its
    failure.
    """

    __slots__ = ("fn", "future", "turn")

    def __init__(self, turn: Turn, fn: Callable[[], Any], future: Future[Any]) -> None:
        self.turn = turn
        self.fn = fn
        self.future = future

    def __call__(self) -> None:
        """Ask it."""
        try:
            value = self.fn()
        except Exception as error:  # an answer to the asker, not a failure of an actor
            self.turn.reply_exception(self.future, error)
        else:
            self.turn.reply(self.future, value)


class ExecutionElsewhere(EngineError):
    """The journal has this execution on another order: booking it again would double it."""


class UnknownInstrument(UserError):
    """Nobody has defined it here, so a quantity of it means nothing yet."""


class Counters:
    """What a broker has seen, for reports and for tests."""

    __slots__ = ("adopted", "duplicates", "failures", "late", "parked", "quarantined", "reports")

    def __init__(self) -> None:
        self.reports = 0
        self.duplicates = 0
        self.late = 0
        self.quarantined = 0
        self.parked = 0
        self.adopted = 0
        self.failures = 0


class Freezable(Protocol):
    """What can be frozen after a failure."""

    frozen: bool


class TookOver(NamedTuple):
    """From the lane: an amend that has not left now carries terms of one that never will."""

    command: AmendOrder


class Thaw:
    """Undo of a freeze."""

    def restore(self, before: Freezable, extra: bool) -> None:
        """Take it back."""
        before.frozen = extra


class NewSlot:
    """Undo of a slot that an execution opened, by its key."""

    def __init__(self, slots: dict[tuple[str, PositionSlot], Any]) -> None:
        self._slots = slots

    def restore(self, before: tuple[str, PositionSlot], extra: None) -> None:
        """Take it back: an empty slot that the journal does not know would be state of its own."""
        del extra
        self._slots.pop(before)
