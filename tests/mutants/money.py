"""Positions: quantity, cost, fees and corrections."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["MONEY"]

MONEY: Final = (
    Mutant(
        "position-sign",
        "A sell adds to the position: the loss of every close grows with it.",
        "engine/position.py",
        "        delta = qty if side is _BUY else qty.copy_negate()",
        "        delta = qty",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "fee-coin-kept",
        "A fee taken in the coin stays in the books: the exit sells more than we"
        " have, and is refused.",
        "engine/position.py",
        "                delta = _subtract(delta, fee)",
        "                pass",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "bust-bought-again",
        "A busted trade is booked a second time instead of being taken back.",
        "engine/booking.py",
        "        return void(\n",
        "        return book(\n",
        ("simulate hell 0:200",),
    ),
    Mutant(
        "bust-keeps-the-fee",
        "A busted trade leaves its fee behind in the books.",
        "engine/position.py",
        "            fees = _without_zeros(add_amount(fees, fee_currency, fee.copy_negate()))",
        "            pass",
        (
            "tests/properties/test_position_properties.py::test_a_bust_right_after_its_fill_restores_everything",
            "tests/properties/test_position_properties.py::test_busts_of_any_fills_leave_the_books_of_the_rest",
        ),
    ),
    Mutant(
        "fees-across-currencies",
        "Fees in different coins are added up as if they were one.",
        "engine/pnl.py",
        "    if len(amounts) == 1 and amounts[0][0] == currency:",
        "    if len(amounts) == 1:",
        ("tests/engine/test_position.py::test_fees_stand_per_currency_in_first_seen_order",),
    ),
    Mutant(
        "profit-never-taken",
        "A reduction takes the trade's own price off the cost: profits never show,"
        " and the average drifts.",
        "engine/pnl.py",
        "    if not held or held.is_signed() == delta.is_signed():\n"
        "        return _subtract(basis, flow)",
        "    if True:\n        return _subtract(basis, flow)",
        ("tests/properties/test_position_properties.py::test_the_books_agree_with_the_twin",),
    ),
    Mutant(
        "inverse-as-linear",
        "An inverse contract is valued as a linear one: profit has the wrong size"
        " and the wrong sign.",
        "engine/pnl.py",
        "    if instrument.kind is _INVERSE:\n        if not px",
        "    if False:\n        if not px",
        ("tests/properties/test_position_properties.py::test_the_books_agree_with_the_twin",),
    ),
    Mutant(
        "multiplier-ignored",
        "A contract for a thousand barrels counts as one barrel.",
        "engine/pnl.py",
        "    money = _multiply(_multiply(qty, instrument.multiplier), px)",
        "    money = _multiply(qty, px)",
        (
            "tests/properties/test_position_properties.py::test_the_books_agree_with_the_twin",
            "tests/engine/test_position.py::test_a_multiplied_contract_counts_its_multiplier",
        ),
    ),
    Mutant(
        "money-rounded",
        "Amounts are rounded in every product: cash drifts away from the venue's.",
        "engine/pnl.py",
        "_multiply: Final = EXACT.multiply",
        "_multiply: Final = Context(prec=6).multiply",
        ("tests/properties/test_position_properties.py::test_the_books_agree_with_the_twin",),
    ),
    Mutant(
        "gift-loses-its-cost",
        "A fee in the coin wipes out what the position cost: all of it shows as profit.",
        "engine/pnl.py",
        "    return basis if held and new and held.is_signed() == new.is_signed() else ZERO",
        "    return ZERO",
        ("tests/engine/test_position.py::test_a_fee_told_late_ends_like_a_fee_told_in_time",),
    ),
    Mutant(
        "unpriced-closes-last",
        "What we held before us closes last: P&L is made up for quantity whose cost nobody told.",
        "engine/pnl.py",
        "    if unpriced.qty and unpriced.qty.is_signed() != delta.is_signed():\n"
        "        unpriced, delta, flow = _move(",
        "    if False:\n        unpriced, delta, flow = _move(",
        (
            "tests/properties/test_position_properties.py::test_an_unpriced_baseline_loses_no_quantity_and_no_cash",
            "tests/properties/test_position_properties.py::test_the_books_agree_with_the_twin",
            "tests/engine/test_position_baseline.py",
        ),
    ),
    Mutant(
        "bust-forgets-prior",
        "A busted close returns quantity at another average than it was held at.",
        "engine/pnl.py",
        "        elif new == prior[0]:",
        "        elif False:",
        (
            "tests/properties/test_position_properties.py::test_a_bust_right_after_its_fill_restores_everything",
            "tests/properties/test_position_properties.py::test_a_bust_right_after_its_fill_restores_both_parts",
            "tests/engine/test_position.py::test_a_busted_close_restores_average_and_realised",
        ),
    ),
    Mutant(
        "dust-is-a-position",
        "A remainder that no order can sell is chased with exits that are refused for ever.",
        "engine/pnl.py",
        "    if size < instrument.lot_size:",
        "    if False:",
        ("tests/engine/test_position.py::test_dust_is_what_no_order_could_sell",),
    ),
    Mutant(
        "late-fee-lost",
        "A fee that is told after its fill is never paid in our books.",
        "engine/booking.py",
        "    if kind is BookingKind.FEE and fill.fee is not None:",
        "    if False:",
        (
            "tests/engine/test_fold.py::test_a_correction_said_again_may_say_the_fee_that_was_taken_over",
        ),
    ),
    Mutant(
        "combo-total-booked-too",
        "A combo's own execution is booked next to those of its legs.",
        "actors/order.py",
        "                if fill.feeds is not _ORDER and booking.kind is not"
        " _SPLIT and fill.last_qty:",
        "                if booking.kind is not _SPLIT and fill.last_qty:",
        ("tests/actors/test_legs.py::test_each_leg_is_booked_on_its_own_instrument_and_side",),
    ),
    Mutant(
        "side-of-the-order",
        "The sold leg of a bought combo is booked as bought.",
        "engine/booking.py",
        "    side = fill.side if fill.side is not None else terms.side",
        "    side = terms.side",
        ("tests/actors/test_legs.py::test_each_leg_is_booked_on_its_own_instrument_and_side",),
    ),
    Mutant(
        "baseline-lost",
        "What a slot held before us is not there: the first exit turns into a short.",
        "engine/position_corrections.py",
        "    return msgspec.structs.replace(stated, baseline_qty=qty)",
        "    return msgspec.structs.replace(position, baseline_qty=qty)",
        (
            "tests/engine/test_position_baseline.py::test_a_priced_baseline_starts_realised_at_zero",
            "tests/properties/test_position_properties.py::test_an_unpriced_baseline_loses_no_quantity_and_no_cash",
        ),
    ),
    Mutant(
        "split-moves-cost",
        "A stock split multiplies what the position cost, and shows a loss that is none.",
        "engine/position_corrections.py",
        "position, instrument, qty, position.cash, position.basis, None,",
        "position, instrument, qty, position.cash, EXACT.multiply(position.basis, ratio), None,",
        ("tests/engine/test_position.py::test_a_split_rescales_and_leaves_cost",),
    ),
    Mutant(
        "funding-negated",
        "Funding paid is booked as funding received.",
        "engine/position_corrections.py",
        "            funding = add_amount(position.funding, currency, amount)",
        "            funding = add_amount(position.funding, currency, -amount)",
        ("tests/engine/test_position.py::test_funding_is_cash_per_currency",),
    ),
)
