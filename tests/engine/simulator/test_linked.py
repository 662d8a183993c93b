"""Orders that the simulated venue ties: who sleeps, wakes, shrinks and goes with whom."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.messages import NativeShape, PlaceGroup, SubmitOrder
from engine.simulator import Answer, ExchangeConfig, RefuseReason
from engine.simulator.config import FULL_CAPABILITIES
from engine.values import OrderType, Side

from .desk import D, Desk, names, reason, reports

BRACKET, EXITS = NativeShape.BRACKET, NativeShape.EXITS
S, L = OrderType.STOP, OrderType.LIMIT


def desk_of(*, shrinks: bool = True, latency_ns: int = 0, **balances: str) -> Desk:
    """A venue that ties, with a market of 100 to 101."""
    able = replace(FULL_CAPABILITIES, native_groups=(BRACKET, EXITS), native_shrinks=shrinks)
    config = ExchangeConfig(
        capabilities=able, last_from_quotes=True, latency_out_ns=latency_ns, latency_in_ns=0
    )
    money = {name: D(qty) for name, qty in balances.items()} or None
    desk = Desk(config, balances=money)
    desk.book("100x50", "101x50")
    return desk


def exits(desk: Desk, qty: str = "4") -> tuple[SubmitOrder, SubmitOrder]:
    """A stop at 90 and a target at 120."""
    stop = desk.terms(Side.SELL, S, qty, client_order_id="s", stop_px=D(90))
    return stop, desk.terms(Side.SELL, L, qty, "120", client_order_id="t")


def tie(desk: Desk, shape: NativeShape, *orders: SubmitOrder) -> list[Answer]:
    """Place them in one call, and wait for the answers."""
    tickets = desk.exchange.send_group("a", PlaceGroup(shape, orders), desk.tick())
    desk.exchange.advance(tickets[0].visible_ns)
    answers = [one.answer for one in tickets]
    assert None not in answers
    return [one for one in answers if one is not None]


def a_bracket(desk: Desk) -> list[Answer]:
    """Buy 4 at 99, with exits."""
    return tie(desk, BRACKET, desk.terms(Side.BUY, L, "4", "99", client_order_id="e"), *exits(desk))


def open_qty(desk: Desk) -> dict[str, Decimal]:
    """What each open order may still fill by its own quantity."""
    return {
        one.client_order_id: (one.order_qty or D(0)) - (one.cum_qty or D(0))
        for one in desk.exchange.open_orders("a", 0)
    }


def test_exits_sleep_until_their_entry_fills_and_work_for_what_it_filled() -> None:
    """Whatever the price does; when the entry ends short they are cut to what it filled."""
    desk = desk_of()
    answers = a_bracket(desk)
    assert [["Accepted"]] * 3 == [names(reports(one)) for one in answers]
    desk.book("125x50", "126x50")
    assert {"e": D(4), "s": D(4), "t": D(4)} == open_qty(desk)
    desk.book("100x50", "101x50")
    desk.trade("98", "1", Side.SELL)
    desk.cancel("e")
    assert {"s": D(1), "t": D(1)} == open_qty(desk)
    desk.book("120x50", "121x50")
    assert (D(0), {}) == (desk.held(), open_qty(desk))
    assert "CANCELLED" == desk.snap("s").status.value


def test_an_exit_that_is_done_while_the_entry_works_ends_with_what_it_had() -> None:
    """Its own quantity was more; the pair is over, the entry goes on."""
    desk = desk_of()
    a_bracket(desk)
    desk.trade("98", "1", Side.SELL)
    desk.book("120x50", "121x50")
    assert (D(0), {"e": D(3)}) == (desk.held(), open_qty(desk))
    assert ("CANCELLED", D(1)) == (desk.snap("t").status.value, desk.snap("t").cum_qty)


def test_a_part_that_one_exit_fills_is_taken_from_the_other_where_the_venue_says_so() -> None:
    """Else only its end ends the other."""
    for shrinks, left in ((True, D(3)), (False, D(4))):
        desk = desk_of(shrinks=shrinks)
        desk.market(Side.BUY, "4")
        tie(desk, EXITS, *exits(desk))
        desk.trade("121", "1", Side.BUY)
        assert {"s": left, "t": D(3)} == open_qty(desk)
        desk.cancel("t")
        assert {} == open_qty(desk)


def test_coins_are_locked_once_for_both() -> None:
    """And are free again when both are gone."""
    desk = desk_of(USD="1000")
    desk.market(Side.BUY, "4")
    assert [["Accepted"]] * 2 == [names(reports(one)) for one in tie(desk, EXITS, *exits(desk))]
    free = {one.currency: one.free for one in desk.exchange.balances("a")}
    assert D(0) == free["BTC"]
    desk.cancel("s")
    assert D(4) == {one.currency: one.free for one in desk.exchange.balances("a")}["BTC"]


def test_without_its_entry_nothing_of_a_bracket_is_taken() -> None:
    """Of two exits the one that can be had is; a venue that ties nothing refuses all of it."""
    desk = desk_of()
    entry = desk.terms(Side.BUY, L, "0.05", "99", client_order_id="e")
    answers = tie(desk, BRACKET, entry, *exits(desk))
    assert [RefuseReason.OFF_LOT, *[RefuseReason.PARENT] * 2] == [reason(one) for one in answers]
    desk.market(Side.BUY, "4")
    stop, target = exits(desk)
    answers = tie(desk, EXITS, replace(stop, order_qty=D("0.05")), target)
    assert [RefuseReason.OFF_LOT, None] == [reason(one) for one in answers]
    plain = Desk(ExchangeConfig())
    answers = tie(plain, EXITS, *exits(plain))
    assert [RefuseReason.UNSUPPORTED] * 2 == [reason(one) for one in answers]


def test_a_sleeping_exit_is_amended_and_wakes_with_its_new_terms() -> None:
    """It does not begin to work by that, and a new price of one that works for less than its own
    quantity leaves it at that.
    """
    desk = desk_of()
    a_bracket(desk)
    desk.amend("t", price="110")
    desk.amend("s", stop_px="95")
    desk.book("112x50", "113x50")
    assert D(0) == desk.held()
    desk.book("100x50", "101x50")
    desk.trade("98", "1", Side.SELL)
    desk.amend("t", price="105")
    desk.book("106x50", "107x50")
    assert D(0) == desk.held()
    assert D(1) == desk.snap("t").cum_qty


def test_with_latency_the_call_takes_effect_as_one() -> None:
    """Each order has its answer at the same time."""
    desk = desk_of(latency_ns=1_000)
    assert [["Accepted"]] * 3 == [names(reports(one)) for one in a_bracket(desk)]
