"""The journal's format: how a fact becomes bytes, and how records are chained.

A journal is one sequence of records, numbered from 1 without a gap. Each record carries a check
number (CRC-32) over itself *and the check before it*, so a torn, altered, removed, inserted or
reordered record is found and named by its sequence number. This guards against accidents, not
against a forger, who could compute the numbers anew.

Retention may later take the body of a record away (``b""``: a real body is never empty). Its stored
check stays, so the chain goes on behind it; only that record itself can no longer be proven.

Where records are kept is `actors/journal/`; how they become state is `fold.py`. Nothing here does
either.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from .errors import InvalidValue, JournalCorrupt, JournalSchemaError
from .messages import Fact

__all__ = [
    "SCHEMA_VERSION",
    "Defect",
    "Record",
    "chain",
    "decode",
    "decode_record",
    "encode",
    "genesis",
    "verify_chain",
]

#: Of records and tables. It rises when an older program could misread what a newer one writes, so
#: also when a message gains a field or an enum a word.
SCHEMA_VERSION: Final = 1


class Record(NamedTuple):
    """One fact as it is stored."""

    seq: int  # from 1, without a gap
    ts: int  # UTC ns, as the fact says
    entity: str  # whose fact it is: a client order id, a position slot, an instrument...
    kind: str  # the message's class name
    body: bytes  # the fact, encoded; b"" when retention removed it
    check: int  # chain() over the record and its predecessor's check


class Defect(NamedTuple):
    """Something in a journal that does not agree."""

    seq: int  # the record it is about; 0 for the file as a whole
    what: str


# --- codec ----------------------------------------------------------------------------------------

_encode: Final = msgspec.json.Encoder().encode
_decoder: Final[msgspec.json.Decoder[Fact]] = msgspec.json.Decoder(Fact)
_decode: Final = _decoder.decode


def encode(message: Fact) -> bytes:
    """Encode a fact as JSON: decimals as strings with every digit they have, defaults left out.

    Raises:
        InvalidValue: a text holds half of a surrogate pair, which is no character and has no bytes.
    """
    try:
        return _encode(message)
    except UnicodeEncodeError as error:
        raise _not_text(error.object, type(message).__name__) from None


def decode(body: bytes) -> Fact:
    """Read a fact back, exactly as it was encoded.

    Raises:
        JournalSchemaError: a kind, field or word that this version does not know: a newer one wrote
            it.
        JournalCorrupt: anything else that is no fact.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        # Nothing is skipped: an unknown field could be the one that halves a quantity.
        if "`$.type`" in text or text.startswith(("Object contains unknown", "Invalid enum value")):
            raise JournalSchemaError(
                f"a fact that this version cannot read: {text}; in {_excerpt(body)}."
                " Read it with the version that wrote it, or a newer one"
            ) from None
        raise JournalCorrupt(f"no fact: {text}; in {_excerpt(body)}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        what = "its body was removed by retention" if not body else f"{error}; in {_excerpt(body)}"
        raise JournalCorrupt(f"no fact: {what}") from None


def decode_record(record: Record) -> Fact:
    """Read the fact of a record, as :func:`decode`; its errors name the record."""
    try:
        fact = decode(record.body)
    except (JournalSchemaError, JournalCorrupt) as error:
        raise type(error)(
            f"record {record.seq} ({record.kind} of {record.entity!r}): {error}"
        ) from None
    if type(fact).__name__ != record.kind:
        raise JournalCorrupt(
            f"record {record.seq} of {record.entity!r} is filed as {record.kind},"
            f" its body is {type(fact).__name__}"
        )
    return fact


def _excerpt(body: bytes) -> str:
    return repr(body[:80]) + ("..." if len(body) > 80 else "")


def _not_text(text: str, what: str) -> InvalidValue:
    return InvalidValue(
        f"{what}: {text[:40]!r} holds half of a surrogate pair, which is no text (often bytes read"
        ' with errors="surrogateescape"); nothing was stored'
    )


# --- chain ----------------------------------------------------------------------------------------

_crc32: Final = zlib.crc32
#: seq, ts, and the entity's length, which tells where it ends and the kind begins.
_head: Final = struct.Struct("<QqI").pack


def genesis(engine_id: str, incarnation: str) -> int:
    """The check before record 1. It names the journal, so records of another one do not fit in."""
    return _crc32(f"{engine_id}/{incarnation}".encode())


def chain(previous: int, seq: int, ts: int, entity: str, kind: str, body: bytes) -> int:
    """The check number of a record that follows one with check ``previous``.

    One pass of CRC-32 over all of it: 0.3 us.

    Raises:
        InvalidValue: ``ts`` is no 64-bit number, or ``entity`` holds half of a surrogate pair.
    """
    try:
        return _crc32(_head(seq, ts, len(entity)) + (entity + kind).encode() + body, previous)
    except struct.error:
        raise InvalidValue(
            f"ts must be UTC nanoseconds in 64 bits, was {ts!r} ({kind} of {entity!r});"
            " nothing was stored"
        ) from None
    except UnicodeEncodeError as error:
        raise _not_text(error.object, "an entity's id") from None


def verify_chain(
    records: Iterable[Record], previous: int, after: int = 0, removable_to: int = 0
) -> Iterator[Defect]:
    """Name every record that does not agree with the one before it.

    One altered record is one defect: behind it the chain is taken up again from the check that it
    stores.

    Args:
        records: the records behind ``after``, in order.
        previous: the check of record ``after``; :func:`genesis` for 0.
        after: the sequence number that precedes the first record.
        removable_to: retention has passed up to this record; behind it no body may be missing.
    """
    known = True  # whether `previous` belongs to the record right before
    for record in records:
        seq = record.seq
        if seq != after + 1:
            if seq <= after:
                yield Defect(
                    seq, f"record {seq} stands behind record {after}: repeated or out of order"
                )
                continue
            known = False
            gap = (
                f"record {after + 1} is"
                if seq == after + 2
                else f"records {after + 1} to {seq - 1} are"
            )
            yield Defect(after + 1, f"{gap} missing")
        if not record.body:
            if seq > removable_to:
                yield Defect(
                    seq, f"record {seq} ({record.kind} of {record.entity!r}) has lost its body"
                )
        elif known and not _agrees(previous, record):
            yield Defect(
                seq,
                f"record {seq} ({record.kind} of {record.entity!r}) does not agree with its check"
                " number: it, or the number before it, was altered",
            )
        known, previous, after = True, record.check, seq


def _agrees(previous: int, record: Record) -> bool:
    try:
        return chain(previous, *record[:5]) == record.check
    except (InvalidValue, TypeError):  # in a damaged file a text can be a number, or nothing
        return False
