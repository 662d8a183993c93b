"""A venue far away, with rules: so many calls at once, so many a second.

Each call takes its time. The venue is honest: it writes down when a call came and went, counts
every call that breaks one of its rules, and refuses that call as throttled. It takes every order it
may, and never fills one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from actors.venues.port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Outcome,
    Refused,
    Sink,
    Throttled,
    VenueBalance,
    VenuePosition,
)
from engine.calls import CallKind
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
)
from engine.values import Instrument

__all__ = ["ACCOUNT", "VENUE", "LimitedVenue", "VenueCall", "VenueRules"]

VENUE: Final = "FAR"
ACCOUNT: Final = "BENCH"

T = TypeVar("T")


class VenueRules(msgspec.Struct, frozen=True, kw_only=True):
    """What this venue demands, and how long it takes; nanoseconds."""

    round_trip_ns: int
    at_once_max: int
    calls_max: int  # in any window, wherever it starts
    window_ns: int


class VenueCall(NamedTuple):
    """One call, as the venue saw it."""

    kind: CallKind
    client_order_id: str
    instrument: str
    began_ns: int
    ended_ns: int


class LimitedVenue:
    """The venue port. ``now_ns`` is the monotonic clock that the waits run on."""

    name = VENUE
    account = ACCOUNT
    capabilities = Capabilities(
        lookup_by_client_id=True,
        executions_complete=True,
        visibility_lag_ns=0,  # so its lists are read when the session begins, and not once more
    )

    def __init__(
        self, rules: VenueRules, instruments: Sequence[Instrument], now_ns: Callable[[], int]
    ) -> None:
        self.rules = rules
        self.calls: list[VenueCall] = []  # that were within the rules, in the order they ended
        self.too_many_at_once = 0
        self.too_fast = 0
        #: Orders that stand here and have not been cancelled, the oldest first; for any thread.
        self.working: deque[str] = deque()
        self._instruments = tuple(instruments)
        self._now_ns = now_ns
        self._at_once = 0
        self._lately: deque[int] = deque()  # when calls came, within one window

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Stand at once."""
        self._clock = clock
        sink(LinkUp(clock.time_ns()))

    async def close(self) -> None:
        """Orders stay as they are."""

    async def place(self, request: Place) -> Outcome:
        """Take it."""
        order = request.order
        cid = order.client_order_id
        refused = await self._travel(CallKind.NEW, cid, order.instrument)
        if refused is not None:
            return refused
        self.working.append(cid)
        return Done((Accepted(cid, self._clock.time_ns(), f"V{len(self.calls)}"),))

    async def cancel(self, request: Cancel) -> Outcome:
        """Cancel it."""
        cid = request.client_order_id
        refused = await self._travel(CallKind.CANCEL, cid, request.instrument)
        if refused is not None:
            return refused
        return Done((Cancelled(cid, self._clock.time_ns(), request.req_id),))

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """It counts like any call; nothing that this venue does gives a reason to ask."""
        sent_ts = self._clock.time_ns()
        await self._travel(CallKind.QUERY, request.client_order_id, request.instrument)
        return Answer((), False, sent_ts)

    async def _travel(self, kind: CallKind, cid: str, instrument: str) -> Throttled | None:
        """Judge a call when it comes, and let its time pass."""
        rules = self.rules
        began_ns = self._now_ns()
        if self._at_once >= rules.at_once_max:
            self.too_many_at_once += 1
            return Throttled(rules.round_trip_ns, "too many calls at once")
        lately = self._lately
        while lately and lately[0] <= began_ns - rules.window_ns:
            lately.popleft()
        if len(lately) >= rules.calls_max:
            self.too_fast += 1
            return Throttled(lately[0] + rules.window_ns - began_ns, "too many calls in a window")
        lately.append(began_ns)
        self._at_once += 1
        try:
            await self._clock.sleep_ns(rules.round_trip_ns)
        finally:
            self._at_once -= 1
        self.calls.append(VenueCall(kind, cid, instrument, began_ns, self._now_ns()))
        return None

    async def amend(self, request: Amend) -> Outcome:
        """Not here."""
        return Refused("NO_AMENDS", detail=request.client_order_id)

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """One after another."""
        return [await self.place(request) for request in requests]

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """One after another."""
        return [await self.cancel(request) for request in requests]

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """None, when the session begins."""
        return self._nothing()

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """None, ever."""
        return self._nothing()

    async def positions(self) -> Answer[VenuePosition]:
        """None, ever."""
        return self._nothing()

    async def balances(self) -> Answer[VenueBalance]:
        """Nobody asks."""
        return self._nothing()

    async def instruments(self) -> Answer[Instrument]:
        """Those it was made with."""
        return Answer(self._instruments, True, 0)

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Nobody asks."""
        return self._nothing()

    def _nothing(self) -> Answer[T]:
        return Answer((), True, self._clock.time_ns())
