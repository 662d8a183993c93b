"""The ledger of one order: small at rest, and still every execution as it came.

It is judged against a dumb twin, a dict of messages, which is what it means.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.fold import Tombstone, revive, tombstone
from engine.journal import encode
from engine.ledger import Booking, BookingKind, Ledger, ledger_key
from engine.messages import Feeds, Filled
from engine.values import Liquidity, Side, Source
from tests.order_kit import CID, D, at_venue, terms

TERMS: Final = terms()
PLAIN: Final = Filled(CID, 10**18, "E1", D("0.010"), D("60000.5"), D("0.6000"), "USDT")

_IDS: Final = ("E1", "E2", "E3", "é", "")
_NUMBERS: Final = tuple(D(text) for text in ("1", "0.010", "-0", "0E-8", "1E+3", "60000.50"))


def fills() -> st.SearchStrategy[Filled]:
    """Executions with every field in play, most of them alike, as those of one order are."""
    number = st.sampled_from(_NUMBERS)
    return st.builds(
        Filled,
        client_order_id=st.sampled_from((CID, CID, "C1-2", "")),
        ts=st.sampled_from((0, 123, 10**18, 2**63 - 1, -1)),
        exec_id=st.sampled_from(_IDS),
        last_qty=number,
        last_px=number,
        fee=st.none() | number,
        fee_currency=st.sampled_from(("", "USDT", "USDT")),
        liquidity=st.none() | st.sampled_from(Liquidity),
        venue_order_id=st.sampled_from((None, "V1", "V1")),
        cum_qty=st.none() | number,
        revises=st.sampled_from((None, None, None, "E1")),
        inferred=st.sampled_from((False, False, False, True)),
        feeds=st.sampled_from((Feeds.BOTH, Feeds.BOTH, *Feeds)),
        instrument=st.sampled_from(("", "", TERMS.instrument, "LEG")),
        side=st.none() | st.sampled_from(Side),
        source=st.sampled_from(Source),
    )


def bookings() -> st.SearchStrategy[Booking]:
    """Anything that a step may ask of a ledger."""
    kind = st.sampled_from((BookingKind.BOOK, *BookingKind))
    return st.builds(lambda k, fill: Booking(k, fill, ledger_key(TERMS, fill)), kind, fills())


class Twin:
    """What a ledger means: a dict of messages, in booking order; None is void."""

    def __init__(self) -> None:
        self.fills: dict[str, Filled | None] = {}

    def apply(self, steps: tuple[Booking, ...]) -> None:
        """Take over the bookings of a step."""
        for one in steps:
            self.fills[one.exec_id] = None if one.kind is BookingKind.VOID else one.fill

    def assert_is(self, ledger: Ledger) -> None:
        """Every question to the ledger has the twin's answer."""
        live = [fill for fill in self.fills.values() if fill is not None]
        voids = tuple(key for key, fill in self.fills.items() if fill is None)
        assert live == list(ledger.live())
        assert [encode(fill) for fill in live] == ledger.written()
        assert (len(live), tuple(self.fills), voids) == (
            len(ledger), ledger.exec_ids(), ledger.void_ids(),
        )  # fmt: skip
        for fill in live:
            assert isinstance(fill.last_qty, Decimal)
        assert [fill for fill in live if fill.inferred] == list(ledger.inferred())
        for exec_id in _IDS:
            same = [fill for fill in live if fill.exec_id == exec_id]
            assert same == list(ledger.named(exec_id))
        for key in (*self.fills, "never", "never|LEG|BUY"):
            known = self.fills.get(key)
            assert (key in self.fills, known) == (key in ledger, ledger.get(key))
            assert (key in self.fills and known is None) == ledger.is_void(key)


#: A step, whether the journal's bytes come with it, whether it is packed, and whether taken back.
Steps = st.lists(
    st.tuples(
        st.lists(bookings(), min_size=1, max_size=3).map(tuple),
        st.booleans(),
        st.booleans(),
        st.sampled_from((False, False, True)),
    ),
    max_size=12,
)


@given(Steps)
def test_a_ledger_is_a_dict_of_messages_whatever_its_form(
    steps: list[tuple[tuple[Booking, ...], bool, bool, bool]],
) -> None:
    """Whole, packed, replaced, void or taken back: each execution reads as it was booked."""
    ledger, twin = Ledger(), Twin()
    for bookings_, has_bytes, packs, undone in steps:
        before, order = ledger.entries(bookings_), dict(twin.fills)
        fact = bookings_[-1].fill if has_bytes else None
        body = encode(fact) if fact is not None else b""
        ledger.apply(bookings_, fact, body)
        twin.apply(bookings_)
        twin.assert_is(ledger)
        if undone:
            ledger.undo(bookings_, before)
            twin.fills = order
        if packs:
            ledger.pack(bookings_, fact, body)
        twin.assert_is(ledger)
    assert any(fill.inferred for fill in ledger.live()) <= ledger.has_inferred


@given(Steps)
def test_a_tombstone_has_the_bytes_that_encoding_it_would_give(
    steps: list[tuple[tuple[Booking, ...], bool, bool, bool]],
) -> None:
    """Put together from what is written, and read back to the same ledger and the same bytes."""
    ledger, order = Ledger(), at_venue().order
    for bookings_, has_bytes, packs, _ in steps:
        fact = bookings_[-1].fill if has_bytes else None
        body = encode(fact) if fact is not None else b""
        ledger.apply(bookings_, fact, body)
        if packs:
            ledger.pack(bookings_, fact, body)
    stone = Tombstone(order, tuple(ledger.live()), tuple(sorted(ledger.void_ids())))
    written = tombstone(order, ledger)
    assert msgspec.json.encode(stone) == written
    order_again, ledger_again = revive(written)
    assert written == tombstone(order_again, ledger_again)
    assert list(ledger.live()) == ([] if ledger_again is None else list(ledger_again.live()))


def test_what_a_failed_step_booked_is_not_packed_back_into_life() -> None:
    """Packing touches only what still stands: a step that was taken back stays away."""
    ledger = Ledger()
    first = (Booking(BookingKind.BOOK, PLAIN, "E1"),)
    ledger.apply(first)
    second = replace(PLAIN, fee=D(1))
    again = (Booking(BookingKind.FEE, second, "E1"), Booking(BookingKind.BOOK, second, "E2"))
    before = ledger.entries(again)
    body = encode(second)
    ledger.apply(again, second, body)
    ledger.undo(again, before)
    ledger.pack(again, second, body)
    assert [PLAIN] == list(ledger.live())


@pytest.mark.parametrize(
    ("told", "bytes_max"),
    [
        ({}, 80),
        ({"liquidity": Liquidity.MAKER, "venue_order_id": "1234567890123"}, 80),
        ({"instrument": TERMS.instrument, "side": Side.BUY, "source": Source.LIST}, 80),
        ({"cum_qty": D("12.345"), "liquidity": Liquidity.TAKER}, 96),
    ],
)
def test_an_execution_is_small_at_rest(told: dict[str, object], bytes_max: int) -> None:
    """What an order's executions have in common is kept once, whatever of it the venue tells."""
    ledger = Ledger()
    for number in range(3):
        fill = replace(PLAIN, exec_id=f"E{number}", ts=PLAIN.ts + number, **told)
        ledger.apply((Booking(BookingKind.BOOK, fill, fill.exec_id),))
    assert ledger.fills is not None
    for entry in ledger.fills.values():
        assert sys.getsizeof(entry) <= bytes_max
