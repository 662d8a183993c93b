"""The journal's format: codec and chain."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidValue, JournalCorrupt, JournalSchemaError
from engine.journal import (
    Defect,
    Record,
    chain,
    decode,
    decode_record,
    encode,
    genesis,
    verify_chain,
)
from engine.messages import CancelOrder, DefineInstrument, Fact, Filled, LinkUp, SubmitOrder
from engine.values import Instrument, Liquidity, OrderType, Side

TS = 1_763_705_000_000_000_000
START = genesis("OWR", "0001")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
stamps = st.integers(min_value=0, max_value=2**63 - 1)
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(CancelOrder, texts, texts, stamps, texts),
    st.builds(Filled, texts, stamps, texts, decimals, decimals, st.none() | decimals, texts),
    st.builds(LinkUp, stamps, texts),
    st.builds(
        SubmitOrder, texts, texts, texts, texts, st.sampled_from(Side), st.sampled_from(OrderType),
        st.none() | decimals, stamps, tags=st.tuples(st.tuples(texts, texts)),
    ),
)  # fmt: skip


def records(count: int) -> list[Record]:
    made: list[Record] = []
    check = START
    for seq in range(1, count + 1):
        fact = CancelOrder(f"order-{seq % 3}", f"r{seq}", TS + seq)
        body = encode(fact)
        check = chain(check, seq, fact.ts, fact.client_order_id, "CancelOrder", body)
        made.append(Record(seq, fact.ts, fact.client_order_id, "CancelOrder", body, check))
    return made


def defects(found: Sequence[Record], removable_to: int = 0) -> list[Defect]:
    return list(verify_chain(found, START, 0, removable_to))


# --- codec ----------------------------------------------------------------------------------------


@given(facts)
def test_a_fact_comes_back_exactly_as_it_was(fact: Fact) -> None:
    """Whatever text and digits a fact holds, decoding its bytes gives an equal fact of its type."""
    again = decode(encode(fact))
    assert type(fact) is type(again)
    assert fact == again
    assert encode(fact) == encode(again)


def test_decimals_keep_their_digits() -> None:
    """A quantity of 1.50 is stored as 1.50, not as 1.5 and not as a float."""
    body = encode(Filled("c", TS, "x", Decimal("1.50"), Decimal("1E-9"), liquidity=Liquidity.MAKER))
    assert b'"last_qty":"1.50"' in body
    assert b'"last_px":"1E-9"' in body
    again = decode(body)
    assert isinstance(again, Filled)
    assert "1.50" == str(again.last_qty)


def test_a_megabyte_of_hostile_text_comes_back() -> None:
    """NUL, quotes, newlines, bidi and control characters survive, a megabyte of them."""
    text = "\0'\"\\\n\r\u202e\u2066\x1b[31m\x7f\ufeff𝄞" * 75_000
    fact = CancelOrder(text, "r", TS, text)
    assert fact == decode(encode(fact))


def test_half_a_surrogate_pair_is_refused() -> None:
    """Text that has no bytes is refused when it is encoded, with the offending value."""
    with pytest.raises(InvalidValue, match=r"udcff.*surrogate"):
        encode(CancelOrder("bad\udcffid", "r", TS))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"type":"Teleported","ts":1}', "Teleported"),
        (b'{"type":"LinkUp","ts":1,"leverage":"2"}', "leverage"),
        (
            b'{"type":"SettleOrder","client_order_id":"c","ts":1,"state":"LOST","statement":""}',
            "LOST",
        ),
        (
            b'{"type":"DefineInstrument","ts":1,"instrument":{"symbol":"s","venue":"v","halves":2}}',
            "halves",
        ),
    ],
)
def test_what_a_newer_version_wrote_is_named_and_never_skipped(body: bytes, named: str) -> None:
    """An unknown kind, field (nested too) or word is an error that names it: nothing is ignored."""
    with pytest.raises(JournalSchemaError, match=named):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"ts":1}',
        b'{"type":"LinkUp","ts":1.5}',
        b'{"type":"LinkUp","ts":"1"}',
        b'{"type":"LinkUp","ts":1}}',
        b'{"type":"LinkUp","ts":1,"detail":"\xed\xa0\x80"}',
        b'{"type":"CancelOrder","ts":1}',
        b"[" * 100_000,
    ],
)
def test_bytes_that_are_no_fact_are_corrupt(body: bytes) -> None:
    """Anything else that cannot be read is a corrupt record, never another kind of error."""
    with pytest.raises(JournalCorrupt):
        decode(body)


def test_decoding_a_record_names_it() -> None:
    """An error about a record's body carries the record's number, kind and entity."""
    with pytest.raises(JournalCorrupt, match=r"record 7 \(LinkUp of 'kucoin'\)"):
        decode_record(Record(7, TS, "kucoin", "LinkUp", b"{", 0))
    with pytest.raises(JournalSchemaError, match="record 8"):
        decode_record(Record(8, TS, "kucoin", "New", b'{"type":"New"}', 0))


def test_a_record_filed_under_another_kind_is_corrupt() -> None:
    """The kind beside the body and the kind inside it must be one."""
    body = encode(LinkUp(TS))
    assert LinkUp(TS) == decode_record(Record(1, TS, "k", "LinkUp", body, 0))
    with pytest.raises(JournalCorrupt, match="filed as LinkDown, its body is LinkUp"):
        decode_record(Record(1, TS, "k", "LinkDown", body, 0))


def test_an_impossible_instrument_in_a_body_is_corrupt() -> None:
    """A value's own rules hold for what is read back, too."""
    body = encode(DefineInstrument(Instrument(symbol="s", venue="v"), TS))
    with pytest.raises(JournalCorrupt, match="tick_size"):
        decode(body.replace(b'"venue":"v"', b'"venue":"v","tick_size":"-1"'))


