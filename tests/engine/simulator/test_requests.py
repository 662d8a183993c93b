"""Placing, amending, cancelling: what is refused, and what a change costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.capabilities import Capabilities, IdScope, ReduceOnlyRule
from engine.errors import InvalidValue
from engine.messages import Cancel, Cancelled, Replaced, TradeBusted, VenueStatus
from engine.simulator import FULL_CAPABILITIES, ExchangeConfig, FeePlan, RefuseReason
from engine.values import OrderType, PositionSlot, Side, TimeInForce

from .desk import Desk, fills, names, reason, reports

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
LIMIT = OrderType.LIMIT
WEAK = ExchangeConfig(capabilities=Capabilities(order_types=(LIMIT, OrderType.MARKET)))


def limit(qty: str | None = "1", price: str | None = "100", **more: Any) -> dict[str, Any]:
    return {"order_type": LIMIT, "qty": qty, "price": price, **more}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (limit(symbol="NOPE"), RefuseReason.UNKNOWN_INSTRUMENT),
        (limit(client_order_id="X" * 60), RefuseReason.CLIENT_ORDER_ID),
        (limit("0"), RefuseReason.QUANTITY),
        (limit("-1"), RefuseReason.QUANTITY),
        (limit("NaN"), RefuseReason.QUANTITY),
        (limit("sNaN"), RefuseReason.QUANTITY),
        (limit("Infinity"), RefuseReason.QUANTITY),
        (limit(None), RefuseReason.QUANTITY),
        (limit("1", cash_qty=D(100)), RefuseReason.UNSUPPORTED),
        (limit("0.15"), RefuseReason.OFF_LOT),
        (limit("1E+40"), RefuseReason.OFF_LOT),
        (limit("1001"), RefuseReason.MAX_QTY),
        (limit(price=None), RefuseReason.PRICE),
        (limit(price="-1"), RefuseReason.PRICE),
        (limit(price="NaN"), RefuseReason.PRICE),
        (limit(price="100.3"), RefuseReason.OFF_TICK),
        (limit("0.1", "10"), RefuseReason.MIN_NOTIONAL),
        (limit(stop_px=D(1)), RefuseReason.TRIGGER),
        (limit(expire_ts=99), RefuseReason.EXPIRY),
        (limit(time_in_force=TimeInForce.GTD), RefuseReason.EXPIRY),
        (limit(time_in_force=TimeInForce.GTD, expire_ts=1), RefuseReason.EXPIRY),
        (limit(time_in_force=TimeInForce.IOC, post_only=True), RefuseReason.UNSUPPORTED),
        (limit(reduce_only=True), RefuseReason.REDUCE_ONLY),
        ({"order_type": OrderType.MARKET, "qty": "1", "price": "1"}, RefuseReason.PRICE),
        ({"order_type": OrderType.STOP, "qty": "1"}, RefuseReason.TRIGGER),
        ({"order_type": OrderType.TRAILING_STOP, "qty": "1"}, RefuseReason.TRIGGER),
        (
            {"order_type": OrderType.TRAILING_STOP, "qty": "1", "trail_offset": D(0)},
            RefuseReason.TRIGGER,
        ),
        (
            {"order_type": OrderType.MARKET, "qty": None, "cash_qty": D(1)},
            RefuseReason.MIN_NOTIONAL,
        ),
    ],
)
def test_an_impossible_order_is_refused_without_trace(
    terms: dict[str, Any], expected: RefuseReason
) -> None:
    """Each broken rule has its own reason, and a refused order does not exist."""
    desk = Desk()
    desk.book("99x5", "101x5")
    answer = desk.send(BUY, **terms)
    assert expected is reason(answer)
    assert () == desk.exchange.open_orders("a", 0)
    assert ["Accepted"] == names(desk.buy("1", "99", client_order_id="a1"))


@pytest.mark.parametrize(
    "terms",
    [
        {"order_type": OrderType.STOP, "qty": "1", "stop_px": D(9)},
        limit(time_in_force=TimeInForce.FOK),
        limit(post_only=True),
        limit(reduce_only=True),
        limit(slot=PositionSlot.LONG),
        {"order_type": OrderType.MARKET, "qty": None, "cash_qty": D(99)},
    ],
)
def test_what_the_capabilities_lack_is_refused(terms: dict[str, Any]) -> None:
    """A venue refuses what its capabilities do not name."""
    assert RefuseReason.UNSUPPORTED is reason(Desk(WEAK).send(BUY, **terms))


@pytest.mark.parametrize(
    ("scope", "while_open", "after"),
    [
        (IdScope.FOREVER, True, True),
        (IdScope.WINDOW, True, False),
        (IdScope.OPEN_ONLY, True, False),
        (IdScope.NONE, False, False),
    ],
)
def test_a_used_client_id_is_refused_within_its_scope(
    scope: IdScope, while_open: bool, after: bool
) -> None:
    """A repeated client id is a duplicate as long as the scope says, and not longer."""
    caps = msgspec.structs.replace(
        FULL_CAPABILITIES, client_id_scope=scope, client_id_window_ns=1_000
    )
    desk = Desk(ExchangeConfig(capabilities=caps))
    desk.buy("1", "99", client_order_id="X")
    for is_taken in (while_open, after):
        answer = desk.send(BUY, LIMIT, "1", price="99", client_order_id="X")
        assert (RefuseReason.DUPLICATE_CLIENT_ID if is_taken else None) is reason(answer)
        desk.exchange.cancel_all("a", desk.now + 5_000)


def test_a_cancel_ends_the_order_and_says_what_filled() -> None:
    """A cancel names its request and the filled total; a second one is refused."""
    desk = Desk()
    desk.book("99x5", "100x1")
    desk.buy("3", "100")
    found = reports(desk.cancel("a1", "mine"))
    assert isinstance(found[0], Cancelled)
    assert ("mine", D(1)) == (found[0].req_id, found[0].cum_qty)
    assert RefuseReason.ORDER_CLOSED is reason(desk.cancel("a1"))
    assert RefuseReason.UNKNOWN_ORDER is reason(desk.cancel("never"))


def test_a_cancel_by_venue_id_works() -> None:
    """The venue's own id finds the order, too."""
    desk = Desk()
    desk.buy("3", "100")
    request = Cancel("", "r", "BTC", desk.snap("a1").venue_order_id)
    assert ["Cancelled"] == names(reports(desk.exchange.cancel("a", request, desk.tick())))


