"""What a faulty venue answers to queries: late, never, stale, in part, or nothing one can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from engine.capabilities import Capabilities
from engine.messages import Filled, OrderSnapshot, QueryOrder, VenueStatus
from engine.testing.faults import Fault, FaultKind, Faults
from engine.values import ZERO, InstrumentKind, OrderType, PositionSlot, Side, Source

from ..venues.paper import PaperVenue
from ..venues.port import Answer, VenuePosition
from .faults_calls import AdapterError, FaultyCalls
from .faults_memory import Memory, as_answer
from .faults_shapes import malformed_answer, with_long_digits
from .faults_wire import Wire

__all__ = ["FaultyLists"]

T = TypeVar("T")
_K = FaultKind
_SOON_NS = 3_000_000_000
_RAISED = (_K.RAISED_AFTER, _K.RAISED_BEFORE)
_NOTHING = (_K.UNKNOWN_AFTER, _K.UNKNOWN_BEFORE)
_SILENCE = (_K.ANSWER_LOST, _K.NEVER_ARRIVED)
_LATE = (_K.HANG, _K.ANSWER_LATE)
_SHAPES = (_K.MALFORMED, _K.LONG_DIGITS)
_VIEWS = (_K.LIST_LAGS, _K.LIST_OMITS_TRIGGERS)


class FaultyLists:
    """Plays the faults of queries."""

    def __init__(
        self,
        inner: PaperVenue,
        faults: Faults,
        wire: Wire,
        calls: FaultyCalls,
        memory: Memory,
        capabilities: Capabilities,
    ) -> None:
        self._inner = inner
        self._faults = faults
        self._wire = wire
        self._calls = calls
        self._memory = memory
        self._capabilities = capabilities

    def plays(self, kind: FaultKind) -> bool:
        """Whether a kind is about what a query is answered."""
        return kind in (*_RAISED, *_NOTHING, *_SILENCE, *_LATE, *_SHAPES, *_VIEWS)

    async def query_order(self, request: QueryOrder, fault: Fault | None) -> Answer[OrderSnapshot]:
        """One order, as it was a while ago if ``fault`` says so."""
        by_client = self._capabilities.lookup_by_client_id
        cid = request.client_order_id if by_client else ""

        def earlier(ts: int, answer: Answer[OrderSnapshot]) -> Answer[OrderSnapshot]:
            found = self._memory.order_at(cid, request.venue_order_id, ts)
            items = () if found is None else (as_answer(found, answer.sent_ts, Source.QUERY),)
            return msgspec.structs.replace(answer, items=items)

        return await self._answer(fault, lambda: self._inner.query_order(request), earlier)

    async def open_orders(self, fault: Fault | None) -> Answer[OrderSnapshot]:
        """Open orders, without the trigger orders if ``fault`` says so."""

        def earlier(ts: int, answer: Answer[OrderSnapshot]) -> Answer[OrderSnapshot]:
            found = self._memory.open_at(ts)
            items = tuple(as_answer(order, answer.sent_ts, Source.LIST) for order in found)
            return msgspec.structs.replace(answer, items=items)

        answer: Any = await self._answer(fault, self._inner.open_orders, earlier)
        if not isinstance(answer, Answer):
            broken: Answer[OrderSnapshot] = answer  # malformed
            return broken
        complete = answer.complete and self._capabilities.lists_trigger_orders
        if fault is not None and fault.kind is _K.LIST_OMITS_TRIGGERS:
            items = tuple(order for order in answer.items if not _is_idle(order))
            if len(items) < len(answer.items):
                self._wire.note(fault.kind)
            return msgspec.structs.replace(answer, items=items, complete=complete)
        return msgspec.structs.replace(answer, complete=complete)

    async def executions(self, since_ts: int, fault: Fault | None) -> Answer[Filled]:
        """Executions since, without those of the last moments if ``fault`` says so."""

        def earlier(ts: int, answer: Answer[Filled]) -> Answer[Filled]:
            known = self._inner.market.exchange.executed_by(self._inner.account, ts)
            items = tuple(fill for fill in answer.items if (fill.instrument, fill.exec_id) in known)
            return msgspec.structs.replace(answer, items=items)

        return await self._answer(fault, lambda: self._inner.executions(since_ts), earlier)

    async def positions(self, fault: Fault | None) -> Answer[VenuePosition]:
        """Every slot that is or was not flat, without the last moments if ``fault`` says so."""

        def earlier(ts: int, answer: Answer[VenuePosition]) -> Answer[VenuePosition]:
            items = tuple(
                msgspec.structs.replace(one, qty=one.qty - self._since(ts, one))
                for one in answer.items
            )
            return msgspec.structs.replace(answer, items=items)

        return await self._answer(fault, self._inner.positions, earlier)

    def _since(self, ts: int, held: VenuePosition) -> Decimal:
        """What executions have added to a position since then."""
        exchange, account = self._inner.market.exchange, self._inner.account
        known = exchange.executed_by(account, ts)
        rules = next(one for one in exchange.instruments() if one.symbol == held.instrument)
        in_kind = rules.base if rules.kind is InstrumentKind.CASH else None
        added = ZERO
        if held.slot is PositionSlot.NET:  # an execution does not say which of two others it fed
            for fill in exchange.executions(account, 0)[0]:
                if (
                    fill.instrument == held.instrument
                    and (fill.instrument, fill.exec_id) not in known
                ):
                    added += fill.last_qty if fill.side is Side.BUY else -fill.last_qty
                    added -= (fill.fee or ZERO) if fill.fee_currency == in_kind else ZERO
        return added

    async def _answer(
        self,
        fault: Fault | None,
        ask: Callable[[], Awaitable[Answer[T]]],
        earlier: Callable[[int, Answer[T]], Answer[T]],
    ) -> Answer[T]:
        if fault is None or fault.kind is _K.LIST_OMITS_TRIGGERS:
            return await ask()
        kind = fault.kind
        self._wire.note(kind)
        if kind in _RAISED:
            raise AdapterError("connection reset")
        if kind in _SILENCE:
            nothing: Any = await self._calls.silence()
            return Answer((), False, self._wire.now_ns(), str(nothing))
        sent_ts = self._wire.now_ns()
        answer = await ask()
        if kind in _NOTHING:
            return Answer((), False, sent_ts, "a page is missing")
        if kind in _LATE:
            is_hung = kind is _K.HANG
            wait_ns = self._calls.hang_ns if is_hung else self._faults.duration(fault, _SOON_NS)
            return await self._calls.later(answer, fault.delay_ns or wait_ns)
        if kind is _K.LIST_LAGS:
            lag_ns = self._faults.duration(fault, self._capabilities.visibility_lag_ns)
            return earlier(sent_ts - lag_ns, answer)
        if kind is _K.LONG_DIGITS:
            items = tuple(with_long_digits(item, self._faults.one_of) for item in answer.items)
            return msgspec.structs.replace(answer, items=items)
        broken: Answer[T] = malformed_answer(answer, self._faults.one_of)
        return broken


def _is_idle(order: OrderSnapshot) -> bool:
    kind = order.order_type or OrderType.MARKET
    return kind.has_trigger and order.status is VenueStatus.WORKING
