"""A venue that was recorded: it says what the recording says, and nothing else.

Behind the same port as a real one. What it once answered stands in the recording as reports, so a
call of ours is taken without a word (:class:`~actors.venues.port.Done` proves nothing), and a
question gets an empty answer that is not complete: the recording does not know what it does not
show. The recorded reports come in through :meth:`RecordedVenue.report`, by the same sink a live
stream uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from engine.capabilities import Capabilities, IdScope, ReduceOnlyRule
from engine.errors import SystemStopped
from engine.messages import Amend, Cancel, Filled, LinkUp, OrderSnapshot, Place, QueryOrder
from engine.values import Instrument, OrderType, TimeInForce

from .port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Outcome,
    Sink,
    StreamReport,
    VenueBalance,
    VenuePosition,
)

__all__ = ["RECORDED_CAPABILITIES", "RecordedVenue"]

T = TypeVar("T")

#: What was recorded was possible, so nothing is refused for want of an ability. It proves nothing.
RECORDED_CAPABILITIES: Final = Capabilities(
    order_types=tuple(OrderType),
    times_in_force=tuple(TimeInForce),
    post_only=True,
    reduce_only=ReduceOnlyRule.CLAMP,
    amend=True,
    cash_qty=True,
    hedge_mode=True,
    client_id_length_max=64,
    client_id_scope=IdScope.FOREVER,
    inline=True,
)

_TAKEN: Final = Done(())


class RecordedVenue:
    """One recorded account."""

    capabilities = RECORDED_CAPABILITIES

    def __init__(self, name: str, account: str) -> None:
        self.name = name
        self.account = account
        self._sink: Sink | None = None
        self._clock: Clock | None = None

    def report(self, report: StreamReport) -> None:
        """Let the venue say what was recorded.

        Raises:
            SystemStopped: nobody is connected; the report was not delivered.
        """
        if self._sink is None:
            raise SystemStopped(f"nobody is connected to {self.name}/{self.account}")
        self._sink(report)

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Stand at once."""
        self._sink, self._clock = sink, clock
        sink(LinkUp(clock.time_ns(), "recorded"))

    async def close(self) -> None:
        """Say nothing more."""
        self._sink = None

    async def place(self, request: Place) -> Outcome:
        """Take it; what became of it was recorded."""
        return _TAKEN

    async def cancel(self, request: Cancel) -> Outcome:
        """Take it; what became of it was recorded."""
        return _TAKEN

    async def amend(self, request: Amend) -> Outcome:
        """Take it; what became of it was recorded."""
        return _TAKEN

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """Take all of them."""
        return [_TAKEN for _ in requests]

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """Take all of them."""
        return [_TAKEN for _ in requests]

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """Nothing is known beyond the recording."""
        return self._not_known()

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """Nothing is known beyond the recording."""
        return self._not_known()

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """Nothing is known beyond the recording."""
        return self._not_known()

    async def positions(self) -> Answer[VenuePosition]:
        """Nothing is known beyond the recording."""
        return self._not_known()

    async def balances(self) -> Answer[VenueBalance]:
        """Nothing is known beyond the recording."""
        return self._not_known()

    async def instruments(self) -> Answer[Instrument]:
        """Whoever replays states them."""
        return self._not_known()

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Nothing is known beyond the recording."""
        return self._not_known()

    def _not_known(self) -> Answer[T]:
        return Answer((), False, 0 if self._clock is None else self._clock.time_ns())
