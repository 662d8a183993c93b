"""The floor: the least a program can do for an order's life and still write it down.

Decode the four facts, look the order up in a dict, sum quantities, notional and fees as Decimals,
keep the position, append to SQLite in transactions of the same size as ours. No actors, no
statechart, no validation, no events, nobody to ask it anything: what the engine costs above this is
the price of being an engine.

* :class:`PlainFloor` writes the facts only.
* :class:`RowFloor` also writes the engine's other rows: each execution as a unique row, and one
  closed order per life. (The engine keeps one row more, the venue's id of the closed order. The
  floor does not.)

Tables, indexes and settings are the journal's own, so the two can not drift apart. Where the
journal computes (checksums, a tombstone), the floor stores something of that size.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from actors.journal.schema import CREATE, SYNCHRONOUS, Durability, connect
from engine.messages import (
    Accepted,
    AmendOrder,
    Cancelled,
    CancelOrder,
    Filled,
    Rejected,
    Replaced,
    SubmitOrder,
)
from engine.values import ZERO
from engine.values import Side as OrderSide

from .harness import Side
from .lives import FILLED_TWICE, Life, Story, net_position

__all__ = ["PlainFloor", "RowFloor"]

Fact: TypeAlias = (
    SubmitOrder | Accepted | Filled | CancelOrder | Cancelled | AmendOrder | Replaced | Rejected
)

_ROWS_MAX: Final = 256  # in one statement; SQLite bounds the number of its parameters
_CHECKSUM: Final = 0xFFFF_FFFF  # as large as a CRC-32 can be
_TOMBSTONE: Final = 400  # bytes; somewhat less than the engine's
_TOMBSTONE_FILL: Final = 120  # ... and what each fill adds

SqlRow: TypeAlias = tuple[object, ...]


class _Tally:
    """What the floor knows of one order."""

    __slots__ = ("cost", "cum_qty", "fees", "order", "price")

    def __init__(self, order: SubmitOrder) -> None:
        self.order = order
        self.price = order.price
        self.cum_qty = ZERO
        self.cost = ZERO
        self.fees = ZERO


class PlainFloor(Side):
    """Facts only. ``facts_per_commit`` is asked at the start of each round."""

    name = "plain floor"

    def __init__(
        self,
        lives: Sequence[Life],
        facts_per_commit: Callable[[], int],
        story: Story = FILLED_TWICE,
        durability: Durability = "process",
    ) -> None:
        self._lives = lives
        self._facts_per_commit = facts_per_commit
        self._story = story
        self._synchronous = SYNCHRONOUS[durability]
        self._decode = msgspec.json.Decoder(Fact).decode

    def prepare(self) -> None:
        """A new database file, with the journal's settings."""
        self._folder = tempfile.TemporaryDirectory(prefix="floor-")
        path = Path(self._folder.name) / "floor.db"
        self._db = connect(path, "rwc")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {self._synchronous}")
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        for statement in CREATE:
            self._db.execute(statement)
        self._orders: dict[str, _Tally] = {}
        self._position = ZERO

    def work(self) -> None:
        """Every life, fact by fact."""
        orders = self._orders
        size = self._facts_per_commit()
        facts: list[SqlRow] = []
        seq = 0
        for life in self._lives:
            for body in life:
                seq += 1
                fact = self._decode(body)
                if isinstance(fact, SubmitOrder):
                    orders[fact.client_order_id] = _Tally(fact)
                elif isinstance(fact, Filled):
                    self._book(orders[fact.client_order_id], fact)
                elif not isinstance(fact, Accepted):
                    self._change(orders[fact.client_order_id], fact)
                key = fact.client_order_id
                facts.append((seq, fact.ts, key, type(fact).__name__, body, _CHECKSUM))
                if len(facts) == size:
                    self._commit(facts)
                    facts = []
        if facts:
            self._commit(facts)

    def check(self) -> None:
        """All facts must be on disk, and the position must be what the lives add up to."""
        (count,) = self._db.execute("SELECT count(*) FROM facts").fetchone()
        assert count == self._story.facts * len(self._lives), count
        held = net_position(len(self._lives), self._story)
        assert self._position == held, self._position

    def finish(self) -> None:
        """Remove the file."""
        self._db.close()
        self._folder.cleanup()

    def _book(self, tally: _Tally, fill: Filled) -> None:
        qty = fill.last_qty
        tally.cum_qty += qty
        tally.cost += qty * fill.last_px
        tally.fees += fill.fee or ZERO
        self._position += qty if tally.order.side is OrderSide.BUY else -qty

    def _change(
        self, tally: _Tally, fact: CancelOrder | Cancelled | AmendOrder | Replaced | Rejected
    ) -> None:
        """What else can become of an order; a request alone changes nothing."""
        if isinstance(fact, Replaced):
            tally.price = fact.price
        elif isinstance(fact, Cancelled | Rejected):
            self._end(tally, "CANCELLED" if isinstance(fact, Cancelled) else "REJECTED", fact.ts)

    def _end(self, tally: _Tally, state: str, ts: int) -> None:
        """The order leaves memory."""
        del self._orders[tally.order.client_order_id]

    def _commit(self, facts: list[SqlRow]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._store(facts)
        self._db.execute("COMMIT")

    def _store(self, facts: list[SqlRow]) -> None:
        self._insert("facts", facts)

    def _insert(self, table: str, rows: list[SqlRow]) -> None:
        """Many rows in one statement, as the journal does; sqlite3 keeps its compiled form."""
        row = "(" + ",".join("?" * len(rows[0])) + ")"
        for start in range(0, len(rows), _ROWS_MAX):
            piece = rows[start : start + _ROWS_MAX]
            marks = ",".join([row] * len(piece))
            cells = [cell for values in piece for cell in values]
            self._db.execute(f"INSERT INTO {table} VALUES {marks}", cells)


class RowFloor(PlainFloor):
    """The same rows as the engine's journal."""

    name = "row floor"

    def prepare(self) -> None:
        """Also no rows waiting."""
        super().prepare()
        self._fills: list[SqlRow] = []
        self._closed: list[SqlRow] = []
        self._tombstone = bytes(_TOMBSTONE + _TOMBSTONE_FILL * self._story.fills)

    def check(self) -> None:
        """Also all executions, and one closed order per life."""
        super().check()
        for table, per_life in (("fills", self._story.fills), ("closed", 1)):
            (count,) = self._db.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert count == per_life * len(self._lives), (table, count)

    def _book(self, tally: _Tally, fill: Filled) -> None:
        super()._book(tally, fill)
        order = tally.order
        key = order.client_order_id
        self._fills.append(
            (order.venue, order.account, order.instrument, order.side.value, fill.exec_id, key)
        )
        if tally.cum_qty == order.order_qty:
            self._end(tally, "FILLED", fill.ts)

    def _end(self, tally: _Tally, state: str, ts: int) -> None:
        super()._end(tally, state, ts)
        order = tally.order
        self._closed.append(
            (
                order.client_order_id,
                order.intent_id,
                order.venue,
                order.account,
                order.instrument,
                state,
                str(tally.cum_qty),
                ts,
                self._tombstone,
                0,
                _CHECKSUM,
            )
        )

    def _store(self, facts: list[SqlRow]) -> None:
        super()._store(facts)
        if self._fills:
            self._insert("fills", self._fills)
            self._fills = []
        if self._closed:
            self._insert("closed", self._closed)
            self._closed = []
