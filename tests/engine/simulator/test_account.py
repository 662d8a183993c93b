"""Positions, fees, balances, reduce-only and hedge slots."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.messages import Cancelled, Filled, Restated, VenueStatus
from engine.simulator import ExchangeConfig, FeeCurrency, FeePlan, RefuseReason
from engine.values import OrderType, PositionSlot, Side

from .desk import Desk, fills, names, reason, reports

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
LONG, SHORT = PositionSlot.LONG, PositionSlot.SHORT


def totals(desk: Desk) -> dict[str, Decimal]:
    return {view.currency: view.total for view in desk.exchange.balances(desk.account)}


@pytest.mark.parametrize(
    ("currency", "buy_fee", "sell_fee", "held"),
    [
        (FeeCurrency.QUOTE, ("2.00000000", "USD"), ("0.99000000", "USD"), "1"),
        (FeeCurrency.RECEIVED, ("0.02000000", "BTC"), ("0.99000000", "USD"), "0.98"),
        (FeeCurrency.THIRD, ("0.50000000", "BNB"), ("0.24750000", "BNB"), "1"),
    ],
)
def test_fees_are_taken_in_the_configured_coin(
    currency: FeeCurrency, buy_fee: tuple[str, str], sell_fee: tuple[str, str], held: str
) -> None:
    """A fee in the bought coin shrinks the position; in any other coin it does not."""
    plan = FeePlan(taker=D("0.01"), currency=currency, third_currency="BNB", third_px=D(4))
    desk = Desk(ExchangeConfig(fees=plan))
    desk.book("99x5", "100x5")
    found = [report for report in desk.market(BUY, "2") if isinstance(report, Filled)]
    assert [buy_fee] == [(str(report.fee), report.fee_currency) for report in found]
    found = [report for report in desk.market(SELL, "1") if isinstance(report, Filled)]
    assert [sell_fee] == [(str(report.fee), report.fee_currency) for report in found]
    assert D(held) == desk.held()
    balances = totals(desk)
    assert D(held) == balances["BTC"]
    paid = D(sell_fee[0]) if sell_fee[1] == "USD" else D(0)
    paid += D(buy_fee[0]) if buy_fee[1] == "USD" else D(0)
    assert D("-101") - paid == balances["USD"]


def test_makers_pay_the_maker_rate_and_rebates_are_paid_out() -> None:
    """The resting side pays the maker rate; a negative rate is money received in the quote."""
    plan = FeePlan(maker=D("-0.001"), taker=D("0.01"), currency=FeeCurrency.RECEIVED)
    desk = Desk(ExchangeConfig(fees=plan))
    desk.buy("1", "100")
    desk.trade("99", "1", SELL)
    found = desk.take()[0]
    assert isinstance(found, Filled)
    assert (D("-0.1"), "USD") == (found.fee, found.fee_currency)
    assert D("-99.9") == totals(desk)["USD"]


def test_average_price_and_realised_result_of_a_contract() -> None:
    """Averages follow openings, results follow closings, and a flip starts anew."""
    desk = Desk()
    desk.book("99x50", "100x1 110x1 120x50", symbol="PERP")
    desk.market(BUY, "2", symbol="PERP")
    view = desk.exchange.positions("a")[0]
    assert (D(2), D(105)) == (view.qty, view.avg_px)
    desk.market(SELL, "5", symbol="PERP")
    view = desk.exchange.positions("a")[0]
    assert (D(-3), D(99), D(-12)) == (view.qty, view.avg_px, view.realized)
    assert {"USD": D(-12)} == totals(desk)


def test_an_inverse_contract_settles_in_the_base() -> None:
    """An inverse contract's value is quantity times multiplier over price, in the base coin."""
    desk = Desk()
    desk.book("100x50", "200x50", symbol="COIN")
    desk.market(SELL, "4", symbol="COIN")
    assert D(100) == desk.exchange.positions("a")[0].avg_px
    desk.market(BUY, "4", symbol="COIN")
    assert {"BTC": D(-2)} == totals(desk)
    assert D(0) == desk.held("COIN")


def test_reduce_only_is_cut_on_arrival() -> None:
    """Under CLAMP a larger reduce-only order is cut to the position, and the cut is reported."""
    desk = Desk()
    desk.book("99x5", "100x5")
    desk.market(BUY, "2")
    found = desk.sell("5", "105", reduce_only=True)
    assert ["Accepted", "Restated"] == names(found)
    assert isinstance(found[1], Restated)
    assert D(2) == found[1].order_qty == desk.snap("a2").order_qty


def test_resting_reduce_only_orders_shrink_with_the_position() -> None:
    """When something else closes part, reduce-only orders shrink; at flat they are cancelled."""
    desk = Desk()
    desk.book("99x50", "100x5")
    desk.market(BUY, "3")
    desk.sell("3", "105", reduce_only=True, client_order_id="target")
    stop = desk.send(SELL, OrderType.STOP, "3", stop_px=D(90), reduce_only=True)
    assert ["Accepted"] == names(reports(stop))
    desk.market(SELL, "1")
    assert ["Restated", "Restated"] == names(desk.take())
    assert D(2) == desk.snap("target").order_qty
    desk.market(SELL, "2")
    found = desk.take()
    assert ["Cancelled", "Cancelled"] == names(found)
    assert isinstance(found[0], Cancelled)
    assert "reduce_only" == found[0].reason


