"""What can be replayed: a recording of somebody's order flow, or a journal of our own.

Both come down to the same: accounts, instruments, and messages in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from engine.control import CONTROL_FACTS
from engine.errors import RecordingError
from engine.fold import Books
from engine.journal import decode_record
from engine.messages import (
    AdoptOrder,
    CorrectPosition,
    DefineInstrument,
    Event,
    LinkDown,
    LinkUp,
    ReviveGroup,
    ReviveOrder,
    SetBaseline,
    SubmitGroup,
    SubmitOrder,
)
from engine.recordings import FORMATS, Check, Oracle, Recording, ReplayView, Step
from engine.values import Instrument, exact
from engine.watched import WATCHED_FACTS

from .journal import Journal, open_journal
from .replay_checks import FinalState, books_digest
from .replay_feed import AccountKey
from .replay_io import open_recording

__all__ = ["JOURNAL_FORMAT", "JournalSource", "RecordingSource", "Source", "open_source"]

JOURNAL_FORMAT: Final = "journal"
_SQLITE_MAGIC: Final = b"SQLite format 3\0"

#: Facts that say whose they are.
_OWNED: Final = (
    SubmitOrder, SubmitGroup, SetBaseline, CorrectPosition, *CONTROL_FACTS, *WATCHED_FACTS,
)  # fmt: skip

#: The account a message comes under, and the message with its row.
Rows: TypeAlias = Iterator[tuple[str, Step]]


class Source(Protocol):
    """Something to replay."""

    name: str
    format: str
    fingerprint: str  # of its content: a replay goes on only with what it began with
    accounts: Mapping[str, AccountKey]
    instruments: tuple[Instrument, ...]

    def rows(self) -> Rows:
        """Every message, in order."""
        ...

    def judge(self) -> Oracle:
        """A fresh judge of one replay."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


def open_source(paths: Sequence[Path], format: str | None, limit: int | None) -> Source:
    """Open what ``paths`` hold; ``limit``: only so many rows of it.

    Raises:
        RecordingError, JournalError: it cannot be read.
    """
    if format is not None and format not in (*FORMATS, JOURNAL_FORMAT):
        known = ", ".join((*FORMATS, JOURNAL_FORMAT))
        raise RecordingError(f"unknown format {format[:40]!a}; known are {known}")
    if format == JOURNAL_FORMAT or (format is None and any(_is_sqlite(path) for path in paths)):
        if len(paths) != 1:
            names = ", ".join(path.name for path in paths)
            raise RecordingError(f"a journal is replayed alone, not together with others: {names}")
        if limit is not None and limit < 1:
            raise RecordingError(f"the limit of facts must be above 0, was {limit}")
        source = JournalSource(paths[0].name, open_journal(paths[0], read_only=True), limit)
        if not source.accounts:
            source.close()
            raise RecordingError(f"{source.name}: the journal holds no order: nothing to replay")
        return source
    return RecordingSource(paths, format, limit)


def _door(key: AccountKey) -> str:
    return f"{key[0]}/{key[1]}"


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
    except OSError:
        return False  # whoever opens it says why


class RecordingSource:
    """Recorded order flow, with the oracle it carries."""

    def __init__(self, paths: Sequence[Path], format: str | None, limit: int | None) -> None:
        self.recording: Recording = open_recording(paths, format, limit)
        self.name = self.recording.name
        self.format = self.recording.format
        self.fingerprint = _fingerprint(paths, limit)
        self.accounts: Mapping[str, AccountKey] = {
            account: (self.recording.venue, account) for account in self.recording.accounts
        }
        self.instruments = self.recording.instruments
        if not self.accounts:
            raise RecordingError(
                f"{self.name}: there is no row below its header: nothing to replay"
            )

    def rows(self) -> Rows:
        """Every message as recorded."""
        return self.recording.steps()

    def judge(self) -> Oracle:
        """The recording's own oracle."""
        return self.recording.oracle()

    def close(self) -> None:
        """Nothing is kept open between two readings."""


