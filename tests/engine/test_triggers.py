"""Triggers that the engine watches: the same prices elect the same orders as at a venue."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.capabilities import Capabilities
from engine.errors import InvalidOrder
from engine.messages import PriceUpdate, SubmitOrder
from engine.order import new_order
from engine.order_moves import replace as with_terms
from engine.prices import Price, taken
from engine.simulator.orders import SimOrder
from engine.simulator.triggers import TriggerBook as VenueBook
from engine.triggers import (
    BECOMES,
    TriggerBook,
    check_trigger,
    child_of,
    localised,
    see,
    sight_age_ns,
)
from engine.values import OrderType, Side, TimeInForce, TriggerSource, exact

D = Decimal
S = TriggerSource
TRIGGERS = tuple(kind for kind in OrderType if kind.has_trigger)
PLAIN = Capabilities(order_types=(OrderType.MARKET, OrderType.LIMIT))


def order(
    kind: OrderType = OrderType.STOP,
    side: Side = Side.SELL,
    *,
    stop_px: str | None = "90",
    trail: str | None = None,
    source: TriggerSource = S.LAST,
    name: str = "o",
    local: bool = True,
) -> SubmitOrder:
    """An order for five with a trigger."""
    return SubmitOrder(
        name, "V", "A", "X", side, kind, D(5), 1, name,
        price=D(88) if kind.has_limit_price else None,
        stop_px=None if stop_px is None else D(stop_px),
        trail_offset=None if trail is None else D(trail),
        trigger_source=source, reduce_only=True, local=local,
    )  # fmt: skip


# --- one order and one price ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "side", "below", "at", "above"),
    [
        (OrderType.STOP, Side.SELL, True, True, False),
        (OrderType.STOP, Side.BUY, False, True, True),
        (OrderType.STOP_LIMIT, Side.SELL, True, True, False),
        (OrderType.TAKE_PROFIT, Side.SELL, False, True, True),
        (OrderType.TAKE_PROFIT, Side.BUY, True, True, False),
        (OrderType.TAKE_PROFIT_LIMIT, Side.BUY, True, True, False),
    ],
)
def test_stops_go_with_the_market_and_takers_against_it(
    kind: OrderType, side: Side, below: bool, at: bool, above: bool
) -> None:
    """A price at the trigger elects; beyond it only on the side that the type waits for."""
    terms = order(kind, side)
    seen = [see(terms, D(90), D(px)).elected for px in ("89", "90", "91")]
    assert [below, at, above] == seen


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back() -> None:
    """Up with the market at its offset, and elected when that is given back."""
    terms = order(OrderType.TRAILING_STOP, stop_px=None, trail="10")
    level: Decimal | None = None
    told = []
    for px in ("100", "105", "101", "96", "95"):
        found = see(terms, level, D(px))
        level = found.stop_px
        told.append((str(level), found.elected))
    assert [("90", False), ("95", False), ("95", False), ("95", False), ("95", True)] == told


def test_what_leaves_has_the_terms_in_force_and_no_trigger() -> None:
    """Quantity and price as amended meanwhile, everything else as submitted."""
    for kind in TRIGGERS:
        trail = "5" if kind is OrderType.TRAILING_STOP else None
        waiting = with_terms(
            new_order(order(kind, trail=trail, source=S.MARK)), order_qty=D(3), price=D(87)
        )
        child = child_of(waiting)
        assert (BECOMES[kind], D(3), D(87)) == (child.order_type, child.order_qty, child.price)
        assert (None, None, False) == (child.stop_px, child.trail_offset, child.local)
        assert ("o", True) == (child.client_order_id, child.reduce_only)


# --- what may wait here ---------------------------------------------------------------------------


def test_a_type_that_the_venue_lacks_is_refused_by_naming_the_way_out() -> None:
    """Not silently watched: a local stop dies with the process, so somebody has to say so."""
    with pytest.raises(InvalidOrder, match="emulate_triggers=True") as refused:
        check_trigger(order(local=False), PLAIN)
    assert "UNSUPPORTED" == refused.value.reason
    check_trigger(order(), PLAIN)


def test_a_source_that_the_venue_lacks_is_refused_too() -> None:
    """A venue that triggers by the last trade does not take a stop by the mark."""
    able = replace(PLAIN, order_types=tuple(OrderType))
    check_trigger(order(local=False), able)
    with pytest.raises(InvalidOrder, match="STOP triggered by MARK"):
        check_trigger(order(local=False, source=S.MARK), able)
    assert localised(order(local=False, source=S.MARK), able).local
    assert not localised(order(local=False), able).local


def test_what_it_would_become_has_to_be_known() -> None:
    """A venue without market orders has no stops, whoever watches: nobody invents a price."""
    with pytest.raises(InvalidOrder, match="nor MARKET"):
        check_trigger(order(), replace(PLAIN, order_types=(OrderType.LIMIT,)))
    check_trigger(order(OrderType.STOP_LIMIT), replace(PLAIN, order_types=(OrderType.LIMIT,)))


@pytest.mark.parametrize("tif", [TimeInForce.DAY, TimeInForce.GTD])
def test_times_that_a_venue_keeps_are_refused(tif: TimeInForce) -> None:
    """No venue would end the order while it waits here."""
    with pytest.raises(InvalidOrder, match="GTC, IOC or FOK"):
        check_trigger(replace(order(), time_in_force=tif), PLAIN)


def test_only_orders_with_a_trigger_can_be_local() -> None:
    """There is nothing to watch for a limit order."""
    limit = replace(order(), order_type=OrderType.LIMIT, stop_px=None, price=D(1))
    with pytest.raises(InvalidOrder, match="has none"):
        check_trigger(limit, PLAIN)


# --- how old a price is ---------------------------------------------------------------------------


def test_the_last_trade_stands_while_anything_is_told() -> None:
    """A quiet instrument with a living feed is seen; a mark counts from its own update only."""
    price = taken(None, PriceUpdate("X", 1, last=D(9)), 100)
    assert 400 == sight_age_ns(price, S.LAST, 500)
    price = taken(price, PriceUpdate("X", 2, bid=D(8), ask=D(9)), 450)
    assert (50, 50, None) == tuple(
        sight_age_ns(price, source, 500) for source in (S.LAST, S.MID, S.MARK)
    )
    assert sight_age_ns(Price("X"), S.LAST, 500) is None


# --- many orders ----------------------------------------------------------------------------------

_px = st.integers(80, 120).map(D)


@st.composite
def waiting(draw: st.DrawFn, name: str) -> SubmitOrder:
    """Any order that waits for a trigger."""
    kind = draw(st.sampled_from(TRIGGERS))
    trails = kind is OrderType.TRAILING_STOP
    level = draw(st.none() | _px) if trails else draw(_px)
    return order(
        kind, draw(st.sampled_from(tuple(Side))), name=name,
        stop_px=None if level is None else str(level),
        trail=str(draw(st.integers(1, 15))) if trails else None,
        source=draw(st.sampled_from(tuple(S))),
    )  # fmt: skip


@st.composite
def paths(draw: st.DrawFn) -> tuple[list[SubmitOrder], list[tuple[TriggerSource, Decimal]]]:
    """Some orders, and prices of all sources in a row."""
    count = draw(st.integers(1, 8))
    orders = [draw(waiting(f"o{number}")) for number in range(count)]
    told = st.tuples(st.sampled_from(tuple(S)), _px)
    return orders, draw(st.lists(told, max_size=25))


def dumb(terms: SubmitOrder, level: Decimal | None, px: Decimal) -> tuple[Decimal | None, bool]:
    """Written from the words of the page, order by order."""
    sells = terms.side is Side.SELL
    if terms.trail_offset is not None:
        candidate = px - terms.trail_offset if sells else px + terms.trail_offset
        known = [one for one in (level, candidate) if one is not None]
        level = max(known) if sells else min(known)
    assert level is not None
    takes = terms.order_type in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
    falls = sells is not takes
    return level, (px <= level if falls else px >= level)


@given(paths())
def test_the_book_elects_whom_a_dumb_look_at_every_order_elects(
    path: tuple[list[SubmitOrder], list[tuple[TriggerSource, Decimal]]],
) -> None:
    """Whoever else waits, whatever came before; levels included."""
    orders, prices = path
    book = TriggerBook()
    levels = {}
    with exact():
        for one in orders:
            book.put(one.client_order_id, one, one.stop_px)
            levels[one.client_order_id] = one.stop_px
        live = {one.client_order_id: one for one in orders}
        for source, px in prices:
            moved = book.follow(source, px)
            due = book.due(source, px)
            expected, follows = [], []
            for name, terms in live.items():
                if terms.trigger_source is source:
                    before = levels[name]
                    levels[name], elected = dumb(terms, before, px)
                    expected += [name] if elected else []
                    follows += [name] if levels[name] != before else []
            assert sorted(expected) == sorted(due)
            assert sorted(follows) == sorted(moved)
            assert all(book.stop_px(name) == levels[name] for name in live)
            for name in due:
                book.drop(name)
                del live[name]
        assert len(live) == len(book)


@given(paths())
def test_the_book_elects_whom_the_simulators_book_elects(
    path: tuple[list[SubmitOrder], list[tuple[TriggerSource, Decimal]]],
) -> None:
    """A stop of ours and one at a venue go at the same step of the same prices."""
    orders, prices = path
    ours, theirs = TriggerBook(), VenueBook()
    known: dict[TriggerSource, Decimal | None] = dict.fromkeys(S)
    with exact():
        for rank, one in enumerate(orders):
            ours.put(one.client_order_id, one, one.stop_px)
            sim = SimOrder(one, f"v{rank}", rank, 1, D(5), D(5), one.price, one.stop_px, True, None)
            theirs.add(sim)
        for source, px in prices:
            known[source] = px
            ours.follow(source, px)
            due = ours.due(source, px)
            for name in due:
                ours.drop(name)
            elected = []
            while (sim_due := theirs.pop_due(known)) is not None:
                elected.append(sim_due.terms.client_order_id)
            assert sorted(elected) == sorted(due)


def test_the_nearest_goes_first_then_the_oldest() -> None:
    """As at a venue: who would have been elected first on the way there."""
    book = TriggerBook()
    for name, level in (("far", "80"), ("near", "90"), ("old", "85"), ("new", "85")):
        book.put(name, order(name=name), D(level))
    assert ["near", "old", "new", "far"] == book.due(S.LAST, D(70))
    book.put("near", order(name="near"), D(75))
    assert ["old", "new", "far", "near"] == book.due(S.LAST, D(70))
    assert [] == book.due(S.MARK, D(70))
