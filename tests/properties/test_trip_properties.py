"""Trips against a dumb twin that keeps every execution and counts again from the beginning."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import trip_fold
from engine.messages import CorrectPosition, Filled, PriceExtreme, SubmitOrder
from engine.order import Booking, BookingKind
from engine.pnl import Amounts
from engine.position import new_position, realized_pnl
from engine.position_tables import Exposure
from engine.position_views import exposure
from engine.trip_fold import follow_booking, follow_marks, follow_statement
from engine.trips import Followed, Trail, Trip, begin_trail
from engine.values import (
    CorrectionKind,
    Instrument,
    InstrumentKind,
    OrderType,
    PositionSlot,
    Side,
    exact,
)

D = Decimal
ONE = D(1)
LINEAR = Instrument(
    symbol="L", venue="v", kind=InstrumentKind.LINEAR, base="BTC", quote="USD", lot_size=D(1),
    multiplier=D("0.25"),
)  # fmt: skip
INVERSE = Instrument(
    symbol="I", venue="v", kind=InstrumentKind.INVERSE, base="BTC", quote="USD", lot_size=D(1),
    multiplier=D(10),
)  # fmt: skip
SPOT = Instrument(symbol="S", venue="v", base="BTC", quote="USD", lot_size=D(1))


class Step(NamedTuple):
    """One thing that happens; ``at`` chooses the execution that a bust or a late fee is about."""

    kind: str
    side: Side
    qty: int
    px: int
    fee: int
    at: int


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kind = draw(st.sampled_from(["fill"] * 6 + ["bust", "correct", "fee", "funding", "mark"]))
    return Step(
        kind,
        draw(st.sampled_from(Side)),
        draw(st.integers(1, 4)),
        draw(st.integers(90, 110)),
        draw(st.integers(-2, 3)),
        draw(st.integers(0, 30)),
    )


class Slot:
    """A slot that is followed, and all that a reader of its rows and events would know."""

    def __init__(
        self, instrument: Instrument, fee_currency: str = "USD", fee_unit: Decimal = ONE
    ) -> None:
        self.instrument = instrument
        self.fee_currency = fee_currency
        self.fee_unit = fee_unit
        self.leaves_dust = fee_unit != 1
        empty = new_position("v", "acc", instrument, PositionSlot.NET)
        self.trail: Trail = begin_trail(empty)
        self.rows: dict[int, Trip] = {}
        self.fills: list[tuple[SubmitOrder, Filled]] = []  # that stand, in order
        self.funding = Fraction(0)
        self.ts = 0

    def take(self, out: Followed) -> None:
        self.trail = out.trail
        assert out.position == out.trail.now.position
        for number in out.gone:
            del self.rows[number]  # it was there
        for trip in out.closed:
            assert trip.amended or trip.number not in self.rows
            self.rows[trip.number] = trip

    def play(self, step: Step) -> None:
        self.ts += 1
        if step.kind == "fill":
            self._fill(step)
        elif step.kind == "funding":
            self.funding += step.fee
            key = ("v", "acc", self.instrument.symbol, PositionSlot.NET)
            paid = CorrectPosition(
                *key, CorrectionKind.FUNDING, self.ts, amount=D(step.fee), currency="USD"
            )
            self.take(follow_statement(self.trail, self.instrument, paid))
        elif step.kind == "mark":
            fact = PriceExtreme(
                "v", "acc", self.instrument.symbol, PositionSlot.NET, self.ts, D(step.px - 5),
                D(step.px),
            )  # fmt: skip
            self.take(follow_marks(self.trail, self.instrument, fact))
        elif self.fills:
            self._change(step, step.at % len(self.fills))

    def _fill(self, step: Step) -> None:
        terms = SubmitOrder(
            f"i{self.ts}", "v", "acc", self.instrument.symbol, step.side, OrderType.MARKET,
            D(step.qty), self.ts, f"c{self.ts}", tags=(("n", str(self.ts)),),
        )  # fmt: skip
        fill = Filled(
            f"c{self.ts}", self.ts, f"e{self.ts}", D(step.qty), D(step.px),
            step.fee * self.fee_unit if step.fee else None,
            self.fee_currency if step.fee else "",
        )  # fmt: skip
        self._book(BookingKind.BOOK, terms, fill)
        self.fills.append((terms, fill))

    def _change(self, step: Step, at: int) -> None:
        terms, fill = self.fills[at]
        if step.kind == "fee":
            if fill.fee is None:
                told = msgspec.structs.replace(
                    fill, fee=step.fee * self.fee_unit, fee_currency=self.fee_currency
                )
                self._book(BookingKind.FEE, terms, told)
                self.fills[at] = terms, told
            return
        self._book(BookingKind.VOID, terms, fill)
        if step.kind == "bust":
            del self.fills[at]
            return
        corrected = msgspec.structs.replace(
            fill, exec_id=f"{fill.exec_id}x", last_qty=D(step.qty), last_px=D(step.px)
        )
        self._book(BookingKind.BOOK, terms, corrected)
        self.fills[at] = terms, corrected

    def _book(self, kind: BookingKind, terms: SubmitOrder, fill: Filled) -> None:
        booking = Booking(kind, fill, fill.exec_id)
        self.take(follow_booking(self.trail, self.instrument, terms, booking, self.ts))

    def trips(self) -> list[Trip]:
        """Closed and open, in order."""
        now = self.trail.now.trip
        return [*(self.rows[number] for number in sorted(self.rows)), *([now] if now else [])]


class TwinTrip:
    """One trip, in fractions."""

    def __init__(self, opener: str, is_long: bool) -> None:
        self.opener = opener
        self.is_long = is_long
        self.max_qty = Fraction(0)
        self.fees = Fraction(0)
        self.cash = Fraction(0)  # what its executions were worth, paid and received


def twin_trips(instrument: Instrument, slot: Slot) -> list[TwinTrip]:
    """What the executions that stand, one after the other, come to."""
    trips: list[TwinTrip] = []
    held = Fraction(0)
    for terms, fill in slot.fills:
        sign = 1 if terms.side is Side.BUY else -1
        left = Fraction(fill.last_qty)
        unit = Fraction(instrument.multiplier)
        if instrument.kind is InstrumentKind.INVERSE:
            unit = -unit / Fraction(fill.last_px)
        else:
            unit *= Fraction(fill.last_px)
        while left:
            if not held:
                trips.append(TwinTrip(terms.client_order_id, sign > 0))
            part = left if held * sign >= 0 else min(left, abs(held))
            trip = trips[-1]
            trip.fees += Fraction(fill.fee or 0) * part / Fraction(fill.last_qty)
            trip.cash -= sign * part * unit
            held += sign * part
            trip.max_qty = max(trip.max_qty, abs(held))
            left -= part
    return trips


def total(amounts: Amounts, currency: str) -> Fraction:
    return Fraction(dict(amounts).get(currency, D(0)))


def near(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= Fraction(1, 10**20) * max(Fraction(1), abs(one))


def check_sums(slot: Slot) -> None:
    """All trips of a slot come to exactly the position's P&L, fees and funding."""
    trips, held = slot.trips(), slot.trail.now.position
    now = slot.trail.now
    closed = sum((Fraction(t.realized_pnl) for t in trips if t.closed_ts is not None), Fraction(0))
    assert closed == Fraction(now.settled)
    if now.trip is None and not slot.leaves_dust:  # what dust earns waits for the next trip
        assert closed == Fraction(realized_pnl(held))
    currency = slot.fee_currency
    paid = sum((total(t.fees, currency) for t in trips), total(now.fees, currency))
    got = sum((total(t.funding, "USD") for t in trips), total(now.funding, "USD"))
    assert paid == total(held.fees, currency)
    assert got == total(held.funding, "USD") == slot.funding


