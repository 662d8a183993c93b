"""Baselines: what a slot held before our first fill, with and without a known price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import InvalidValue
from engine.position import (
    Position,
    avg_px,
    book,
    late_fee,
    new_position,
    realized_pnl,
    set_baseline,
    total_pnl,
    unpriced_qty,
    unrealized_pnl,
    void,
)
from engine.values import Instrument, PositionSlot, Side

D = Decimal
SPOT = Instrument(
    symbol="BTC-USDT", venue="v", base="BTC", quote="USDT", lot_size=D("0.01"), min_notional=D(10)
)
BUY, SELL = Side.BUY, Side.SELL


def empty() -> Position:
    return new_position("v", "acc", SPOT, PositionSlot.NET)


def test_a_priced_baseline_starts_realised_at_zero() -> None:
    """What was held before us counts from its average."""
    held = set_baseline(empty(), SPOT, D(-4), D(50), 1)
    assert (D(-4), D(50), D(0)) == (held.qty, avg_px(held, SPOT), realized_pnl(held))
    assert D(-4) == held.baseline_qty
    assert D(4) == realized_pnl(book(held, SPOT, BUY, D(2), D(48), None, "", 2))


def test_an_unpriced_baseline_invents_no_number() -> None:
    """Without an average the old part has no P&L: it closes first and its proceeds stay apart."""
    held = set_baseline(empty(), SPOT, D(4), None, 1)
    held = book(held, SPOT, BUY, D(2), D(100), None, "", 2)
    assert (D(6), D(4)) == (held.qty, unpriced_qty(held))
    assert (None, None) == (avg_px(held, SPOT), unrealized_pnl(held, SPOT, D(100)))
    assert total_pnl(held, SPOT, D(100)) is None
    held = book(held, SPOT, SELL, D(5), D(110), None, "", 3)
    assert (D(1), D(0), D(100), D(10)) == (
        held.qty, unpriced_qty(held), avg_px(held, SPOT), realized_pnl(held),
    )  # fmt: skip
    assert held.unpriced is not None
    assert (D(4), D(440)) == (held.unpriced.closed, held.unpriced.cash)


def test_a_busted_close_of_unpriced_quantity_restores_it() -> None:
    """What was sold from the unpriced part returns to it, with its proceeds."""
    before = set_baseline(empty(), SPOT, D(4), None, 1)
    for closed in (D(3), D(4), D(9)):
        held = book(before, SPOT, SELL, closed, D(110), None, "", 3)
        held = void(held, SPOT, SELL, closed, D(110), None, "", 4)
        assert (before.qty, before.unpriced, before.cash) == (held.qty, held.unpriced, held.cash)


def test_a_busted_close_of_the_priced_part_leaves_the_unpriced_closed() -> None:
    """What was closed last returns first: the old part stays closed, with its proceeds."""
    before = set_baseline(empty(), SPOT, D(4), None, 1)
    before = book(before, SPOT, SELL, D(4), D(120), None, "", 2)
    before = book(before, SPOT, BUY, D(3), D(100), None, "", 3)
    held = void(
        book(before, SPOT, SELL, D(1), D(110), None, "", 4), SPOT, SELL, D(1), D(110), None, "", 5
    )
    assert (D(3), D(0), D(100)) == (held.qty, unpriced_qty(held), avg_px(held, SPOT))
    assert (before.cash, before.unpriced) == (held.cash, held.unpriced)


def test_a_close_over_both_parts_returns_to_both() -> None:
    """A busted close of unpriced and priced quantity restores each at what it was."""
    before = set_baseline(empty(), SPOT, D(4), None, 1)
    before = book(before, SPOT, BUY, D(2), D(100), None, "", 2)
    held = book(before, SPOT, SELL, D(6), D(110), None, "", 3)
    assert (D(0), D(20)) == (held.qty, realized_pnl(held))
    held = void(held, SPOT, SELL, D(6), D(110), None, "", 4)
    assert (before.qty, before.basis, before.cash, before.unpriced) == (
        held.qty, held.basis, held.cash, held.unpriced,
    )  # fmt: skip


def test_a_late_base_fee_goes_from_the_priced_part_first() -> None:
    """What the priced part cannot give, the unpriced part gives; no slot holds both sides."""
    held = set_baseline(empty(), SPOT, D(10), None, 1)
    held = book(held, SPOT, BUY, D("0.005"), D(100), None, "", 2)
    held = late_fee(held, SPOT, D("0.01"), "BTC", 3)
    assert (D("9.995"), D("9.995")) == (held.qty, unpriced_qty(held))
    over = void(held, SPOT, BUY, D("0.005"), D(100), None, "", 4)  # without the fee it carried
    assert (D("9.990"), D("9.990")) == (over.qty, unpriced_qty(over))


def test_a_baseline_comes_first_and_once() -> None:
    """A second baseline, or one after a fill, is refused with what to do, and nothing changed."""
    with pytest.raises(InvalidValue, match="OPERATOR"):
        set_baseline(book(empty(), SPOT, BUY, D(1), D(1), None, "", 1), SPOT, D(1), D(1), 2)
    flat = set_baseline(empty(), SPOT, D(0), None, 1)
    assert D(0) == flat.baseline_qty
    with pytest.raises(InvalidValue, match="baseline 0"):
        set_baseline(flat, SPOT, D(1), D(1), 2)
