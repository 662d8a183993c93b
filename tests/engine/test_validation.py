"""An impossible order is refused before anything happens, with one reason and the value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.errors import InvalidOrder
from engine.messages import AmendOrder, SubmitOrder
from engine.policies.validation import (
    ID_LENGTH_MAX,
    TAG_VALUE_LENGTH_MAX,
    TAGS_MAX,
    Reason,
    check_amend,
    check_order,
    check_text,
)
from engine.values import Instrument, InstrumentKind, OrderType, PositionSlot, Side, TimeInForce
from tests.order_kit import D, terms

SPOT = Instrument(
    symbol="X", venue="V", base="BTC", quote="USD", tick_size=D("0.05"), lot_size=D("0.1"),
    min_qty=D("0.2"), max_qty=D(1000), min_notional=D(10),
)  # fmt: skip
ALL = Capabilities(
    order_types=tuple(OrderType), times_in_force=tuple(TimeInForce), post_only=True,
    reduce_only=ReduceOnlyRule.REFUSE, amend=True, cash_qty=True, hedge_mode=True,
)  # fmt: skip
NONE = Capabilities(order_types=(), times_in_force=())
LIMIT, MARKET, STOP = OrderType.LIMIT, OrderType.MARKET, OrderType.STOP


def reason(
    order: SubmitOrder, instrument: Instrument = SPOT, can: Capabilities = ALL
) -> tuple[str, str]:
    """Why an order is refused: the constant and the sentence."""
    with pytest.raises(InvalidOrder) as caught:
        check_order(order, instrument, can)
    assert caught.value.reason in Reason.__members__
    return caught.value.reason, str(caught.value)


GOOD = [
    terms(),
    terms(kind=MARKET, price=None),
    terms(None, kind=MARKET, price=None, cash="10"),
    terms(kind=STOP, price=None, stop_px="90"),
    terms(kind=OrderType.STOP_LIMIT, stop_px="90"),
    terms(kind=OrderType.TRAILING_STOP, price=None, trail="5"),
    terms(kind=OrderType.TRAILING_STOP, price=None, trail="5", stop_px="90"),
    replace(terms(), time_in_force=TimeInForce.GTD, expire_ts=99),
    replace(terms(), post_only=True),
    replace(terms("0.2", price="0.05"), reduce_only=True),  # an exit is never too small
    replace(terms(), slot=PositionSlot.LONG),
    replace(terms(), tags=(("strategy", ""),)),
]


@pytest.mark.parametrize("order", GOOD, ids=range(len(GOOD)))
def test_a_sound_order_passes(order: SubmitOrder) -> None:
    """Every kind of order there is."""
    check_order(order, SPOT, ALL)


def but(**changes: Any) -> SubmitOrder:
    """The sound order of 10 at 100, but."""
    return replace(terms(), **changes)


TRAIL = but(order_type=OrderType.TRAILING_STOP, price=None)
FAULTS: list[tuple[SubmitOrder, str, str]] = [
    (but(order_qty=D(0)), "BAD_QTY", "was 0"),
    (but(order_qty=D(-1)), "BAD_QTY", "was -1"),
    (but(order_qty=D("NaN")), "BAD_QTY", "NaN"),
    (but(order_qty=D("sNaN")), "BAD_QTY", "sNaN"),
    (but(order_qty=D("Infinity")), "BAD_QTY", "Infinity"),
    (but(order_qty=D("1E+60")), "BAD_QTY", "1E+60"),
    (but(order_qty=1.5), "BAD_QTY", "float"),
    (but(order_qty=7), "BAD_QTY", "was 7"),
    (but(order_qty="1"), "BAD_QTY", "'1'"),
    (but(order_qty=None), "BAD_QTY", "exactly one"),
    (but(cash_qty=D(5)), "BAD_QTY", "exactly one"),
    (but(order_qty=None, cash_qty=D(50)), "BAD_TERMS", "MARKET"),
    (but(order_qty=None, cash_qty=5.0, order_type=MARKET, price=None), "BAD_QTY", "float"),
    (but(order_qty=None, cash_qty=D(9), order_type=MARKET, price=None), "MIN_NOTIONAL", "10"),
    (but(price=D("NaN")), "BAD_PRICE", "NaN"),
    (but(price=D(0)), "BAD_PRICE", "was 0"),
    (but(price=D("1E+40")), "BAD_PRICE", "too large"),
    (but(price=100.0), "BAD_PRICE", "float"),
    (but(price=None), "BAD_TERMS", "needs price"),
    (but(stop_px=D(90)), "BAD_TERMS", "takes no stop_px"),
    (but(order_type=MARKET), "BAD_TERMS", "takes no price"),
    (but(order_type=STOP, price=None), "BAD_TERMS", "needs stop_px"),
    (but(order_type=STOP, price=None, stop_px=D("90.01")), "OFF_TICK", "90.00 and 90.05"),
    (but(order_type=OrderType.TRAILING_STOP, price=None), "BAD_TERMS", "trail_offset"),
    (replace(TRAIL, trail_offset=D(-1)), "BAD_PRICE", "-1"),
    (replace(TRAIL, trail_offset=D("0.01")), "OFF_TICK", "0.01"),
    (but(time_in_force=TimeInForce.GTD), "BAD_TERMS", "expire_ts"),
    (but(expire_ts=99), "BAD_TERMS", "expire_ts"),
    (but(time_in_force=TimeInForce.GTD, expire_ts=1), "BAD_TERMS", "not after"),
    (but(post_only=True, time_in_force=TimeInForce.IOC), "BAD_TERMS", "post_only"),
    (but(post_only=True, order_type=MARKET, price=None), "BAD_TERMS", "post_only"),
    (but(side="BUY"), "BAD_TERMS", "side must be a Side"),
    (but(slot="LONG"), "BAD_TERMS", "slot must be a PositionSlot"),
    (but(order_type="LIMIT"), "BAD_TERMS", "order_type must be"),
    (but(time_in_force="GTC"), "BAD_TERMS", "time_in_force must be"),
    (but(time_in_force=TimeInForce.GTD, expire_ts="soon"), "BAD_TERMS", "expire_ts must be"),
    (but(order_qty=D("0.25")), "OFF_LOT", "0.25"),
    (but(price=D("100.01")), "OFF_TICK", "100.00 and 100.05"),
    (but(order_qty=D("0.1")), "QTY_RANGE", "from 0.2 to 1000"),
    (but(order_qty=D(1001)), "QTY_RANGE", "1001"),
    (but(order_qty=D("0.2"), price=D("49.95")), "MIN_NOTIONAL", "9.990"),
    (but(tags=tuple((str(n), "") for n in range(TAGS_MAX + 1))), "BAD_TAGS", "at most"),
    (but(tags=(("", "x"),)), "BAD_TAGS", "key"),
    (but(tags=(("k", "v" * (TAG_VALUE_LENGTH_MAX + 1)),)), "BAD_TAGS", "at most"),
    (but(tags=(("k", "\ud800"),)), "BAD_TEXT", "surrogate"),
    (but(tags=(("k", 5),)), "BAD_TAGS", "pairs of text"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "constant", "word"), FAULTS, ids=range(len(FAULTS)))
def test_an_impossible_order_is_refused_by_name(
    order: SubmitOrder, constant: str, word: str
) -> None:
    """One closed reason for programs, one sentence with the value for people.

    Never an untyped error.
    """
    got, sentence = reason(order)
    assert constant == got
    assert word in sentence


@pytest.mark.parametrize(
    ("order", "word"),
    [
        (terms(), "LIMIT"),
        (replace(terms(), post_only=True), "post_only"),
        (replace(terms(), reduce_only=True), "reduce_only"),
        (replace(terms(), slot=PositionSlot.SHORT), "hedge"),
        (terms(None, kind=MARKET, price=None, cash="50"), "cash-sized"),
    ],
)
def test_what_a_venue_cannot_do_is_unsupported(order: SubmitOrder, word: str) -> None:
    """Chosen by capability, never by a venue's name."""
    can = NONE if word == "LIMIT" else replace(Capabilities(), order_types=tuple(OrderType))
    got, sentence = reason(order, SPOT, can)
    assert "UNSUPPORTED" == got
    assert word in sentence
    assert "V" in sentence


