"""What a simulated venue does unasked: its books, accounts and reports agree afterwards."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import InvalidValue
from engine.messages import Cancel, Filled, TradeBusted, TradeCorrected, VenueStatus
from engine.simulator import ExchangeConfig, FeePlan
from engine.values import Liquidity, OrderType, Side

from .desk import D, Desk, fills, names

FEES = ExchangeConfig(fees=FeePlan(maker=D("0.001"), taker=D("0.002")))


def held(desk: Desk) -> tuple[Decimal, Decimal | None]:
    """Quantity and average price of the one position."""
    (view,) = desk.exchange.positions(desk.account)
    return view.qty, view.avg_px


def total(desk: Desk, currency: str) -> Decimal:
    return {one.currency: one.total for one in desk.exchange.balances(desk.account)}[currency]


def test_somebody_trades_with_a_resting_order() -> None:
    """execute() fills at the order's price, past the queue, as a maker, and at most what is
    left.
    """
    desk = Desk(FEES)
    desk.book("100x50", "101x50")
    desk.buy("3", "100")
    assert D(1) == desk.exchange.execute("a", "a1", D(1), desk.tick())
    assert D(2) == desk.exchange.execute("a", "a1", D(9), desk.tick())
    found = desk.take()
    assert [("1", "100"), ("2", "100")] == fills(found)
    assert {Liquidity.MAKER} == {one.liquidity for one in found if isinstance(one, Filled)}
    assert VenueStatus.FILLED is desk.snap("a1").status
    assert (D(3), D(100)) == held(desk)


def test_a_trade_with_a_resting_order_elects_stops() -> None:
    """Its price is the last price: a stop that waits for it works at once."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.buy("1", "100")
    desk.send(Side.SELL, OrderType.STOP, "1", stop_px=D(100))
    desk.exchange.execute("a", "a1", D(1), desk.tick())
    assert ["Filled", "Triggered", "Filled"] == names(desk.take())


def test_nobody_trades_with_what_does_not_rest() -> None:
    """An unknown, closed or idle order is left as it is; a broken quantity is refused."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.buy("1", "101")
    assert D(0) == desk.exchange.execute("a", "a1", D(1), desk.tick())
    assert D(0) == desk.exchange.execute("a", "nobody", D(1), desk.tick())
    desk.buy("1", "100")
    for qty in (D(0), D(-1), D("0.05"), D("NaN")):
        with pytest.raises(InvalidValue):
            desk.exchange.execute("a", "a2", qty, desk.tick())
    assert D(1) == desk.held()


def test_a_corrected_price_moves_cost_money_and_fee() -> None:
    """The new execution stands under a new id, names the old one, and everything is as if the
    trade had been at the new price.
    """
    desk, other = Desk(FEES), Desk(FEES)
    for one, px in ((desk, "101"), (other, "100.5")):
        one.book("90x50", f"{px}x50")
        one.buy("2", px)
    assert 1 == desk.exchange.correct("BTC", "1", D("100.5"), D(2), desk.tick())
    assert held(other) == held(desk)
    assert total(other, "USD") == total(desk, "USD")
    (told,) = desk.take()
    assert isinstance(told, TradeCorrected)
    assert ("1", "2", D("100.5"), D(2)) == (
        told.exec_id,
        told.new_exec_id,
        told.last_px,
        told.last_qty,
    )
    (listed,), complete = desk.exchange.executions("a", 0)
    assert complete
    assert ("2", "1", told.fee) == (listed.exec_id, listed.revises, listed.fee)


def test_a_corrected_quantity_gives_back_the_rest() -> None:
    """An open order gets it back; a filled one ends cancelled, short of it."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.buy("3", "100")
    desk.exchange.execute("a", "a1", D(2), desk.tick())
    desk.buy("2", "101")
    assert 1 == desk.exchange.correct("BTC", "1", D(100), D(1), desk.tick())
    assert (VenueStatus.WORKING, D(1)) == (desk.snap("a1").status, desk.snap("a1").cum_qty)
    assert D(2) == desk.exchange.execute("a", "a1", D(9), desk.tick())
    assert 1 == desk.exchange.correct("BTC", "2", D(101), D(1), desk.tick())
    assert (VenueStatus.CANCELLED, D(1)) == (desk.snap("a2").status, desk.snap("a2").cum_qty)
    assert D(4) == desk.held()


