"""Stops, take-profits, trailing stops: when they are elected, and what they then get."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.messages import Cancelled, Filled, Triggered, VenueStatus
from engine.simulator import ExchangeConfig, RefuseReason
from engine.values import OrderType, Side, TriggerSource

from .desk import Desk, fills, names, reason, reports

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def stop(desk: Desk, side: Side, order_type: OrderType, stop_px: str, **more: Any) -> None:
    """Place a trigger order of one unit that waits."""
    answer = reports(desk.send(side, order_type, "1", stop_px=D(stop_px), **more))
    assert ["Accepted"] == names(answer)


@pytest.mark.parametrize(
    ("side", "order_type", "quiet", "loud"),
    [
        (SELL, OrderType.STOP, "95.5", "95"),
        (BUY, OrderType.STOP, "94.5", "95"),
        (SELL, OrderType.TAKE_PROFIT, "94.5", "95"),
        (BUY, OrderType.TAKE_PROFIT, "95.5", "95"),
    ],
)
def test_a_trigger_is_elected_at_its_price(
    side: Side, order_type: OrderType, quiet: str, loud: str
) -> None:
    """A trigger waits one tick before its price and is elected at it."""
    desk = Desk()
    desk.book("90x9", "110x9")
    desk.trade(quiet, "1", None)
    stop(desk, side, order_type, "95")
    desk.trade(quiet, "1", None)
    assert () == desk.take()
    desk.trade(loud, "1", None)
    assert ["Triggered", "Filled"] == names(desk.take())


def test_a_stop_through_a_gap_fills_at_the_gapped_price() -> None:
    """After a gap a stop fills at what the book holds then, never at its stop price."""
    desk = Desk()
    desk.book("100x5", "101x5")
    desk.trade("100", "1", SELL)
    stop(desk, SELL, OrderType.STOP, "98")
    desk.trade("90", "1", SELL)
    assert ["Triggered"] == names(desk.take())
    desk.book("89x5", "91x5")
    assert [("1", "89")] == fills(desk.take())


def test_a_stop_waiting_for_the_book_can_be_cancelled() -> None:
    """An elected order that waits for the next stated book is open, and can be cancelled."""
    desk = Desk()
    desk.book("100x5", "101x5")
    stop(desk, SELL, OrderType.STOP, "98")
    desk.trade("90", "1", SELL)
    assert VenueStatus.TRIGGERED is desk.snap("a1").status
    assert ["Cancelled"] == names(reports(desk.cancel("a1")))
    desk.book("89x5", "91x5")
    assert [] == fills(desk.take())


def test_an_elected_stop_meets_a_side_stated_empty() -> None:
    """When nobody is stated on that side, an elected stop is cancelled like a market order."""
    desk = Desk()
    stop(desk, SELL, OrderType.STOP, "98", trigger_source=TriggerSource.MARK)
    desk.book("", "101x5")
    desk.mark("97")
    found = desk.take()
    assert ["Triggered", "Cancelled"] == names(found)
    assert isinstance(found[1], Cancelled)
    assert "no_liquidity" == found[1].reason


def test_a_stop_limit_rests_beyond_a_gap() -> None:
    """A stop-limit elected through a gap rests at its limit: unfilled, and open."""
    desk = Desk()
    desk.book("100x5", "101x5")
    stop(desk, SELL, OrderType.STOP_LIMIT, "98", price="97.5")
    desk.trade("90", "1", SELL)
    desk.book("89x5", "91x5")
    assert ["Triggered"] == names(desk.take())
    assert VenueStatus.TRIGGERED is desk.snap("a1").status
    desk.book("98x1", "99x5")
    assert [("1", "97.5")] == fills(desk.take())


def test_an_elected_order_that_may_only_make_is_cancelled_when_it_would_take() -> None:
    """Its fees would be those of a taker, and it was to pay none."""
    desk = Desk()
    desk.book("99x5 95x5", "101x5")
    desk.trade("100", "1", SELL)
    stop(desk, SELL, OrderType.STOP_LIMIT, "98", price=D("90"), post_only=True)
    desk.trade("98", "1", SELL)
    assert ["Triggered", "Cancelled"] == names(desk.take())


@pytest.mark.parametrize("source", list(TriggerSource))
def test_only_the_chosen_price_elects(source: TriggerSource) -> None:
    """A trigger looks at its own source and at no other price."""
    desk = Desk()
    desk.book("100x50", "101x50")
    stop(desk, SELL, OrderType.STOP, "95", trigger_source=source)
    moves: dict[TriggerSource, Callable[[], None]] = {
        TriggerSource.LAST: lambda: desk.trade("95", "1", BUY),
        TriggerSource.MARK: lambda: desk.mark("95"),
        TriggerSource.MID: lambda: desk.book("94x9", "95x9"),
    }
    for other, move in moves.items():
        if other is not source:
            move()
            desk.book("100x50", "101x50")
    assert () == desk.take()
    moves[source]()
    assert "Triggered" in names(desk.take())


def test_a_trailing_stop_follows_and_never_retreats() -> None:
    """A trailing stop keeps its distance from the best price and is elected on the way back."""
    desk = Desk()
    desk.book("90x9", "120x9")
    desk.trade("100", "1", None)
    trailing = reports(desk.send(SELL, OrderType.TRAILING_STOP, "1", trail_offset=D(5)))
    assert ["Accepted"] == names(trailing)
    for px, stop_px in (("104", 99), ("101", 99), ("110", 105), ("105.5", 105)):
        desk.trade(px, "1", None)
        assert D(stop_px) == desk.snap("a1").stop_px
    assert () == desk.take()
    desk.trade("104.5", "1", None)
    assert [("1", "90")] == fills(desk.take())


def test_a_trailing_buy_mirrors() -> None:
    """A trailing buy follows the market down and is elected on the way up."""
    desk = Desk()
    desk.book("90x9", "120x9")
    desk.trade("100", "1", None)
    desk.send(BUY, OrderType.TRAILING_STOP, "1", trail_offset=D(5))
    desk.trade("96", "1", None)
    assert D(101) == desk.snap("a1").stop_px
    desk.trade("101", "1", None)
    assert [("1", "120")] == fills(desk.take())


def test_nearest_triggers_go_first() -> None:
    """A price that elects several elects the nearest first, then the older."""
    desk = Desk()
    desk.book("80x90", "120x9")
    desk.trade("100", "1", None)
    for px, name in (("90", "far"), ("95", "near"), ("95", "near2")):
        stop(desk, SELL, OrderType.STOP, px, client_order_id=name)
    desk.trade("85", "1", None)
    elected = [r.client_order_id for r in desk.take() if isinstance(r, Triggered)]
    assert ["near", "near2", "far"] == elected


def test_one_election_may_elect_the_next() -> None:
    """The fill of an elected stop is a trade: it moves the last price and may elect others."""
    desk = Desk()
    desk.book("100x1 94x1 90x9", "120x9")
    desk.trade("101", "1", None)
    stop(desk, SELL, OrderType.STOP, "99", client_order_id="first")
    stop(desk, SELL, OrderType.STOP, "95", client_order_id="second")
    desk.market(SELL, "1")
    desk.take()
    desk.trade("98", "1", None)
    order = [r.client_order_id for r in desk.take() if isinstance(r, Filled)]
    assert ["first", "second"] == order


@pytest.mark.parametrize("refuses", [False, True])
def test_a_stop_beyond_the_market_is_elected_or_refused(refuses: bool) -> None:
    """A stop that the price has passed is elected at once, or refused where the venue does."""
    desk = Desk(ExchangeConfig(refuse_immediate_trigger=refuses))
    desk.book("100x9", "101x9")
    desk.trade("100", "1", None)
    answer = desk.send(SELL, OrderType.STOP, "1", stop_px=D(102))
    if refuses:
        assert RefuseReason.WOULD_TRIGGER is reason(answer)
    else:
        assert ["Accepted", "Triggered", "Filled"] == names(reports(answer))


def test_a_child_id_and_its_parent_find_one_order() -> None:
    """Where an elected order gets a new venue id, both find it and its fills carry the new one."""
    desk = Desk(ExchangeConfig(child_on_trigger=True))
    desk.book("100x9", "101x9")
    stop(desk, SELL, OrderType.STOP, "98", trigger_source=TriggerSource.MARK)
    parent = desk.snap("a1").venue_order_id
    desk.mark("98")
    child = desk.snap("a1").venue_order_id
    assert parent != child
    assert desk.exchange.order("a", "", parent, 0) == desk.exchange.order("a", "", child, 0)
    assert {child} == {r.venue_order_id for r in desk.take() if isinstance(r, Triggered | Filled)}


def test_moving_a_stop_moves_its_election() -> None:
    """An amended stop price is in force at once: the old one elects nobody, the new one does."""
    desk = Desk()
    desk.book("90x9", "110x9")
    desk.trade("100", "1", None)
    stop(desk, SELL, OrderType.STOP, "95")
    assert ["Replaced"] == names(reports(desk.amend("a1", stop_px="92")))
    desk.trade("94", "1", None)
    assert () == desk.take()
    desk.trade("92", "1", None)
    assert ["Triggered", "Filled"] == names(desk.take())


def test_quotes_pull_the_last_price_only_where_configured() -> None:
    """For feeds without trades, quotes may stand for the last price; by default they do not."""
    for follows in (False, True):
        desk = Desk(ExchangeConfig(last_from_quotes=follows))
        desk.book("100x9", "101x9")
        stop(desk, SELL, OrderType.STOP, "95")
        desk.book("93x9", "94x9")
        assert (["Triggered", "Filled"] if follows else []) == names(desk.take())
