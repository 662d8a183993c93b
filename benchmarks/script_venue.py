"""A venue that answers from a script, at once: what it costs is the decoding of its own messages.

Each placement is accepted. Its two fills come later, when :data:`OPEN_ORDERS` more were placed, so
that orders really are open meanwhile, as they are at a venue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from actors.venues.port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Outcome,
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


class ScriptVenue:
    """The venue port, from bytes made before. ``script`` has the life of each client order id."""

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
        """Accept it; and fill the order that has been open for longest."""
        life = self.script[request.order.client_order_id]
        self._open.append(life)
        if len(self._open) > OPEN_ORDERS:
            self._fill(self._open.popleft())
        return Done((self._decode_answer(life[1]),))

    def fill_the_rest(self) -> None:
        """Fill what is still open; on the dispatcher's thread."""
        while self._open:
            self._fill(self._open.popleft())

    def _fill(self, life: Life) -> None:
        self._sink(self._decode_fill(life[2]))
        self._sink(self._decode_fill(life[3]))

    async def cancel(self, request: Cancel) -> Outcome:
        """No life is cancelled."""
        raise NotImplementedError

    async def amend(self, request: Amend) -> Outcome:
        """No life is amended."""
        raise NotImplementedError