def test_a_time_in_force_the_venue_lacks_is_unsupported() -> None:
    """The second half of the same rule."""
    got, sentence = reason(replace(terms(), time_in_force=TimeInForce.FOK), SPOT, Capabilities())
    assert ("UNSUPPORTED", True) == (got, "FOK" in sentence)


def test_an_order_with_several_faults_always_gets_the_same_answer() -> None:
    """The order of Reason is the order of precedence."""
    everything = but(
        tags=(("", ""),), order_qty=D(-1), price=D(-1), expire_ts=5, post_only=True, slot="?"
    )
    assert "BAD_TAGS" == reason(everything)[0]
    assert "BAD_QTY" == reason(replace(everything, tags=()))[0]
    assert "BAD_PRICE" == reason(replace(everything, tags=(), order_qty=D("0.05")))[0]


def test_the_minimum_of_an_inverse_contract_is_counted_in_contracts() -> None:
    """Its multiplier is quote per contract: the price does not enter, also of a market order."""
    inverse = replace(SPOT, kind=InstrumentKind.INVERSE, multiplier=D(1), min_qty=None)
    assert "MIN_NOTIONAL" == reason(terms("9"), inverse)[0]
    assert "MIN_NOTIONAL" == reason(terms("9", kind=MARKET, price=None), inverse)[0]
    check_order(terms("10", price="0.05"), inverse, ALL)


