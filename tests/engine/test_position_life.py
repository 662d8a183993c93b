"""The life of a slot: the table, and what bookings and orders make of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.position import (
    LIFE,
    CorrectionKind,
    Position,
    PositionLife,
    book,
    correct,
    follow_orders,
    late_fee,
    new_position,
    void,
)
from engine.position_tables import PositionTrigger
from engine.statechart import Verdict
from engine.values import Instrument, PositionSlot, Side

D = Decimal
LIVES = PositionLife
SPOT = Instrument(
    symbol="BTC-USDT", venue="v", base="BTC", quote="USDT", lot_size=D("0.01"), min_notional=D(10)
)


def empty() -> Position:
    return new_position("v", "acc", SPOT, PositionSlot.NET)


def traded(held: Position, side: Side, qty: str, px: str = "100") -> Position:
    return book(held, SPOT, side, D(qty), D(px), None, "", 2)


def following(held: Position, entries: bool, exit_qty: str) -> Position:
    return follow_orders(held, SPOT, entries, D(exit_qty), 3)


def test_the_table_is_what_transitions_would_do() -> None:
    """Every cell of the compiled table agrees with a machine built from the same rows."""
    assert [] == LIFE.differences()


def test_every_cell_has_a_verdict() -> None:
    """Nothing that can happen to a slot is dropped."""
    assert len(PositionLife) * len(PositionTrigger) == len(LIFE.table)


def test_a_whole_life() -> None:
    """Entry, scale-in, partial exit, close: one slot through all five states."""
    held = following(empty(), True, "0")
    assert LIVES.OPENING is held.life
    held = traded(held, Side.BUY, "1")
    assert LIVES.OPENING is held.life
    held = following(held, False, "0")
    assert LIVES.OPEN is held.life
    held = following(held, True, "0")
    assert LIVES.OPENING is held.life
    held = following(traded(held, Side.BUY, "1"), False, "1")
    assert LIVES.REDUCING is held.life
    held = following(traded(held, Side.SELL, "1"), False, "0")
    assert LIVES.OPEN is held.life
    held = following(held, False, "1")
    assert LIVES.CLOSING is held.life
    assert LIVES.FLAT is traded(held, Side.SELL, "1").life


def test_an_entry_that_came_to_nothing_leaves_the_slot_flat() -> None:
    """OPENING ends FLAT when nothing was filled."""
    assert LIVES.FLAT is following(following(empty(), True, "0"), False, "0").life


def test_a_fill_without_a_known_order_opens() -> None:
    """A late or foreign fill needs no entry of ours to be a position."""
    assert LIVES.OPEN is traded(empty(), Side.SELL, "1").life


def test_a_fill_that_adds_uncovers_a_close() -> None:
    """An exit that covered all that was held covers a part after a late entry fill."""
    held = following(traded(empty(), Side.BUY, "1"), False, "1")
    assert LIVES.REDUCING is traded(held, Side.BUY, "1").life


@pytest.mark.parametrize(("exit_qty", "before"), [("1", LIVES.CLOSING), ("0.5", LIVES.REDUCING)])
def test_a_flip_ends_the_exit(exit_qty: str, before: PositionLife) -> None:
    """Past zero there is nothing left to exit: the other side is OPEN."""
    held = following(traded(empty(), Side.BUY, "1"), False, exit_qty)
    assert before is held.life
    assert LIVES.OPEN is traded(held, Side.SELL, "3").life


def test_a_bust_of_the_close_reopens() -> None:
    """A close that never happened leaves the position there."""
    held = traded(traded(empty(), Side.BUY, "1"), Side.SELL, "1")
    assert LIVES.FLAT is held.life
    assert LIVES.OPEN is void(held, SPOT, Side.SELL, D(1), D(100), None, "", 4).life


def test_a_bust_of_the_opening_flattens() -> None:
    """An opening that never happened leaves nothing."""
    held = traded(empty(), Side.BUY, "1")
    assert LIVES.FLAT is void(held, SPOT, Side.BUY, D(1), D(100), None, "", 4).life


def test_dust_is_flat_and_the_next_fill_opens() -> None:
    """Below lot or minimum notional the slot is FLAT; what joins it opens it."""
    held = traded(traded(empty(), Side.BUY, "1"), Side.SELL, "0.91")
    assert (D("0.09"), LIVES.FLAT) == (held.qty, held.life)
    assert LIVES.OPEN is traded(held, Side.BUY, "0.01").life
    assert LIVES.FLAT is traded(held, Side.SELL, "0.01").life


def test_a_late_fee_can_leave_dust() -> None:
    """A base fee that takes the last sellable part makes the slot FLAT."""
    held = late_fee(traded(empty(), Side.BUY, "0.1"), SPOT, D("0.095"), "BTC", 3)
    assert (D("0.005"), LIVES.FLAT) == (held.qty, held.life)


def test_a_reverse_split_can_leave_dust() -> None:
    """A split that leaves less than a lot leaves the slot FLAT."""
    held = traded(empty(), Side.BUY, "1")
    split = correct(held, SPOT, CorrectionKind.SPLIT, 3, ratio=D("0.001"))
    assert (D("0.001"), LIVES.FLAT) == (split.qty, split.life)


def test_an_exit_on_a_flat_slot_is_flagged() -> None:
    """An exit that works with nothing to exit moves nothing and is LATE, never silent."""
    assert LIVES.FLAT is following(empty(), False, "1").life
    assert Verdict.LATE is LIFE.table[LIVES.FLAT, PositionTrigger.EXIT_WORKING].verdict


def test_exits_outrank_entries() -> None:
    """While something closes, an entry that also works shows only after the exit ended."""
    held = following(traded(empty(), Side.BUY, "1"), True, "0.5")
    assert LIVES.REDUCING is held.life
    assert LIVES.OPENING is following(held, True, "0").life


def test_following_orders_is_idempotent() -> None:
    """Being told the same twice changes nothing, not even the timestamp."""
    for entries in (True, False):
        for exit_qty in ("0", "0.5", "1"):
            for start in (empty(), traded(empty(), Side.BUY, "1")):
                once = following(start, entries, exit_qty)
                assert once is follow_orders(once, SPOT, entries, D(exit_qty), 9)