def test_cancel_all_covers_every_book() -> None:
    """Cancel-all ends resting and trigger orders, of one instrument or of all."""
    desk = Desk()
    desk.buy("1", "100")
    desk.send(SELL, OrderType.STOP, "1", stop_px=D(90))
    desk.buy("1", "100", symbol="PERP")
    assert 2 == desk.exchange.cancel_all("a", desk.tick(), "BTC")
    assert ["Cancelled", "Cancelled"] == names(desk.take())
    assert ["PERP"] == [snap.instrument for snap in desk.exchange.open_orders("a", 0)]
    assert 1 == desk.exchange.cancel_all("a", desk.tick())


def test_a_smaller_quantity_keeps_the_place() -> None:
    """Reducing a quantity keeps time priority; raising it or moving the price loses it."""
    for change, first in (
        ({"order_qty": "1"}, "a1"),
        ({"order_qty": "3"}, "a2"),
        ({"price": "99"}, "a2"),
    ):
        desk = Desk()
        desk.book("", "110x1")
        desk.buy("2", "100")
        desk.buy("2", "100")
        assert ["Replaced"] == names(reports(desk.amend("a1", **change)))
        if "price" in change:
            desk.amend("a1", price="100")
        desk.trade("100", "1", SELL)
        assert [first] == [report.client_order_id for report in desk.take()]


def test_an_amend_states_the_granted_terms() -> None:
    """The answer to an amend carries the new total and price, and nothing that did not change."""
    desk = Desk()
    desk.book("99x5", "100x1")
    desk.buy("3", "100")
    found = reports(desk.amend("a1", order_qty="2"))[0]
    assert isinstance(found, Replaced)
    assert ("r1", D(2), None) == (found.req_id, found.order_qty, found.price)
    assert RefuseReason.NO_CHANGE is reason(desk.amend("a1", order_qty="2"))


def test_an_amend_to_what_has_filled_completes_the_order() -> None:
    """A total at or below the filled quantity ends the order as filled."""
    desk = Desk()
    desk.book("99x5", "100x2")
    desk.buy("3", "100")
    found = reports(desk.amend("a1", order_qty="1"))
    assert isinstance(found[0], Replaced)
    assert D(2) == found[0].order_qty
    assert (VenueStatus.FILLED, D(2)) == (desk.snap("a1").status, desk.snap("a1").order_qty)
    assert RefuseReason.ORDER_CLOSED is reason(desk.amend("a1", order_qty="5"))