def test_a_spread_may_have_a_negative_price_and_its_size_counts() -> None:
    """Only where the instrument says so."""
    spread = replace(SPOT, allows_negative_price=True)
    check_order(terms(price="-5"), spread, ALL)
    assert "MIN_NOTIONAL" == reason(terms("1", price="-5"), spread)[0]
    assert "BAD_PRICE" == reason(terms(price="-5"))[0]


@pytest.mark.parametrize(
    ("amend", "constant"),
    [
        (AmendOrder("C1", "a", 1), "BAD_TERMS"),
        (AmendOrder("C1", "a", 1, D(0)), "BAD_QTY"),
        (AmendOrder("C1", "a", 1, D("0.25")), "OFF_LOT"),
        (AmendOrder("C1", "a", 1, D(2000)), "QTY_RANGE"),
        (AmendOrder("C1", "a", 1, D("1E+60")), "BAD_QTY"),
        (AmendOrder("C1", "a", 1, None, D("0.01")), "OFF_TICK"),
        (AmendOrder("C1", "a", 1, None, None, D(-1)), "BAD_PRICE"),
    ],
)
def test_an_impossible_amend_is_refused_by_name(amend: AmendOrder, constant: str) -> None:
    """The same rules as for a new order, for the terms it names."""
    with pytest.raises(InvalidOrder) as caught:
        check_amend(amend, SPOT, ALL)
    assert constant == caught.value.reason
    check_amend(AmendOrder("C1", "a", 1, D(5), D("99.95")), SPOT, ALL)


def test_an_amend_needs_a_venue_that_can() -> None:
    """The sentence says what to do instead."""
    with pytest.raises(InvalidOrder, match="cancel and submit anew"):
        check_amend(AmendOrder("C1", "a", 1, D(5)), SPOT, NONE)


@pytest.mark.parametrize("text", ["", "x" * (ID_LENGTH_MAX + 1), "x" * 1_000_000])
def test_an_id_has_a_length(text: str) -> None:
    """A megabyte is shown shortened."""
    with pytest.raises(InvalidOrder) as caught:
        check_text(text, "intent_id", ID_LENGTH_MAX)
    assert "BAD_ID" == caught.value.reason
    assert len(str(caught.value)) < 200


def test_text_that_no_encoding_can_write_is_refused_and_all_other_text_is_fine() -> None:
    """Quotes, NUL, newlines and bidi characters can be written down, so they pass."""
    with pytest.raises(InvalidOrder, match="surrogate"):
        check_text("a\ud800", "intent_id", 10)
    check_text("'\"\0\n\u202e\x1b", "intent_id", 10)


@given(
    st.decimals() | st.floats() | st.integers() | st.text(max_size=5) | st.none(),
    st.decimals() | st.floats() | st.none(),
    st.sampled_from([*OrderType, "LIMIT", None]),
    st.sampled_from([*Side, "BUY", None]),
    st.sampled_from([*TimeInForce, "GTC", 0]),
)
def test_whatever_the_terms_the_answer_is_typed(
    qty: Any, price: Any, kind: Any, side: Any, tif: Any
) -> None:
    """Either an order that keeps every rule, or an InvalidOrder; never another error."""
    order = but(order_qty=qty, price=price, order_type=kind, side=side, time_in_force=tif)
    try:
        check_order(order, SPOT, ALL)
    except InvalidOrder:
        return
    assert isinstance(order.order_qty, Decimal)
    assert D("0.2") <= order.order_qty <= D(1000)
    assert order.order_qty % D("0.1") == 0
    assert isinstance(order.side, Side)
