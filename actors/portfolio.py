"""What is held, over all venues: views of positions and sums per currency.

Currencies are never added to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from engine.marks import Mark
from engine.order import leaves_qty
from engine.order_tables import TERMINAL, Life
from engine.pnl import add_amount
from engine.position import follow_orders
from engine.position_state import Position
from engine.position_tables import Exposure, PositionLife
from engine.position_views import avg_px, direction, realized_pnl, unrealized_pnl
from engine.trigger_tables import Trigger
from engine.values import CONTEXT, ZERO, Instrument, PositionSlot, Side, TriggerSource
from engine.views import OrderView, view_order

from .roles import BrokerRole

__all__ = [
    "Portfolio",
    "PositionView",
    "Snapshot",
    "portfolio_of",
    "positions_now",
    "snapshot_of",
    "view_position",
    "views_of",
]

Amounts = tuple[tuple[str, Decimal], ...]


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """One slot at one moment.

    ``exposure`` is LONG, SHORT or FLAT, dust being FLAT; ``qty`` is signed. P&L is in ``currency``,
    without fees and funding; fees paid and funding received stand per currency. ``mark_px`` is what
    it is valued at, from ``mark_source`` (None: the caller gave it), ``mark_age_ns`` old.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    life: PositionLife
    exposure: Exposure
    qty: Decimal
    avg_px: Decimal | None
    realized_pnl: Decimal
    unrealized_pnl: Decimal | None  # None without a mark
    mark_px: Decimal | None
    currency: str
    fees: Amounts
    ts: int
    funding: Amounts = ()
    mark_source: TriggerSource | None = None
    mark_age_ns: int | None = None


class Portfolio(msgspec.Struct, frozen=True, kw_only=True):
    """All slots, and the sums per currency.

    ``unmarked`` names what had no mark that is known and new enough (or no entry price): its
    unrealised P&L is missing.
    """

    positions: tuple[PositionView, ...]
    realized_pnl: Amounts
    unrealized_pnl: Amounts
    fees: Amounts
    unmarked: tuple[str, ...]
    funding: Amounts = ()


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A system at one moment."""

    ts: int
    orders: tuple[OrderView, ...]
    positions: tuple[PositionView, ...]
    sessions: dict[str, str]
    hand_over: tuple[str, ...]
    journal_error: str
    facts: int
    dead_letters: int


def view_position(
    position: Position,
    instrument: Instrument,
    mark: Mark | None = None,
    booked: Position | None = None,
) -> PositionView:
    """The view of a slot; ``mark`` values what is held. ``booked``: the slot without the word of
    its orders, by which dust is told where there is no mark.
    """
    px = None if mark is None else mark.px
    return PositionView(
        venue=position.venue,
        account=position.account,
        instrument=position.instrument,
        slot=position.slot,
        life=position.life,
        exposure=direction(booked or position, instrument, px),
        qty=position.qty,
        avg_px=_shown(avg_px(position, instrument)),
        realized_pnl=realized_pnl(position),
        unrealized_pnl=None if px is None else unrealized_pnl(position, instrument, px),
        mark_px=px,
        currency=position.currency,
        fees=position.fees,
        ts=position.ts,
        funding=position.funding,
        mark_source=None if mark is None else mark.source,
        mark_age_ns=None if mark is None or mark.source is None else mark.age_ns,
    )


def _shown(price: Decimal | None) -> Decimal | None:
    """A derived price without the zeros a division leaves."""
    return None if price is None else CONTEXT.plus(price)


def positions_now(broker: BrokerRole, ts: int) -> list[tuple[Position, Instrument]]:
    """The slots of an account, their lives told which of its orders work now."""
    entries: dict[tuple[str, PositionSlot], bool] = {}
    exits: dict[tuple[str, PositionSlot], Decimal] = {}
    for actor in broker.orders.values():
        order = actor.order
        key = (order.terms.instrument, order.terms.slot)
        if order.life in TERMINAL or order.life is Life.PENDING:
            continue
        held = broker.positions.get(key)
        against = (
            held is not None
            and held.position.qty
            and (held.position.qty.is_signed() == (order.terms.side is Side.BUY))
        )
        if order.terms.reduce_only or against:
            elected = order.life is Life.TRIGGERED or order.trigger is Trigger.RELEASED
            if elected or not order.terms.order_type.has_trigger:
                exits[key] = exits.get(key, ZERO) + (leaves_qty(order) or ZERO)
        else:
            entries[key] = True
    return [
        (
            follow_orders(
                held.position, held.instrument, entries.get(key, False), exits.get(key, ZERO), ts
            ),
            held.instrument,
        )
        for key, held in broker.positions.items()
    ]


def portfolio_of(positions: tuple[PositionView, ...]) -> Portfolio:
    """Sum per currency."""
    realized: Amounts = ()
    unrealized: Amounts = ()
    fees: Amounts = ()
    funding: Amounts = ()
    unmarked: list[str] = []
    for held in positions:
        realized = add_amount(realized, held.currency, held.realized_pnl)
        for currency, amount in held.fees:
            fees = add_amount(fees, currency, amount)
        for currency, amount in held.funding:
            funding = add_amount(funding, currency, amount)
        if held.unrealized_pnl is not None:
            unrealized = add_amount(unrealized, held.currency, held.unrealized_pnl)
        elif held.qty:
            unmarked.append(f"{held.venue}/{held.account}/{held.instrument}")
    return Portfolio(
        positions=positions,
        realized_pnl=realized,
        unrealized_pnl=unrealized,
        fees=fees,
        unmarked=tuple(unmarked),
        funding=funding,
    )


def views_of(
    brokers: Iterable[BrokerRole], ts: int, marks: Mapping[tuple[str, str], Decimal]
) -> tuple[PositionView, ...]:
    """The views of every slot. Prices that are known value what is held; ``marks`` by (venue,
    instrument) win.
    """
    return tuple(
        view_position(
            position,
            instrument,
            _mark(broker, position.instrument, marks),
            broker.positions[position.instrument, position.slot].position,
        )
        for broker in brokers
        for position, instrument in positions_now(broker, ts)
    )


def _mark(broker: BrokerRole, symbol: str, marks: Mapping[tuple[str, str], Decimal]) -> Mark | None:
    given = marks.get((broker.name, symbol))
    return broker.following.mark(symbol) if given is None else Mark(given)


def snapshot_of(
    brokers: Sequence[BrokerRole], ts: int, journal_error: str, facts: int, dead_letters: int
) -> Snapshot:
    """Everything as it is in memory."""
    return Snapshot(
        ts=ts,
        orders=tuple(view_order(a.order) for b in brokers for a in b.orders.values()),
        positions=views_of(brokers, ts, {}),
        sessions={f"{b.name}/{b.account}": b.session.state.value for b in brokers},
        hand_over=tuple(cid for b in brokers for cid in b.calls.hand_over()),
        journal_error=journal_error,
        facts=facts,
        dead_letters=dead_letters,
    )
