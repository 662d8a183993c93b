"""Positions against a dumb twin in fractions, and the laws that no sequence of fills may break."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.position import (
    Exposure,
    Position,
    PositionLife,
    avg_px,
    book,
    exposure,
    follow_orders,
    late_fee,
    new_position,
    realized_pnl,
    set_baseline,
    total_pnl,
    unpriced_qty,
    unrealized_pnl,
    void,
)
from engine.values import Instrument, InstrumentKind, PositionSlot, Side

D = Decimal
LOT = D("0.001")
SPOT = Instrument(symbol="S", venue="v", base="BTC", quote="USD", lot_size=LOT)
LINEAR = Instrument(
    symbol="L", venue="v", kind=InstrumentKind.LINEAR, base="BTC", quote="USD", lot_size=LOT,
    multiplier=D("0.25"),
)  # fmt: skip
INVERSE = Instrument(
    symbol="I", venue="v", kind=InstrumentKind.INVERSE, base="BTC", quote="USD", lot_size=LOT,
    multiplier=D(10),
)  # fmt: skip
TOLERANCE = Fraction(1, 10**25)


class Fill(NamedTuple):
    """One execution as drawn."""

    side: Side
    qty: Decimal
    px: Decimal
    fee: Decimal | None
    currency: str


class Twin:
    """Average cost as a textbook states it: quantity, unit cost and realised P&L, in fractions.

    A unit's value is ``multiplier * px``, or ``-multiplier / px`` for an inverse contract.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.qty = Fraction(0)
        self.unit_cost = Fraction(0)
        self.realized = Fraction(0)

    def unit(self, px: Decimal) -> Fraction:
        multiplier = Fraction(self.instrument.multiplier)
        if self.instrument.kind is InstrumentKind.INVERSE:
            return -multiplier / Fraction(px)
        return multiplier * Fraction(px)

    def fill(self, fill: Fill) -> None:
        sign = 1 if fill.side is Side.BUY else -1
        change = sign * Fraction(fill.qty)
        paid = change * self.unit(fill.px)
        if self.instrument.kind is InstrumentKind.CASH and fill.currency == "BTC":
            change -= Fraction(fill.fee or 0)
        unit = paid / change
        if self.qty * change >= 0:
            self.unit_cost = (self.qty * self.unit_cost + paid) / (self.qty + change)
        else:
            closed = min(abs(self.qty), abs(change)) * (1 if self.qty > 0 else -1)
            self.realized += closed * (unit - self.unit_cost)
            if abs(change) > abs(self.qty):
                self.unit_cost = unit
        self.qty += change

    def total(self, mark: Decimal) -> Fraction:
        return self.realized + self.qty * (self.unit(mark) - self.unit_cost)


def quantities() -> st.SearchStrategy[Decimal]:
    return st.integers(1, 5_000).map(lambda lots: lots * LOT) | st.just(D(1))


def prices() -> st.SearchStrategy[Decimal]:
    return st.decimals("0.01", "90000", places=2)


@st.composite
def fills(draw: st.DrawFn) -> Fill:
    qty = draw(quantities())
    currency = draw(st.sampled_from(["USD", "BTC", "BNB", ""]))
    fee = draw(st.none() | st.integers(-900, 900).map(lambda parts: qty * parts / 100_000))
    return Fill(draw(st.sampled_from(Side)), qty, draw(prices()), fee, currency)


instruments = st.sampled_from([SPOT, LINEAR, INVERSE])
sequences = st.lists(fills(), max_size=12)


def empty(instrument: Instrument) -> Position:
    return new_position("v", "acc", instrument, PositionSlot.NET)


def played(instrument: Instrument, sequence: list[Fill]) -> Position:
    held = empty(instrument)
    for fill in sequence:
        held = book(held, instrument, *fill, 1)
    return held


def is_close(expected: Fraction, actual: Decimal) -> bool:
    return abs(expected - Fraction(actual)) <= TOLERANCE * max(Fraction(1), abs(expected))


