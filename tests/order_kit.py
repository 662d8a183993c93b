"""Short words for orders under test.

An order at the venue, its ledger, and messages with the boring fields filled.
"""

from __future__ import annotations

from decimal import Decimal

from engine.invariants import check_ledger, check_order, check_step
from engine.messages import (
    Accepted,
    Feeds,
    Filled,
    Message,
    OrderSnapshot,
    SubmitOrder,
    TradeBusted,
    TradeCorrected,
    VenueStatus,
)
from engine.order import Ledger, Order, Step
from engine.order_steps import begin, mark_sent, step
from engine.values import OrderState, OrderType, Side, Source, TimeInForce

D = Decimal
CID = "C1"


def terms(
    qty: str | None = "10",
    *,
    kind: OrderType = OrderType.LIMIT,
    price: str | None = "100",
    stop_px: str | None = None,
    trail: str | None = None,
    cash: str | None = None,
    tif: TimeInForce = TimeInForce.GTC,
) -> SubmitOrder:
    """The terms of an order of 10 at 100, or as said."""
    return SubmitOrder(
        "intent", "V", "A", "X", Side.BUY, kind, None if qty is None else D(qty), 1, CID,
        price=None if price is None else D(price),
        stop_px=None if stop_px is None else D(stop_px),
        trail_offset=None if trail is None else D(trail),
        cash_qty=None if cash is None else D(cash),
        time_in_force=tif,
    )  # fmt: skip


class Held:
    """An order and its ledger, stepped like the actor does it.

    Every invariant is judged after every step.
    """

    def __init__(self, submit: SubmitOrder | None = None, *, sent: bool = True) -> None:
        self.order: Order = begin(submit or terms())
        if sent:
            self.order = mark_sent(self.order)
        self.ledger = Ledger()
        self.last = Step(self.order)

    def take(self, *messages: Message) -> Order:
        """Step through messages."""
        for message in messages:
            self.last = step(self.order, self.ledger, message)
            check_step(self.order, self.last)
            if not self.last.changed:
                assert self.last.order is self.order, f"{message} changed something unsaid"
                assert not self.last.bookings
            self.ledger.apply(self.last.bookings)
            self.order = self.last.order
            check_order(self.order)
            check_ledger(self.order, self.ledger)
        return self.order

    def state(self) -> OrderState:
        """The public word (a method, so that no type checker believes it stays what it was)."""
        return self.order.state


def at_venue(submit: SubmitOrder | None = None, *messages: Message) -> Held:
    """An order the venue has accepted, after ``messages``."""
    held = Held(submit)
    held.take(Accepted(CID, 2, "v1"), *messages)
    return held


def fill(
    exec_id: str,
    qty: str = "4",
    px: str = "100",
    ts: int = 10,
    *,
    fee: str | None = None,
    total: str | None = None,
    revises: str | None = None,
    inferred: bool = False,
    feeds: Feeds = Feeds.BOTH,
    instrument: str = "",
    side: Side | None = None,
    venue_id: str | None = None,
) -> Filled:
    """An execution."""
    return Filled(
        CID, ts, exec_id, D(qty), D(px), None if fee is None else D(fee), "USD" if fee else "",
        cum_qty=None if total is None else D(total), revises=revises, inferred=inferred,
        feeds=feeds, instrument=instrument, side=side, venue_order_id=venue_id,
    )  # fmt: skip


def bust(exec_id: str, ts: int = 20) -> TradeBusted:
    """A bust."""
    return TradeBusted(CID, ts, exec_id)


def correct(exec_id: str, new: str, qty: str, px: str = "100", ts: int = 20) -> TradeCorrected:
    """A correction."""
    return TradeCorrected(CID, ts, exec_id, new, D(qty), D(px))


def seen(
    status: VenueStatus,
    asked: int,
    *,
    qty: str | None = None,
    cum: str | None = None,
    price: str | None = None,
    stop_px: str | None = None,
    source: Source = Source.QUERY,
    venue_id: str | None = None,
    instrument: str = "",
    side: Side | None = None,
) -> OrderSnapshot:
    """What a question asked at ``asked`` shows, one tick later."""
    return OrderSnapshot(
        CID, asked + 1, status, venue_id, instrument, side,
        order_qty=None if qty is None else D(qty),
        cum_qty=None if cum is None else D(cum),
        price=None if price is None else D(price),
        stop_px=None if stop_px is None else D(stop_px),
        sent_ts=asked, source=source,
    )  # fmt: skip