# --- chain ----------------------------------------------------------------------------------------


def test_a_whole_chain_has_no_defect() -> None:
    """Records as they were chained agree, from the beginning and from any record on."""
    whole = records(9)
    assert [] == defects(whole)
    assert [] == list(verify_chain(whole[4:], whole[3].check, after=4))


@given(st.data())
def test_any_altered_field_is_found_at_its_record(data: st.DataObject) -> None:
    """Another time, entity, kind or body of one record is one defect, with that record's number."""
    whole = records(8)
    index = data.draw(st.integers(0, 7))
    old = whole[index]
    new = data.draw(
        st.one_of(
            stamps.map(lambda ts: old._replace(ts=ts)),
            texts.map(lambda entity: old._replace(entity=entity)),
            texts.map(lambda kind: old._replace(kind=kind)),
            st.binary(min_size=1, max_size=60).map(lambda body: old._replace(body=body)),
        ).filter(lambda record: record != old)
    )
    whole[index] = new
    assert [old.seq] == [defect.seq for defect in defects(whole)]


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_an_altered_check_is_found(seq: int, check: int) -> None:
    """A changed check number is found at its record."""
    whole = records(8)
    if check == whole[seq - 1].check:
        check ^= 1
    whole[seq - 1] = whole[seq - 1]._replace(check=check)
    assert seq == defects(whole)[0].seq


@given(st.integers(1, 8), st.integers(0, 30), st.integers(0, 7))
def test_any_flipped_bit_of_a_body_is_found(seq: int, byte: int, bit: int) -> None:
    """One bit is enough."""
    whole = records(8)
    body = bytearray(whole[seq - 1].body)
    body[byte] ^= 1 << bit
    whole[seq - 1] = whole[seq - 1]._replace(body=bytes(body))
    assert [seq] == [defect.seq for defect in defects(whole)]


def test_characters_cannot_move_between_fields() -> None:
    """What ends the entity and what begins the kind is part of the check."""
    one = chain(START, 1, TS, "ab", "c", b"{}")
    assert one != chain(START, 1, TS, "a", "bc", b"{}")
    assert one != chain(START, 1, TS, "abc", "", b"{}")


def test_removed_records_are_named() -> None:
    """A gap is named from its first to its last missing number, and only once."""
    whole = records(9)
    assert [Defect(4, "record 4 is missing")] == defects(whole[:3] + whole[4:])
    assert [Defect(1, "records 1 to 3 are missing")] == defects(whole[3:])


def test_reordered_records_are_named() -> None:
    """Two swapped records do not pass, whether they keep their numbers or not."""
    whole = records(6)
    whole[2], whole[3] = whole[3], whole[2]
    assert ["record 3 is missing", "record 3 stands behind record 4: repeated or out of order"] == [
        defect.what for defect in defects(whole)
    ]
    swapped = records(6)
    third, fourth = swapped[2], swapped[3]
    swapped[2] = fourth._replace(seq=3)
    swapped[3] = third._replace(seq=4)
    assert 3 == defects(swapped)[0].seq


def test_an_inserted_record_is_named() -> None:
    """A record between others repeats a number or breaks the chain."""
    whole = records(6)
    assert 3 == defects([*whole[:3], whole[2], *whole[3:]])[0].seq


def test_records_of_another_journal_do_not_fit() -> None:
    """The chain begins with the journal's name, so a spliced-in journal fails at record 1."""
    assert 1 == next(verify_chain(records(3), genesis("OWR", "0002"))).seq


def test_bodies_may_be_removed_where_retention_has_passed_and_nowhere_else() -> None:
    """A removed body is no defect up to the mark; the chain goes on behind it; beyond it is one."""
    whole = records(6)
    whole[1] = whole[1]._replace(body=b"")
    whole[4] = whole[4]._replace(body=b"")
    assert [2, 5] == [defect.seq for defect in defects(whole)]
    assert [5] == [defect.seq for defect in defects(whole, removable_to=4)]
    assert [] == defects(whole, removable_to=6)
    whole[2] = whole[2]._replace(ts=1)
    assert [3] == [defect.seq for defect in defects(whole, removable_to=6)]


def test_what_cannot_be_chained_is_refused() -> None:
    """A time beyond 64 bits or half a surrogate pair is an InvalidValue that shows it."""
    with pytest.raises(InvalidValue, match=str(2**63)):
        chain(0, 1, 2**63, "e", "k", b"{}")
    with pytest.raises(InvalidValue, match="surrogate"):
        chain(0, 1, 1, "\ud800", "k", b"{}")


def test_the_formula_does_not_change() -> None:
    """Journals of every release must verify, so the check of a known record is fixed here."""
    assert EXPECTED_GENESIS == genesis("OWR", "0001")
    assert EXPECTED_CHECK == chain(0x12345678, 7, TS, "é\0x", "LinkUp", b'{"type":"LinkUp"}')


EXPECTED_GENESIS = 0x2BE2E2C0
EXPECTED_CHECK = 0x41EE2176