@given(st.sampled_from([LINEAR, INVERSE, SPOT]), st.lists(steps(), max_size=25))
def test_trips_are_what_the_executions_that_stand_come_to(
    instrument: Instrument, played: list[Step]
) -> None:
    """Whatever was busted, corrected or told late: the same trips, as if it had always been so,
    and in sum exactly the position's P&L, fees and funding.
    """
    with exact():
        slot = Slot(instrument)
        for step in played:
            slot.play(step)
        trips, twins = slot.trips(), twin_trips(instrument, slot)
    assert [(t.client_order_id, t.side is Exposure.LONG, Fraction(t.max_qty)) for t in trips] == [
        (t.opener, t.is_long, t.max_qty) for t in twins
    ]
    for trip, twin in zip(trips, twins, strict=True):
        assert near(twin.fees, total(trip.fees, "USD"))
        assert trip.mae <= 0 <= trip.mfe
        if trip.closed_ts is not None:
            assert near(twin.cash, Fraction(trip.realized_pnl))
            assert trip.entry_qty == trip.exit_qty
    check_sums(slot)


@given(st.sampled_from([LINEAR, INVERSE]), st.lists(steps(), max_size=25), st.integers(0, 25))
def test_a_trail_that_was_written_down_goes_on_alike(
    instrument: Instrument, played: list[Step], at: int
) -> None:
    """Encoded and decoded at any point: everything behind it comes out the same."""
    with exact():
        one, other = Slot(instrument), Slot(instrument)
        for index, step in enumerate(played):
            one.play(step)
            other.play(step)
            if index == at:
                other.trail = msgspec.json.decode(msgspec.json.encode(other.trail), type=Trail)
                assert one.trail == other.trail
    assert (one.trail, one.rows) == (other.trail, other.rows)


@given(st.sampled_from([LINEAR, INVERSE, SPOT]), st.lists(steps(), max_size=40))
def test_what_is_older_than_the_window_still_adds_up(
    instrument: Instrument, played: list[Step]
) -> None:
    """Busts and fees of executions that are not kept any more: sums are exact all the same."""
    with pytest.MonkeyPatch.context() as patch, exact():
        patch.setattr(trip_fold, "WINDOW", 2)
        slot = Slot(instrument)
        for step in played:
            slot.play(step)
            assert len(slot.trail.kept) <= 4
            check_sums(slot)


@given(st.lists(steps(), max_size=25), st.booleans())
def test_dust_is_no_trip_and_loses_nothing(played: list[Step], is_small: bool) -> None:
    """Fees in the asset leave dust behind: the trip is over, and its cost joins the next."""
    instrument = msgspec.structs.replace(SPOT, lot_size=D(2)) if is_small else SPOT
    with exact():
        slot = Slot(instrument, fee_currency="BTC", fee_unit=D("0.01"))
        for step in played:
            slot.play(step)
            check_sums(slot)
            held = slot.trail.now.position
            assert (slot.trail.now.trip is None) == (exposure(held, instrument) is Exposure.FLAT)