@pytest.mark.parametrize("qty", ["0", "-1", "2.1", "NaN"])
def test_an_impossible_correction_changes_nothing(qty: str) -> None:
    """A correction covers some of the execution, and no more than it."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.buy("2", "101")
    with pytest.raises(InvalidValue):
        desk.exchange.correct("BTC", "1", D(101), D(qty), desk.tick())
    assert (D(2), D(101)) == held(desk)
    assert () == desk.take()
    assert 1 == len(desk.exchange.executions("a", 0)[0])


def test_what_was_voided_can_be_told_again() -> None:
    """Busts and corrections are kept in order, as lists cannot show that an execution is void."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.buy("2", "101")
    desk.buy("1", "101")
    desk.exchange.correct("BTC", "2", D(101), D("0.5"), desk.tick())
    desk.exchange.bust("BTC", "1", desk.tick())
    assert ["TradeCorrected", "TradeBusted"] == names(desk.exchange.voided("a"))
    assert desk.take() == desk.exchange.voided("a")
    assert isinstance(desk.exchange.voided("a")[1], TradeBusted)


def test_a_wrong_clock_stamps_but_does_not_move_time() -> None:
    """Reports, snapshots and lists carry the wrong time, one and the same; history is asked for
    in it, and what is due happens when it is due.
    """
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.exchange.set_clock_skew(-1_000)
    (accepted, filled) = desk.buy("1", "101")
    assert {desk.now - 1_000} == {accepted.ts, filled.ts, desk.snap("a1").ts}
    assert 1 == len(desk.exchange.executions("a", filled.ts)[0])
    assert 0 == len(desk.exchange.executions("a", filled.ts + 1)[0])
    desk.exchange.set_clock_skew(0)
    (_, later) = desk.buy("1", "101")
    assert desk.now == later.ts
    assert 2 == len(desk.exchange.executions("a", filled.ts)[0])


def test_order_ids_begin_again_but_not_those_of_open_orders() -> None:
    """After renumber() ids of closed orders are given again; an open order keeps its own alone."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.buy("1", "101")
    desk.buy("1", "100")
    before = [desk.snap(cid).venue_order_id for cid in ("a1", "a2")]
    desk.exchange.renumber()
    desk.buy("1", "99")
    desk.buy("1", "98")
    assert before[0] == desk.snap("a3").venue_order_id
    assert desk.snap("a4").venue_order_id not in before
    request = Cancel("", "c", "BTC", before[0])
    desk.exchange.cancel("a", request, desk.tick())
    assert VenueStatus.CANCELLED is desk.snap("a3").status
    assert VenueStatus.WORKING is desk.snap("a2").status


def test_execution_ids_begin_again_only_where_that_is_asked_for() -> None:
    """A plain restart goes on counting executions; the other kind gives an id twice."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.market(Side.BUY, "1")
    desk.exchange.renumber()
    desk.market(Side.BUY, "1")
    desk.exchange.renumber(executions=True)
    desk.market(Side.BUY, "1")
    assert ["1", "2", "1"] == [one.exec_id for one in desk.exchange.executions("a", 0)[0]]


def test_a_request_can_be_held_up() -> None:
    """A delayed request acts at its own time, wherever time comes to a stop before or after it."""
    desk = Desk()
    desk.book("100x50", "101x50")
    desk.buy("1", "100")
    ticket = desk.exchange.send("a", Cancel("a1", "c", "BTC"), desk.now, delay_ns=500)
    desk.exchange.advance(desk.now + 499)
    assert VenueStatus.WORKING is desk.snap("a1").status
    assert ticket.effective_ns == desk.exchange.next_event_ns()
    desk.exchange.advance(desk.now + 1_000)
    assert VenueStatus.CANCELLED is desk.snap("a1").status
    assert isinstance(ticket.answer, tuple)
    assert ticket.effective_ns == ticket.answer[0].ts
