"""What is said to a broker besides the vocabulary of ``engine``, and what it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.errors import EngineError, UserError
from engine.messages import (
    Amend,
    AmendOrder,
    Cancel,
    CancelRefused,
    Filled,
    OrderSnapshot,
    Place,
    Rejected,
    ReplaceRefused,
)
from engine.values import PositionSlot

from .runtime import Future
from .tickets import Until
from .venues.port import Answer, Refused

if TYPE_CHECKING:
    from .turn import Turn

__all__ = [
    "Ask",
    "Counters",
    "ExecutionElsewhere",
    "GapAnswered",
    "InTurn",
    "NewSlot",
    "Read",
    "Thaw",
    "TookOver",
    "UnknownInstrument",
    "WaitFor",
    "refused",
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


class Read(NamedTuple):
    """A list of executions, in nanoseconds UTC: asked for when, and shown from when on; and how
    many reports had found no room by then.
    """

    sent_ts: int
    since_ts: int
    surplus: int = 0


class GapAnswered(NamedTuple):
    """What a venue said about open orders and executions after a gap."""

    open_orders: Answer[OrderSnapshot]
    executions: Answer[Filled]
    whole: bool  # asked after a (re)connect, not for single orders
    question: int
    failure: str  # why it could not be asked; "" when it was
    read: Read = Read(0, 0)  # the executions: when they were asked for, and from when on


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

    __slots__ = (
        "adopted",
        "duplicates",
        "failures",
        "hung",
        "late",
        "parked",
        "quarantined",
        "reports",
    )

    def __init__(self) -> None:
        self.reports = 0
        self.duplicates = 0
        self.late = 0
        self.quarantined = 0
        self.parked = 0
        self.adopted = 0
        self.failures = 0
        self.hung = 0


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


def refused(
    request: Place | Cancel | Amend, outcome: Refused, ts: int
) -> Rejected | CancelRefused | ReplaceRefused:
    """What a definite no of a venue is to the order."""
    cid, reason = request.client_order_id, outcome.reason or outcome.detail
    if isinstance(request, Place):
        return Rejected(cid, ts, reason, outcome.code)
    if isinstance(request, Cancel):
        return CancelRefused(cid, ts, request.req_id, reason, outcome.code)
    return ReplaceRefused(cid, ts, request.req_id, reason, outcome.code)