def _fingerprint(paths: Sequence[Path], limit: int | None) -> str:
    total = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise RecordingError(f"{path.name}: cannot be read: {error.strerror}") from error
    return f"{total.hexdigest()}/{'all' if limit is None else limit}"


class JournalSource:
    """A journal of our own: its facts, fed to a fresh system, must lead to the state they fold to.

    What the system does by itself (adopting, taking up a closed order) is not fed, because it must
    do that again; neither are the ups and downs of sessions, nor messages that had reached nobody.
    What groups and kill switches did is fed as it was (:mod:`actors.replay_groups`).
    """

    format = JOURNAL_FORMAT

    def __init__(
        self,
        name: str,
        journal: Journal,
        limit: int | None = None,
        accounts: Iterable[AccountKey] = (),
    ) -> None:
        self.name = name
        self.instruments: tuple[Instrument, ...] = ()  # they are defined by facts, in their order
        self._journal = journal
        if removed := journal.removed():
            count = sum(gap.last - gap.first + 1 for gap in removed)
            raise RecordingError(
                f"{name}: retention has removed {count:,} of this journal's records; what is left"
                " cannot be replayed. Replay a copy of before"
            )
        self._last = self._journal.last_seq if limit is None else min(limit, self._journal.last_seq)
        self.fingerprint = f"{self._journal.engine_id}/{self._journal.incarnation}/{self._last}"
        self._owners: dict[str, str] = {}
        found: dict[str, AccountKey] = {_door(key): key for key in accounts}
        whole = 0
        for record in self._journal.records(limit=self._last):
            fact = decode_record(record)
            if not isinstance(fact, ReviveOrder):
                whole = record.seq  # that is one with the fact behind it
            owner = fact.terms if isinstance(fact, AdoptOrder | ReviveGroup) else fact
            if not isinstance(owner, _OWNED):
                continue
            key = owner.venue, owner.account
            self._owners[record.entity] = _door(key)
            found[_door(key)] = key
        self._last = whole
        self.accounts: Mapping[str, AccountKey] = found

    def rows(self) -> Rows:
        """Every fact that came from outside."""
        anybody = next(iter(self.accounts))
        for record in self._journal.records(limit=self._last):
            fact = decode_record(record)
            if isinstance(fact, ReviveOrder | LinkUp | LinkDown):
                continue
            if record.entity.startswith("dead:"):
                continue
            if isinstance(fact, DefineInstrument):
                yield anybody, Step(record.seq, fact)
            else:
                yield self._owners.get(record.entity, anybody), Step(record.seq, fact)

    def judge(self) -> Oracle:
        """The fold of the same facts is the oracle."""
        return _FoldOracle(self._fold)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _fold(self) -> Books:
        books = Books()
        with exact():
            for record in self._journal.records(limit=self._last):
                books.apply(record.entity, decode_record(record))
        return books


class _FoldOracle:
    """Compares every order of a replay with the fold of the journal it was fed from."""

    def __init__(self, fold: Callable[[], Books]) -> None:
        self._fold = fold

    def on_event(self, event: Event) -> None:
        """Events are not journalled: there is nothing to compare them with."""

    def finish(self, view: ReplayView) -> list[Check]:
        """Judge the end."""
        books = self._fold()
        bad: list[str] = []
        for cid, order in books.orders.items():
            got = view.order(cid)
            if got is None:
                bad.append(f"order {cid!a} is in the journal and not in its replay")
            elif (got.state, got.cum_qty) != (order.state, order.cum_qty) or (
                got.cum_cost != order.cum_cost
            ):
                bad.append(
                    f"order {cid!a}: {order.state.name} {order.cum_qty} folded,"
                    f" {got.state.name} {got.cum_qty} replayed"
                )
        checks = [Check("orders_as_folded", len(books.orders), len(bad), tuple(bad[:5]))]
        if isinstance(view, FinalState):
            folded = books_digest(books)
            differs = () if folded == view.digest else (f"{folded} folded, {view.digest} replayed",)
            checks.append(Check("digest_as_folded", 1, len(differs), differs))
        return checks
