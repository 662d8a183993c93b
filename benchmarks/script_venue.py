"""A venue that answers from a script, at once: what it costs is the decoding of its own messages.

Each placement is accepted (or rejected, where the story is that). Fills come later, when
:data:`OPEN_ORDERS` more were placed (or all of them), so that orders really are open meanwhile, as
they are at a venue.
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
    Cancelled,
    Filled,
    LinkUp,
    OrderSnapshot,
    Place,
    QueryOrder,
    Rejected,
    Replaced,
)
from engine.values import Instrument

from .lives import (
    ACCOUNT,
    AMENDED,
    CANCELLED,
    FILLED_TWICE,
    INSTRUMENT,
    REJECTED,
    VENUE,
    Life,
    Story,
)

__all__ = ["OPEN_ORDERS", "ScriptVenue", "venue_for"]

OPEN_ORDERS: Final = 100

T = TypeVar("T")


class ScriptVenue:
    """The venue port; ``script`` has the life of each order to come, by client order id.

    Up to ``open_orders`` are open at a time.
    """

    name = VENUE
    account = ACCOUNT
    capabilities = Capabilities(
        lookup_by_client_id=True,
        executions_complete=True,
        inline=True,
        amend=True,
        visibility_lag_ns=0,  # so its lists are read when the session begins, and not once more
    )

    def __init__(self, story: Story = FILLED_TWICE, open_orders: int = OPEN_ORDERS) -> None:
        self.script: dict[str, Life] = {}
        self._fills = story.fills
        self._open_orders = open_orders
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
        self._opened(life)
        return Done((self._decode_answer(life[1]),))

    def _opened(self, life: Life) -> None:
        self._open.append(life)
        while len(self._open) > (self._open_orders if self.script else 0):
            for fill in self._open.popleft()[-self._fills :]:
                self._sink(self._decode_fill(fill))

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """One after another."""
        return [await self.place(request) for request in requests]

    async def cancel(self, request: Cancel) -> Outcome:
        """Not in this story."""
        return _not_in_the_script(request)

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """One after another."""
        return [await self.cancel(request) for request in requests]

    async def amend(self, request: Amend) -> Outcome:
        """Not in this story."""
        return _not_in_the_script(request)

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


class CancellingVenue(ScriptVenue):
    """Its orders stay open until they are cancelled."""

    def __init__(self, story: Story, open_orders: int) -> None:
        super().__init__(story, open_orders)
        self._decode_end = msgspec.json.Decoder(Cancelled).decode

    async def place(self, request: Place) -> Outcome:
        """Accept it."""
        life = self.script[request.order.client_order_id]
        return Done((self._decode_answer(life[1]),))

    async def cancel(self, request: Cancel) -> Outcome:
        """Confirm it."""
        life = self.script.pop(request.client_order_id)
        return Done((self._decode_end(life[3]),))


class AmendingVenue(ScriptVenue):
    """Its orders are filled some time after they were amended."""

    def __init__(self, story: Story, open_orders: int) -> None:
        super().__init__(story, open_orders)
        self._decode_change = msgspec.json.Decoder(Replaced).decode

    async def place(self, request: Place) -> Outcome:
        """Accept it."""
        life = self.script[request.order.client_order_id]
        return Done((self._decode_answer(life[1]),))

    async def amend(self, request: Amend) -> Outcome:
        """Confirm it; and fill the order that has been open for longest."""
        life = self.script.pop(request.client_order_id)
        self._opened(life)
        return Done((self._decode_change(life[3]),))


class RejectingVenue(ScriptVenue):
    """It takes no order."""

    def __init__(self, story: Story, open_orders: int) -> None:
        super().__init__(story, open_orders)
        self._decode_no = msgspec.json.Decoder(Rejected).decode

    async def place(self, request: Place) -> Outcome:
        """Refuse it, for good."""
        answer = self._decode_no(self.script.pop(request.order.client_order_id)[1])
        return Refused(answer.reason, answer.code)


_VENUES: Final[dict[str, type[ScriptVenue]]] = {
    CANCELLED.name: CancellingVenue,
    AMENDED.name: AmendingVenue,
    REJECTED.name: RejectingVenue,
}


def venue_for(story: Story, open_orders: int = OPEN_ORDERS) -> ScriptVenue:
    """The venue that plays ``story``."""
    return _VENUES.get(story.name, ScriptVenue)(story, open_orders)


def _not_in_the_script(request: Cancel | Amend) -> Refused:
    return Refused("NOT_IN_THE_SCRIPT", detail=request.client_order_id)
