"""Expiry, latency, and the exchange's only clock: the caller's."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext

import pytest

from engine.errors import InvalidValue
from engine.messages import Cancel, Expired, Place, VenueStatus
from engine.simulator import Exchange, ExchangeConfig, SessionCalendar
from engine.values import OrderType, Side, TimeInForce

from .desk import BTC, Desk, fills, names

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def test_gtd_expires_at_its_time() -> None:
    """A GTD order is open until its instant, and its expiry carries that instant."""
    desk = Desk()
    desk.buy("1", "100", time_in_force=TimeInForce.GTD, expire_ts=1_000)
    desk.exchange.advance(999)
    assert () == desk.take()
    assert 1_000 == desk.exchange.next_event_ns()
    desk.exchange.advance(5_000)
    found = desk.take()
    assert ["Expired"] == names(found)
    assert isinstance(found[0], Expired)
    assert (1_000, D(0)) == (found[0].ts, found[0].cum_qty)
    assert VenueStatus.EXPIRED is desk.snap("a1").status
    assert desk.exchange.next_event_ns() is None


def test_day_expires_at_the_session_end() -> None:
    """A DAY order ends with its session: a listed close, or the calendar's period."""
    for calendar, end in (
        (SessionCalendar(closes=(50, 700, 900)), 700),
        (SessionCalendar(period_ns=600, offset_ns=20), 620),
    ):
        desk = Desk(ExchangeConfig(calendar=calendar))
        desk.exchange.advance(100)
        desk.buy("1", "100", time_in_force=TimeInForce.DAY)
        assert end == desk.exchange.next_event_ns()


def test_an_expired_order_does_not_trade_at_its_last_instant() -> None:
    """What is due happens before a market event of the same instant."""
    desk = Desk()
    desk.buy("1", "100", time_in_force=TimeInForce.GTD, expire_ts=1_000)
    desk.exchange.on_trade("BTC", D(99), D(5), SELL, 1_000)
    assert ["Expired"] == names(desk.take())


def test_a_filled_order_has_no_event_left() -> None:
    """An order that ended otherwise does not keep the clock busy."""
    desk = Desk()
    desk.buy("1", "100", time_in_force=TimeInForce.GTD, expire_ts=1_000)
    desk.cancel("a1")
    assert desk.exchange.next_event_ns() is None


def test_time_never_runs_backwards() -> None:
    """An earlier instant is read as the latest one seen."""
    desk = Desk()
    desk.exchange.advance(1_000)
    terms = desk.terms(BUY, OrderType.LIMIT, "1", price="100")
    answer = desk.exchange.place(terms, 5)
    assert isinstance(answer, tuple)
    assert 1_000 == answer[0].ts


def test_a_request_takes_effect_after_the_latency() -> None:
    """A request arrives at +out against the book of that instant; its answer is due at +out+in."""
    desk = Desk(ExchangeConfig(latency_out_ns=100, latency_in_ns=50))
    desk.exchange.set_book("BTC", [(D(99), D(5))], [(D(100), D(5))], 1)
    ticket = desk.exchange.send("a", Place(desk.terms(BUY, OrderType.MARKET, "1")), 10)
    assert (None, 110, 160) == (ticket.answer, ticket.effective_ns, ticket.visible_ns)
    assert 110 == desk.exchange.next_event_ns()
    desk.exchange.set_book("BTC", [(D(104), D(5))], [(D(105), D(5))], 109)
    desk.exchange.advance(110)
    assert isinstance(ticket.answer, tuple)
    assert [("1", "105")] == fills(ticket.answer)


def test_a_fill_may_beat_a_cancel_under_way() -> None:
    """A cancel in flight loses against a fill before its arrival: it is refused."""
    desk = Desk(ExchangeConfig(latency_out_ns=100, latency_in_ns=50))
    place = desk.exchange.send("a", Place(desk.terms(BUY, OrderType.LIMIT, "1", price="100")), 0)
    desk.exchange.advance(100)
    assert place.answer is not None
    cancel = desk.exchange.send("a", Cancel("a1", "c", "BTC"), 200)
    desk.exchange.on_trade("BTC", D(99), D(5), SELL, 250)
    assert () == desk.exchange.drain("a", 299)
    assert [("1", "100")] == fills(desk.exchange.drain("a", 300))
    desk.exchange.advance(300)
    assert not isinstance(cancel.answer, tuple)
    assert VenueStatus.FILLED is desk.snap("a1").status


def test_requests_arrive_in_the_order_sent() -> None:
    """Two requests of one instant take effect in the order they were sent."""
    desk = Desk(ExchangeConfig(latency_out_ns=100))
    place = Place(desk.terms(BUY, OrderType.LIMIT, "1", price="100"))
    first = desk.exchange.send("a", place, 0)
    second = desk.exchange.send("a", Cancel("a1", "c", "BTC"), 0)
    desk.exchange.advance(100)
    assert isinstance(first.answer, tuple)
    assert isinstance(second.answer, tuple)
    assert ["Accepted", "Cancelled"] == names(first.answer + second.answer)


def test_the_hosts_decimal_context_changes_nothing() -> None:
    """A host that computes with six digits gets exact money, and its context back."""
    desk = Desk()
    desk.book("99999.5x50", "100000x50")
    with localcontext() as context:
        context.prec = 3
        desk.market(BUY, "12.3")
        desk.market(BUY, "45.6", symbol="BTC")
        assert 3 == getcontext().prec
        total = {v.currency: v.total for v in desk.exchange.balances("a")}
    assert D("50") == total["BTC"]
    assert D("-5000000") == total["USD"]


def test_set_up_mistakes_are_named() -> None:
    """Listing or opening twice, unknown accounts and instruments raise with the offending name."""
    exchange = Exchange(ExchangeConfig(), (BTC,))
    exchange.open_account("a")
    with pytest.raises(InvalidValue, match="BTC"):
        exchange.list_instrument(BTC)
    with pytest.raises(InvalidValue, match="'a'"):
        exchange.open_account("a")
    with pytest.raises(InvalidValue, match="ghost"):
        exchange.cancel_all("ghost", 1)
    with pytest.raises(InvalidValue, match="NOPE"):
        exchange.on_mark("NOPE", D(1), 1)
    with pytest.raises(InvalidValue):
        exchange.on_trade("BTC", D("NaN"), D(1), BUY, 1)


def test_impossible_configurations_are_refused() -> None:
    """A configuration that could not behave as stated is an error with the value in it."""
    for make in (
        lambda: ExchangeConfig(latency_out_ns=-1),
        lambda: ExchangeConfig(max_fill_share=D(0)),
        lambda: ExchangeConfig(leverage=D(0)),
        lambda: SessionCalendar(period_ns=0),
        lambda: SessionCalendar(closes=(5, 1)),
    ):
        with pytest.raises(InvalidValue):
            make()
