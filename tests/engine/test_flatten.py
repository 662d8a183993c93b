"""What a kill switch does next, decided from a look at what there is."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.control import Control, Switch, controlled
from engine.flatten import (
    CallOff,
    CancelIt,
    CloseSlot,
    Evidence,
    FlatView,
    GroupSeen,
    OrderSeen,
    SlotSeen,
    StandAside,
    plan_flatten,
)
from engine.messages import Flatten, LiftFlatten, SetMode, TradingMode
from engine.values import ONE, ZERO, Instrument, InstrumentKind, PositionSlot, Side

D = Decimal
NET, LONG, SHORT = PositionSlot.NET, PositionSlot.LONG, PositionSlot.SHORT
COIN = Instrument(symbol="C", venue="V", base="C", quote="U", lot_size=D("0.1"))
FUTURE = replace(COIN, symbol="F", kind=InstrumentKind.LINEAR)
EMPTY = FlatView("V", "A", "", ONE, (), (), (), None, 10, 5, "", True)
SHOWN = Evidence(20, {}, (), True)


def slot(qty: str, instrument: Instrument = COIN, where: PositionSlot = NET) -> SlotSeen:
    """A slot that holds so much."""
    return SlotSeen(instrument, where, D(qty), not D(qty), abs(D(qty)))


def order(exposure: str | None, side: Side = Side.SELL, **what: bool) -> OrderSeen:
    """An open order."""
    flags = {"is_over": False, "is_cancelling": False, "is_doubtful": False, "is_close": False}
    exposed = None if exposure is None else D(exposure)
    return OrderSeen("o", "C", NET, side, exposed, **{**flags, **what})


def closed(view: FlatView) -> list[Decimal]:
    """What would be closed now."""
    actions = plan_flatten(view, 30).actions
    return [one.qty for one in actions if isinstance(one, CloseSlot)]


def test_only_what_was_shown_after_the_last_change_counts() -> None:
    """And its lag; all of it, and nothing left."""
    assert not plan_flatten(EMPTY, 30).progress.verified
    assert plan_flatten(replace(EMPTY, evidence=SHOWN), 30).progress.verified
    for told in (
        replace(SHOWN, sent_ts=15),
        replace(SHOWN, complete=False),
        replace(SHOWN, open_orders=(("x", "C"),)),
        replace(SHOWN, positions={("F", NET): D(1)}),
    ):
        found = plan_flatten(replace(EMPTY, evidence=told), 30)
        assert (False, True, 16) == (found.progress.verified, found.asks, found.ask_ts)


def test_where_nothing_bounds_a_close_it_is_what_nothing_else_may_close() -> None:
    """Stops, closes in doubt and claims count; where the venue bounds it, they need not."""
    for exposure, weak in (("1", ["2"]), ("3", []), (None, []), ("4", [])):
        for doubtful in (False, True):
            one = order(
                exposure, is_cancelling=not doubtful, is_doubtful=doubtful, is_close=doubtful
            )
            view = replace(EMPTY, slots=(slot("3"),), orders=(one,))
            assert [D(3)] == closed(view)
            assert [D(qty) for qty in weak] == closed(replace(view, bounds_exits=False))
    busy = replace(EMPTY, slots=(slot("3"),), orders=(order("1", is_close=True),))
    assert [] == closed(busy)
    other_side = replace(EMPTY, slots=(slot("3"),), orders=(order("1", Side.BUY),))
    assert [D(3)] == closed(replace(other_side, bounds_exits=False))


def test_where_coins_are_locked_a_close_leaves_for_those_that_are_free() -> None:
    """A resting sell keeps its coins until its end is confirmed; a contract locks none."""
    resting = order("1", is_cancelling=True)
    spot = replace(EMPTY, slots=(slot("3"),), orders=(resting,), locks=True)
    assert [D(2)] == closed(spot)
    future = replace(resting, instrument=FUTURE.symbol)
    assert [D(3)] == closed(replace(spot, slots=(slot("3", FUTURE),), orders=(future,)))


def test_a_slot_that_turned_round_waits_for_the_close_of_what_it_held() -> None:
    """One close of a slot at a time, whichever way; one in doubt is not waited for."""
    buying = order("1", Side.BUY, is_close=True)
    view = replace(EMPTY, slots=(slot("2"),), orders=(buying,))
    assert [] == closed(view)
    assert [D(2)] == closed(replace(view, orders=(replace(buying, is_over=True),)))
    assert [D(2)] == closed(replace(view, orders=(replace(buying, is_doubtful=True),)))


def test_each_slot_of_a_hedge_is_closed_on_its_own_side() -> None:
    """Long is sold, short is bought."""
    view = replace(EMPTY, slots=(slot("3", FUTURE, LONG), slot("-2", FUTURE, SHORT)))
    assert (
        CloseSlot("F", LONG, Side.SELL, D(3)),
        CloseSlot("F", SHORT, Side.BUY, D(2)),
    ) == plan_flatten(view, 30).actions


def test_slices_leave_no_remainder_that_no_order_could_close() -> None:
    """Unless the instrument's limit says so."""
    rules = replace(COIN, min_qty=D("0.5"), max_qty=D(2))
    view = replace(EMPTY, slice_share=D("0.5"))
    for held, base, expected in (
        ("3", "3", "1.5"),
        ("1.5", "3", "1.5"),
        ("1.8", "3", "1.8"),
        ("9", "9", "2"),
        ("2.3", "9", "2"),
        ("0.6", "0.6", "0.6"),
    ):
        one = SlotSeen(rules, NET, D(held), False, D(base))
        assert [D(expected)] == closed(replace(view, slots=(one,)))
    assert [] == closed(replace(view, slots=(SlotSeen(rules, NET, D("0.4"), False),)))


