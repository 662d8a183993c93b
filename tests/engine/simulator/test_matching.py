"""Who trades with whom, at which price, in which order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import InvalidValue
from engine.messages import Accepted, Cancelled, Filled, VenueStatus
from engine.simulator import ExchangeConfig, QueueModel, RefuseReason, SelfTradeRule
from engine.values import Liquidity, OrderType, Side, TimeInForce

from .desk import Desk, fills, names, reason

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def test_a_market_order_walks_the_book() -> None:
    """A market order takes level after level, each at its own price."""
    desk = Desk()
    desk.book("99x5", "100x1 101x2 103x9")
    assert [("1", "100"), ("2", "101"), ("1", "103")] == fills(desk.market(BUY, "4"))


def test_a_market_order_on_an_empty_book_is_cancelled() -> None:
    """Nobody to trade with: acknowledged, then cancelled with nothing filled."""
    found = Desk().market(BUY, "4")
    assert ["Accepted", "Cancelled"] == names(found)
    assert isinstance(found[1], Cancelled)
    assert ("no_liquidity", D(0), None) == (found[1].reason, found[1].cum_qty, found[1].req_id)


def test_the_rest_of_a_market_order_is_cancelled_when_the_book_ends() -> None:
    """A market order never rests: what the book cannot give is cancelled."""
    desk = Desk()
    desk.book("99x5", "100x1")
    found = desk.market(BUY, "4")
    assert ["Accepted", "Filled", "Cancelled"] == names(found)
    assert VenueStatus.CANCELLED is desk.snap("a1").status


def test_what_we_took_is_gone_until_more_is_displayed() -> None:
    """Displaying a level again does not bring back what we took of it; displaying more does."""
    desk = Desk()
    desk.book("99x5", "100x3 101x9")
    desk.market(BUY, "2")
    desk.book("99x5", "100x3 101x9")
    assert [("1", "100"), ("1", "101")] == fills(desk.market(BUY, "2"))
    desk.book("99x5", "100x5 101x9")
    assert [("2", "100"), ("1", "101")] == fills(desk.market(BUY, "3"))


def test_a_limit_order_stops_at_its_limit_and_rests() -> None:
    """A limit order takes what is within its limit at the resting prices, then rests."""
    desk = Desk()
    desk.book("99x5", "100x1 101x2")
    assert [("1", "100")] == fills(desk.buy("3", "100.5"))
    snap = desk.snap("a1")
    assert (VenueStatus.WORKING, D(1)) == (snap.status, snap.cum_qty)


def test_volume_ahead_trades_first() -> None:
    """A resting order fills only after the size displayed when it joined has traded."""
    desk = Desk()
    desk.book("100x5", "101x5")
    desk.buy("2", "100")
    desk.trade("100", "4", SELL)
    assert () == desk.take()
    desk.trade("100", "2", SELL)
    found = desk.take()
    assert [("1", "100")] == fills(found)
    assert isinstance(found[0], Filled)
    assert Liquidity.MAKER is found[0].liquidity
    desk.trade("100", "9", SELL)
    assert [("1", "100")] == fills(desk.take())


def test_cancels_happen_behind_us_as_long_as_they_can() -> None:
    """A size that shrinks without a trade moves us up only when it falls below our place."""
    desk = Desk()
    desk.book("100x5", "101x5")
    desk.buy("1", "100")
    desk.book("100x8", "101x5")
    desk.book("100x6", "101x5")
    desk.trade("100", "5", SELL)
    assert () == desk.take()
    desk.trade("100", "1", SELL)
    assert [("1", "100")] == fills(desk.take())
    desk.book("100x5", "101x5")
    desk.buy("1", "100")
    desk.book("100x2", "101x5")
    desk.trade("100", "3", SELL)
    assert [("1", "100")] == fills(desk.take())


def test_a_level_never_displayed_counts_whole_when_it_is() -> None:
    """Beyond the displayed depth nothing is known: the first size shown is all ahead of us."""
    desk = Desk()
    desk.book("100x5", "101x5")
    desk.buy("1", "98")
    desk.book("98x7", "101x5")
    desk.trade("98", "7", SELL)
    assert () == desk.take()
    desk.trade("98", "1", SELL)
    assert [("1", "98")] == fills(desk.take())


def test_an_unknown_queue_is_not_assumed_empty() -> None:
    """A print at a price that was never displayed fills nobody there."""
    desk = Desk()
    desk.book("100x5", "101x5")
    desk.buy("1", "98")
    desk.trade("98", "50", SELL)
    assert () == desk.take()


def test_a_trade_through_fills_at_our_price_up_to_its_size() -> None:
    """A print beyond our price fills us first, at our price, for no more than what traded."""
    desk = Desk()
    desk.book("100x5", "101x5")
    desk.buy("3", "100")
    desk.trade("99", "2", SELL)
    assert [("2", "100")] == fills(desk.take())
    desk.trade("99", "2", SELL)
    assert [("1", "100")] == fills(desk.take())


def test_a_quote_that_crosses_us_fills_us_at_our_price() -> None:
    """An ask at or below our bid fills us at our own price, up to the displayed size."""
    desk = Desk()
    desk.book("100x5", "101x5")
    desk.buy("3", "100")
    desk.book("98x1", "99x2")
    assert [("2", "100")] == fills(desk.take())
    desk.book("98x1", "99x2")
    assert () == desk.take()
    desk.book("98x1", "99x4")
    assert [("1", "100")] == fills(desk.take())


def test_own_orders_keep_price_time_priority() -> None:
    """Better prices first, then older orders; each of our orders waits for its own place."""
    desk = Desk()
    desk.book("100x1", "103x5")
    desk.buy("1", "100", client_order_id="old")
    desk.buy("1", "100", client_order_id="new")
    desk.buy("1", "101", client_order_id="best")
    desk.trade("100", "4", SELL)
    order = [report.client_order_id for report in desk.take() if isinstance(report, Filled)]
    assert ["best", "old", "new"] == order


def test_an_arriving_order_meets_outside_and_own_orders_in_turn() -> None:
    """At one price, the outside that stood before our order trades before it, the rest after."""
    exchange_desk = Desk()
    other = Desk(account="b", exchange=exchange_desk.exchange)
    exchange_desk.book("100x2", "105x1")
    exchange_desk.buy("1", "100")
    exchange_desk.book("100x5", "105x1")
    found = other.market(SELL, "4")
    assert [("2", "100"), ("1", "100"), ("1", "100")] == fills(found)
    own = exchange_desk.take()
    assert [("1", "100")] == fills(own)
    assert isinstance(own[0], Filled)
    assert isinstance(found[2], Filled)
    assert own[0].exec_id == found[2].exec_id


def test_post_only_is_refused_when_it_would_cross() -> None:
    """A post-only order that would trade on arrival is refused and leaves no trace."""
    desk = Desk()
    desk.book("99x5", "100x1")
    answer = desk.send(BUY, OrderType.LIMIT, "1", price="100", post_only=True)
    assert RefuseReason.WOULD_CROSS is reason(answer)
    assert desk.exchange.order("a", "a1", None, 0) is None
    assert ["Accepted"] == names(desk.buy("1", "99.5", post_only=True))


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_immediate_orders_do_not_rest(tif: TimeInForce) -> None:
    """IOC takes what there is, FOK takes all or nothing; neither rests."""
    desk = Desk()
    desk.book("99x5", "100x1 101x1")
    found = desk.buy("3", "101", time_in_force=tif)
    is_ioc = tif is TimeInForce.IOC
    assert ([("1", "100"), ("1", "101")] if is_ioc else []) == fills(found)
    assert isinstance(found[-1], Cancelled)
    assert ("ioc" if is_ioc else "fok") == found[-1].reason
    assert () == desk.exchange.open_orders("a", 0)


def test_fok_fills_whole_when_it_can() -> None:
    """A FOK order that the book can fill within its limit is filled whole."""
    desk = Desk()
    desk.book("99x5", "100x1 101x1")
    assert [("1", "100"), ("1", "101")] == fills(
        desk.buy("2", "101", time_in_force=TimeInForce.FOK)
    )


@pytest.mark.parametrize(
    ("rule", "taker", "maker"),
    [
        (SelfTradeRule.ALLOW, ["Accepted", "Filled"], ["Filled"]),
        (SelfTradeRule.CANCEL_NEWEST, ["Accepted", "Cancelled"], []),
        (SelfTradeRule.CANCEL_OLDEST, ["Accepted", "Cancelled"], ["Cancelled"]),
    ],
)
def test_self_trade_follows_the_rule(
    rule: SelfTradeRule, taker: list[str], maker: list[str]
) -> None:
    """An account that meets itself trades, or one of its orders is cancelled, as configured."""
    desk = Desk(ExchangeConfig(self_trade=rule))
    desk.buy("1", "100", client_order_id="resting")
    found = desk.market(SELL, "1")
    others = desk.take()
    assert (taker, maker) == (names(found), names(others))
    if rule is SelfTradeRule.ALLOW:
        assert isinstance(found[1], Filled)
        assert isinstance(others[0], Filled)
        assert found[1].exec_id == others[0].exec_id
        assert D(0) == desk.held()


@pytest.mark.parametrize(
    ("model", "at_price", "through"),
    [
        (QueueModel.QUEUED, [], [("1", "100")]),
        (QueueModel.THROUGH, [], [("1", "100")]),
        (QueueModel.TOUCH, [("1", "100")], []),
    ],
)
def test_queue_models_differ_as_stated(
    model: QueueModel, at_price: list[tuple[str, str]], through: list[tuple[str, str]]
) -> None:
    """TOUCH fills on the first print at the price, THROUGH beyond it, QUEUED after its turn."""
    desk = Desk(ExchangeConfig(queue_model=model))
    desk.book("100x5", "101x5")
    desk.buy("1", "100")
    desk.trade("100", "3", SELL)
    assert at_price == fills(desk.take())
    desk.trade("99.5", "3", SELL)
    assert through == fills(desk.take())


def test_the_share_of_displayed_size_is_a_limit() -> None:
    """With a maximum share our orders take no more than that part of each displayed level."""
    desk = Desk(ExchangeConfig(max_fill_share=D("0.25")))
    desk.book("99x5", "100x10 101x10")
    assert [("2.5", "100"), ("2.5", "101")] == fills(desk.buy("9", "101"))


def test_cash_sized_orders_buy_whole_lots() -> None:
    """A cash order buys the whole lots its money pays for; its acknowledgement says how many."""
    desk = Desk()
    desk.book("99x5", "100x1 110x9")
    answer = desk.send(BUY, OrderType.MARKET, None, cash_qty=D(160))
    assert isinstance(answer, tuple)
    assert isinstance(answer[0], Accepted)
    assert D("1.5") == answer[0].order_qty
    assert [("1", "100"), ("0.5", "110")] == fills(answer)
    assert VenueStatus.FILLED is desk.snap("a1").status


def test_a_cash_order_larger_than_the_book_is_cancelled_at_its_end() -> None:
    """A cash order that empties the book ends cancelled, with what it bought."""
    desk = Desk()
    desk.book("99x5", "100x1")
    answer = desk.send(BUY, OrderType.MARKET, None, cash_qty=D(160))
    assert isinstance(answer, tuple)
    assert ["Accepted", "Filled", "Cancelled"] == names(answer)
    assert (None, D(1)) == (desk.snap("a1").order_qty, desk.snap("a1").cum_qty)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [("101x1", "100x1"), ("100x1", "100x1"), ("99x1 99.5x1", ""), ("", "1x0"), ("NaNx1", "")],
)
def test_an_impossible_book_is_refused_whole(bids: str, asks: str) -> None:
    """A crossed, locked, unsorted or empty-sized book raises, and the old one stands."""
    desk = Desk()
    desk.book("99x5", "100x1")
    with pytest.raises(InvalidValue):
        desk.book(bids, asks)
    assert [("1", "100")] == fills(desk.market(BUY, "1"))


def test_execution_numbers_repeat_across_instruments() -> None:
    """Executions are numbered per instrument, so the same number means two trades."""
    desk = Desk()
    desk.book("99x5", "100x9")
    desk.book("99x5", "100x9", symbol="PERP")
    desk.market(BUY, "1")
    desk.market(BUY, "1", symbol="PERP")
    found, is_complete = desk.exchange.executions("a", 0)
    assert is_complete
    assert [("BTC", "1"), ("PERP", "1")] == [(f.instrument, f.exec_id) for f in found]
