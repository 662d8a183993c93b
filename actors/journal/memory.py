"""A journal without a file: for simulations, tests, and whoever wants none.

Same contract, same chain, same refusals as the one on disk. It ends with its object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Self

from engine.errors import InvalidValue, JournalCorrupt, JournalUnavailable
from engine.journal import Defect, Record, chain, genesis, verify_chain

from .opening import new_identity
from .port import Batch, ClosedRow, DuplicateExecution, FillKey, FillRow, Statistics, VenueIdRow

__all__ = ["MemoryJournal"]

_TS_MAX = 2**63 - 1


class MemoryJournal:
    """A journal in this process's memory.

    ``unavailable``: while it holds a reason, every append fails with it, as on a full disk; for
    fault plans.

    Args:
        engine_id: three characters that name the engine.
        incarnation: drawn at random when ""; a simulation gives one, so that equal seeds give equal
            bytes.
        created_ts: UTC ns; the clock's when None.
        read_only: refuse every append.
    """

    name = ":memory:"

    def __init__(
        self,
        *,
        engine_id: str = "",
        incarnation: str = "",
        created_ts: int | None = None,
        read_only: bool = False,
    ) -> None:
        identity = new_identity(engine_id, incarnation, created_ts)
        self.engine_id, self.incarnation, self.created_ts = identity
        self.unavailable = "was opened with read_only=True" if read_only else ""
        self._records: list[Record] = []
        self._check = genesis(self.engine_id, self.incarnation)
        self._fills: dict[FillKey, str] = {}
        self._closed: dict[str, tuple[int, ClosedRow]] = {}
        self._venue_ids: dict[tuple[str, str, str], dict[str, None]] = {}
        self._intents: dict[str, dict[str, None]] = {}
        self._checkpoints: dict[str, tuple[int, bytes]] = {}
        self._appends = 0

    @property
    def last_seq(self) -> int:
        """The number of the last record."""
        return len(self._records)

    @property
    def next_seq(self) -> int:
        """The number the next record gets."""
        return len(self._records) + 1

    def append(self, batch: Batch) -> int:
        """Store a batch whole: everything is proven first, then taken over."""
        if self.unavailable:
            raise JournalUnavailable(f"{self.name} {self.unavailable}; nothing was stored")
        seq, check = len(self._records), self._check
        fresh: list[Record] = []
        for ts, entity, kind, body in batch.facts:
            seq += 1
            check = chain(check, seq, ts, entity, kind, body)
            fresh.append(Record(seq, ts, entity, kind, body, check))
        self._refuse_text(batch)
        fills = self._new_fills(batch.fills)
        self._records += fresh
        self._check = check
        self._fills.update(fills)
        self._appends += 1
        if batch.has_rare_rows:
            for client_order_id in batch.reopened:
                self._closed.pop(client_order_id, None)
            for key in batch.checkpoints_removed:
                self._checkpoints.pop(key, None)
            for key, body in batch.checkpoints.items():
                self._checkpoints[key] = (seq, body)
        for row in batch.closed:
            self._closed[row[0]] = (seq, row)
            self._intents.setdefault(row[1], {})[row[0]] = None
        for venue, account, venue_order_id, client_order_id in batch.venue_ids:
            self._venue_ids.setdefault((venue, account, venue_order_id), {})[client_order_id] = None
        return seq

    def _new_fills(self, rows: list[FillRow]) -> dict[FillKey, str]:
        fresh: dict[FillKey, str] = {}
        for venue, account, instrument, side, exec_id, claimant in rows:
            key = (venue, account, instrument, side, exec_id)
            owner = self._fills.get(key) or fresh.get(key)
            if owner is not None:
                raise DuplicateExecution(self.name, key, owner, claimant)
            fresh[key] = claimant
        return fresh

    def _refuse_text(self, batch: Batch) -> None:
        """Refuse what a file could not hold, so that a test on memory means something for it."""
        rows: tuple[list[FillRow] | list[VenueIdRow], ...] = (batch.fills, batch.venue_ids)
        try:
            for group in rows:
                for row in group:
                    "".join(row).encode()
            for closed in batch.closed:
                "".join(closed[:7]).encode()
                if not -_TS_MAX <= closed[7] <= _TS_MAX:
                    raise OverflowError(f"closed_ts {closed[7]} is no 64-bit number")
            "".join(batch.checkpoints).encode()
        except (UnicodeEncodeError, OverflowError, TypeError) as error:
            raise InvalidValue(
                f"{self.name}: a row cannot be stored: {error}; nothing of its batch was"
            ) from None

    def records(
        self, after: int = 0, entity: str | None = None, limit: int | None = None
    ) -> Iterator[Record]:
        """Records behind ``after``."""
        found = self._checked(after)
        if entity is not None:
            found = (record for record in found if record.entity == entity)
        return found if limit is None else islice(found, limit)

    def records_open(self, after: int = 0) -> Iterator[Record]:
        """Records behind ``after`` without those of closed orders."""
        return (record for record in self._checked(after) if record.entity not in self._closed)

    def _checked(self, after: int) -> Iterator[Record]:
        for index in range(after, len(self._records)):
            record = self._records[index]
            for defect in verify_chain((record,), self._check_of(index), index):
                raise JournalCorrupt(f"{self.name}: {defect.what}")
            yield record

    def _check_of(self, seq: int) -> int:
        return self._records[seq - 1].check if seq else genesis(self.engine_id, self.incarnation)

    def closed_order(self, client_order_id: str) -> bytes | None:
        """The tombstone of a closed order."""
        return self._latest((client_order_id,), None)

    def closed_orders(self) -> Iterator[tuple[str, bytes]]:
        """Every closed order's id and tombstone."""
        for client_order_id in sorted(self._closed, key=str.encode):
            yield client_order_id, self._closed[client_order_id][1][8]

    def closed_by_intent(self, intent_id: str) -> bytes | None:
        """The tombstone of the order that closed last for this intent."""
        return self._latest(tuple(self._intents.get(intent_id, ())), None)

    def closed_intents(self) -> Iterator[str]:
        """The intent id of every closed order."""
        return iter(tuple(self._intents))

    def closed_by_venue_id(
        self, venue: str, account: str, venue_order_id: str, instrument: str | None = None
    ) -> bytes | None:
        """The tombstone behind a venue's order id."""
        return self._latest(
            tuple(self._venue_ids.get((venue, account, venue_order_id), ())), instrument
        )

    def _latest(self, client_order_ids: tuple[str, ...], instrument: str | None) -> bytes | None:
        rows = [self._closed[cid] for cid in client_order_ids if cid in self._closed]
        if instrument is not None:
            rows = [row for row in rows if row[1][4] == instrument]
        if not rows:
            return None
        return max(rows, key=lambda row: (row[0], row[1][0].encode()))[1][8]

    def has_fill(
        self, venue: str, account: str, instrument: str, side: str, exec_id: str
    ) -> str | None:
        """The client order id this execution is booked on."""
        return self._fills.get((venue, account, instrument, side, exec_id))

    def fills_of(self, client_order_id: str) -> list[FillKey]:
        """The executions booked on an order."""
        return sorted(key for key, owner in self._fills.items() if owner == client_order_id)

    def checkpoints(self) -> dict[str, tuple[int, bytes]]:
        """All checkpoints."""
        return dict(self._checkpoints)

    def statistics(self) -> Statistics:
        """How it is doing."""
        return Statistics(len(self._records), self._appends, 0, 0, 0, 0, "")

    def verify(self, progress: Callable[[int], None] | None = None) -> list[Defect]:
        """Read everything and name what does not agree."""
        found = list(verify_chain(self._records, self._check_of(0)))
        if progress is not None:
            progress(len(self._records))
        return found

    def close(self) -> None:
        """Refuse further appends; what was stored can still be read here, and nowhere else."""
        self.unavailable = self.unavailable or "is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
