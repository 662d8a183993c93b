"""A desk at one venue adapter: it calls the port, keeps all that was told, and can wait for facts.

:class:`~actors.testing.venue_conformance.VenueConformance` works at one; so may tests of an
adapter's own. Time and coroutines come from a :class:`Runner`: an asyncio loop and real time
(:class:`LoopRunner`), or virtual time for venues that live in this process
(:class:`SimulatedRunner`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from engine.messages import (
    Amend,
    Cancel,
    Filled,
    OrderReport,
    OrderSnapshot,
    Place,
    QueryOrder,
    SubmitOrder,
    VenueStatus,
)
from engine.values import (
    CONTEXT,
    Instrument,
    InstrumentKind,
    OrderType,
    PositionSlot,
    Side,
    round_price,
    to_base36,
)

from ..runtime import SimulatedDispatcher
from ..venues.port import Answer, BookTop, Clock, Done, Outcome, StreamReport, Venue

__all__ = ["ENDED", "Desk", "LoopRunner", "Runner", "SimulatedRunner", "VenueSilent"]

T = TypeVar("T")
_MS: Final = 1_000_000
_POLL_NS: Final = 20 * _MS
#: What a venue calls an order that will do nothing any more.
ENDED: Final = (
    VenueStatus.FILLED,
    VenueStatus.CANCELLED,
    VenueStatus.EXPIRED,
    VenueStatus.REJECTED,
)


class VenueSilent(AssertionError):
    """A fact that the venue owes us did not come in time."""


class Runner(Protocol):
    """What runs an adapter's coroutines, and its clock."""

    clock: Clock

    def run(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """Run them at the same time until all have ended; what one raises is raised."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class _RealClock:
    def time_ns(self) -> int:
        return time.time_ns()

    async def sleep_ns(self, duration_ns: int) -> None:
        await asyncio.sleep(duration_ns / 1_000_000_000)


class LoopRunner:
    """An asyncio loop and real time; the adapter's tasks go on while something is waited for."""

    def __init__(self) -> None:
        self.clock: Clock = _RealClock()
        self._runner = asyncio.Runner()

    def run(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """See :class:`Runner`."""

        async def together() -> list[T]:
            return list(await asyncio.gather(*calls))

        return self._runner.run(together())

    def close(self) -> None:
        """Cancel what still runs in the loop, and close it."""
        self._runner.close()


class SimulatedRunner:
    """Virtual time; for adapters that await only the clock they are given."""

    def __init__(self, seed: int = 0) -> None:
        self.dispatcher = SimulatedDispatcher(seed=seed)
        self.clock: Clock = self.dispatcher

    def run(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """See :class:`Runner`."""
        return [task.get() for task in [self.dispatcher.spawn(call) for call in calls]]

    def close(self) -> None:
        """Close what still runs."""
        self.dispatcher.kill()


class Desk:
    """See the module's text.

    Attributes:
        heard: the stream, in order. told: every report, of the stream or of an answer, in order.
        instrument: what is traded. begun_ns: when the desk was opened, by its clock. before: client
            ids of orders that were open then, of whoever.
    """

    def __init__(
        self, venue: Venue, runner: Runner, symbol: str, *, patience_ns: int = 10_000 * _MS
    ) -> None:
        self.venue = venue
        self.runner = runner
        self.heard: list[StreamReport] = []
        self.told: list[StreamReport] = []
        self.begun_ns = runner.clock.time_ns()
        self._patience_ns = patience_ns + venue.capabilities.visibility_lag_ns
        self._symbol = symbol
        self._orders: list[SubmitOrder] = []
        self._made = 0
        self.connect()
        found = [one for one in self.ask(venue.instruments()).items if one.symbol == symbol]
        if len(found) != 1:
            raise VenueSilent(f"instruments() shows {symbol!r} {len(found)} times, once is right")
        self.instrument: Instrument = found[0]
        listed = self.ask(venue.open_orders()).items
        self.before = {one.client_order_id: None for one in listed}

    # --- sessions ---------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the session."""
        self.runner.run(self.venue.connect(self._hear, self.runner.clock))

    def close(self) -> None:
        """Close the session; orders stay."""
        self.runner.run(self.venue.close())

    def _hear(self, report: StreamReport) -> None:
        self.heard.append(report)
        self.told.append(report)

    def clean_up(self) -> None:
        """Cancel whatever a test has left open, close the session, and let go."""
        for order in self._orders:
            self.runner.run(self.venue.cancel(self._cancel_of(order)))
        self.close()
        self.runner.close()

    # --- calls ------------------------------------------------------------------------------------

    def place(self, order: SubmitOrder) -> Outcome:
        """Place an order."""
        self._orders.append(order)
        return self.call(self.venue.place(Place(order)))[0]

    def cancel(self, order: SubmitOrder) -> Outcome:
        """Cancel an order, by its client id."""
        return self.call(self.venue.cancel(self._cancel_of(order)))[0]

    def amend(
        self, order: SubmitOrder, qty: Decimal | None = None, price: Decimal | None = None
    ) -> Outcome:
        """Ask for a new total or price."""
        cid, known = order.client_order_id, self.venue_order_id(order)
        request = Amend(cid, f"a{len(self.told)}", order.instrument, qty, price, None, known)
        return self.call(self.venue.amend(request))[0]

    def place_batch(self, orders: Sequence[SubmitOrder]) -> list[Outcome]:
        """Place several in one call."""
        self._orders += orders
        return self._batch(self.venue.place_batch([Place(one) for one in orders]))

    def cancel_batch(self, orders: Sequence[SubmitOrder]) -> list[Outcome]:
        """Cancel several in one call."""
        return self._batch(self.venue.cancel_batch([self._cancel_of(one) for one in orders]))

    def _batch(self, call: Coroutine[Any, Any, Sequence[Outcome]]) -> list[Outcome]:
        return self._take(list(self.runner.run(call)[0]))

    def place_twice(self, order: SubmitOrder) -> list[Outcome]:
        """Place one order by two calls at the same time."""
        self._orders.append(order)
        return self.call(self.venue.place(Place(order)), self.venue.place(Place(order)))

    def place_and_cancel(self, order: SubmitOrder) -> list[Outcome]:
        """Place and cancel at the same time: the outcome of each."""
        self._orders.append(order)
        cancel = self.venue.cancel(self._cancel_of(order))
        return self.call(self.venue.place(Place(order)), cancel)

    def call(self, *calls: Coroutine[Any, Any, Outcome]) -> list[Outcome]:
        """Make calls at the same time; what their answers prove is added to :attr:`told`."""
        return self._take(self.runner.run(*calls))

    def _take(self, outcomes: list[Outcome]) -> list[Outcome]:
        for outcome in outcomes:
            if isinstance(outcome, Done):
                self.told += outcome.reports
        return outcomes

    def _cancel_of(self, order: SubmitOrder) -> Cancel:
        cid = order.client_order_id
        return Cancel(cid, f"c-{cid}", order.instrument, self.venue_order_id(order))

    # --- questions --------------------------------------------------------------------------------

    def ask(self, question: Coroutine[Any, Any, Answer[T]]) -> Answer[T]:
        """Ask a question."""
        return self.runner.run(question)[0]

    def seen(self, order: SubmitOrder) -> OrderSnapshot | None:
        """What a query by client id shows (by the venue's id, where it has no other)."""
        by_client = self.venue.capabilities.lookup_by_client_id
        known = None if by_client else self.venue_order_id(order)
        request = QueryOrder(order.client_order_id, order.instrument, known)
        items = self.ask(self.venue.query_order(request)).items
        assert len(items) <= 1, f"query_order shows {len(items)} orders for one id: {items}"
        return items[0] if items else None

    def executed(self, order: SubmitOrder) -> list[Filled]:
        """The executions of an order, as the venue lists them."""
        answer = self.ask(self.venue.executions(self.begun_ns - 60_000 * _MS))
        return [one for one in answer.items if one.client_order_id == order.client_order_id]

    def is_listed(self, order: SubmitOrder) -> bool:
        """Whether the list of open orders shows it."""
        listed = self.ask(self.venue.open_orders()).items
        return any(one.client_order_id == order.client_order_id for one in listed)

    def reports(self, order: SubmitOrder) -> list[OrderReport]:
        """What was told about an order: by the stream and by answers, in order."""
        cid = order.client_order_id
        return [
            one for one in self.told if isinstance(one, OrderReport) and one.client_order_id == cid
        ]

    def fills(self, order: SubmitOrder) -> dict[str, Filled]:
        """The executions that were told, by id; one told twice counts once."""
        return {one.exec_id: one for one in self.reports(order) if isinstance(one, Filled)}

    def venue_order_id(self, order: SubmitOrder) -> str | None:
        """The venue's id of an order, if it was told."""
        known = [getattr(one, "venue_order_id", None) for one in self.reports(order)]
        return next((one for one in reversed(known) if one), None)

    def held(self) -> Decimal:
        """The net position, signed."""
        slots = self.ask(self.venue.positions()).items
        mine = [s.qty for s in slots if (s.instrument, s.slot) == (self._symbol, PositionSlot.NET)]
        return sum(mine, Decimal(0))

    def totals(self) -> dict[str, Decimal]:
        """What the account has, by currency."""
        return {one.currency: one.total for one in self.ask(self.venue.balances()).items}

    # --- waiting ----------------------------------------------------------------------------------

    def wait_for(self, what: str, is_so: Callable[[], bool]) -> None:
        """Let time pass until something is so.

        Raises:
            VenueSilent: it did not become so in time.
        """
        until_ns = self.runner.clock.time_ns() + self._patience_ns
        while not is_so():
            if self.runner.clock.time_ns() >= until_ns:
                raise VenueSilent(f"not within {self._patience_ns / 1e9:g} s: {what}")
            self.pause()

    def pause(self, duration_ns: int = _POLL_NS) -> None:
        """Let time pass."""
        self.runner.run(self.runner.clock.sleep_ns(duration_ns))

    def status(self, order: SubmitOrder) -> VenueStatus | None:
        """What a query calls the order; None: not found."""
        snapshot = self.seen(order)
        return None if snapshot is None else snapshot.status

    # --- orders -----------------------------------------------------------------------------------

    def top(self) -> BookTop:
        """Best prices; waits for both sides."""

        def two_sided() -> list[BookTop]:
            items = self.ask(self.venue.book(self._symbol)).items
            return [one for one in items if one.bid_px is not None and one.ask_px is not None]

        self.wait_for("book() shows a bid and an ask", lambda: bool(two_sided()))
        return two_sided()[0]

    def away(self, share: Decimal) -> Decimal:
        """A price for a buy, that share of the best bid below it, on the tick."""
        bid = self.top().bid_px
        assert bid is not None  # top() waited for it
        px = CONTEXT.multiply(bid, CONTEXT.subtract(Decimal(1), share))
        return round_price(px, self.instrument.tick_size, Side.BUY)

    def least(self, price: Decimal) -> Decimal:
        """The smallest quantity that may be traded at a price."""
        one, lot = self.instrument, self.instrument.lot_size
        least = lot if one.min_qty is None else max(lot, one.min_qty)
        if one.min_notional is not None:
            worth = one.multiplier
            if one.kind is not InstrumentKind.INVERSE:
                worth = CONTEXT.multiply(worth, price)
            least = max(least, CONTEXT.divide(one.min_notional, worth))
        lots, rest = CONTEXT.divmod(least, lot)
        return CONTEXT.multiply(lots + (1 if rest else 0), lot)

    def buy(self, price: Decimal, qty: Decimal | None = None) -> SubmitOrder:
        """A limit order with an id of its own; not placed yet."""
        return self._limit(Side.BUY, price, qty)

    def sell(self, price: Decimal, qty: Decimal) -> SubmitOrder:
        """As :meth:`buy`."""
        return self._limit(Side.SELL, price, qty)

    def _limit(self, side: Side, price: Decimal, qty: Decimal | None) -> SubmitOrder:
        self._made += 1
        cid = f"CF{to_base36(self.begun_ns // 1_000, 11)}{to_base36(self._made, 3)}"
        return SubmitOrder(
            cid,
            self.venue.name,
            self.venue.account,
            self._symbol,
            side,
            OrderType.LIMIT,
            self.least(price) if qty is None else qty,
            self.runner.clock.time_ns(),
            cid,
            price=price,
        )
