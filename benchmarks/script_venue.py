"""A venue that answers from a script, at once: what it costs is the decoding of its own messages.

Each placement is accepted. Its two fills come later, when :data:`OPEN_ORDERS` more were placed (or
all of them), so that orders really are open meanwhile, as they are at a venue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from actors.venues.port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Outcome,
    Refused,
    Sink,
    VenueBalance,
    VenuePosition,
)
from engine.capabilities import Capabilities
from engine.messages import (
    Accepted,
    Amend,
    Cancel,
    Filled,
    LinkUp,
    OrderSnapshot,
    Place,
    QueryOrder,
)
from engine.values import Instrument

from .lives import ACCOUNT, INSTRUMENT, VENUE, Life

__all__ = ["OPEN_ORDERS", "ScriptVenue"]

OPEN_ORDERS: Final = 100

T = TypeVar("T")


class ScriptVenue:
    """The venue port; ``script`` has the life of each order to come, by client order id."""

    name = VENUE
    account = ACCOUNT
    capabilities = Capabilities(lookup_by_client_id=True, executions_complete=True, inline=True)

    def __init__(self) -> None:
        self.script: dict[str, Life] = {}
        self._decode_answer = msgspec.json.Decoder(Accepted).decode
        self._decode_fill = msgspec.json.Decoder(Filled).decode
        self._open: deque[Life] = deque()

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Stand at once."""
        self._sink = sink
        self._clock = clock
        sink(LinkUp(clock.time_ns()))

    async def close(self) -> None:
        """Nothing is open but in memory."""

    async def place(self, request: Place) -> Outcome:
        """Accept it; and fill the order that has been open for longest, at the end all of them."""
        life = self.script.pop(request.order.client_order_id)
        self._open.append(life)
        while len(self._open) > (OPEN_ORDERS if self.script else 0):
            self._fill(self._open.popleft())
        return Done((self._decode_answer(life[1]),))

    def _fill(self, life: Life) -> None:
        self._sink(self._decode_fill(life[2]))
        self._sink(self._decode_fill(life[3]))

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """One after another."""
        return [await self.place(request) for request in requests]

    async def cancel(self, request: Cancel) -> Outcome:
        """No life is cancelled."""
        return Refused("NOT_IN_THE_SCRIPT", detail=request.client_order_id)

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """No life is cancelled."""
        return [await self.cancel(request) for request in requests]

    async def amend(self, request: Amend) -> Outcome:
        """No life is amended."""
        return Refused("NOT_IN_THE_SCRIPT", detail=request.client_order_id)

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """Nothing was asked for in the script: a check of the benchmark fails on what follows."""
        return self._nothing()

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """None, when the session begins."""
        return self._nothing()

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """None, when the session begins."""
        return self._nothing()

    async def positions(self) -> Answer[VenuePosition]:
        """None, when the session begins."""
        return self._nothing()

    async def balances(self) -> Answer[VenueBalance]:
        """Nobody asks."""
        return self._nothing()

    async def instruments(self) -> Answer[Instrument]:
        """The one that is traded."""
        return Answer((INSTRUMENT,), True, 0)

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Nobody asks."""
        return self._nothing()

    def _nothing(self) -> Answer[T]:
        return Answer((), True, self._clock.time_ns())
