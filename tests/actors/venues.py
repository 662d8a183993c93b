"""A venue that does what a script says: the port with every outcome, lost answers, hangs and lies.

``ScriptedVenue`` keeps what really happened at "the exchange" (``orders``, ``fills``) apart from
what it admits: a scripted answer replaces what a call would have answered, and by its ``effect``
the call took place or did not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from actors.runtime import Future, SimulatedDispatcher
from actors.system import ExecutionSystem
from actors.venues.port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Duplicate,
    Outcome,
    Refused,
    Sink,
    VenueBalance,
    VenuePosition,
)
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.messages import (
    Accepted,
    Alarm,
    Amend,
    Cancel,
    Cancelled,
    Event,
    Filled,
    LinkDown,
    LinkUp,
    OrderSnapshot,
    Place,
    QueryOrder,
    Rejected,
    Replaced,
    SubmitOrder,
    VenueStatus,
)
from engine.values import Instrument, OrderType, PositionSlot, Side, Source, TimeInForce

__all__ = [
    "CAPABLE",
    "HANG",
    "SECOND",
    "WEAK",
    "ScriptedVenue",
    "System",
    "btc",
    "order",
    "simulated",
]

SECOND = 1_000_000_000
EPOCH_NS = 1_700_000_000_000_000_000  # where virtual time starts
HANG = object()  # a scripted answer that never comes by itself; see ScriptedVenue.hanging

CAPABLE = Capabilities(
    order_types=(OrderType.MARKET, OrderType.LIMIT),
    times_in_force=(TimeInForce.GTC, TimeInForce.IOC),
    reduce_only=ReduceOnlyRule.CLAMP,
    amend=True,
    client_id_length_max=48,
    lookup_by_client_id=True,
    lists_trigger_orders=True,
    executions_complete=True,
    visibility_lag_ns=SECOND,
    request_window_ns=2 * SECOND,
)
#: A venue whose silence proves nothing: it finds no order by our id and shows no complete list.
WEAK = Capabilities(amend=True, client_id_length_max=48, reduce_only=ReduceOnlyRule.CLAMP)


def btc(venue: str = "v", symbol: str = "BTC/USDT") -> Instrument:
    """A coin traded in hundredths."""
    return Instrument(
        symbol=symbol,
        venue=venue,
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
    )


def order(
    side: Side = Side.BUY,
    qty: str = "1",
    price: str | None = "100",
    *,
    venue: str = "",
    account: str = "",
    intent_id: str = "",
    **terms: Any,
) -> SubmitOrder:
    """A limit order, or a market order without a price."""
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return SubmitOrder(
        intent_id,
        venue,
        account,
        terms.pop("instrument", "BTC/USDT"),
        side,
        kind,
        Decimal(qty),
        price=None if price is None else Decimal(price),
        **terms,
    )


class _Held:
    """One order as the exchange really has it."""

    def __init__(self, terms: SubmitOrder, venue_order_id: str) -> None:
        self.terms = terms
        self.venue_order_id = venue_order_id
        self.qty = terms.order_qty
        self.price = terms.price
        self.cum = Decimal(0)
        self.status = VenueStatus.WORKING


class ScriptedVenue:
    """One account; ``script("place", ...)`` says how the next calls end, in order.

    An entry is an outcome, an exception to raise, :data:`HANG`, or a pair (entry, effect): with
    ``effect`` True the call takes place although the answer does not say so. Without an entry the
    call works and says so (``acks=False``: it works and its answer says nothing).
    """

    def __init__(
        self,
        name: str = "v",
        account: str = "main",
        *,
        capabilities: Capabilities = CAPABLE,
        instruments: Sequence[Instrument] | None = None,
        acks: bool = True,
    ) -> None:
        self.name = name
        self.account = account
        self.capabilities = capabilities
        self.acks = acks
        self.known = tuple(instruments) if instruments is not None else (btc(name),)
        self.calls: list[tuple[str, Any]] = []
        self.orders: dict[str, _Held] = {}
        self.fills: list[Filled] = []
        self.shows_fills = True
        self.hanging: list[tuple[str, Any, Future[Any]]] = []
        self.connects = 0
        self.closed = 0
        self._scripts: dict[str, deque[Any]] = {}
        self._sink: Sink | None = None
        self._clock: Clock | None = None
        self._ids = 0

    # --- what a test says -------------------------------------------------------------------------

    def script(self, call: str, *entries: Any) -> None:
        """Say how the next calls of a kind end."""
        self._scripts.setdefault(call, deque()).extend(entries)

    def push(self, report: Any) -> None:
        """Push a report through the stream."""
        assert self._sink is not None
        self._sink(report)

    def drop(self, detail: str = "gone") -> None:
        """Lose the link."""
        self.push(LinkDown(self.now(), detail))

    def now(self) -> int:
        """The venue's time."""
        assert self._clock is not None
        return self._clock.time_ns()

    def fill(self, cid: str, exec_id: str, qty: str, px: str = "100", **more: Any) -> Filled:
        """Let an order trade; the fill is returned, not pushed."""
        held = self.orders[cid]
        held.cum += Decimal(qty)
        if held.qty is not None and held.cum >= held.qty:
            held.status = VenueStatus.FILLED
        made = Filled(
            cid,
            self.now(),
            exec_id,
            Decimal(qty),
            Decimal(px),
            venue_order_id=held.venue_order_id,
            instrument=held.terms.instrument,
            side=held.terms.side,
            **more,
        )
        self.fills.append(made)
        return made

    def count(self, call: str) -> int:
        """How often a call was made."""
        return sum(1 for made, _ in self.calls if made == call)

    # --- the port ---------------------------------------------------------------------------------

    async def connect(self, sink: Sink, clock: Clock) -> None:
        self._sink, self._clock = sink, clock
        self.connects += 1
        if await self._scripted("connect", None) is None:
            sink(LinkUp(clock.time_ns()))

    async def close(self) -> None:
        self.closed += 1
        await self._scripted("close", None)

    async def place(self, request: Place) -> Outcome:
        return await self._call("place", request, self._place)

    async def cancel(self, request: Cancel) -> Outcome:
        return await self._call("cancel", request, self._cancel)

    async def amend(self, request: Amend) -> Outcome:
        return await self._call("amend", request, self._amend)

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        return [await self.place(request) for request in requests]

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        return [await self.cancel(request) for request in requests]

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        sent = self.now()
        answer = await self._scripted("query", request)
        if answer is not None:
            return answer  # type: ignore[no-any-return]
        held = (
            self.orders.get(request.client_order_id)
            if self.capabilities.lookup_by_client_id
            else None
        )
        for one in self.orders.values():
            if request.venue_order_id is not None and one.venue_order_id == request.venue_order_id:
                held = one
        return Answer(
            () if held is None else (self._snapshot(held, Source.QUERY, sent),), True, sent
        )

    async def open_orders(self) -> Answer[OrderSnapshot]:
        sent = self.now()
        answer = await self._scripted("open_orders", None)
        if answer is not None:
            return answer  # type: ignore[no-any-return]
        working = [held for held in self.orders.values() if held.status is VenueStatus.WORKING]
        items = tuple(self._snapshot(held, Source.LIST, sent) for held in working)
        return Answer(items, self.capabilities.lists_trigger_orders, sent)

    async def executions(self, since_ts: int) -> Answer[Filled]:
        sent = self.now()
        answer = await self._scripted("executions", since_ts)
        if answer is not None:
            return answer  # type: ignore[no-any-return]
        items = tuple(self.fills) if self.shows_fills else ()
        return Answer(items, self.capabilities.executions_complete, sent)

    async def positions(self) -> Answer[VenuePosition]:
        return Answer((), True, self.now())

    async def balances(self) -> Answer[VenueBalance]:
        return Answer((), True, self.now())

    async def instruments(self) -> Answer[Instrument]:
        answer = await self._scripted("instruments", None)
        if answer is not None:
            return answer  # type: ignore[no-any-return]
        return Answer(self.known, True, 0)

    async def book(self, instrument: str) -> Answer[BookTop]:
        return Answer((), True, self.now())

    # --- inside -----------------------------------------------------------------------------------

    async def _scripted(self, call: str, request: Any) -> Any:
        """Play the next entry: raise, hang or return; None where nothing is scripted."""
        self.calls.append((call, request))
        entries = self._scripts.get(call)
        if not entries:
            return None
        entry = entries.popleft()
        if entry is HANG:
            waiting: Future[Any] = Future()
            self.hanging.append((call, request, waiting))
            return await waiting
        if isinstance(entry, BaseException):
            raise entry
        return entry(request) if callable(entry) else entry

    async def _call(self, call: str, request: Any, do: Callable[[Any], Outcome]) -> Outcome:
        entries = self._scripts.get(call)
        if not entries:
            self.calls.append((call, request))
            answer = do(request)
            return answer if self.acks or not isinstance(answer, Done) else Done()
        if isinstance(entries[0], tuple):
            entry, effect = entries.popleft()
            entries.appendleft(entry)
            if effect:
                do(request)
        return await self._scripted(call, request)  # type: ignore[no-any-return]

    def _place(self, request: Place) -> Outcome:
        terms = request.order
        if terms.client_order_id in self.orders:
            return Duplicate("seen before")
        self._ids += 1
        held = self.orders[terms.client_order_id] = _Held(terms, f"{self.name}-{self._ids}")
        return Done((Accepted(terms.client_order_id, self.now(), held.venue_order_id),))

    def _cancel(self, request: Cancel) -> Outcome:
        held = self.orders.get(request.client_order_id)
        if held is None or held.status is not VenueStatus.WORKING:
            return Refused("not open")
        held.status = VenueStatus.CANCELLED
        return Done(
            (Cancelled(request.client_order_id, self.now(), request.req_id, cum_qty=held.cum),)
        )

    def _amend(self, request: Amend) -> Outcome:
        held = self.orders.get(request.client_order_id)
        if held is None or held.status is not VenueStatus.WORKING:
            return Refused("not open")
        held.qty = request.order_qty or held.qty
        held.price = request.price or held.price
        return Done(
            (
                Replaced(
                    request.client_order_id,
                    self.now(),
                    request.req_id,
                    request.order_qty,
                    request.price,
                    request.stop_px,
                ),
            )
        )

    def reject(self, cid: str, reason: str) -> None:
        """The exchange changes its mind, and says so."""
        self.orders[cid].status = VenueStatus.REJECTED
        self.push(Rejected(cid, self.now(), reason))

    def _snapshot(self, held: _Held, source: Source, sent: int) -> OrderSnapshot:
        terms = held.terms
        return OrderSnapshot(
            terms.client_order_id,
            self.now(),
            held.status,
            held.venue_order_id,
            terms.instrument,
            terms.side,
            terms.order_type,
            held.qty,
            held.cum,
            held.price,
            None,
            sent,
            source,
        )