def nonzero_fees(position: Position) -> dict[str, Decimal]:
    return {currency: amount for currency, amount in position.fees if amount}


@given(instruments, sequences, prices())
def test_the_books_agree_with_the_twin(
    instrument: Instrument, sequence: list[Fill], mark: Decimal
) -> None:
    """Quantity and linear totals agree exactly; average, realised and inverse to 25 digits."""
    held, twin = empty(instrument), Twin(instrument)
    for fill in sequence:
        held = book(held, instrument, *fill, 1)
        twin.fill(fill)
        assert twin.qty == Fraction(held.qty)
        assert is_close(twin.realized, realized_pnl(held))
        total = total_pnl(held, instrument, mark)
        assert total is not None
        if instrument is INVERSE:
            assert is_close(twin.total(mark), total)
        else:
            assert twin.total(mark) == Fraction(total)
        average = avg_px(held, instrument)
        assert (average is None) == (twin.qty == 0)
        if average is not None:
            assert is_close(twin.unit_cost / twin.unit(average), D(1))


@given(instruments, sequences, prices())
def test_realized_plus_unrealized_is_cash_plus_value(
    instrument: Instrument, sequence: list[Fill], mark: Decimal
) -> None:
    """The identity holds exactly for every kind, whatever was rounded inside the cost."""
    held = played(instrument, sequence)
    unrealized = unrealized_pnl(held, instrument, mark)
    total = total_pnl(held, instrument, mark)
    assert unrealized is not None
    assert total is not None
    assert Fraction(total) == Fraction(realized_pnl(held)) + Fraction(unrealized)
    if instrument is not INVERSE:
        worth = Fraction(held.qty) * Fraction(instrument.multiplier) * Fraction(mark)
        assert Fraction(total) == Fraction(held.cash) + worth


@given(instruments, sequences, prices(), st.randoms(use_true_random=False))
def test_the_order_of_fills_changes_neither_quantity_nor_total(
    instrument: Instrument, sequence: list[Fill], mark: Decimal, shuffler: object
) -> None:
    """Deliveries out of order end at the same quantity, fees and total P&L, exactly."""
    shuffled = list(sequence)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = played(instrument, sequence), played(instrument, shuffled)
    assert one.qty == other.qty
    assert one.cash == other.cash
    assert dict(one.fees) == dict(other.fees)
    assert total_pnl(one, instrument, mark) == total_pnl(other, instrument, mark)


@given(instruments, sequences, fills())
def test_a_bust_right_after_its_fill_restores_everything(
    instrument: Instrument, sequence: list[Fill], fill: Fill
) -> None:
    """Book then void: quantity, cash, cost and fees are exactly what they were."""
    before = played(instrument, sequence)
    held = void(book(before, instrument, *fill, 2), instrument, *fill, 3)
    assert (before.qty, before.cash, before.basis) == (held.qty, held.cash, held.basis)
    assert nonzero_fees(before) == nonzero_fees(held)


@given(instruments, st.lists(fills(), min_size=1, max_size=10), prices(), st.data())
def test_busts_of_any_fills_leave_the_books_of_the_rest(
    instrument: Instrument, sequence: list[Fill], mark: Decimal, data: st.DataObject
) -> None:
    """Any fills taken back in any order: quantity, fees and total as if they never were."""
    order = data.draw(st.permutations(range(len(sequence))))
    gone = order[: data.draw(st.integers(1, len(sequence)))]
    held = played(instrument, sequence)
    for index in gone:
        held = void(held, instrument, *sequence[index], 2)
        # prices are positive, so no cost may ever end up on the wrong side
        inward = -held.basis if instrument is INVERSE else held.basis
        assert inward * held.qty >= 0
    never = played(instrument, [fill for i, fill in enumerate(sequence) if i not in gone])
    assert (never.qty, never.cash) == (held.qty, held.cash)
    assert nonzero_fees(never) == nonzero_fees(held)
    assert total_pnl(never, instrument, mark) == total_pnl(held, instrument, mark)


