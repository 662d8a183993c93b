"""Replay: recorded order flow through the running system, judged by its own oracles.

:func:`replay` feeds every recorded message to the broker of its account (see
:mod:`actors.replay_feed`), a batch at a time, and then asks the recording's oracle and the checks
that always hold. With a journal on disk it can be killed at any moment: each batch writes, in one
transaction with its facts, how far it has come, and the same call goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import JournalCorrupt, JournalSchemaError, UserError
from engine.recordings import Check, Oracle, Step

from .journal import Batch, Journal, MemoryJournal, open_journal
from .portfolio import PositionView
from .replay_checks import FinalState, generic_checks
from .replay_feed import Counts, Feed
from .replay_sources import JournalSource, Source, open_source

__all__ = ["Interrupted", "Report", "replay"]

#: Messages in one turn, and so in one transaction.
BATCH: Final = 256
_KEY: Final = "replay"

Progress = Callable[[int, int], object]


class Interrupted(UserError):
    """Somebody asked a replay to stop. What it had taken in is journalled; it can go on."""


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a replay has come, written with the facts it has written."""

    name: str
    fingerprint: str
    messages: int
    duplicates: int
    late: int
    quarantined: int
    failures: int


_MARK: Final = msgspec.json.Decoder(Mark)
_encode: Final = msgspec.json.Encoder().encode


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    recording: str
    format: str
    messages: int
    orders: int
    orders_by_state: dict[str, int]
    fills: int
    duplicates: int
    late: int
    quarantined: int
    positions: tuple[PositionView, ...]
    checks: tuple[Check, ...]
    digest: str
    seconds: float
    messages_per_s: float
    resumed_at: int  # messages an earlier run had taken in

    @property
    def failed(self) -> int:
        """How many checks failed."""
        return sum(1 for check in self.checks if check.failed)


