"""Rules about what is held, and what closes it: pure, so every corner can be stated."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.errors import JournalCorrupt
from engine.flatten import CallOff, CancelIt, CloseSlot
from engine.messages import EndMonitor, MonitorMoved, PnlUnit, SetDrift, SetMonitor
from engine.policies.monitoring import (
    CloseView,
    GroupHeld,
    Rule,
    Working,
    Worth,
    judge_pnl,
    plan_close,
    pnl_of,
)
from engine.position import book
from engine.position_state import new_position
from engine.values import ZERO, Instrument, InstrumentKind, PositionSlot, Side
from engine.watched import Monitor, Watched, take_watched

D = Decimal
NET = PositionSlot.NET
PERP = Instrument(symbol="X", venue="V", kind=InstrumentKind.LINEAR, quote="USD", lot_size=D(1))
COIN = replace(PERP, kind=InstrumentKind.INVERSE, base="X", multiplier=D(100))
TERMS = SetMonitor("m", "V", "A", 1, "X", NET)


def order(
    name: str = "o", side: Side = Side.SELL, qty: str | None = "5", **more: object
) -> Working:
    """A plain order that works and was there before."""
    exposure = None if qty is None else D(qty)
    plain = Working(name, "", side, exposure, True, False, False, False, False, True)
    return replace(plain, **more)


def view(qty: str = "5", *orders: Working, bounds: bool = True, **more: object) -> CloseView:
    """A slot that is to be closed."""
    return replace(CloseView(PERP, NET, D(qty), orders, (), bounds, False, ()), **more)


def closed(qty: str, side: Side = Side.SELL) -> CloseSlot:
    """A close of so much."""
    return CloseSlot("X", NET, side, D(qty))


@pytest.mark.parametrize("bounds", [True, False])
def test_what_is_held_is_closed_at_once_where_nothing_is_in_the_way(bounds: bool) -> None:
    """Long by selling and short by buying, no more than one order may have."""
    assert (closed("5"),) == plan_close(view(bounds=bounds)).actions
    assert (closed("5", Side.BUY),) == plan_close(view("-5", bounds=bounds)).actions
    small = replace(PERP, max_qty=D(2))
    assert (closed("2"),) == plan_close(view(bounds=bounds, instrument=small)).actions
    assert plan_close(view("0", bounds=bounds)).is_done
    assert plan_close(view("0.5", bounds=bounds)).is_done


def test_what_may_still_fill_is_not_closed_beside_it() -> None:
    """Where the venue bounds nothing: an exit that rests, one in doubt, one of unknown size."""
    assert (CancelIt("o"), closed("5")) == plan_close(view("5", order())).actions
    resting = plan_close(view("5", order(qty="3"), bounds=False))
    assert (CancelIt("o"), closed("2")) == resting.actions
    unknown = plan_close(view("5", order(qty=None, is_doubtful=True), bounds=False, asked=("o",)))
    assert ((), False) == (unknown.actions, unknown.is_done)
    entry = plan_close(view("5", order(side=Side.BUY), bounds=False))
    assert (CancelIt("o"), closed("5")) == entry.actions


def test_a_new_trade_on_the_other_side_keeps_no_close_back() -> None:
    """One that rests is its owner's; one that fills at once is reckoned with."""
    later = order(qty="3", old=False)
    assert (closed("5"),) == plan_close(view("5", later, bounds=False)).actions
    at_once = replace(later, rests=False)
    assert (closed("2"),) == plan_close(view("5", at_once, bounds=False)).actions


def test_one_close_at_a_time() -> None:
    """Another beside one in doubt only where the venue bounds it; a failure is rested from."""
    ours = order(is_close=True)
    assert () == plan_close(view("5", ours)).actions
    doubt = order(is_close=True, is_doubtful=True)
    assert (closed("5"),) == plan_close(view("5", doubt)).actions
    assert () == plan_close(view("5", doubt, bounds=False)).actions
    assert () == plan_close(view("5", is_pausing=True)).actions
    assert not plan_close(view("0", ours)).is_done
    assert () == plan_close(view("-5", ours)).actions  # the slot has turned since it left