def test_the_venues_word_counts_when_it_is_said_twice() -> None:
    """A list may be old: once is not enough, and while something is under way neither is twice."""
    key = ("F", NET)
    once = Evidence(20, {key: D(2)}, (), True)
    twice = replace(once, earlier_ts=18, earlier={key: D(2)})
    for told, expected in (
        (once, ["3"]),
        (twice, ["2"]),
        (replace(twice, earlier_ts=15), ["3"]),
        (replace(twice, earlier={key: D(1)}), ["3"]),
        (replace(twice, positions={}, earlier={}), []),
    ):
        view = replace(EMPTY, slots=(slot("3", FUTURE),), evidence=told)
        assert [D(one) for one in expected] == closed(view)
        assert not plan_flatten(view, 30).progress.verified
    untold = replace(EMPTY, slots=(slot("3"),), evidence=replace(SHOWN, earlier_ts=18))
    assert [D(3)] == closed(untold)  # coins may be told as balances only


def test_a_group_stands_aside_or_ends_by_itself() -> None:
    """The second where it reaches beyond the scope: then its slots and orders are left to it."""
    inside = GroupSeen("g", ("C",), False, False)
    across = GroupSeen("h", ("C", "F"), False, False)
    view = replace(EMPTY, instrument="C", slots=(slot("1"), slot("1", FUTURE)))
    told = plan_flatten(replace(view, groups=(inside,)), 30).actions
    assert (StandAside("g"), CloseSlot("C", NET, Side.SELL, D(1))) == told
    theirs = replace(view, groups=(across,), orders=(order("1"),))
    assert (CallOff("h"),) == plan_flatten(theirs, 30).actions
    calm = plan_flatten(replace(EMPTY, groups=(replace(inside, aside=True),), evidence=SHOWN), 30)
    assert ("groups are not over: g", False) == (calm.progress.detail, calm.progress.verified)


def test_what_cannot_leave_is_not_asked_for() -> None:
    """Cancels are: they wait in the session. What rests after a refusal is left to rest."""
    view = replace(EMPTY, slots=(slot("1"),), orders=(order("1"),))
    assert (CancelIt("o"),) == plan_flatten(replace(view, withheld="down"), 30).actions
    resting = replace(view, pausing=("o", ("C", NET)))
    assert () == plan_flatten(resting, 30).actions


def test_an_order_in_doubt_is_cancelled_once() -> None:
    """To ask again and again would keep it from being found out what became of it."""
    for doubtful in (False, True):
        view = replace(EMPTY, orders=(order("1", is_doubtful=doubtful),))
        assert (CancelIt("o"),) == plan_flatten(view, 30).actions
        again = plan_flatten(replace(view, tried=("o",)), 30).actions
        assert (() if doubtful else (CancelIt("o"),)) == again


def test_what_is_shut_is_the_fold_of_its_facts() -> None:
    """A lift of the account lifts its instruments too, one of an instrument only that."""
    of = Control("V", "A")
    both = controlled(of, Flatten("V", "A", "", 1, "x"))
    both = controlled(both, Flatten("V", "A", "C", 2, "y", D("0.5")))
    assert (Switch("", 1, "x"), Switch("C", 2, "y", D("0.5"))) == both.switches
    assert (Switch("", 1, "x"),) == controlled(both, LiftFlatten("V", "A", "C", 3, "z")).switches
    assert of == controlled(both, LiftFlatten("V", "A", "", 3, "z"))
    shut = controlled(both, SetMode("V", "A", "C", TradingMode.NONE, 4, "w"))
    modes = [shut.mode_of(name) for name in ("C", "F", "")]
    assert [TradingMode.NONE, TradingMode.REDUCE_ONLY, TradingMode.REDUCE_ONLY] == modes
    assert both == controlled(shut, SetMode("V", "A", "C", TradingMode.ALL, 5, "v"))
    assert ZERO == slot("0").base_qty
