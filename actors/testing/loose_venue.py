"""A venue whose wires take as long as they like: what arrives when is up to the schedule.

Everything under way is a coroutine that could take its next step now: a request that has left, an
answer, the first report of the stream. So the dispatcher's choice of who runs next is also the
choice of what arrives next. Reports of one stream keep their order; a request, its answer and the
stream do not wait for each other.

What is under way belongs to the world. A request that a dead process had sent may still arrive, at
any time once a new one has connected. When a link goes down, the last reports before it may be
lost with it. A request that was under way for longer than the venue's ``request_window_ns`` never
arrives, so what the venue declares stays true.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from engine.messages import (
    Amend,
    Cancel,
    Filled,
    LinkDown,
    OrderSnapshot,
    Place,
    PriceUpdate,
    QueryOrder,
)
from engine.testing.faults import Choose
from engine.values import Instrument

from ..runtime import SimulatedDispatcher
from ..venues.port import (
    Answer,
    BookTop,
    Clock,
    Outcome,
    Sink,
    StreamReport,
    VenueBalance,
    VenuePosition,
)
from .faulty_venue import AdapterError, FaultyVenue

__all__ = ["LooseVenue"]

T = TypeVar("T")
_Request: TypeAlias = Place | Cancel | Amend


class LooseVenue:
    """See the module's text. It needs a simulated clock that can run coroutines."""

    def __init__(self, inner: FaultyVenue, choose: Choose) -> None:
        self.inner = inner
        self.name, self.account = inner.name, inner.account
        self.capabilities = inner.capabilities
        self._choose = choose
        self._window_ns = inner.capabilities.request_window_ns
        self._clock: Clock | None = None
        self._sink: Sink | None = None
        self._stream: deque[StreamReport] = deque()
        self._is_delivering = False
        self._sent: dict[int, tuple[_Request, int]] = {}  # under way, with when they left
        self._count = 0

    # --- sessions ---------------------------------------------------------------------------------

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Open the session; requests of a process that died may arrive from now on."""
        if clock is not self._clock:
            lost, self._sent = self._sent, {}
            self._clock, self._is_delivering = clock, False
            for request, sent_ns in lost.values():
                self._spawn(self._arrive_alone(request, sent_ns))
        self._sink = sink
        await self.inner.connect(self._heard, clock)

    async def close(self) -> None:
        """Close the session; what the stream still held is dropped."""
        await self.inner.close()
        self._hang_up()

    def abandon(self) -> None:
        """The engine died without a word; what it had sent is under way all the same."""
        self._hang_up()
        self.inner.abandon()

    def _hang_up(self) -> None:
        self._sink = None
        self._stream.clear()

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        """Prices are public data: they come at once."""
        self.inner.watch_prices(instrument, tell)

    # --- the stream -------------------------------------------------------------------------------

    def _heard(self, report: StreamReport) -> None:
        stream = self._stream
        if isinstance(report, LinkDown) and stream:
            for _ in range(self._choose(len(stream) + 1)):
                stream.pop()
        stream.append(report)
        if not self._is_delivering:
            self._is_delivering = True
            self._spawn(self._deliver())

    async def _deliver(self) -> None:
        """Hand over the reports one by one, each when the schedule says so."""
        while self._stream and self._sink is not None:
            self._sink(self._stream.popleft())
            if self._stream:
                await _under_way()
        self._is_delivering = False

    def _spawn(self, coro: Coroutine[Any, Any, object]) -> None:
        clock = self._clock
        assert isinstance(clock, SimulatedDispatcher)  # what the class needs
        clock.spawn(coro)

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, request: Place) -> Outcome:
        """Place an order."""
        return await self._call(request, lambda: self.inner.place(request))

    async def cancel(self, request: Cancel) -> Outcome:
        """Cancel the rest of an order."""
        return await self._call(request, lambda: self.inner.cancel(request))

    async def amend(self, request: Amend) -> Outcome:
        """Change terms."""
        return await self._call(request, lambda: self.inner.amend(request))

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """Place in order, in one message."""
        return await self._answered(self.inner.place_batch(requests))

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """Cancel in order, in one message."""
        return await self._answered(self.inner.cancel_batch(requests))

    async def _call(self, request: _Request, act: Callable[[], Awaitable[Outcome]]) -> Outcome:
        clock = self._clock
        if clock is None:
            return await act()
        self._count += 1
        number, sent_ns = self._count, clock.time_ns()
        self._sent[number] = request, sent_ns
        await _under_way()
        del self._sent[number]  # not where the process died meanwhile: this line never ran
        if self._is_too_late(sent_ns):
            raise AdapterError("it was under way for too long, and never arrived")
        return await self._answered(act())

    async def _arrive_alone(self, request: _Request, sent_ns: int) -> None:
        """A request whose sender is dead arrives; nobody waits for its answer."""
        if self._is_too_late(sent_ns):
            return
        inner = self.inner
        try:
            if isinstance(request, Place):
                await inner.place(request)
            elif isinstance(request, Cancel):
                await inner.cancel(request)
            else:
                await inner.amend(request)
        except AdapterError:
            return  # it did not arrive, or its answer got lost: nobody would hear it

    def _is_too_late(self, sent_ns: int) -> bool:
        return self._clock is not None and self._clock.time_ns() - sent_ns > self._window_ns

    async def _answered(self, answer: Awaitable[T]) -> T:
        """The answer to a call, under way like everything else; so is its failure."""
        try:
            told = await answer
        except AdapterError:
            await _under_way()
            raise
        await _under_way()
        return told

    # --- queries ----------------------------------------------------------------------------------

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """The order, open or closed."""
        return await self._answered(self.inner.query_order(request))

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """Open orders."""
        return await self._answered(self.inner.open_orders())

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """Executions at or after ``since_ts``, by the venue's own clock."""
        return await self._answered(self.inner.executions(since_ts))

    async def positions(self) -> Answer[VenuePosition]:
        """Every slot that is or was not flat."""
        return await self._answered(self.inner.positions())

    async def balances(self) -> Answer[VenueBalance]:
        """Every currency the account touched."""
        return await self.inner.balances()

    async def instruments(self) -> Answer[Instrument]:
        """What is traded here."""
        return await self.inner.instruments()

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Best outside prices."""
        return await self.inner.book(instrument)


@types.coroutine
def _under_way() -> Generator[None, None, None]:
    """Let others run; go on when the schedule chooses so."""
    yield