def test_groups_close_what_they_hold() -> None:
    """They are called off, once; the rest is closed beside them, whatever their exits may fill."""
    old = GroupHeld("g", D(3), old=True, closing=False)
    assert (CallOff("g"), closed("2")) == plan_close(view("5", groups=(old,))).actions
    closing = replace(old, closing=True)
    exits = order("x", qty="3", group_id="g")
    for bounds in (True, False):
        found = plan_close(view("5", exits, groups=(closing,), bounds=bounds))
        assert ((closed("2"),), False) == (found.actions, found.is_done)
    assert not plan_close(view("0", groups=(closing,))).is_done


def test_what_came_after_is_left_alone() -> None:
    """Orders and groups that were submitted after the rule fired, and what those hold."""
    new = GroupHeld("g", D(5), old=False, closing=False)
    found = plan_close(view("5", order(old=False, side=Side.BUY), groups=(new,)))
    assert ((), True) == (found.actions, found.is_done)


def test_pnl_is_that_of_the_position() -> None:
    """Net of fees in the settle currency, also of contracts that settle in their coin."""
    held = book(new_position("V", "A", PERP, NET), PERP, Side.BUY, D(2), D(100), D(3), "USD", 1)
    held = book(held, PERP, Side.SELL, D(1), D(110), D(9), "BNB", 2)
    worth = pnl_of([(held, PERP, D(120))])
    assert Worth(D(10) + D(20) - D(3), D(100)) == worth
    assert pnl_of([(held, PERP, None)]) is None
    coin = book(new_position("V", "A", COIN, NET), COIN, Side.SELL, D(1), D(100), None, "", 1)
    worth = pnl_of([(coin, COIN, D(50))])
    assert worth is not None
    assert (D(1), D(1)) == (worth.pnl, worth.entry_value)


def test_a_stop_is_seen_before_anything_else() -> None:
    """And percentages are of the entry value; of nothing there are none."""
    terms = replace(TERMS, stop_loss=D(5), give_back=D(1), unit=PnlUnit.PERCENT)
    monitor = Monitor(terms, side=1, base=D(7))
    met = judge_pnl(monitor, Worth(D(-3), D(200)))
    assert (Rule.STOP_LOSS, D(-10), D(-10)) == (met.rule, met.level, met.pnl)
    met = judge_pnl(monitor, Worth(D("4.9"), D(200)))
    assert (Rule.GIVE_BACK, D(-2)) == (met.rule, met.level)
    assert judge_pnl(monitor, Worth(D(-300), ZERO)).rule is None


def test_a_peak_moves_in_steps() -> None:
    """So that not every price is written down."""
    monitor = Monitor(replace(TERMS, give_back=D(20)), side=1, peak=D(10))
    assert D(10) == judge_pnl(monitor, Worth(D("10.9"), D(100))).peak
    assert D(11) == judge_pnl(monitor, Worth(D(11), D(100))).peak


def test_what_is_watched_is_the_fold_of_its_facts() -> None:
    """Kept while there is something; a monitor is set once, and nothing is told of unknown ones."""
    every: dict[tuple[str, str], Watched] = {}
    at = ("V", "A", "X", NET)
    take_watched(every, SetDrift(*at, 5, D(1), D(3), D(2)))
    take_watched(every, SetDrift(*at, 9, D(1), D(4), D(3)))
    take_watched(every, TERMS)
    take_watched(every, MonitorMoved("m", "V", "A", 2, side=1, opened_ts=2))
    known = every["V", "A"]
    assert (5, D(3)) == (known.drifts[0].since_ts, known.drifts[0].difference)
    assert (1, TERMS) == (known.monitors[0].side, known.monitors[0].terms)
    with pytest.raises(JournalCorrupt, match="twice"):
        take_watched(every, TERMS)
    take_watched(every, EndMonitor("m", "V", "A", 3))
    with pytest.raises(JournalCorrupt, match="never set"):
        take_watched(every, EndMonitor("m", "V", "A", 3))
    take_watched(every, SetDrift(*at, 10, D(4), D(4), ZERO))
    assert {} == every
