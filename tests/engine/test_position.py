"""A position slot: quantity, average, P&L, fees, busts, corrections, dust."""

from __future__ import annotations

from decimal import Decimal, localcontext

import msgspec
import pytest

from engine.errors import InvalidValue
from engine.position import (
    CorrectionKind,
    Exposure,
    Position,
    PositionLife,
    avg_px,
    book,
    correct,
    exposure,
    is_contrary,
    is_dust,
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
SPOT = Instrument(
    symbol="BTC-USDT", venue="v", base="BTC", quote="USDT", lot_size=D("0.01"), min_notional=D(10)
)
LOTS = Instrument(
    symbol="BANKNIFTY", venue="v", kind=InstrumentKind.LINEAR, quote="INR", multiplier=D(15)
)
QUANTO = Instrument(
    symbol="ETHUSD", venue="v", kind=InstrumentKind.LINEAR, base="ETH", quote="USD", settle="XBT",
    multiplier=D("0.000001"),
)  # fmt: skip
COIN = Instrument(symbol="XBTUSD", venue="v", kind=InstrumentKind.INVERSE, base="XBT", quote="USD")
BUY, SELL = Side.BUY, Side.SELL


def empty(instrument: Instrument, slot: PositionSlot = PositionSlot.NET) -> Position:
    return new_position("v", "acc", instrument, slot)


def after(instrument: Instrument, *fills: tuple[Side, str, str]) -> Position:
    held = empty(instrument)
    for side, qty, px in fills:
        held = book(held, instrument, side, D(qty), D(px), None, "", 1)
    return held


def test_adding_averages_and_reducing_realises() -> None:
    """Average cost: adding moves the average, reducing realises against it and leaves it."""
    held = after(SPOT, (BUY, "1", "100"), (BUY, "3", "200"))
    assert (D(4), D(175)) == (held.qty, avg_px(held, SPOT))
    held = book(held, SPOT, SELL, D(1), D(195), None, "", 2)
    assert (D(3), D(175), D(20)) == (held.qty, avg_px(held, SPOT), realized_pnl(held))
    assert D(3 * 25) == unrealized_pnl(held, SPOT, D(200))
    assert D(95) == total_pnl(held, SPOT, D(200))


def test_a_flip_closes_the_old_side_and_opens_the_new_at_the_fills_price() -> None:
    """Realised P&L comes from the closed part only; the rest is new at the fill's price."""
    held = after(SPOT, (BUY, "2", "100"), (SELL, "5", "110"))
    assert (D(-3), D(110), D(20)) == (held.qty, avg_px(held, SPOT), realized_pnl(held))
    assert Exposure.SHORT is exposure(held, SPOT)


def test_a_multiplied_contract_counts_its_multiplier() -> None:
    """A lot of 15 moves P&L by 15 per point, and the average stays in points."""
    held = after(LOTS, (SELL, "2", "45000"), (BUY, "2", "44900"))
    assert (D(0), D(3000), None) == (held.qty, realized_pnl(held), avg_px(held, LOTS))
    assert D("44900.5") == avg_px(after(LOTS, (BUY, "1", "44900"), (BUY, "1", "44901")), LOTS)


def test_a_quanto_contract_pays_in_its_settle_currency() -> None:
    """A quanto's P&L is in the settle coin, by its multiplier."""
    held = after(QUANTO, (BUY, "10", "3000"), (SELL, "10", "3100"))
    assert ("XBT", D("0.001")) == (held.currency, realized_pnl(held))


def test_an_inverse_contract_averages_harmonically() -> None:
    """The average is sum qty / sum(qty / px), and a long gains coin as the price rises."""
    held = after(COIN, (BUY, "100", "10000"), (BUY, "100", "40000"))
    assert ("XBT", D(16000)) == (held.currency, avg_px(held, COIN))
    assert D("0.0125") - D("0.01") == unrealized_pnl(held, COIN, D(20000))
    held = book(held, COIN, SELL, D(300), D(20000), None, "", 2)
    assert (D(-100), D(20000)) == (held.qty, avg_px(held, COIN))
    assert D("0.0025") == realized_pnl(held)
    assert D("0.004") - D("0.005") == unrealized_pnl(held, COIN, D(25000))


def test_fees_stand_per_currency_in_first_seen_order() -> None:
    """Fees are never added across currencies, a rebate is negative, and P&L excludes them."""
    held = empty(SPOT)
    for fee, currency in (("0.5", "USDT"), ("0.01", "BNB"), ("-0.2", "USDT")):
        held = book(held, SPOT, BUY, D(1), D(100), D(fee), currency, 1)
    assert (("USDT", D("0.3")), ("BNB", D("0.01"))) == held.fees
    assert (D(3), D(0)) == (held.qty, realized_pnl(held))


def test_a_base_fee_of_a_cash_instrument_takes_quantity() -> None:
    """Buying 10 with 0.01 fee in the coin holds 9.99 at the cost of 10; P&L has the fee inside."""
    held = book(empty(SPOT), SPOT, BUY, D(10), D(100), D("0.01"), "BTC", 1)
    assert (D("9.99"), (("BTC", D("0.01")),)) == (held.qty, held.fees)
    assert D(1000) == held.basis
    assert D(-1) == total_pnl(held, SPOT, D(100))
    sold = book(held, SPOT, SELL, D("9.99"), D(100), None, "", 2)
    assert (D(0), D(-1)) == (sold.qty, realized_pnl(sold))


def test_a_contracts_fee_never_changes_quantity() -> None:
    """A fee in an inverse contract's base coin is a fee and nothing else."""
    held = book(empty(COIN), COIN, BUY, D(100), D(10000), D("0.001"), "XBT", 1)
    assert (D(100), (("XBT", D("0.001")),)) == (held.qty, held.fees)


def test_a_fee_told_late_ends_like_a_fee_told_in_time() -> None:
    """A base fee that arrives after its buy gives the same quantity, cost and fees."""
    in_time = book(empty(SPOT), SPOT, BUY, D(10), D(100), D("0.01"), "BTC", 1)
    late = late_fee(after(SPOT, (BUY, "10", "100")), SPOT, D("0.01"), "BTC", 1)
    assert (in_time.qty, in_time.basis, in_time.cash, in_time.fees) == (
        late.qty, late.basis, late.cash, late.fees,
    )  # fmt: skip


def test_a_late_base_fee_on_a_flat_slot_is_booked() -> None:
    """A fee told after the close leaves the small short that the venue has, at no cost."""
    held = after(SPOT, (BUY, "10", "100"), (SELL, "10", "110"))
    held = late_fee(held, SPOT, D("0.001"), "BTC", 3)
    assert (D("-0.001"), D(100)) == (held.qty, realized_pnl(held))
    assert Exposure.FLAT is exposure(held, SPOT)
    assert D("99.9") == total_pnl(held, SPOT, D(100))


def test_a_late_fee_in_money_takes_no_quantity() -> None:
    """Only a fee in the coin itself does, and only where coins are what is held."""
    bought = after(SPOT, (BUY, "10", "100"))
    for currency in ("USDT", "BNB", ""):
        held = late_fee(bought, SPOT, D("0.5"), currency, 2)
        assert (D(10), bought.basis, ((currency, D("0.5")),)) == (held.qty, held.basis, held.fees)
    held = late_fee(after(COIN, (BUY, "100", "10000")), COIN, D("0.001"), "XBT", 2)
    assert (D(100), (("XBT", D("0.001")),)) == (held.qty, held.fees)


def test_a_fee_larger_than_the_execution_is_booked() -> None:
    """An absurd base fee keeps the identity: nothing is refused, nothing is lost."""
    held = book(empty(SPOT), SPOT, BUY, D(1), D(100), D(3), "BTC", 1)
    assert (D(-2), D(-100), D(-300)) == (
        held.qty,
        realized_pnl(held),
        total_pnl(held, SPOT, D(100)),
    )
    undone = void(held, SPOT, BUY, D(1), D(100), D(3), "BTC", 2)
    assert (D(0), D(0), ()) == (undone.qty, total_pnl(undone, SPOT, D(100)), undone.fees)


def test_a_busted_opening_leaves_at_its_own_price() -> None:
    """After the bust the slot is as if the execution never was: quantity, average, P&L, fees."""
    held = after(SPOT, (BUY, "10", "100"))
    held = book(held, SPOT, BUY, D(10), D(200), D(1), "USDT", 2)
    held = void(held, SPOT, BUY, D(10), D(200), D(1), "USDT", 3)
    assert (D(10), D(100), D(0), ()) == (
        held.qty,
        avg_px(held, SPOT),
        realized_pnl(held),
        held.fees,
    )


@pytest.mark.parametrize("closed", ["3", "10", "15"])
def test_a_busted_close_restores_average_and_realised(closed: str) -> None:
    """Taking back a partial close, a full close or a flip restores what was held at its cost."""
    before = after(SPOT, (BUY, "7", "100"), (BUY, "3", "101"))
    held = book(before, SPOT, SELL, D(closed), D(120), None, "", 2)
    held = void(held, SPOT, SELL, D(closed), D(120), None, "", 3)
    assert (before.qty, before.basis, before.cash) == (held.qty, held.basis, held.cash)


def test_a_bust_after_a_close_keeps_the_total_exact() -> None:
    """When average cost has no exact answer the split may be an estimate; the total is not."""
    held = after(SPOT, (BUY, "10", "100"), (BUY, "10", "200"), (SELL, "5", "250"))
    held = void(held, SPOT, BUY, D(10), D(200), None, "", 4)
    never = after(SPOT, (BUY, "10", "100"), (SELL, "5", "250"))
    assert never.qty == held.qty
    assert total_pnl(never, SPOT, D(170)) == total_pnl(held, SPOT, D(170))
    average = avg_px(held, SPOT)
    assert average is not None
    assert average > 0


def test_busts_of_a_close_made_in_parts_restore_its_cost() -> None:
    """From flat, taking back one of two closing fills returns its quantity at the average."""
    held = after(SPOT, (BUY, "10", "100"), (SELL, "4", "110"), (SELL, "6", "120"))
    held = void(held, SPOT, SELL, D(4), D(110), None, "", 4)
    assert (D(4), D(100), D(120)) == (held.qty, avg_px(held, SPOT), realized_pnl(held))


def test_a_bust_of_an_opening_does_not_hide_an_earlier_close() -> None:
    """Busting a later opening, then an earlier close, restores the cost that was closed."""
    held = after(SPOT, (BUY, "10", "100"), (SELL, "10", "110"), (BUY, "5", "200"))
    held = void(held, SPOT, BUY, D(5), D(200), None, "", 4)
    held = void(held, SPOT, SELL, D(10), D(110), None, "", 5)
    assert (D(10), D(100), D(0)) == (held.qty, avg_px(held, SPOT), realized_pnl(held))


def test_a_liquidation_moves_quantity_at_its_price() -> None:
    """Liquidation, ADL, settlement, expiry and assignment realise at the price they happened at."""
    held = book(after(LOTS, (BUY, "1", "100")), LOTS, BUY, D(1), D(100), D("0.5"), "USD", 2)
    for kind in (
        CorrectionKind.LIQUIDATION, CorrectionKind.ADL, CorrectionKind.SETTLEMENT,
        CorrectionKind.EXPIRY, CorrectionKind.ASSIGNMENT, CorrectionKind.OPERATOR,
    ):  # fmt: skip
        gone = correct(held, LOTS, kind, 5, qty=D(-2), px=D(0))
        assert (D(0), D(-3000), held.fees) == (gone.qty, realized_pnl(gone), gone.fees)


def test_a_correction_without_price_changes_no_realised_pnl() -> None:
    """What leaves at an unknown price leaves at cost; what arrives is unpriced."""
    held = after(SPOT, (BUY, "4", "100"))
    gone = correct(held, SPOT, CorrectionKind.OPERATOR, 2, qty=D(-1))
    assert (D(3), D(0), D(100)) == (gone.qty, realized_pnl(gone), avg_px(gone, SPOT))
    assert gone.unpriced is None
    more = correct(held, SPOT, CorrectionKind.OPERATOR, 2, qty=D(1))
    assert (D(5), D(1), D(0)) == (more.qty, unpriced_qty(more), realized_pnl(more))
    other = correct(held, SPOT, CorrectionKind.OPERATOR, 2, qty=D(-6))
    assert (D(-2), D(-2), D(0)) == (other.qty, unpriced_qty(other), realized_pnl(other))


def test_a_split_rescales_and_leaves_cost() -> None:
    """A 3-for-1 split triples the quantity, divides the average, and moves no P&L."""
    held = after(SPOT, (BUY, "4", "90"), (SELL, "1", "120"))
    split = correct(held, SPOT, CorrectionKind.SPLIT, 2, ratio=D(3))
    assert (D(9), D(30), D(30)) == (split.qty, avg_px(split, SPOT), realized_pnl(split))


def test_a_split_rescales_what_is_unpriced_alike() -> None:
    """Else a bust after it would return old units to new ones."""
    held = set_baseline(empty(SPOT), SPOT, D(4), None, 1)
    held = book(
        book(held, SPOT, BUY, D(2), D(100), None, "", 2), SPOT, SELL, D(5), D(110), None, "", 3
    )
    split = correct(held, SPOT, CorrectionKind.SPLIT, 4, ratio=D(3))
    before, now = held.unpriced, split.unpriced
    assert before is not None
    assert now is not None
    assert (D(4), D(1)) == (before.closed, before.later)
    assert (D(12), D(3), before.cash) == (now.closed, now.later, now.cash)
    assert D(3) == split.qty


def test_a_liquidation_to_dust_leaves_the_slot_flat() -> None:
    """What is left is worth less than any order may be, at the price it happened at."""
    held = after(SPOT, (BUY, "1", "1000"))
    for px, life in (("100", PositionLife.FLAT), ("1000", PositionLife.OPEN)):
        gone = correct(held, SPOT, CorrectionKind.LIQUIDATION, 5, qty=D("-0.95"), px=D(px))
        assert (D("0.05"), life) == (gone.qty, gone.life)


def test_funding_is_cash_per_currency() -> None:
    """Funding stands beside P&L, per currency."""
    held = correct(empty(COIN), COIN, CorrectionKind.FUNDING, 2, amount=D("-0.1"), currency="XBT")
    held = correct(held, COIN, CorrectionKind.FUNDING, 3, amount=D("0.3"), currency="XBT")
    assert ((("XBT", D("0.2")),), D(0)) == (held.funding, realized_pnl(held))


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        (CorrectionKind.FUNDING, {}),
        (CorrectionKind.FUNDING, {"amount": D("NaN"), "currency": "X"}),
        (CorrectionKind.SPLIT, {"ratio": D(0)}),
        (CorrectionKind.OPERATOR, {}),
        (CorrectionKind.OPERATOR, {"qty": D("Infinity")}),
        (CorrectionKind.EXPIRY, {"qty": D(1), "px": D("NaN")}),
    ],
)
def test_a_correction_that_fits_no_kind_is_refused(
    kind: CorrectionKind, terms: dict[str, Decimal | str]
) -> None:
    """Terms that do not fit the kind are a typed error with the value."""
    with pytest.raises(InvalidValue):
        correct(empty(SPOT), SPOT, kind, 1, **terms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("qty", "px", "fee"),
    [
        ("0", "1", None), ("-1", "1", None), ("NaN", "1", None), ("sNaN", "1", None),
        ("Infinity", "1", None), ("1", "NaN", None), ("1", "-Infinity", None),
        ("1", "1", "NaN"), ("1", "1", "Infinity"), ("1E+6000", "1E+6000", None),
        ("1E+300", "1", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("instrument", [SPOT, COIN])
def test_an_impossible_fill_is_refused(
    qty: str, px: str, fee: str | None, instrument: Instrument
) -> None:
    """Numbers that cannot be booked exactly are a typed error, for a fill and for its bust."""
    held = after(instrument, (BUY, "1.01", "100"))
    money = None if fee is None else D(fee)
    if (qty, instrument) == ("1E+6000", COIN):
        qty = "1E+6144"
    for step in (book, void):
        with pytest.raises(InvalidValue):
            step(held, instrument, BUY, D(qty), D(px), money, "USDT", 2)


def test_an_inverse_contract_needs_a_price() -> None:
    """Price zero has no inverse value: refused as a typed error."""
    with pytest.raises(InvalidValue, match="XBTUSD"):
        book(empty(COIN), COIN, BUY, D(1), D(0), None, "", 1)


def test_the_hosts_decimal_context_changes_nothing() -> None:
    """With an ambient precision of 3 the books are the same."""
    fills = ((BUY, "1.23456789", "12345.6789"), (SELL, "0.3", "12345.7"), (BUY, "1", "9"))
    both = (SPOT, COIN)
    plain = [after(instrument, *fills) for instrument in both]
    with localcontext() as context:
        context.prec = 3
        assert plain == [after(instrument, *fills) for instrument in both]
        seen = [
            (avg_px(p, i), total_pnl(p, i, D("9.87654321")))
            for p, i in zip(plain, both, strict=True)
        ]
    assert seen == [
        (avg_px(p, i), total_pnl(p, i, D("9.87654321"))) for p, i in zip(plain, both, strict=True)
    ]


def test_dust_is_booked_and_joins_the_next_position() -> None:
    """A remainder that no order could sell reads as FLAT, stays booked, and joins what comes."""
    held = book(empty(SPOT), SPOT, BUY, D(1), D(100), D("0.001"), "BTC", 1)
    held = book(held, SPOT, SELL, D("0.99"), D(110), None, "", 2)
    assert (D("0.009"), Exposure.FLAT) == (held.qty, exposure(held, SPOT))
    held = book(held, SPOT, BUY, D(1), D(100), None, "", 3)
    assert (D("1.009"), Exposure.LONG) == (held.qty, exposure(held, SPOT))


def test_dust_is_what_no_order_could_sell() -> None:
    """Below lot, below the minimum quantity, or below the minimum notional in quote."""
    small = msgspec.structs.replace(SPOT, min_qty=D("0.05"))
    assert (True, False) == (is_dust(D("-0.009"), SPOT), is_dust(D(0), SPOT))
    assert (True, False) == (is_dust(D("0.04"), small), is_dust(D("0.05"), small))
    assert (True, False) == (is_dust(D("0.09"), SPOT, D(100)), is_dust(D("0.1"), SPOT, D(100)))
    coin = msgspec.structs.replace(COIN, min_notional=D(5))
    assert (True, False) == (is_dust(D(-4), coin), is_dust(D(5), coin))
    assert not is_dust(D(1), msgspec.structs.replace(QUANTO, min_notional=D(5)), D(1))


def test_a_hedge_slot_on_the_wrong_side_is_booked_and_visible() -> None:
    """A fill is never lost because its slot looks wrong."""
    held = book(empty(SPOT, PositionSlot.LONG), SPOT, SELL, D(1), D(1), None, "", 1)
    assert (D(-1), True) == (held.qty, is_contrary(held))
    short = book(empty(SPOT, PositionSlot.SHORT), SPOT, SELL, D(1), D(1), None, "", 1)
    assert not is_contrary(short)
    assert is_contrary(book(empty(SPOT, PositionSlot.SHORT), SPOT, BUY, D(1), D(1), None, "", 1))
    for slot in (PositionSlot.LONG, PositionSlot.NET):
        assert not is_contrary(book(empty(SPOT, slot), SPOT, BUY, D(1), D(1), None, "", 1))