def test_idle_triggers_may_be_left_alone_until_elected() -> None:
    """Where stops are checked only on election, they are cut then, and cancelled when flat."""
    desk = Desk(ExchangeConfig(checks_idle_triggers=False))
    desk.book("99x50", "100x5")
    for name in ("cut", "gone"):
        desk.send(
            SELL,
            OrderType.STOP,
            "3",
            stop_px=D(98 if name == "cut" else 97),
            reduce_only=True,
            client_order_id=name,
        )
    desk.market(BUY, "1")
    assert () == desk.take()
    desk.trade("98", "1", BUY)
    assert ["Triggered", "Restated", "Filled"] == names(desk.take())
    desk.trade("97", "1", BUY)
    assert ["Triggered", "Cancelled"] == names(desk.take())


def test_a_partial_fill_of_one_exit_shrinks_the_other() -> None:
    """Two exits over one position can never close more than it."""
    desk = Desk()
    desk.book("99x50", "100x5")
    desk.market(BUY, "3")
    desk.sell("3", "105", reduce_only=True, client_order_id="one")
    desk.sell("3", "106", reduce_only=True, client_order_id="two")
    desk.trade("106", "2", BUY)
    found = desk.take()
    assert ["Filled", "Restated"] == names(found)
    desk.trade("107", "9", BUY)
    assert D(0) == desk.held()
    assert VenueStatus.CANCELLED is desk.snap("two").status


def test_hedge_slots_are_two_positions() -> None:
    """Long and short slots stand side by side; their closing sides cannot open the other way."""
    desk = Desk()
    desk.book("99x50", "100x50", symbol="PERP")
    desk.market(BUY, "2", symbol="PERP", slot=LONG)
    desk.market(SELL, "3", symbol="PERP", slot=SHORT)
    views = {view.slot: view.qty for view in desk.exchange.positions("a")}
    assert {LONG: D(2), SHORT: D(-3)} == views
    assert ["Accepted", "Restated", "Filled"] == names(
        desk.market(SELL, "9", symbol="PERP", slot=LONG)
    )
    answer = desk.send(SELL, OrderType.MARKET, "1", symbol="PERP", slot=LONG)
    assert RefuseReason.REDUCE_ONLY is reason(answer)
    assert D(-3) == desk.held("PERP")


def test_money_that_is_locked_cannot_be_spent_twice() -> None:
    """Open orders lock what they can cost; cancelling or filling gives it back or spends it."""
    desk = Desk(balances={"USD": D(300)}, config=ExchangeConfig(fees=FeePlan(taker=D("0.5"))))
    desk.book("99x50", "150x50")
    desk.buy("1", "100")
    answer = desk.send(BUY, OrderType.LIMIT, "1.1", price="100")
    assert RefuseReason.INSUFFICIENT_BALANCE is reason(answer)
    desk.buy("1", "100")
    assert [D(0)] == [v.free for v in desk.exchange.balances("a") if v.currency == "USD"]
    desk.cancel("a1")
    assert [D(150)] == [v.free for v in desk.exchange.balances("a") if v.currency == "USD"]
    desk.trade("99", "1", SELL)
    assert {"USD": D(200), "BTC": D(1)} == totals(desk)
    assert [D(200)] == [v.free for v in desk.exchange.balances("a") if v.currency == "USD"]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_what_the_account_does_not_have_is_refused(side: Side) -> None:
    """Spot buys need the quote, spot sells the base, market orders at the price of the book."""
    desk = Desk(balances={"USD": D(100), "BTC": D(1)})
    desk.book("100x50", "101x50")
    answer = desk.send(side, OrderType.MARKET, "1.1")
    assert RefuseReason.INSUFFICIENT_BALANCE is reason(answer)
    assert [] != fills(desk.market(side, "0.9"))


def test_contracts_need_margin() -> None:
    """A contract locks notional over leverage; the open position keeps it."""
    desk = Desk(ExchangeConfig(leverage=D(10)), balances={"USD": D(100)})
    desk.book("99x50", "100x50", symbol="PERP")
    desk.market(BUY, "8", symbol="PERP")
    free = [view.free for view in desk.exchange.balances("a") if view.currency == "USD"]
    assert [] == free or [D(20)] == free
    answer = desk.send(BUY, OrderType.LIMIT, "3", price="99", symbol="PERP")
    assert RefuseReason.INSUFFICIENT_BALANCE is reason(answer)
    closing = desk.send(SELL, OrderType.MARKET, "8", symbol="PERP", reduce_only=True)
    assert [("8", "99")] == fills(reports(closing))


def test_a_stop_the_account_cannot_pay_is_cancelled_when_elected() -> None:
    """A buy stop whose gapped price exceeds the money is cancelled with that reason."""
    desk = Desk(balances={"USD": D(100)})
    desk.book("90x5", "95x5")
    desk.send(BUY, OrderType.STOP, "1", stop_px=D(100))
    desk.trade("120", "1", BUY)
    desk.book("119x5", "121x5")
    found = desk.take()
    assert ["Triggered", "Cancelled"] == names(found)
    assert isinstance(found[1], Cancelled)
    assert "insufficient_balance" == found[1].reason