def replay(
    paths: Sequence[str | Path],
    *,
    format: str | None = None,
    journal: str | Path | Journal | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Report:
    """Replay one recording, or one journal of ours.

    Args:
        paths: its file; a log may have companions.
        format: one of :data:`engine.recordings.FORMATS` or ``journal``; ``None`` detects it.
        journal: where everything is written; ``None``: in memory.
        limit: take only the first so many rows.
        progress: called after each batch with the messages taken in and the row reached.
        stop: asked after each batch; ``True`` ends the replay with everything journalled.

    Raises:
        RecordingError: the recording cannot be read, from a row on; what came before is journalled.
        JournalError: the journal cannot be used, or holds something else.
        Interrupted: ``stop`` said so.
    """
    source = open_source([Path(path) for path in paths], format, limit)
    try:
        return _replay(source, journal, progress, stop)
    finally:
        source.close()


def _replay(
    source: Source,
    journal: str | Path | Journal | None,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> Report:
    book = journal if isinstance(journal, Journal) else _open(journal)
    try:
        mark = _mark_of(book, source)
        judge = source.judge()
        if mark.messages:
            _show_past(source, book, judge)
        return _Replay(source, book, mark, judge, progress, stop).run()
    finally:
        book.close()


def _open(spec: str | Path | None) -> Journal:
    if spec is None:
        return MemoryJournal(incarnation="RPLY", created_ts=0)
    return open_journal(spec, durability="process")


def _mark_of(journal: Journal, source: Source) -> Mark:
    """How far this replay had come in this journal; at the beginning where the journal is new."""
    found = journal.checkpoints().get(_KEY)
    if found is None:
        if journal.last_seq:
            raise JournalSchemaError(
                f"{journal.name}: this journal holds {journal.last_seq} facts, and is no replay."
                " Name a new file, so that they stay apart"
            )
        mark = Mark(source.name, source.fingerprint, 0, 0, 0, 0, 0)
        batch = Batch()  # before any fact, so that from now on this journal is known for what it is
        batch.checkpoints[_KEY] = _encode(mark)
        journal.append(batch)
        return mark
    try:
        mark = _MARK.decode(found[1])
    except msgspec.MsgspecError as error:
        what = f"{journal.name}: the replay's watermark cannot be read: {error}"
        raise JournalCorrupt(what) from None
    if mark.fingerprint != source.fingerprint:
        raise JournalSchemaError(
            f"{journal.name}: this journal holds the replay of {mark.name!a};"
            f" {source.name!a} is another recording (or other content, or another limit)."
            " Name a new file for it"
        )
    return mark


def _show_past(source: Source, journal: Journal, judge: Oracle) -> None:
    """Let the judge see what was before this run: the journal's facts, through a fresh system."""
    past = JournalSource(source.name, journal, accounts=source.accounts.values())
    with Feed(past.accounts, (), MemoryJournal(created_ts=0), 0, judge.on_event) as feed:
        for _ in _fed(feed, past.rows(), None):
            pass


class _Replay:
    """One run."""

    def __init__(
        self,
        source: Source,
        journal: Journal,
        mark: Mark,
        judge: Oracle,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._source = source
        self._journal = journal
        self._begin = mark
        self._judge = judge
        self._progress = progress
        self._stop = stop
        self._messages = mark.messages

    def run(self) -> Report:
        """Feed everything, then judge."""
        began = time.perf_counter()
        source = self._source
        rows: Iterator[tuple[str, Step]] = islice(source.rows(), self._begin.messages, None)
        first = next(rows, None)
        start_ns = 0 if first is None else _ts(first[1])
        if first is not None:
            rows = chain((first,), rows)
        with Feed(
            source.accounts, source.instruments, self._journal, start_ns, self._judge.on_event
        ) as feed:
            for count, row in _fed(feed, rows, self._stage):
                self._messages += count
                if self._progress is not None:
                    self._progress(self._messages, row)
                if self._stop is not None and self._stop():
                    raise Interrupted(
                        f"stopped after {self._messages} messages; the journal is whole,"
                        " and the same command goes on from here"
                    )
            return self._report(feed, time.perf_counter() - began)

    def _stage(self, feed: Feed, count: int) -> None:
        """Inside the turn, behind its messages: write how far this is."""
        counts = self._counts(feed)
        mark = Mark(
            self._source.name, self._source.fingerprint, self._messages + count, counts.duplicates,
            counts.late, counts.quarantined, counts.failures,
        )  # fmt: skip
        feed.stage_row(_KEY, _encode(mark))

    def _counts(self, feed: Feed) -> Counts:
        counts, before = feed.counts(), self._begin
        counts.duplicates += before.duplicates
        counts.late += before.late
        counts.quarantined += before.quarantined
        counts.failures += before.failures
        return counts

    def _report(self, feed: Feed, seconds: float) -> Report:
        state = FinalState(feed.system)
        counts = self._counts(feed)
        checks = [
            *self._judge.finish(state),
            *generic_checks(feed.system, state, self._messages, counts.failures),
        ]
        fed = self._messages - self._begin.messages
        return Report(
            recording=self._source.name,
            format=self._source.format,
            messages=self._messages,
            orders=len(state),
            orders_by_state=state.by_state(),
            fills=state.fills(),
            duplicates=counts.duplicates,
            late=counts.late,
            quarantined=counts.quarantined,
            positions=state.positions_held,
            checks=tuple(checks),
            digest=state.digest,
            seconds=seconds,
            messages_per_s=fed / seconds if seconds > 0 else 0.0,
            resumed_at=self._begin.messages,
        )


def _ts(step: Step) -> int:
    ts: int = step.message.ts  # type: ignore[union-attr]  # every concrete message has one
    return ts


def _fed(
    feed: Feed,
    rows: Iterator[tuple[str, Step]],
    stage: Callable[[Feed, int], object] | None,
) -> Iterator[tuple[int, int]]:
    """Feed rows in batches; yields (messages taken in, row) after each.

    A batch ends between rows: what one recorded row says belongs together. When the recording
    cannot be read any further, what came before is taken in first.
    """
    post = feed.post
    waiting = at = 0

    def turn() -> tuple[int, int]:
        if stage is not None:
            count = waiting
            feed.in_turn(lambda: stage(feed, count))
        feed.run()
        return waiting, at

    try:
        for account, step in rows:
            row, message = step
            if waiting >= BATCH and row != at:
                yield turn()
                waiting = 0
            if not waiting:
                feed.advance(_ts(step))
            post(account, message)
            waiting += 1
            at = row
    except UserError:
        if waiting:
            turn()
        raise
    if waiting:
        yield turn()