class System(ExecutionSystem):
    """A system under virtual time that also keeps every event it publishes."""

    sim: SimulatedDispatcher
    seen: list[Event]

    def qty(self, venue: str = "v", symbol: str = "BTC/USDT", account: str = "main") -> Decimal:
        """What is held, signed."""
        held = self.brokers[venue, account].positions.get((symbol, PositionSlot.NET))
        return Decimal(0) if held is None else held.position.qty

    def kinds(self, cid: str = "") -> list[str]:
        """Kinds of the events seen so far; of one order, or all."""
        return [
            type(event).__name__
            for event in self.seen
            if not cid or getattr(event, "client_order_id", "") == cid
        ]

    def alarms(self, kind: str = "") -> list[str]:
        """Details of the alarms seen so far, or of those of one kind."""
        return [
            event.detail
            for event in self.seen
            if isinstance(event, Alarm) and kind in ("", event.kind)
        ]


def simulated(
    *venues: Any,
    seed: int = 0,
    fifo: bool = True,
    ready: bool = True,
    start_ns: int = 0,
    commits_aside: bool = False,
    **options: Any,
) -> System:
    """A started system under virtual time; ``ready``: with its sessions reconciled, and looked at
    once more for what their venues showed late.
    """
    sim = SimulatedDispatcher(
        seed=seed, fifo=fifo, start_ns=start_ns or EPOCH_NS, commits_aside=commits_aside
    )
    system = System(venues or (ScriptedVenue(),), dispatcher=sim, **options)
    system.sim, system.seen = sim, []
    system.hub.add_callback(system.seen.append, ())
    system.start()
    if ready:
        sim.run_for(11 * SECOND // 10)
    return system
