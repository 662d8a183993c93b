"""The position actor: one slot of one account.

It calls the pure functions and stages what they return.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import InvalidValue
from engine.fold import book_execution, state_position
from engine.messages import CorrectPosition, PositionChanged, SetBaseline, SubmitOrder, Tags
from engine.order import Booking
from engine.position_state import Position
from engine.position_views import avg_px, realized_pnl
from engine.values import Instrument, PositionSlot

from .runtime import Actor

if TYPE_CHECKING:
    from .turn import Turn

__all__ = ["BookExecution", "PositionActor"]


class BookExecution(msgspec.Struct, frozen=True, gc=False):
    """From an order: one booking of it belongs to this slot."""

    terms: SubmitOrder
    booking: Booking
    ts: int


class PositionActor(Actor):
    """One slot. Its state is the fold of bookings; it decides nothing about orders."""

    __slots__ = ("_moved", "instrument", "position", "turn")

    def __init__(
        self,
        turn: Turn,
        instrument: Instrument,
        position: Position,
        moved: Callable[[str, PositionSlot], object],
    ) -> None:
        """``moved`` is called with instrument and slot when that holds something else."""
        self.turn = turn
        self._moved = moved
        self.instrument = instrument
        self.position = position

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The slot, as a name."""
        held = self.position
        return f"position:{held.venue}:{held.account}:{held.instrument}:{held.slot.value}"

    def on_receive(self, message: Any) -> None:
        """Book an execution, or take over a baseline."""
        before = self.position
        tags: Tags = ()
        client_order_id = ""
        if type(message) is BookExecution:
            terms = message.terms
            after = book_execution(before, self.instrument, terms, message.booking, message.ts)
            tags, client_order_id = terms.tags, terms.client_order_id
            ts = message.ts
        elif isinstance(message, SetBaseline | CorrectPosition):
            after = state_position(before, self.instrument, message)
            ts = message.ts
        else:
            raise InvalidValue(f"{type(message).__name__} is not a message to a position")
        turn = self.turn
        turn.undo.append((self, before, None))
        self.position = after
        self._moved(after.instrument, after.slot)
        if PositionChanged in turn.hub.wanted:
            turn.events.append(changed(after, self.instrument, ts, client_order_id, tags))

    def restore(self, before: Position, extra: None) -> None:
        """Take back a step whose turn was discarded."""
        del extra
        self.position = before


def changed(
    position: Position,
    instrument: Instrument,
    ts: int,
    client_order_id: str = "",
    tags: Tags = (),
) -> PositionChanged:
    """The event that shows a slot as it stands."""
    return PositionChanged(
        position.venue,
        position.account,
        position.instrument,
        position.slot,
        ts,
        position.qty,
        avg_px(position, instrument),
        realized_pnl(position),
        position.currency,
        position.fees,
        client_order_id,
        tags,
    )
