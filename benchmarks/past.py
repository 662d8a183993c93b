"""A journal as years of trading leave it, written at once: for benchmarks of restarts.

Every row is the engine's own: facts encoded as it encodes them, tombstones as its fold writes them,
the chain of checks, execution keys, venue ids, and a checkpoint in segments. Only the engine does
not run: of each of some hundred kinds of life one is folded, and the others are written after its
pattern.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec

from actors.journal import Batch, SqliteJournal
from actors.segments import HEAD, Entry, Head, pack_segment, segment_key
from actors.stored import instrument_name, position_name
from engine.fold import Books, tombstone
from engine.journal import decode, encode
from engine.messages import DefineInstrument, Filled, SubmitOrder
from engine.order import public_state
from engine.position import book
from engine.position_state import Position, new_position
from engine.values import PositionSlot, Side, exact, format_client_order_id

from .lives import ACCOUNT, INSTRUMENT, VENUE, Life, encoded_lives

__all__ = ["ENGINE", "FACTS_CLOSED", "FACTS_OPEN", "Past", "write_past"]

ENGINE: Final = "BEN"
FACTS_CLOSED: Final = 4  # of an order: submitted, accepted, filled twice
FACTS_OPEN: Final = 3  # ... filled once

_INCARNATION: Final = "0000"
_KINDS: Final = 700  # lives repeat themselves after so many: side, quantity, price
_BATCH: Final = 500  # orders in one commit
_SEGMENT: Final = 128  # entries
_LIFE_NS: Final = 10_000  # from one intent to the next
_FACT_NS: Final = 1_000

_ENCODE: Final = msgspec.json.Encoder().encode
_START_NS: Final = msgspec.json.decode(encoded_lives(1)[0][0], type=SubmitOrder).ts

#: What stands for the gaps of a pattern: the id, the number, and the times of the four facts.
_Gaps: TypeAlias = dict[bytes, bytes | int]


class Past(NamedTuple):
    """What was written."""

    facts: int
    tail: int  # of them, behind the checkpoint
    position: Position  # after all of them


class _Kind:
    """One kind of life, as patterns of bytes, and what it does to the position."""

    def __init__(self, number: int, life: Life) -> None:
        self._number = number
        self._facts = [(type(decode(body)).__name__, self._pattern(body)) for body in life]
        fills = [fact for fact in map(decode, life) if isinstance(fact, Filled)]
        self.bookings = [(fill.last_qty, fill.last_px, fill.fee) for fill in fills]
        self._open, self.side, _, _ = self._folded(life[:FACTS_OPEN])
        self._closed, _, self._state, self._cum_qty = self._folded(life)

    def _folded(self, life: Life) -> tuple[bytes, Side, str, Decimal]:
        key = _id(self._number)
        books = Books()
        books.instruments[VENUE, INSTRUMENT.symbol] = INSTRUMENT
        books.apply_all((key, decode(body)) for body in life)
        order = books.orders[key]
        stone = self._pattern(tombstone(order, books.ledgers[key]))
        return stone, order.terms.side, public_state(order).value, order.cum_qty

    def _pattern(self, body: bytes) -> bytes:
        number, first = self._number, _first_ts(self._number)
        texts = {
            b'"%b"' % _id(number).encode(): b'"%(id)b"',
            b'"intent-%d"' % number: b'"intent-%(number)d"',
            b'"V%d"' % number: b'"V%(number)d"',
            b'"E%d-' % number: b'"E%(number)d-',
            **{b"%d" % (first + n * _FACT_NS): b"%%(ts%d)d" % n for n in range(FACTS_CLOSED)},
        }
        for text, gap in texts.items():
            body = body.replace(text, gap)
        return body

    def write(self, number: int, batch: Batch, *, closed: bool) -> bytes:
        """Stage the life of order ``number``; its tombstone."""
        key, first = _id(number), _first_ts(number)
        gaps: _Gaps = {b"id": key.encode(), b"number": number}
        gaps |= {b"ts%d" % n: first + n * _FACT_NS for n in range(FACTS_CLOSED)}
        count = FACTS_CLOSED if closed else FACTS_OPEN
        for step, (kind, pattern) in enumerate(self._facts[:count]):
            batch.facts.append((first + step * _FACT_NS, key, kind, pattern % gaps))
        symbol, side = INSTRUMENT.symbol, self.side.value
        for part in range(1, count - 1):
            batch.fills.append((VENUE, ACCOUNT, symbol, side, f"E{number}-{part}", key))
        if not closed:
            return self._open % gaps
        last_ts, stone = first + 3 * _FACT_NS, self._closed % gaps
        batch.closed.append(
            (
                key, f"intent-{number}", VENUE, ACCOUNT, symbol, self._state,
                str(self._cum_qty), last_ts, stone,
            )
        )  # fmt: skip
        batch.venue_ids.append((VENUE, ACCOUNT, f"V{number}", key))
        return stone


def write_past(path: Path, closed: int, still_open: int, tail: int = 0) -> Past:
    """Write a new journal in which ``closed`` orders came and went, and others are open.

    Its checkpoint stands before the last ``tail`` of the closed ones; 0: at the end, as an orderly
    stop leaves it; below 0: there is none.
    """
    with (
        SqliteJournal(
            path, engine_id=ENGINE, incarnation=_INCARNATION, created_ts=_first_ts(0)
        ) as journal,
        exact(),
    ):
        return _Writer(journal).write(closed, still_open, tail)


class _Writer:
    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._batch = Batch()
        self._kinds = [_Kind(n, life) for n, life in enumerate(encoded_lives(_KINDS))]
        self._position = new_position(VENUE, ACCOUNT, INSTRUMENT, PositionSlot.NET)
        self._open: list[tuple[str, bytes]] = []

    def write(self, closed: int, still_open: int, tail: int) -> Past:
        fact = DefineInstrument(INSTRUMENT, _first_ts(0))
        entity = f"instrument:{instrument_name(INSTRUMENT)}"
        self._batch.facts.append((fact.ts, entity, type(fact).__name__, encode(fact)))
        checkpoint = still_open + closed - tail if tail >= 0 else -1
        before = 0
        for number in range(still_open + closed):
            if number == checkpoint:
                before = self._checkpoint()
            self._life(number, closed=number >= still_open)
            if number % _BATCH == _BATCH - 1:
                self._commit()
        self._commit()
        if checkpoint == still_open + closed:
            before = self._checkpoint()
        facts = self._journal.last_seq
        return Past(facts, facts - before, self._position)

    def _life(self, number: int, *, closed: bool) -> None:
        kind = self._kinds[number % _KINDS]
        stone = kind.write(number, self._batch, closed=closed)
        for step, (qty, px, fee) in enumerate(kind.bookings[: 2 if closed else 1], start=2):
            ts = _first_ts(number) + step * _FACT_NS
            self._position = book(
                self._position, INSTRUMENT, kind.side, qty, px, fee, INSTRUMENT.quote, ts
            )
        if not closed:
            self._open.append((_id(number), stone))

    def _commit(self) -> int:
        seq = self._journal.append(self._batch)
        self._batch.clear()
        return seq

    def _checkpoint(self) -> int:
        """Everything as it is now; the record that it is the state of."""
        position, instrument = _ENCODE(self._position), _ENCODE(INSTRUMENT)
        entries: list[Entry] = [
            ("position", position_name(self._position), msgspec.Raw(position)),
            ("instrument", instrument_name(INSTRUMENT), msgspec.Raw(instrument)),
        ]
        entries += [("order", key, msgspec.Raw(stone)) for key, stone in self._open]
        number = 0
        for start in range(0, len(entries), _SEGMENT):
            number += 1
            body = pack_segment(entries[start : start + _SEGMENT])
            self._batch.checkpoints[segment_key(number)] = body
        self._batch.checkpoints[HEAD] = _ENCODE(Head(1, 1, number))
        return self._commit()


def _id(number: int) -> str:
    return format_client_order_id(ENGINE, _INCARNATION, number, 1)


def _first_ts(number: int) -> int:
    """When order ``number`` was submitted, as in :mod:`benchmarks.lives`; UTC ns."""
    return _START_NS + number * _LIFE_NS
