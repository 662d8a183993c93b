"""The engine's pure core behind the twin's interface: what actors call, without the actors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.fold import book_execution
from engine.messages import (
    AdoptOrder,
    Command,
    CorrectPosition,
    Filled,
    OrderFilled,
    OrderPartiallyFilled,
    OrderSnapshot,
    PositionChanged,
    Report,
    SetBaseline,
    SubmitOrder,
)
from engine.order import BookingKind, Ledger, Order, public_state
from engine.order_steps import begin, mark_sent, step
from engine.position_corrections import correct, set_baseline
from engine.position_state import Position, new_position
from engine.position_views import avg_px, realized_pnl
from engine.recordings import FinalOrder, FinalPosition, Recording
from engine.values import OrderState, OrderType, PositionSlot

from .twin import Twin, TwinEvent


class Core(Twin):
    """Runs a recording through ``step`` and ``book``, adopting what it meets, as a broker does."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording)
        self.live: dict[str, tuple[Order, Ledger]] = {}
        self.held: dict[tuple[str, str], Position] = {}
        self.anomalies: dict[str, int] = {}

    def order(self, client_order_id: str) -> FinalOrder | None:
        """The end of one order."""
        found = self.live.get(client_order_id)
        return None if found is None else _final(*found)

    def orders(self) -> Iterable[FinalOrder]:
        """The end of all."""
        return (_final(*found) for found in self.live.values())

    def positions(self) -> Iterable[FinalPosition]:
        """The end of all slots."""
        for (account, symbol), held in self.held.items():
            instrument = self._instruments[symbol]
            yield FinalPosition(
                account,
                symbol,
                PositionSlot.NET,
                held.qty,
                avg_px(held, instrument),
                realized_pnl(held),
                held.fees,
            )

    def take(self, account: str, message: Command | Report) -> Iterator[TwinEvent]:
        """Apply one message."""
        if isinstance(message, SetBaseline):
            instrument = self._instruments[message.instrument]
            held = new_position(message.venue, account, instrument, message.slot)
            self.held[account, instrument.symbol] = set_baseline(
                held, instrument, message.qty, message.avg_px, message.ts
            )
        elif isinstance(message, CorrectPosition):
            instrument = self._instruments[message.instrument]
            key = (account, instrument.symbol)
            self.held[key] = correct(
                self.held[key], instrument, message.kind, message.ts, qty=message.qty, px=message.px
            )
            yield self._slot_changed(key, "", message.ts)
        elif isinstance(message, SubmitOrder):
            self.live[message.client_order_id] = mark_sent(begin(message)), Ledger()
        else:
            assert isinstance(message, Report)
            yield from self._report(account, message)

    def _report(self, account: str, message: Report) -> Iterator[TwinEvent]:
        oid: str = message.client_order_id  # type: ignore[attr-defined]  # all recorded have one
        if oid not in self.live:
            self.live[oid] = begin(self._adopted(account, oid, message)), Ledger()
        before, ledger = self.live[oid]
        out = step(before, ledger, message)
        if out.anomaly:
            self.anomalies[out.anomaly] = self.anomalies.get(out.anomaly, 0) + 1
        ledger.apply(out.bookings)
        self.live[oid] = out.order, ledger
        order = out.order
        for booking in out.bookings:
            assert booking.kind is BookingKind.BOOK
            fill = booking.fill
            kind = OrderFilled if order.state is OrderState.FILLED else OrderPartiallyFilled
            self.filled += 1
            yield kind(
                oid, oid, self.recording.venue, account, order.terms.instrument, order.terms.side,
                fill.ts, order.state, order.order_qty, order.cum_qty, None, None,
                last_qty=fill.last_qty, last_px=fill.last_px, exec_id=fill.exec_id,
            )  # fmt: skip
            key = (account, order.terms.instrument)
            instrument = self._instruments[order.terms.instrument]
            held = self.held.get(key) or new_position(
                self.recording.venue, account, instrument, PositionSlot.NET
            )
            self.held[key] = book_execution(held, instrument, order.terms, booking, fill.ts)
            yield self._slot_changed(key, oid, fill.ts)

    def _adopted(self, account: str, oid: str, message: Report) -> AdoptOrder:
        assert isinstance(message, Filled | OrderSnapshot), (
            f"{message} of an order nobody introduced"
        )
        assert message.instrument in self._instruments
        assert message.side is not None
        qty = price = None
        kind = OrderType.MARKET
        if isinstance(message, OrderSnapshot):
            qty, price = message.order_qty, message.price
            kind = message.order_type or kind
        terms = SubmitOrder(
            f"adopted:{oid}", self.recording.venue, account, message.instrument, message.side, kind,
            qty, message.ts, oid, price,
        )  # fmt: skip
        return AdoptOrder(terms, message.ts)

    def _slot_changed(self, key: tuple[str, str], oid: str, ts: int) -> PositionChanged:
        held, instrument = self.held[key], self._instruments[key[1]]
        return PositionChanged(
            held.venue, held.account, held.instrument, held.slot, ts, held.qty,
            avg_px(held, instrument), realized_pnl(held), instrument.settle_currency, held.fees,
            oid,
        )  # fmt: skip


def _final(order: Order, ledger: Ledger) -> FinalOrder:
    return FinalOrder(
        order.client_order_id, public_state(order), order.order_qty, order.cum_qty, order.cum_cost,
        len(ledger),
    )  # fmt: skip
