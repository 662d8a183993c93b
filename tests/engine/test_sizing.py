"""Sizes from risk: never more than may be lost, never rounded up, never made up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policies.sizing import Caps, SizeReason, loss_at_stop, size_for
from engine.values import Instrument, InstrumentKind, Side, is_on_step

D = Decimal


def instrument(
    kind: InstrumentKind = InstrumentKind.LINEAR, lot: str = "0.001", multiplier: str = "1"
) -> Instrument:
    """One of a kind."""
    return Instrument(
        symbol="X",
        venue="SIM",
        kind=kind,
        base="BTC",
        quote="USDT",
        lot_size=D(lot),
        multiplier=D(multiplier),
    )


LINEAR = instrument()
prices = st.decimals("0.5", "100000", places=2)
amounts = st.decimals("0.01", "1000000", places=2)
instruments = st.builds(
    instrument,
    st.sampled_from(InstrumentKind),
    st.sampled_from(["1", "0.1", "0.001", "0.00000001", "7"]),
    st.sampled_from(["1", "0.01", "10", "100"]),
)
fees = st.sampled_from([D(0), D("0.0002"), D("0.001"), D("0.05")])


@pytest.mark.parametrize(
    ("one", "side", "entry", "stop", "qty"),
    [
        (LINEAR, Side.BUY, "200", "180", "5.000"),
        (LINEAR, Side.SELL, "200", "230", "3.333"),
        (instrument(InstrumentKind.CASH, "1"), Side.BUY, "200", "170", "3"),
        (instrument(multiplier="10", lot="1"), Side.BUY, "200", "199", "10"),
    ],
)
def test_a_size_is_risk_over_distance(
    one: Instrument, side: Side, entry: str, stop: str, qty: str
) -> None:
    """Times the multiplier, rounded down to the lot: worked by hand for 100 at risk."""
    assert D(qty) == size_for(one, side, D(entry), D(stop), D(100)).qty


def test_an_inverse_contract_loses_in_its_base_coin() -> None:
    """100 USD a contract from 50,000 to 40,000 lose 0.0005 BTC each: 0.01 BTC is 20 of them."""
    one = instrument(InstrumentKind.INVERSE, "1", "100")
    found = size_for(one, Side.BUY, D(50000), D(40000), D("0.01"))
    assert (D(20), D("0.0100")) == (found.qty, found.loss)
    in_dollars = size_for(one, Side.BUY, D(50000), D(40000), D(500), rate=D(50000))
    assert (D(20), D(500)) == (in_dollars.qty, in_dollars.loss)


def test_fees_of_both_ways_are_part_of_the_loss() -> None:
    """At one percent, 200 in and 180 out cost 3.80 more than the 20 between them."""
    assert D("23.80") == loss_at_stop(LINEAR, Side.BUY, D(1), D(200), D(180), D("0.01"))
    assert D("4.201") == size_for(LINEAR, Side.BUY, D(200), D(180), D(100), fee_rate=D("0.01")).qty


@given(instruments, st.sampled_from(Side), prices, prices, amounts, fees)
def test_the_stop_never_costs_more_than_the_risk(
    one: Instrument, side: Side, entry: Decimal, stop: Decimal, risk: Decimal, fee: Decimal
) -> None:
    """Fees included, whole lots, and one lot more would cost too much."""
    found = size_for(one, side, entry, stop, risk, fee_rate=fee)
    if found.reason is not None:
        assert D(0) == found.qty
        assert found.detail
        return
    assert is_on_step(found.qty, one.lot_size)
    assert found.qty > 0
    assert found.loss <= risk
    assert loss_at_stop(one, side, found.qty, entry, stop, fee) == found.loss
    more = loss_at_stop(one, side, found.qty + one.lot_size, entry, stop, fee)
    assert more > risk * (1 - D("1e-25"))


def test_a_quotient_that_is_rounded_up_is_not_a_size() -> None:
    """Two thirds in 34 digits end in a 7: one lot less, where lots are as fine as that."""
    found = size_for(instrument(lot="1E-34"), Side.BUY, D(203), D(200), D(2))
    assert D("0." + 34 * "6") == found.qty
    assert found.loss <= 2


@given(instruments, prices, prices, amounts, amounts)
def test_more_risk_is_never_a_smaller_size(
    one: Instrument, entry: Decimal, stop: Decimal, risk: Decimal, more: Decimal
) -> None:
    """The size grows with the risk, and shrinks with fees."""
    side = Side.BUY if stop < entry else Side.SELL
    small, large = (size_for(one, side, entry, stop, r).qty for r in (risk, risk + more))
    assert small <= large
    assert size_for(one, side, entry, stop, risk, fee_rate=D("0.001")).qty <= small


@given(instruments, prices, prices, amounts, amounts, amounts, amounts)
def test_no_limit_is_ever_exceeded(
    one: Instrument,
    entry: Decimal,
    stop: Decimal,
    risk: Decimal,
    max_qty: Decimal,
    max_value: Decimal,
    available: Decimal,
) -> None:
    """Quantity, value and margin with fees stay within what is allowed."""
    side = Side.BUY if stop < entry else Side.SELL
    fee = D("0.001")
    caps = Caps(max_qty=max_qty, max_value=max_value, available=available, leverage=D(3))
    found = size_for(one, side, entry, stop, risk, fee_rate=fee, caps=caps)
    allowed = 1 + D("1e-25")  # derived values are rounded to 34 digits
    worth = one.notional(found.qty, entry)
    assert found.qty <= max_qty
    assert worth <= max_value * allowed
    costs = worth / 3 + (worth + one.notional(found.qty, stop)) * fee
    assert costs <= available * allowed
    assert found.qty <= size_for(one, side, entry, stop, risk, fee_rate=fee).qty


def test_what_made_a_size_smaller_is_named() -> None:
    """A person sees which limit it was."""
    found = size_for(LINEAR, Side.BUY, D(200), D(180), D(100), caps=Caps(max_value=D(300)))
    assert (D("1.500"), "max_value") == (found.qty, found.capped_by)
    assert "" == size_for(LINEAR, Side.BUY, D(200), D(180), D(100)).capped_by


R = SizeReason
LOT = instrument(lot="1")
STRICT = Instrument(symbol="X", venue="SIM", quote="USDT", min_notional=D(190))


@pytest.mark.parametrize(
    ("one", "side", "entry", "stop", "risk", "reason"),
    [
        (LINEAR, Side.BUY, "200", "210", "100", R.STOP_SIDE),
        (LINEAR, Side.SELL, "200", "190", "100", R.STOP_SIDE),
        (LINEAR, Side.BUY, "200", "200", "100", R.STOP_DISTANCE),
        (LINEAR, Side.BUY, "200", "180", "0", R.NO_RISK),
        (LINEAR, Side.BUY, "200", "-1", "100", R.BAD_PRICE),
        (LOT, Side.BUY, "200", "180", "19.99", R.ZERO_SIZE),
        (STRICT, Side.BUY, "200", "180", "20", R.TOO_SMALL),  # 180 at the stop: could not be closed
    ],
)
def test_without_a_tradable_size_there_is_a_reason(
    one: Instrument, side: Side, entry: str, stop: str, risk: str, reason: SizeReason
) -> None:
    """And never a smallest size instead."""
    found = size_for(one, side, D(entry), D(stop), D(risk))
    assert (D(0), reason) == (found.qty, found.reason)
    assert found.detail


def test_nothing_available_and_no_rate_are_refused() -> None:
    """A limit that is used up is not a size of 0 by accident."""
    found = size_for(LINEAR, Side.BUY, D(200), D(180), D(100), caps=Caps(available=D(-5)))
    assert R.NO_FUNDS is found.reason
    assert R.BAD_RATE is size_for(LINEAR, Side.BUY, D(200), D(180), D(1), rate=D(0)).reason
