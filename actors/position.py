"""The position actor: one slot of one account.

It calls the pure functions and stages what they return.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from engine.booking import book_execution, state_position
from engine.errors import InvalidValue
from engine.messages import CorrectPosition, PositionChanged, SetBaseline, SubmitOrder, Tags
from engine.order import Booking
from engine.position_state import Position
from engine.position_views import avg_px, direction, realized_pnl
from engine.values import Instrument, PositionSlot
from engine.watched import slot_urn

from .runtime import Actor

if TYPE_CHECKING:
    from engine.messages import PriceExtreme
    from engine.trips import Stated, Trail

    from .turn import Turn

__all__ = ["BookExecution", "Follower", "PositionActor"]


class BookExecution(msgspec.Struct, frozen=True, gc=False):
    """From an order: one booking of it belongs to this slot."""

    terms: SubmitOrder
    booking: Booking
    ts: int


class Follower(Protocol):
    """Who follows a slot beyond its quantity: its trips, the marks on it."""

    trail: Trail | None

    def booked(self, message: BookExecution) -> Position:
        """The slot after a booking."""
        ...

    def stated(self, stated: Stated) -> Position:
        """The slot after a word about it."""
        ...

    def saw(self, fact: PriceExtreme) -> None:
        """Take prices into its open trip."""
        ...

    def look(self, _: None, __: None) -> None:
        """After a commit: watch the prices of what is held."""
        ...


class PositionActor(Actor):
    """One slot. Its state is the fold of bookings; it decides nothing about orders."""

    __slots__ = ("_moved", "follower", "instrument", "position", "turn")

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
        self.follower: Follower | None = None  # where trips are kept or marks are watched

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The slot, as a name."""
        held = self.position
        return slot_urn(held.venue, held.account, held.instrument, held.slot)

    def on_receive(self, message: Any) -> None:
        """Book an execution, or take over a baseline."""
        before = self.position
        follower = self.follower
        tags: Tags = ()
        client_order_id = ""
        if type(message) is BookExecution:
            terms = message.terms
            if follower is None:
                after = book_execution(before, self.instrument, terms, message.booking, message.ts)
            else:
                after = follower.booked(message)
            tags, client_order_id = terms.tags, terms.client_order_id
            ts = message.ts
        elif isinstance(message, SetBaseline | CorrectPosition):
            if follower is None:
                after = state_position(before, self.instrument, message)
            else:
                after = follower.stated(message)
            ts = message.ts
        else:
            raise InvalidValue(f"{type(message).__name__} is not a message to a position")
        turn = self.turn
        turn.undo.append((self, before, None))
        self.position = after
        self._moved(after.instrument, after.slot)
        if PositionChanged in turn.hub.wanted:
            turn.events.append(changed(after, self.instrument, ts, client_order_id, tags))

    def tell_also(self, told: Callable[[str, PositionSlot], object]) -> None:
        """Have another one called, after those who are, when it holds something else."""
        first = self._moved

        def both(instrument: str, slot: PositionSlot) -> None:
            first(instrument, slot)
            told(instrument, slot)

        self._moved = both

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
        direction(position, instrument),
        position.funding,
    )
