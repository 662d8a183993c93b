"""The paper venue: one account at a simulated exchange, behind the same port as a real venue.

``PaperVenue`` is the account, ``PaperMarket`` the exchange it shares with others: hosts feed prices
and time into the market (``venue.market.on_quote(...)``), and every report that follows reaches the
sink of the account it belongs to.

Threads: an exchange has no lock. Market calls, venue calls and :meth:`PaperMarket.advance` must
come from one thread, the dispatcher's (or the loop's); a sink is called on that thread, inside the
call that caused the report, so it must queue and return.

Without latency no call suspends. With latency a call sleeps on the clock given to
:meth:`PaperVenue.connect`, and stream reports appear when somebody lets time pass: a venue call, a
market call, ``advance``, or :class:`PaperMarketDriver`.

Reports that appear while nobody is connected are not replayed. As at any venue, connecting is a
gap: orders and executions are kept and shown by the queries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from engine.capabilities import Capabilities
from engine.errors import InvariantViolated
from engine.given import check_amount, check_kind, check_text_of, several
from engine.messages import (
    Amend,
    Cancel,
    Filled,
    LinkUp,
    OrderSnapshot,
    Place,
    PlaceGroup,
    PriceUpdate,
    QueryOrder,
)
from engine.simulator import Answer as ExchangeAnswer
from engine.simulator import Exchange, ExchangeConfig, Refusal, RefuseReason, Ticket
from engine.values import Instrument

from .paper_market import PaperMarket, PaperMarketDriver, sleep_until
from .port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Duplicate,
    Outcome,
    Refused,
    Sink,
    StreamReport,
    VenueBalance,
    VenuePosition,
)

__all__ = ["PaperMarket", "PaperMarketDriver", "PaperVenue"]

T = TypeVar("T")
VenueRequest: TypeAlias = Place | Cancel | Amend


class PaperVenue:
    """One account at a simulated exchange (see the module's text).

    The exchange lives in memory: a restart that should find its orders working keeps the exchange
    (or its market) and makes a new venue on it. ``exchange`` may be just the instruments to list:
    an exchange of its own with default settings. The account is opened when the exchange does not
    have it; an existing one is joined as it is, which is what a restart does. ``balances`` given
    makes the exchange refuse what the account cannot pay for, and lock what open orders may cost,
    so that two exits of the same coins cannot both rest.

    Raises:
        InvalidValue: a name, an instrument or a balance is none.
    """

    name: str
    account: str
    capabilities: Capabilities

    def __init__(
        self,
        name: str,
        account: str,
        exchange: Exchange | PaperMarket | Sequence[Instrument],
        balances: Mapping[str, Decimal] | None = None,
    ) -> None:
        check_text_of("the name of a venue", name, empty=False)
        check_text_of("the account", account, empty=False)
        if balances is not None:
            check_kind("balances", balances, Mapping)
            for coin, amount in balances.items():
                check_text_of("a coin of balances", coin, empty=False)
                check_amount(f"the balance of {coin}", amount, zero=True)
        self.name = name
        self.account = account
        if not isinstance(exchange, Exchange | PaperMarket):
            exchange = Exchange(ExchangeConfig(), several("instruments", exchange, Instrument))
        self.market = exchange if isinstance(exchange, PaperMarket) else PaperMarket(exchange)
        self._exchange = self.market.exchange
        self.capabilities = self._exchange.config.capabilities
        self._has_latency = self._exchange.config.has_latency
        self._clock: Clock | None = None
        self._sink: Sink | None = None
        self._visible: deque[StreamReport] = deque()
        self._feeds: dict[str, Callable[[PriceUpdate], object]] = {}
        self._told: dict[str, PriceUpdate] = {}  # by instrument: what its feed said last
        if not self._exchange.has_account(account):
            self._exchange.open_account(account, balances)
        if self._exchange.pays(account):
            self.capabilities = replace(self.capabilities, exits_share_balance=False)

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Open the session; stream reports from before are dropped, queries hold what they said."""
        self._clock, self._sink = clock, sink
        now_ns = clock.time_ns()
        if not getattr(clock, "hand_driven", True) and not self._exchange.has_traded:
            self._exchange.number_from(now_ns // 1_000)  # a new process must not repeat an old id
        self._exchange.drain(self.account, now_ns)
        self._visible.clear()
        self.forget_feeds()  # of a process that died
        self.market.attach(self, clock)
        sink(LinkUp(now_ns))

    async def close(self) -> None:
        """Close the session; open orders stay at the exchange and go on working."""
        self.market.detach(self)
        self.forget_feeds()
        self._sink = None

    def forget_feeds(self) -> None:
        """Nobody listens to prices any more."""
        self._feeds.clear()
        self._told.clear()

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        """Tell the prices of an instrument: as they stand, then each change of them."""
        self._feeds[instrument] = tell
        self._told.pop(instrument, None)
        self._tell_prices()

    # --- calls ---

    async def place(self, request: Place) -> Outcome:
        """Place an order; the answer carries all that happened to it at once."""
        order = request.order
        if order.account != self.account:
            return Refused("WRONG_ACCOUNT", "", f"this is {self.account!r}, not {order.account!r}")
        clock = self._clock
        if clock is None or self._sink is None:
            return _NOT_CONNECTED
        if self._has_latency:
            return await self._travel(request, clock)
        now_ns = clock.time_ns()
        answer = self._exchange.place(order, now_ns)
        self.market.flush(now_ns)
        return _outcome(answer)

    async def cancel(self, request: Cancel) -> Outcome:
        """Cancel the rest of an order, by client id or else venue id."""
        clock = self._clock
        if clock is None or self._sink is None:
            return _NOT_CONNECTED
        if self._has_latency:
            return await self._travel(request, clock)
        now_ns = clock.time_ns()
        answer = self._exchange.cancel(self.account, request, now_ns)
        self.market.flush(now_ns)
        return _outcome(answer)

    async def amend(self, request: Amend) -> Outcome:
        """Change terms; the answer states the granted totals."""
        clock = self._clock
        if clock is None or self._sink is None:
            return _NOT_CONNECTED
        if self._has_latency:
            return await self._travel(request, clock)
        now_ns = clock.time_ns()
        answer = self._exchange.amend(self.account, request, now_ns)
        self.market.flush(now_ns)
        return _outcome(answer)

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """Place in order, in one round trip."""
        return await self._batch(requests)

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """Cancel in order, in one round trip."""
        return await self._batch(requests)

    async def place_group(self, request: PlaceGroup) -> Sequence[Outcome]:
        """Place orders that the exchange ties, in one round trip."""
        clock = self._clock
        if clock is None or self._sink is None:
            return [_NOT_CONNECTED] * len(request.orders)
        now_ns = clock.time_ns()
        tickets = self._exchange.send_group(self.account, request, now_ns)
        self.market.flush(now_ns)
        return [_outcome(await self._arrival(ticket, clock)) for ticket in tickets]

    # --- queries ---

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """The order, open or closed; by client id only where the capabilities say so."""
        sent_ts = await self._ask()
        by_client = self.capabilities.lookup_by_client_id
        client_order_id = request.client_order_id if by_client else ""
        found = self._exchange.order(self.account, client_order_id, request.venue_order_id, sent_ts)
        return await self._reply(() if found is None else (found,), sent_ts)

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """Open orders; not complete when the venue keeps its trigger orders out of this list."""
        sent_ts = await self._ask()
        items = self._exchange.open_orders(self.account, sent_ts)
        return await self._reply(items, sent_ts, self.capabilities.lists_trigger_orders)

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """Executions at or after ``since_ts``."""
        sent_ts = await self._ask()
        items, is_all = self._exchange.executions(self.account, since_ts)
        return await self._reply(items, sent_ts, is_all and self.capabilities.executions_complete)

    async def positions(self) -> Answer[VenuePosition]:
        """Every slot that is or was not flat."""
        sent_ts = await self._ask()
        items = tuple(
            VenuePosition(view.instrument, view.slot, view.qty, view.avg_px)
            for view in self._exchange.positions(self.account)
        )
        return await self._reply(items, sent_ts)

    async def balances(self) -> Answer[VenueBalance]:
        """Every currency the account touched."""
        sent_ts = await self._ask()
        items = tuple(
            VenueBalance(view.currency, view.total, view.free)
            for view in self._exchange.balances(self.account)
        )
        return await self._reply(items, sent_ts)

    async def instruments(self) -> Answer[Instrument]:
        """What is traded here."""
        sent_ts = await self._ask()
        return await self._reply(self._exchange.instruments(), sent_ts)

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Best outside prices; no item for an unknown instrument."""
        sent_ts = await self._ask()
        top = self._exchange.top(instrument)
        if top is None:
            return await self._reply((), sent_ts)
        ts = self._exchange.now_ns
        item = BookTop(instrument, ts, top.bid_px, top.bid_qty, top.ask_px, top.ask_qty)
        return await self._reply((item,), sent_ts)

    # --- inside ---

    def push(self, now_ns: int) -> None:
        """Hand visible reports to the sink in order; one it raises on is kept for the next push."""
        reports = self._exchange.drain(self.account, now_ns)
        visible = self._visible
        if reports:
            visible.extend(reports)
        while visible and self._sink is not None:
            report = visible.popleft()
            try:
                self._sink(report)
            except BaseException:
                visible.appendleft(report)
                raise
        if self._feeds:
            self._tell_prices()

    def _tell_prices(self) -> None:
        """Tell each feed what has changed; an unknown instrument has no prices to tell."""
        for symbol, tell in self._feeds.items():
            update = self._exchange.prices(symbol)
            if update is None:
                continue
            before = self._told.get(symbol)
            if before is None or replace(before, ts=update.ts) != update:
                self._told[symbol] = update
                tell(update)

    async def _travel(self, request: VenueRequest, clock: Clock) -> Outcome:
        ticket = self._exchange.send(self.account, request, clock.time_ns())
        return _outcome(await self._arrival(ticket, clock))

    async def _arrival(self, ticket: Ticket, clock: Clock) -> ExchangeAnswer:
        """Wait until ``ticket`` took effect and its answer is visible."""
        await sleep_until(ticket.effective_ns, clock)
        self.market.advance(max(clock.time_ns(), ticket.effective_ns))
        await sleep_until(ticket.visible_ns, clock)
        self.market.advance(max(clock.time_ns(), ticket.visible_ns))
        if ticket.answer is None:
            raise InvariantViolated(f"Invariant: a request that took effect is answered: {ticket}")
        return ticket.answer

    async def _batch(self, requests: Sequence[Place] | Sequence[Cancel]) -> Sequence[Outcome]:
        if not self._has_latency or self._clock is None or self._sink is None:
            return [
                await (self.place(item) if isinstance(item, Place) else self.cancel(item))
                for item in requests
            ]
        now_ns = self._clock.time_ns()
        tickets: list[Ticket | Refused] = [
            Refused("WRONG_ACCOUNT", "", f"this is {self.account!r}")
            if isinstance(item, Place) and item.order.account != self.account
            else self._exchange.send(self.account, item, now_ns)
            for item in requests
        ]
        return [
            item if isinstance(item, Refused) else _outcome(await self._arrival(item, self._clock))
            for item in tickets
        ]

    async def _ask(self) -> int:
        """Send a question; returns when it was sent, at the instant the venue looks."""
        clock = self._clock
        if clock is None:
            return self._exchange.now_ns
        sent_ts = clock.time_ns()
        arrives_ns = sent_ts + self._exchange.config.latency_out_ns
        await sleep_until(arrives_ns, clock)
        self.market.advance(max(clock.time_ns(), arrives_ns))
        return sent_ts

    async def _reply(self, items: tuple[T, ...], sent_ts: int, complete: bool = True) -> Answer[T]:
        if self._clock is not None and self._exchange.config.latency_in_ns:
            await self._clock.sleep_ns(self._exchange.config.latency_in_ns)
            self.market.advance()
        return Answer(items, complete, sent_ts)


_NOT_CONNECTED = Refused("NOT_CONNECTED", "", "the venue is not connected; nothing was sent")


def _outcome(answer: ExchangeAnswer) -> Outcome:
    if not isinstance(answer, Refusal):
        return Done(answer)
    if answer.reason is RefuseReason.DUPLICATE_CLIENT_ID:
        return Duplicate(answer.detail)
    return Refused(answer.reason.value, "", answer.detail)