def test_a_repriced_order_trades_at_once_when_it_crosses() -> None:
    """An amend into the market takes liquidity; a post-only order keeps its old terms."""
    desk = Desk()
    desk.book("99x5", "101x5")
    desk.buy("1", "99")
    desk.buy("1", "99", post_only=True)
    assert ["Replaced", "Filled"] == names(reports(desk.amend("a1", price="101")))
    assert RefuseReason.WOULD_CROSS is reason(desk.amend("a2", price="101"))
    assert D(99) == desk.snap("a2").price


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"order_qty": "0"}, RefuseReason.QUANTITY),
        ({"order_qty": "1.05"}, RefuseReason.OFF_LOT),
        ({"price": "100.2"}, RefuseReason.OFF_TICK),
        ({"stop_px": "90"}, RefuseReason.TRIGGER),
        ({"price": "NaN"}, RefuseReason.PRICE),
        ({"price": "1", "order_qty": "1"}, RefuseReason.MIN_NOTIONAL),
    ],
)
def test_an_impossible_amend_leaves_the_order(
    change: dict[str, str], expected: RefuseReason
) -> None:
    """A refused amend changes nothing, place in the queue included."""
    desk = Desk()
    desk.book("", "110x1")
    desk.buy("2", "100")
    desk.buy("2", "100")
    before = desk.snap("a1")
    assert expected is reason(desk.amend("a1", **change))
    assert before.order_qty == desk.snap("a1").order_qty
    desk.trade("100", "1", SELL)
    assert ["a1"] == [report.client_order_id for report in desk.take()]


def test_an_unasked_cancel_reaches_its_owner() -> None:
    """The venue may end an order by itself: the report names no request."""
    desk = Desk()
    desk.buy("1", "100")
    assert desk.exchange.cancel_unasked("a", "a1", "maintenance", desk.tick())
    found = desk.take()[0]
    assert isinstance(found, Cancelled)
    assert (None, "maintenance") == (found.req_id, found.reason)
    assert not desk.exchange.cancel_unasked("a", "a1", "again", desk.tick())


def test_a_busted_execution_never_happened() -> None:
    """A bust takes position, money, fee and filled quantity back on every side."""
    desk = Desk(ExchangeConfig(fees=FeePlan(taker=D("0.01"))))
    desk.book("99x5", "100x1")
    desk.buy("3", "100")
    assert 1 == desk.exchange.bust("BTC", "1", desk.tick())
    assert [TradeBusted] == [type(report) for report in desk.take()]
    assert D(0) == desk.held()
    assert all(view.total == 0 for view in desk.exchange.balances("a"))
    assert ((), True) == desk.exchange.executions("a", 0)
    assert (VenueStatus.WORKING, D(0)) == (desk.snap("a1").status, desk.snap("a1").cum_qty)
    desk.trade("99", "5", SELL)
    assert [("3", "100")] == fills(desk.take())


def test_history_is_bounded_where_it_is_configured() -> None:
    """With limited history old orders and executions go, and the executions query says so."""
    caps = msgspec.structs.replace(FULL_CAPABILITIES, client_id_scope=IdScope.OPEN_ONLY)
    desk = Desk(ExchangeConfig(capabilities=caps, history_max=5))
    desk.buy("1", "50", client_order_id="open")
    desk.book("99x5", "100x100")
    for _ in range(40):
        desk.market(BUY, "1")
    found, is_complete = desk.exchange.executions("a", 0)
    assert not is_complete
    assert 5 <= len(found) <= 10
    assert desk.exchange.executions("a", found[0].ts)[1]
    assert desk.exchange.order("a", "a2", None, 0) is None
    assert VenueStatus.WORKING is desk.snap("open").status


def test_history_cannot_be_forgotten_where_ids_are_unique_forever() -> None:
    """A venue that refuses ids forever must remember them forever."""
    with pytest.raises(InvalidValue):
        ExchangeConfig(history_max=5)


def test_reduce_only_rule_refuse_is_a_no() -> None:
    """Under REFUSE a reduce-only order larger than the position is refused, not cut."""
    caps = msgspec.structs.replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.REFUSE)
    desk = Desk(ExchangeConfig(capabilities=caps))
    desk.book("99x5", "100x5")
    desk.market(BUY, "2")
    answer = desk.send(SELL, LIMIT, "3", price="105", reduce_only=True)
    assert RefuseReason.REDUCE_ONLY is reason(answer)
    assert ["Accepted"] == names(desk.sell("2", "105", reduce_only=True))