@given(st.lists(fills(), max_size=8), st.integers(-5000, 5000), st.data())
def test_an_unpriced_baseline_loses_no_quantity_and_no_cash(
    sequence: list[Fill], lots: int, data: st.DataObject
) -> None:
    """Fills and busts over an unpriced baseline add up, and nothing is invented."""
    start = set_baseline(empty(SPOT), SPOT, lots * LOT, None, 0)
    held = start
    for fill in sequence:
        held = book(held, SPOT, *fill, 1)
        unpriced = unpriced_qty(held)
        assert unpriced * (held.qty - unpriced) >= 0  # never long and short at once
        assert (avg_px(held, SPOT) is None) == bool(unpriced or not held.qty)
    assert held.qty - lots * LOT == played(SPOT, sequence).qty
    apart = held.unpriced.cash if held.unpriced else D(0)
    assert Fraction(held.cash) + Fraction(apart) == Fraction(played(SPOT, sequence).cash)
    for fill in data.draw(st.permutations(sequence)):
        held = void(held, SPOT, *fill, 2)
        assert unpriced_qty(held) * (held.qty - unpriced_qty(held)) >= 0
    left = held.unpriced.cash if held.unpriced else D(0)
    assert lots * LOT == held.qty
    assert 0 == Fraction(held.cash) + Fraction(left)


@given(st.lists(fills(), max_size=8), st.integers(-5000, 5000), fills())
def test_a_bust_right_after_its_fill_restores_both_parts(
    sequence: list[Fill], lots: int, fill: Fill
) -> None:
    """Over an unpriced baseline too, book then void leaves no trace in quantity, cash or cost."""
    before = set_baseline(empty(SPOT), SPOT, lots * LOT, None, 0)
    for earlier in sequence:
        before = book(before, SPOT, *earlier, 1)
    held = void(book(before, SPOT, *fill, 2), SPOT, *fill, 3)
    assert (before.qty, before.basis, before.cash) == (held.qty, held.basis, held.cash)
    assert before.unpriced == held.unpriced


@given(instruments, sequences, st.integers(-50, 50), st.booleans())
def test_a_checkpoint_is_the_position(
    instrument: Instrument, sequence: list[Fill], lots: int, priced: bool
) -> None:
    """Encoded and decoded, a position equals itself and goes on alike, in both codecs."""
    held = set_baseline(empty(instrument), instrument, D(lots), D(7) if priced else None, 0)
    for fill in sequence:
        held = book(held, instrument, *fill, 1)
    held = late_fee(held, instrument, D("0.0001"), "BTC", 2)
    for codec in (msgspec.json, msgspec.msgpack):
        again = codec.decode(codec.encode(held), type=Position)
        assert held == again
        assert codec.encode(held) == codec.encode(again)


@given(
    st.sampled_from([SPOT, LINEAR]),
    st.lists(fills() | st.tuples(st.booleans(), st.integers(0, 3)), max_size=15),
)
def test_life_and_exposure_agree(
    instrument: Instrument, steps: list[Fill | tuple[bool, int]]
) -> None:
    """FLAT holds nothing beyond dust; OPEN, REDUCING and CLOSING hold something."""
    held = empty(instrument)
    booked: list[Fill] = []
    for step in steps:
        if isinstance(step, Fill):
            held = book(held, instrument, *step, 1)
            booked.append(step)
        elif step[1] == 3 and booked:
            held = void(held, instrument, *booked.pop(0), 2)
        else:
            held = follow_orders(held, instrument, step[0], step[1] * LOT * 100, 3)
        if held.life is not PositionLife.OPENING:
            is_flat = exposure(held, instrument) is Exposure.FLAT
            assert is_flat == (held.life is PositionLife.FLAT)
