"""A dumb engine, for judging readers: orders are rows of a dict, positions average cost.

It knows nothing of actors, journals or statecharts, and is written for reading, not for speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from engine.messages import (
    Accepted,
    Cancelled,
    Command,
    CorrectPosition,
    Expired,
    Filled,
    OrderFilled,
    OrderPartiallyFilled,
    OrderSnapshot,
    PositionChanged,
    Rejected,
    Replaced,
    Report,
    Restated,
    SetBaseline,
    SubmitOrder,
    VenueStatus,
)
from engine.recordings import Check, FinalOrder, FinalPosition, Recording
from engine.values import InstrumentKind, OrderState, PositionSlot, Side, exact

TwinEvent: TypeAlias = OrderFilled | OrderPartiallyFilled | PositionChanged

ENDS = {
    VenueStatus.CANCELLED: OrderState.CANCELLED,
    VenueStatus.REJECTED: OrderState.REJECTED,
    VenueStatus.EXPIRED: OrderState.EXPIRED,
}


@dataclass
class TwinOrder:
    """One order; ``end`` is the last end stated."""

    client_order_id: str
    instrument: str
    side: Side
    order_qty: Decimal | None = None
    cum_qty: Decimal = Decimal(0)
    cum_cost: Decimal = Decimal(0)
    fills: dict[str, None] = field(default_factory=dict)
    end: OrderState | None = None

    @property
    def state(self) -> OrderState:
        """Complete beats every other end."""
        if self.order_qty is not None and self.cum_qty >= self.order_qty:
            return OrderState.FILLED
        if self.end is not None:
            return self.end
        return OrderState.PARTIAL if self.fills else OrderState.ACCEPTED


@dataclass
class TwinPosition:
    """One slot; ``avg`` None while the entry of what is held is not known."""

    qty: Decimal = Decimal(0)
    avg: Decimal | None = Decimal(0)
    realized: Decimal = Decimal(0)
    fees: dict[str, Decimal] = field(default_factory=dict)


class Twin:
    """Replays a recording; is its own :class:`engine.recordings.ReplayView`."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.book: dict[str, TwinOrder] = {}
        self.slots: dict[tuple[str, str], TwinPosition] = {}
        self.messages = 0
        self.filled = 0
        self._instruments = {known.symbol: known for known in recording.instruments}

    def run(self) -> dict[str, Check]:
        """Replay, and judge by the recording's own oracle."""
        oracle = self.recording.oracle()
        with exact():
            for account, step in self.recording.steps():
                self.messages += 1
                for event in self.take(account, step.message):
                    oracle.on_event(event)
            return {check.name: check for check in oracle.finish(self)}

    def order(self, client_order_id: str) -> FinalOrder | None:
        """The end of one order."""
        found = self.book.get(client_order_id)
        return None if found is None else self._final(found)

    def orders(self) -> Iterable[FinalOrder]:
        """The end of all."""
        return map(self._final, self.book.values())

    def positions(self) -> Iterable[FinalPosition]:
        """The end of all slots."""
        for (account, instrument), slot in self.slots.items():
            yield FinalPosition(
                account,
                instrument,
                PositionSlot.NET,
                slot.qty,
                slot.avg,
                slot.realized,
                tuple(slot.fees.items()),
            )

    @staticmethod
    def _final(order: TwinOrder) -> FinalOrder:
        return FinalOrder(
            order.client_order_id,
            order.state,
            order.order_qty,
            order.cum_qty,
            order.cum_cost,
            len(order.fills),
        )

    def take(  # noqa: C901  # one case a message
        self, account: str, message: Command | Report
    ) -> Iterator[TwinEvent]:
        """Apply one message; yields the events that oracles look at."""
        match message:
            case SubmitOrder(client_order_id=oid):
                assert oid not in self.book, f"{oid} is submitted twice"
                assert message.order_qty is not None
                assert message.order_qty > 0
                self.book[oid] = TwinOrder(oid, message.instrument, message.side, message.order_qty)
            case Accepted(client_order_id=oid, order_qty=qty):
                if self.book[oid].order_qty is None:
                    self.book[oid].order_qty = qty
            case Filled():
                yield from self._fill(account, message)
            case Cancelled(client_order_id=oid):
                self.book[oid].end = self.book[oid].end or OrderState.CANCELLED
            case Rejected(client_order_id=oid):
                self.book[oid].end = OrderState.REJECTED
            case Expired(client_order_id=oid):
                self.book[oid].end = OrderState.EXPIRED
            case Restated(client_order_id=oid, order_qty=qty):
                self.book[oid].order_qty = qty
            case Replaced(client_order_id=oid, order_qty=new):
                self.book[oid].order_qty = self.book[oid].order_qty if new is None else new
            case OrderSnapshot(client_order_id=oid):
                self._show(message)
            case SetBaseline(instrument=symbol, qty=qty):
                assert (account, symbol) not in self.slots
                self.slots[account, symbol] = TwinPosition(
                    qty, message.avg_px if qty else Decimal(0)
                )
            case CorrectPosition(instrument=symbol, qty=qty):
                slot = self.slots[account, symbol]
                slot.qty, slot.avg = slot.qty + qty, None
                yield self._changed(account, symbol, slot, "", message.ts)
            case _:
                raise AssertionError(f"no reader makes {type(message).__name__}")

    def _show(self, seen: OrderSnapshot) -> None:
        order = self.book.get(seen.client_order_id)
        if order is None:
            assert seen.side is not None
            assert seen.instrument
            order = TwinOrder(seen.client_order_id, seen.instrument, seen.side)
            self.book[seen.client_order_id] = order
        if order.order_qty is None:
            order.order_qty = seen.order_qty
        order.end = order.end or ENDS.get(seen.status)

    def _fill(self, account: str, fill: Filled) -> Iterator[TwinEvent]:
        order = self.book.get(fill.client_order_id)
        if order is None:
            assert fill.side is not None
            assert fill.instrument
            order = TwinOrder(fill.client_order_id, fill.instrument, fill.side)
            self.book[fill.client_order_id] = order
        assert fill.side in (None, order.side)
        assert fill.last_qty > 0
        if fill.exec_id in order.fills:
            return
        order.fills[fill.exec_id] = None
        order.cum_qty += fill.last_qty
        order.cum_cost += fill.last_qty * fill.last_px
        self.filled += 1
        kind = OrderFilled if order.state is OrderState.FILLED else OrderPartiallyFilled
        yield kind(
            order.client_order_id, order.client_order_id, self.recording.venue, account,
            order.instrument, order.side, fill.ts, order.state, order.order_qty, order.cum_qty,
            None, None,
            last_qty=fill.last_qty, last_px=fill.last_px, exec_id=fill.exec_id,
        )  # fmt: skip
        slot = self.slots.setdefault((account, order.instrument), TwinPosition())
        self._book(slot, order, fill)
        yield self._changed(account, order.instrument, slot, order.client_order_id, fill.ts)

    def _book(self, slot: TwinPosition, order: TwinOrder, fill: Filled) -> None:
        instrument = self._instruments[order.instrument]
        qty = fill.last_qty
        if fill.fee:
            slot.fees[fill.fee_currency] = slot.fees.get(fill.fee_currency, Decimal(0)) + fill.fee
            if instrument.kind is InstrumentKind.CASH and fill.fee_currency == instrument.base:
                qty -= fill.fee
        signed = qty if order.side is Side.BUY else -qty
        px = fill.last_px * fill.last_qty / qty
        held = slot.qty
        slot.qty += signed
        if not held or held * signed > 0:
            if slot.avg is not None or not held:
                slot.avg = ((slot.avg or 0) * abs(held) + px * qty) / abs(slot.qty)
            return
        closed = min(abs(held), qty)
        if slot.avg is not None:
            slot.realized += (
                (px - slot.avg) * closed * (1 if held > 0 else -1) * instrument.multiplier
            )
        if held * slot.qty <= 0:
            slot.avg = px if slot.qty else Decimal(0)

    def _changed(
        self, account: str, symbol: str, slot: TwinPosition, order_id: str, ts: int
    ) -> PositionChanged:
        return PositionChanged(
            self.recording.venue, account, symbol, PositionSlot.NET, ts, slot.qty, slot.avg,
            slot.realized, self._instruments[symbol].settle_currency, tuple(slot.fees.items()),
            order_id,
        )  # fmt: skip
