"""A venue that goes wrong by plan: the paper venue behind a bad network, with a mind of its own.

``FaultyVenue(paper, plan, choose)`` is a venue like any other. What really happened is always what
``paper.market.exchange`` says; the faults are about what is told of it, when, and how often. All of
it is deterministic: choices are made by ``choose(n)`` alone, time is the clock's that
:meth:`connect` is given, so the same plan and the same choices give the same run.

What it declares in ``capabilities`` stays true: a list lags at most ``visibility_lag_ns``, a late
request acts within ``request_window_ns``, a report vanishes only with a ``LinkDown`` or in a
``STREAM_SILENT``. So an engine that is right converges to the truth under any plan, but for one
that states a ``delay_ns`` beyond what is declared: that is a lie of the venue.

Busts and corrections are told again whenever a link comes up or a silence ends, as sessions with
sequence numbers and drop copies do: no list can show that an execution is void.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from engine.capabilities import Capabilities
from engine.errors import InvalidValue
from engine.messages import (
    Amend,
    Cancel,
    Filled,
    LinkUp,
    NativeShape,
    OrderSnapshot,
    Place,
    PlaceGroup,
    PriceUpdate,
    QueryOrder,
)
from engine.testing.faults import BY_THEMSELVES, Choose, Fault, FaultKind, FaultPlan, Faults
from engine.values import Instrument

from ..venues.paper import PaperVenue
from ..venues.port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Outcome,
    Refused,
    Sink,
    Unknown,
    VenueBalance,
    VenuePosition,
)
from .faults_acts import FaultyActs
from .faults_batches import answers_of_all
from .faults_calls import AdapterError, FaultyCalls
from .faults_feed import Feed
from .faults_lists import FaultyLists
from .faults_memory import Memory
from .faults_wire import Wire

__all__ = ["AdapterError", "FaultyVenue"]

T = TypeVar("T")
_K = FaultKind
_BATCH = 5  # what one call may carry where batches can go wrong


class FaultyVenue:
    """See the module's text.

    ``injected`` counts the faults that really happened, by kind; ``calls`` lists every call as
    (verb, request, what happened), where that is the kind of its fault, or "" for none.
    """

    name: str
    account: str
    capabilities: Capabilities

    def __init__(
        self, inner: PaperVenue, plan: FaultPlan | None = None, choose: Choose | None = None
    ) -> None:
        """Wrap ``inner``; without ``choose`` every choice is the first, and nothing is drawn."""
        self.inner = inner
        self.plan = plan or FaultPlan()
        self.name, self.account = inner.name, inner.account
        self.market, self.exchange = inner.market, inner.market.exchange
        self.injected: dict[FaultKind, int] = {}
        self.calls: list[tuple[str, Any, str]] = []
        kinds = self.plan.kinds()
        self.capabilities = _declared(inner.capabilities, self.plan)
        self.faults = Faults(self.plan, choose or _first)
        if self.capabilities.lists_trigger_orders:
            self.faults.leave_out(_K.LIST_OMITS_TRIGGERS)
        self.wire = Wire(self.faults, self.injected, self._interfere)
        latency_ns = self.exchange.config.latency_out_ns
        window_ns = max(self.capabilities.request_window_ns - latency_ns, 0)
        self._calls = FaultyCalls(inner, self.faults, self.wire, window_ns, self.plan.hang_ns)
        self.feed = Feed(inner, self.wire)
        self._memory = Memory(self.exchange, self.account, is_on=_K.LIST_LAGS in kinds)
        self._lists = FaultyLists(
            inner, self.faults, self.wire, self._calls, self._memory, self.capabilities
        )
        self._acts = FaultyActs(inner, self.faults, self.wire, self._come_back)
        self._opened_on: Clock | None = None

    # --- what a test says -------------------------------------------------------------------------

    def inject(self, fault: Fault) -> None:
        """One more fault, counted from now on.

        Raises:
            InvalidValue: a venue that declares complete lists may not leave trigger orders out.
        """
        if fault.kind is _K.LIST_OMITS_TRIGGERS and self.capabilities.lists_trigger_orders:
            raise InvalidValue("this venue declares that open_orders lists trigger orders")
        if fault.kind is _K.LIST_LAGS and not self._memory.is_on:
            self._memory.is_on = True
            self._memory.look(self.wire.now_ns())
        self.faults.add(fault)

    def happen(self, fault: Fault) -> bool:
        """Something goes wrong now, at no call; False: it could not (no execution to bust).

        Raises:
            InvalidValue: a fault of this kind is one of a call, a report or a list.
        """
        if fault.kind not in BY_THEMSELVES:
            raise InvalidValue(f"{fault.kind.value} happens at a call or report: inject it")
        return self._interfere(fault, "")

    def heal(self) -> None:
        """End all faults, for good: deliver what was held back, end hung calls, bring the link up.

        What an outage or a silence swallowed stays swallowed: queries show it.
        """
        self.faults.stop()
        self.exchange.set_clock_skew(0)
        self.wire.let_in()
        self.wire.be_heard()
        self.feed.heal()
        self.wire.down_until_ns = 0
        self.wire.flush()
        self._come_back()
        self._calls.release()
        self.market.advance()
        self._calls.see_to_late_requests()

    def abandon(self) -> None:
        """The engine died without a word: nobody hears what is told, until somebody connects."""
        self._calls.forget()
        self.wire.detach()
        self.feed.forget()

    def push(self, now_ns: int) -> None:
        """The market moved: remember how things stand, and let reports through."""
        self._memory.look(now_ns)
        self.inner.push(now_ns)

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        """Prices are public data: the faults here are of the private session."""
        self.feed.watch(instrument, tell)

    # --- sessions ---------------------------------------------------------------------------------

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Open the session; during an outage it waits for its end, or fails.

        Raises:
            AdapterError: the venue cannot be reached.
        """
        if clock is not self.wire.clock:
            self._calls.forget()  # those who waited are gone with the old clock
        self.wire.attach(sink, clock)
        self.wire.pump()
        if self.wire.is_barred:
            self.calls.append(("connect", None, "barred"))
        wait_ns = self.wire.down_until_ns - clock.time_ns()
        if wait_ns > 0:
            if self.faults.one_of(2):
                raise AdapterError("no route to host")
            await clock.sleep_ns(wait_ns)
        if self.wire.is_barred:
            self.wire.turn_away()
        elif not self.wire.is_up:
            await self._open(sink, clock)

    async def close(self) -> None:
        """Close the session; open orders stay at the exchange and go on working."""
        await self.inner.close()
        self.market.detach(self)
        self._calls.release()
        self.wire.detach()

    async def _open(self, sink: Sink, clock: Clock) -> None:
        await self.inner.connect(self.wire.heard, clock)
        self._opened_on = clock
        self.market.attach(self, clock)  # in place of the one it wraps
        self.wire.pass_on(self.exchange.voided(self.account))

    def _come_back(self) -> None:
        """The outage is over: the link stands again, if nobody has connected meanwhile."""
        now = self.wire.now_ns()
        if self._opened_on is not self.wire.clock:
            return  # a connect of a new engine has failed: it has to come again
        is_gone = not self.wire.is_up and not self.wire.is_barred
        if is_gone and self.wire.is_attached and now >= self.wire.down_until_ns:
            self.inner.push(now)  # what was told until now is missed
            self.wire.heard(LinkUp(now))
            self.wire.pass_on(self.exchange.voided(self.account))

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, request: Place) -> Outcome:
        """Place an order."""
        instrument = request.order.instrument
        return await self._call("place", request, instrument, lambda: self.inner.place(request))

    async def cancel(self, request: Cancel) -> Outcome:
        """Cancel the rest of an order."""
        return await self._call(
            "cancel", request, request.instrument, lambda: self.inner.cancel(request)
        )

    async def amend(self, request: Amend) -> Outcome:
        """Change terms."""
        return await self._call(
            "amend", request, request.instrument, lambda: self.inner.amend(request)
        )

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """Place in order; each item can go wrong by itself, or be missing in the answer."""
        return await self._batch("place_batch", requests, self.place)

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """Cancel in order."""
        return await self._batch("cancel_batch", requests, self.cancel)

    async def place_group(self, request: PlaceGroup) -> Sequence[Outcome]:
        """Place orders that the exchange ties: all go wrong together, or one is missing."""
        missing, acted = self._missing(self.faults.at("place_batch"), len(request.orders))
        orders = tuple(one for n, one in enumerate(request.orders) if acted or n != missing)
        outcomes: list[Outcome] = []

        async def act() -> Outcome:
            if orders[0] is request.orders[0] or request.shape is not NativeShape.BRACKET:
                outcomes.extend(await self.inner.place_group(replace(request, orders=orders)))
            return outcomes[0] if outcomes else Unknown("missing in the answer")

        first, kin = orders[0], tuple(one.client_order_id for one in orders)
        call = Place(first, kin, request.shape)
        said = await self._call("place", call, first.instrument, act)
        found = [said] * len(orders)
        if outcomes and isinstance(said, Done | Refused):
            found[1:] = outcomes[1:]
        if missing >= 0:
            found[missing : missing + acted] = [Unknown("missing in the answer")]
        return found

    def _missing(self, fault: Fault | None, count: int) -> tuple[int, bool]:
        """Which item of an answer is missing (-1: none), and whether it was placed all the same."""
        if fault is None:
            return -1, True
        if fault.kind is not _K.BATCH_PARTIAL or not count:
            self._interfere(fault, "")
            return -1, True
        self.wire.note(fault.kind)
        return self.faults.one_of(count), self.faults.one_of(2) == 0

    async def _call(
        self,
        verb: str,
        request: Place | Cancel | Amend,
        instrument: str,
        act: Callable[[], Awaitable[Outcome]],
    ) -> Outcome:
        self.wire.pump()
        self._memory.look(self.wire.now_ns())
        cid = request.client_order_id
        try:
            if self._is_cut_off():
                self.calls.append((verb, request, "cut off"))
                raise AdapterError("no route to host")
            fault = self.faults.at(verb, cid, instrument)
            self.calls.append((verb, request, "" if fault is None else fault.kind.value))
            if fault is None:
                return await act()
            if self._calls.plays(fault.kind):
                return await self._calls.play(fault, request, act)
            outcome = await act()
            self._interfere(fault, cid)
            return outcome
        finally:
            self._memory.look(self.wire.now_ns())

    def _is_cut_off(self) -> bool:
        """In an outage calls fail as well, or only the stream is gone."""
        wire = self.wire
        if wire.is_barred:
            return True
        return wire.now_ns() < wire.down_until_ns and self.faults.one_of(2) == 1

    def _interfere(self, fault: Fault, client_order_id: str) -> bool:
        happened = self._acts.do(fault, client_order_id)
        if happened:
            self.wire.note(fault.kind)
        return happened

    async def _batch(
        self, verb: str, requests: Sequence[T], one: Callable[[T], Coroutine[Any, Any, Outcome]]
    ) -> Sequence[Outcome]:
        missing, acted = self._missing(self.faults.at(verb), len(requests))
        items = [one(item) for n, item in enumerate(requests) if acted or n != missing]
        outcomes = await answers_of_all(items)
        if missing >= 0:
            outcomes[missing : missing + acted] = [Unknown("missing in the answer")]
        return outcomes

    # --- queries ----------------------------------------------------------------------------------

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """The order, open or closed."""
        self._begin("query", request)
        return await self._lists.query_order(request, self._fault("query", request))

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """Open orders."""
        self._begin("open_orders", None)
        return await self._lists.open_orders(self._fault("open_orders", None))

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """Executions at or after ``since_ts``, by the venue's own clock."""
        self._begin("executions", since_ts)
        return await self._lists.executions(since_ts, self._fault("executions", since_ts))

    async def positions(self) -> Answer[VenuePosition]:
        """Every slot that is or was not flat."""
        self._begin("positions", None)
        return await self._lists.positions(self._fault("positions", None))

    async def balances(self) -> Answer[VenueBalance]:
        """Every currency the account touched; never wrong."""
        return await self.inner.balances()

    async def instruments(self) -> Answer[Instrument]:
        """What is traded here; never wrong."""
        return await self.inner.instruments()

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Best outside prices; never wrong."""
        return await self.inner.book(instrument)

    def _begin(self, verb: str, request: object) -> None:
        self.wire.pump()
        self._memory.look(self.wire.now_ns())
        if self._is_cut_off():
            self.calls.append((verb, request, "cut off"))
            raise AdapterError("no route to host")

    def _fault(self, verb: str, request: object) -> Fault | None:
        cid = request.client_order_id if isinstance(request, QueryOrder) else ""
        instrument = request.instrument if isinstance(request, QueryOrder) else ""
        fault = self.faults.at(verb, cid, instrument)
        self.calls.append((verb, request, "" if fault is None else fault.kind.value))
        if fault is None or self._lists.plays(fault.kind):
            return fault
        self._interfere(fault, cid)
        return None


def _first(_: int) -> int:
    return 0


def _declared(inner: Capabilities, plan: FaultPlan) -> Capabilities:
    """What a venue with this plan may truthfully say of itself."""
    omits = FaultKind.LIST_OMITS_TRIGGERS in plan.kinds()
    batch = _BATCH if FaultKind.BATCH_PARTIAL in plan.kinds() else 1
    return msgspec.structs.replace(
        inner,
        inline=False,  # calls hang and wait
        visibility_lag_ns=max(inner.visibility_lag_ns, plan.visibility_lag_ns),
        request_window_ns=max(inner.request_window_ns, plan.request_window_ns),
        lists_trigger_orders=inner.lists_trigger_orders and not omits,
        place_batch=max(inner.place_batch, batch),
        cancel_batch=max(inner.cancel_batch, batch),
    )
