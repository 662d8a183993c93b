"""How the calls of a faulty venue end: lost, late, raised, refused, or with a fill in between.

One method per kind of fault. Each says whether the exchange acted by awaiting ``act`` or not; what
it then answers is another matter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import msgspec

from engine.messages import Amend, Cancel, Cancelled, OrderReport, Place
from engine.simulator import Ticket
from engine.testing.faults import Fault, FaultKind, Faults
from engine.values import ZERO, round_down

from ..runtime import Future
from ..venues.paper import PaperVenue
from ..venues.port import Done, Outcome, Refused, Throttled, Unknown
from .faults_shapes import malformed_outcome, with_long_digits
from .faults_wire import Wire

__all__ = ["AdapterError", "FaultyCalls"]

T = TypeVar("T")
Request: TypeAlias = Place | Cancel | Amend
Act: TypeAlias = Callable[[], Awaitable[Outcome]]
_SECOND = 1_000_000_000
_K = FaultKind
#: Ladders end here when a fault does not say for how long.
_RETRY_NS = 2 * _SECOND
_SOON_NS = 3 * _SECOND


class AdapterError(ConnectionError):
    """What an adapter lets out when its network fails."""


class FaultyCalls:
    """Plays the faults of calls. ``hung`` holds the calls whose answer nobody gets."""

    def __init__(
        self, inner: PaperVenue, faults: Faults, wire: Wire, window_ns: int, hang_ns: int
    ) -> None:
        self.inner = inner
        self.faults = faults
        self.wire = wire
        self.window_ns = window_ns
        self.hang_ns = hang_ns
        self.hung: list[Future[Any]] = []
        self.late: list[Ticket] = []
        self._ways = {
            _K.ANSWER_LOST: self._answer_lost,
            _K.NEVER_ARRIVED: self._never_arrived,
            _K.ARRIVES_LATE: self._arrives_late,
            _K.RAISED_AFTER: self._raised_after,
            _K.RAISED_BEFORE: self._raised_before,
            _K.UNKNOWN_AFTER: self._unknown_after,
            _K.UNKNOWN_BEFORE: self._unknown_before,
            _K.REFUSED: self._refused,
            _K.THROTTLED: self._throttled,
            _K.HANG: self._hang,
            _K.ANSWER_LATE: self._answer_late,
            _K.FILL_FIRST: self._fill_first,
            _K.FILL_AFTER_CANCEL: self._fill_after_cancel,
            _K.MALFORMED: self._malformed,
            _K.LONG_DIGITS: self._long_digits,
        }

    def plays(self, kind: FaultKind) -> bool:
        """Whether a kind is about how a call ends."""
        return kind in self._ways

    async def play(self, fault: Fault, request: Request, act: Act) -> Outcome:
        """Let a call end as ``fault`` says.

        Raises:
            AdapterError: that is how it ends.
        """
        return await self._ways[fault.kind](fault, request, act)

    def release(self) -> None:
        """Let every hung call end, with nothing known."""
        hung, self.hung = self.hung, []
        for waiting in hung:
            waiting.set(Unknown("the connection was closed"))

    def forget(self) -> None:
        """Those who waited for an answer are gone."""
        self.hung.clear()

    def see_to_late_requests(self) -> None:
        """Have the exchange look when what is still under way arrives."""
        self.late = [ticket for ticket in self.late if ticket.answer is None]
        for ticket in self.late:
            self.wire.later(ticket.effective_ns - self.wire.now_ns(), self.inner.market.advance)

    async def silence(self) -> Outcome:
        """An answer that does not come before :meth:`release`."""
        waiting: Future[Any] = Future()
        self.hung.append(waiting)
        answer: Outcome = await waiting
        return answer

    async def later(self, answer: T, delay_ns: int) -> T:
        """An answer that is ``delay_ns`` under way; on :meth:`Wire.flush` it is there at once."""
        waiting: Future[Any] = Future()
        self.hung.append(waiting)

        def arrive() -> None:
            if waiting in self.hung:
                self.hung.remove(waiting)
                waiting.set(answer)

        self.wire.later(delay_ns, arrive)
        arrived: T = await waiting
        return arrived

    # --- answers that do not come -----------------------------------------------------------------

    async def _answer_lost(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self._told_elsewhere(await act())
        self.wire.note(fault.kind)
        return await self.silence()

    async def _never_arrived(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self.wire.note(fault.kind)
        return await self.silence()

    async def _arrives_late(self, fault: Fault, request: Request, act: Act) -> Outcome:
        """The exchange itself holds the request, so it acts in its time whatever else happens."""
        delay_ns = self.faults.duration(fault, self.window_ns)
        now_ns = self.wire.now_ns()
        ticket = self.inner.market.exchange.send(self.inner.account, request, now_ns, delay_ns)
        self.late.append(ticket)
        self.wire.later(delay_ns, self.inner.market.advance)
        self.wire.note(fault.kind)
        if self.faults.one_of(2):
            return Unknown("gateway timeout")
        return await self.silence()

    async def _hang(self, fault: Fault, request: Request, act: Act) -> Outcome:
        outcome = await act()
        self.wire.note(fault.kind)
        return await self.later(outcome, fault.delay_ns or self.hang_ns)

    async def _answer_late(self, fault: Fault, request: Request, act: Act) -> Outcome:
        outcome = await act()
        if isinstance(outcome, Done):
            self.wire.pass_on(outcome.reports)
            if self.faults.one_of(2):
                outcome = Done()  # the answer only says that it was taken
        self.wire.note(fault.kind)
        return await self.later(outcome, self.faults.duration(fault, _SOON_NS))

    # --- answers that say little ------------------------------------------------------------------

    async def _raised_after(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self._told_elsewhere(await act())
        self.wire.note(fault.kind)
        raise AdapterError("connection reset")

    async def _raised_before(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self.wire.note(fault.kind)
        raise AdapterError("connection refused")

    async def _unknown_after(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self._told_elsewhere(await act())
        self.wire.note(fault.kind)
        return Unknown("502 bad gateway")

    async def _unknown_before(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self.wire.note(fault.kind)
        return Unknown("502 bad gateway")

    async def _refused(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self.wire.note(fault.kind)
        return Refused("VENUE_BUSY", "503", "try again")

    async def _throttled(self, fault: Fault, request: Request, act: Act) -> Outcome:
        self.wire.note(fault.kind)
        return Throttled(self.faults.duration(fault, _RETRY_NS), "429")

    async def _malformed(self, fault: Fault, request: Request, act: Act) -> Outcome:
        outcome = await act()
        self._told_elsewhere(outcome)
        self.wire.note(fault.kind)
        broken: Outcome = malformed_outcome(outcome, self.faults.one_of)
        return broken

    async def _long_digits(self, fault: Fault, request: Request, act: Act) -> Outcome:
        outcome = await act()
        if not isinstance(outcome, Done) or not outcome.reports:
            return outcome
        self.wire.note(fault.kind)
        return Done(tuple(with_long_digits(r, self.faults.one_of) for r in outcome.reports))

    # --- the market is faster ---------------------------------------------------------------------

    async def _fill_first(self, fault: Fault, request: Request, act: Act) -> Outcome:
        """A placement is filled before it is answered, a change before it takes effect."""
        if isinstance(request, Place):
            outcome = await act()
            if self._trade_with(request.client_order_id):
                self.wire.note(fault.kind)
            return outcome
        if self._trade_with(request.client_order_id):
            self.wire.note(fault.kind)
        return await act()

    async def _fill_after_cancel(self, fault: Fault, request: Request, act: Act) -> Outcome:
        """The fill was first at the exchange, and its report is the slower one."""
        late: list[OrderReport] = []
        self.wire.divert(late.append)
        try:
            filled = self._trade_with(request.client_order_id)
        finally:
            self.wire.divert(None)
        for report in late:
            self.wire.hold(report, self.faults.duration(fault, _SOON_NS))
        outcome = await act()
        if not filled:
            return outcome
        self.wire.note(fault.kind)
        if isinstance(outcome, Done) and self.faults.one_of(2):
            return Done(tuple(_without_total(report) for report in outcome.reports))
        return outcome

    def _trade_with(self, client_order_id: str) -> bool:
        """Somebody takes all, half or one lot of a resting order."""
        market, account = self.inner.market, self.inner.account
        now_ns = self.wire.now_ns()
        found = market.exchange.order(account, client_order_id, None, now_ns)
        if found is None or found.order_qty is None:
            return False
        leaves = found.order_qty - (found.cum_qty or ZERO)
        lots = {item.symbol: item.lot_size for item in market.exchange.instruments()}
        lot = lots[found.instrument]
        whole, half = round_down(leaves, lot), round_down(leaves / 2, lot)
        if whole <= ZERO:
            return False
        qty = (whole, half or lot, lot)[self.faults.one_of(3)]
        traded = market.exchange.execute(account, client_order_id, qty, now_ns)
        market.flush(now_ns)
        return traded > ZERO

    def _told_elsewhere(self, outcome: Outcome) -> None:
        """A lost answer: some venues say the same by the stream, some do not."""
        if isinstance(outcome, Done) and outcome.reports and self.faults.one_of(2):
            self.wire.pass_on(outcome.reports)


def _without_total(report: OrderReport) -> OrderReport:
    if isinstance(report, Cancelled):
        return msgspec.structs.replace(report, cum_qty=None)
    return report
