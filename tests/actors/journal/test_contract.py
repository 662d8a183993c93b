"""The contract of a journal, run against each implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.journal import (
    Batch,
    DuplicateExecution,
    Journal,
    MemoryJournal,
    Pruned,
    open_journal,
)
from engine.errors import InvalidValue, JournalUnavailable
from engine.journal import decode_record, encode, genesis, verify_chain
from engine.messages import CancelOrder
from engine.values import BASE36

from .kit import TS, batch, cid, closed_row, fact, fill_journal, fill_row

#: Opens the journal under test anew with these arguments.
Opener = Callable[..., Journal]


@pytest.fixture(params=["memory", "sqlite-process", "sqlite-power"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    kind = str(request.param)

    def open_it(**named: object) -> Journal:
        spec = None if kind == "memory" else tmp_path / "orders.journal"
        durability = "power" if kind == "sqlite-power" else "process"
        return open_journal(spec, durability, **named)  # type: ignore[arg-type]

    return open_it


@pytest.fixture
def journal(opener: Opener) -> Iterator[Journal]:
    opened = opener()
    yield opened
    opened.close()


def test_a_new_journal_is_empty_and_names_itself(journal: Journal) -> None:
    """It has an engine, an incarnation of four base-36 characters, a birthday, and no records."""
    assert isinstance(journal, Journal)
    assert "OWR" == journal.engine_id
    assert 4 == len(journal.incarnation)
    assert all(char in BASE36 for char in journal.incarnation)
    assert journal.created_ts > TS
    assert (0, 1) == (journal.last_seq, journal.next_seq)
    assert [] == list(journal.records())
    assert {} == journal.checkpoints()
    assert [] == journal.verify()


def test_given_names_are_kept_and_drawn_ones_differ(opener: Opener) -> None:
    """A simulation names its journal; two journals drawn at random are told apart."""
    with_names = opener(engine_id="AB1", incarnation="00Z9", created_ts=5)
    assert ("AB1", "00Z9", 5) == (
        with_names.engine_id, with_names.incarnation, with_names.created_ts,
    )  # fmt: skip
    with_names.close()
    assert MemoryJournal().incarnation != MemoryJournal().incarnation


@pytest.mark.parametrize(
    "named", [{"engine_id": "ab1"}, {"engine_id": "A"}, {"incarnation": "1234X"}]
)
def test_names_that_do_not_fit_client_order_ids_are_refused(
    opener: Opener, named: dict[str, str]
) -> None:
    """Ids of another length or alphabet are refused with the offending value."""
    with pytest.raises(InvalidValue, match=repr(next(iter(named.values())))):
        opener(**named)


def test_facts_come_back_in_order_and_chained(journal: Journal) -> None:
    """What was appended is read back, numbered from 1, each fact as it was, the chain whole."""
    assert 3 == journal.append(batch(1, 3))
    assert 4 == journal.append(batch(4, 1))
    assert 5 == journal.next_seq
    found = list(journal.records())
    assert [1, 2, 3, 4] == [record.seq for record in found]
    assert [fact(n) for n in range(1, 5)] == [decode_record(record) for record in found]
    assert [TS + 1, TS + 2, TS + 3, TS + 4] == [record.ts for record in found]
    start = genesis(journal.engine_id, journal.incarnation)
    assert [] == list(verify_chain(found, start))
    assert [] == journal.verify()


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 128, 1000, 3000])
def test_batches_of_any_size_are_stored_whole(journal: Journal, count: int) -> None:
    """One row, as many as one statement takes, one more, and many statements."""
    assert count == journal.append(batch(1, count, fills=True))
    assert [fact(n) for n in range(1, count + 1)] == [decode_record(r) for r in journal.records()]
    assert cid(count) == journal.has_fill(*fill_row(count)[:5])


def test_equal_input_gives_equal_records(tmp_path: Path) -> None:
    """The record stream depends on facts and names only: not on the batches, nor on the medium."""
    one = MemoryJournal(incarnation="0001", created_ts=1)
    two = open_journal(tmp_path / "two", incarnation="0001", created_ts=2)
    fill_journal(one, 20, size=20)
    fill_journal(two, 20, size=3)
    assert list(one.records()) == list(two.records())
    two.close()


def test_reading_starts_and_ends_where_asked(journal: Journal) -> None:
    """``after``, ``entity`` and ``limit`` choose records; beyond the end there is nothing."""
    fill_journal(journal, 30)
    journal.append(batch(7, 1))
    assert [29, 30, 31] == [r.seq for r in journal.records(after=28)]
    assert [11, 12] == [r.seq for r in journal.records(after=10, limit=2)]
    assert [7, 31] == [r.seq for r in journal.records(entity=cid(7))]
    assert [31] == [r.seq for r in journal.records(after=7, entity=cid(7))]
    assert [7] == [r.seq for r in journal.records(entity=cid(7), limit=1)]
    assert [] == list(journal.records(entity="nobody"))
    assert [] == list(journal.records(after=31)) == list(journal.records(after=99))


def test_reading_goes_on_beside_appends(journal: Journal) -> None:
    """A reader in the middle of its records sees the end it began with, and hinders nobody."""
    fill_journal(journal, 3000, size=500)
    reading = journal.records()
    first = next(reading)
    journal.append(batch(3001, 10))
    rest = list(reading)
    assert (1, 2999) == (first.seq, len(rest))


def test_a_booked_execution_is_refused_with_its_whole_batch(journal: Journal) -> None:
    """A second booking names key and owner, and nothing else of its batch is stored."""
    journal.append(batch(1, 3, fills=True))
    second = batch(10, 2)
    second.fills += [fill_row(11), fill_row(2, owner=10)]
    second.closed.append(closed_row(10))
    second.checkpoints["position"] = b"{}"
    with pytest.raises(DuplicateExecution, match=f"'T-2'.*{cid(2)}.*{cid(10)}") as caught:
        journal.append(second)
    assert ("KUCOIN", "main", "BTC-USDT", "BUY", "T-2") == caught.value.key
    assert (cid(2), cid(10)) == (caught.value.owner, caught.value.claimant)
    assert 3 == journal.last_seq
    assert 3 == len(list(journal.records()))
    assert journal.has_fill(*fill_row(11)[:5]) is None
    assert journal.closed_order(cid(10)) is None
    assert {} == journal.checkpoints()
    second.fills.pop()
    assert 5 == journal.append(second)
    assert [] == journal.verify()


def test_an_execution_twice_in_one_batch_is_refused(journal: Journal) -> None:
    """The same key twice in one turn is as double as in two, also for one order."""
    twice = batch(1, 1, fills=True)
    twice.fills.append(fill_row(1))
    with pytest.raises(DuplicateExecution) as caught:
        journal.append(twice)
    assert (cid(1), cid(1)) == (caught.value.owner, caught.value.claimant)
    assert 0 == journal.last_seq


@pytest.mark.parametrize("part", range(5))
def test_each_part_of_the_key_makes_another_execution(journal: Journal, part: int) -> None:
    """Venues number trades per symbol, and a self-trade gives both sides one number."""
    journal.append(batch(1, 1, fills=True))
    row = list(fill_row(1))
    row[part] += "x"
    other = Batch()
    other.fills.append((row[0], row[1], row[2], row[3], row[4], row[5]))
    journal.append(other)
    assert 2 == len(journal.fills_of(cid(1)))


def test_executions_are_found_by_key_and_by_order(journal: Journal) -> None:
    """``has_fill`` says on which order; ``fills_of`` lists an order's keys, sorted."""
    made = Batch()
    made.fills += [fill_row(3, owner=1), fill_row(2, owner=1), fill_row(9)]
    journal.append(made)
    assert cid(1) == journal.has_fill(*fill_row(2)[:5])
    assert journal.has_fill(*fill_row(4)[:5]) is None
    assert ["T-2", "T-3"] == [key[4] for key in journal.fills_of(cid(1))]


def test_closed_orders_are_found_by_each_of_their_ids(journal: Journal) -> None:
    """By client id, by intent, by any venue id; and not by those of others."""
    made = batch(1, 2)
    made.closed += [closed_row(1, body=b"one"), closed_row(2, body=b"two")]
    made.venue_ids += [("KUCOIN", "main", v, cid(1)) for v in ("v1", "v1-child")]
    journal.append(made)
    assert b"one" == journal.closed_order(cid(1))
    assert b"two" == journal.closed_by_intent("intent-2")
    assert b"one" == journal.closed_by_venue_id("KUCOIN", "main", "v1-child")
    assert b"one" == journal.closed_by_venue_id("KUCOIN", "main", "v1", "BTC-USDT")
    assert [(cid(1), b"one"), (cid(2), b"two")] == list(journal.closed_orders())
    assert journal.closed_by_venue_id("KUCOIN", "main", "v1", "ETH-USDT") is None
    assert journal.closed_by_venue_id("KUCOIN", "other", "v1") is None
    assert journal.closed_order("nobody") is journal.closed_by_intent("none")


def test_of_several_closed_orders_the_last_is_found(journal: Journal) -> None:
    """A second attempt, or a venue that numbers anew: the tombstone written last is the answer."""
    for number in (9, 5):
        made = batch(number, 1)
        made.closed.append(closed_row(number, "intent", b"%d" % number))
        made.venue_ids.append(("KUCOIN", "main", "1", cid(number)))
        journal.append(made)
    assert b"5" == journal.closed_by_intent("intent")
    assert b"5" == journal.closed_by_venue_id("KUCOIN", "main", "1")


def test_a_tombstone_is_replaced_and_can_be_taken_back(journal: Journal) -> None:
    """A late fill rewrites an order's row; a bust that reopens it removes the row."""
    made = batch(1, 1)
    made.closed.append(closed_row(1, body=b"old"))
    journal.append(made)
    made.clear()
    made.closed += [closed_row(1, body=b"newer"), closed_row(1, body=b"newest")]
    journal.append(made)
    assert b"newest" == journal.closed_order(cid(1))
    made.clear()
    made.reopened.append(cid(1))
    journal.append(made)
    assert journal.closed_order(cid(1)) is None
    assert journal.closed_by_intent("intent-1") is None
    made.closed.append(closed_row(1, body=b"again"))
    journal.append(made)
    assert b"again" == journal.closed_order(cid(1))


def test_records_are_marked_where_their_order_is_closed(journal: Journal) -> None:
    """Recovery reads everything and is told which facts are of closed orders."""
    fill_journal(journal, 6)
    made = Batch()
    made.closed += [closed_row(n) for n in (2, 3, 6)]
    journal.append(made)
    found = [(record.seq, is_closed) for record, is_closed in journal.records_marked()]
    assert [(1, False), (2, True), (3, True), (4, False), (5, False), (6, True)] == found
    assert found[4:] == [(r.seq, is_closed) for r, is_closed in journal.records_marked(after=4)]


def closed_facts(journal: Journal, count: int, kept: tuple[int, ...] = ()) -> None:
    """``count`` facts, each of its own order; all orders closed but for those ``kept`` open.

    One more fact of an open order, and a checkpoint.
    """
    made = batch(1, count)
    made.closed += [closed_row(n, body=stone(n)) for n in range(1, count + 1) if n not in kept]
    journal.append(made)
    made = batch(count + 1, 1)
    made.checkpoints["key"] = b"body"
    journal.append(made)


def stone(number: int) -> bytes:
    """As much like a tombstone as the journal cares about."""
    return b'{"order":{"terms":{"client_order_id":"%d"},"link":"FREE","requests":[]}}' % number


def pruned(journal: Journal, up_to: int, before_ts: int | None = None, rows: int = 3) -> Pruned:
    """Prune in small pieces until nothing is left to do."""
    total = Pruned(0, 0, 0, 0, 0, 0, is_last=False)
    while not total.is_last:
        total = total.then(journal.prune(total.reached, up_to, before_ts, rows))
    return total


def gaps(journal: Journal) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in journal.removed()]


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_facts_of_closed_orders_go_and_the_rest_is_proven(journal: Journal, rows: int) -> None:
    """What is left is read as before, each record proven over the gaps that tell what went."""
    closed_facts(journal, 30, kept=(4, 5, 11, 29))
    every = {record.seq: record for record in journal.records()}
    found = pruned(journal, 30, rows=rows)
    assert (26, 30, 4) == (found.removed, found.reached, found.kept)
    left = [4, 5, 11, 29, 31]
    assert sum(len(every[n].body) for n in range(1, 31) if n not in left) == found.body_bytes
    assert [every[n] for n in left] == list(journal.records())
    assert [(1, 3), (6, 10), (12, 28), (30, 30)] == gaps(journal)
    assert [every[n] for n in (11, 29)] == list(journal.records(after=7, limit=2))
    assert [every[29]] == list(journal.records(entity=cid(29)))
    marked = [(record.seq, closed) for record, closed in journal.records_marked(after=20)]
    assert [(29, False), (31, False)] == marked
    assert [] == journal.verify()
    assert (31, {"key": (31, b"body")}) == (journal.last_seq, journal.checkpoints())
    assert 32 == journal.append(batch(32, 1))
    assert [31, 32] == [record.seq for record in journal.records(after=30)]
    assert [] == journal.verify()


def test_what_went_is_remembered_by_its_keys(journal: Journal) -> None:
    """Tombstones, ids and execution keys are as they were: nothing is taken for something new."""
    made = batch(1, 12, fills=True)
    made.closed += [closed_row(n, body=stone(n)) for n in range(1, 13)]
    made.venue_ids += [("KUCOIN", "main", f"v{n}", cid(n)) for n in range(1, 13)]
    journal.append(made)
    journal.append(batch(13, 1))
    stones = list(journal.closed_orders())
    pruned(journal, 12)
    assert [13] == [record.seq for record in journal.records()]
    assert stones == list(journal.closed_orders())
    assert stone(3) == journal.closed_order(cid(3)) == journal.closed_by_intent("intent-3")
    assert stone(3) == journal.closed_by_venue_id("KUCOIN", "main", "v3")
    assert cid(3) == journal.has_fill(*fill_row(3)[:5])
    assert [fill_row(3)[:5]] == journal.fills_of(cid(3))
    with pytest.raises(DuplicateExecution):
        journal.append(batch(3, 1, fills=True))


def test_only_what_closed_long_enough_ago_goes(journal: Journal) -> None:
    """By the record its closed row was written with, and by the time it changed last."""
    for number in range(1, 9):
        made = batch(number, 1)
        made.closed.append(closed_row(number, body=stone(number)))
        journal.append(made)
    pruned(journal, 6, TS + 4)
    assert [4, 5, 6, 7, 8] == [record.seq for record in journal.records()]
    late = batch(1, 1)
    late.closed.append(closed_row(5, body=b"{}"))  # it was revived, and closed again
    journal.append(late)
    pruned(journal, 8)
    assert [5, 9] == [record.seq for record in journal.records()]
    journal.append(batch(20, 1))
    pruned(journal, 9)
    assert [10] == [record.seq for record in journal.records()]


def test_the_last_record_never_goes(journal: Journal) -> None:
    """It says where the numbers go on; and what closed with it stays whole, whatever is asked."""
    made = batch(1, 5)
    made.closed += [closed_row(n, body=stone(n)) for n in range(1, 6)]
    journal.append(made)
    assert 0 == pruned(journal, 99).removed
    assert (5, 5) == (journal.last_seq, len(list(journal.records())))
    journal.append(batch(6, 1))
    assert 5 == pruned(journal, 99).removed
    assert (6, [6]) == (journal.last_seq, [record.seq for record in journal.records()])


def test_gaps_side_by_side_become_one(journal: Journal) -> None:
    """A record that was left goes later, and joins the gaps before and behind it."""
    closed_facts(journal, 20, kept=(7, 8, 15))
    pruned(journal, 20)
    assert [(1, 6), (9, 14), (16, 20)] == gaps(journal)
    made = batch(22, 1)
    made.closed += [closed_row(n, body=stone(n)) for n in (7, 15)]
    journal.append(made)
    journal.append(batch(23, 1))
    pruned(journal, 22)
    assert [(1, 7), (9, 20)] == gaps(journal)
    assert [8, 21, 22, 23] == [record.seq for record in journal.records()]
    assert [] == journal.verify()


def test_a_dry_run_counts_and_changes_nothing(journal: Journal) -> None:
    """It says what would go."""
    closed_facts(journal, 10, kept=(2,))
    before = list(journal.records())
    would = journal.prune(0, 10, dry_run=True)
    assert before == list(journal.records())
    assert [] == journal.removed()
    assert 9 == would.removed
    assert would == journal.prune(0, 10)


def test_a_reader_in_the_middle_is_not_disturbed(journal: Journal) -> None:
    """Records that go while somebody reads are read or left out, and nothing is called damage."""
    closed_facts(journal, 5000, kept=(1, 2500, 4000))
    reading = journal.records()
    first = next(reading)
    pruned(journal, 5000, rows=500)
    rest = [record.seq for record in reading]
    assert 1 == first.seq
    assert {2500, 4000, 5001} <= set(rest)
    assert sorted(rest) == rest


def test_a_journal_that_cannot_be_written_is_not_pruned(journal: Journal) -> None:
    """Closed, it refuses, and says what was not done."""
    closed_facts(journal, 5)
    journal.close()
    with pytest.raises(JournalUnavailable, match="nothing was removed"):
        journal.prune(0, 5)


def test_checkpoints_are_stamped_replaced_and_removed(journal: Journal) -> None:
    """Each names the record it was written with; removal comes first, so a key in both stays."""
    made = batch(1, 2)
    made.checkpoints.update({"a": b"1", "b": b"2", "c": b"3"})
    journal.append(made)
    assert {"a": (2, b"1"), "b": (2, b"2"), "c": (2, b"3")} == journal.checkpoints()
    made.clear()
    made.checkpoints.update({"a": b"", "c": b"9"})
    made.checkpoints_removed += ["b", "c", "none"]
    journal.append(made)
    assert {"a": (2, b""), "c": (2, b"9")} == journal.checkpoints()


def test_many_checkpoints_are_stored(journal: Journal) -> None:
    """More checkpoints than one statement takes."""
    made = batch(1, 1)
    made.checkpoints.update({f"order:{n}": b"%d" % n for n in range(500)})
    journal.append(made)
    assert made.checkpoints == {key: body for key, (_, body) in journal.checkpoints().items()}


def test_an_empty_batch_writes_nothing(journal: Journal) -> None:
    """A turn without facts costs no record."""
    empty = Batch()
    assert not empty
    assert 0 == journal.append(empty)
    assert [] == list(journal.records())


def test_a_cleared_batch_is_empty() -> None:
    """A batch is reused each turn; nothing of the last one is left in it."""
    used = batch(1, 1, fills=True)
    used.closed.append(closed_row(1))
    used.venue_ids.append(("v", "a", "1", cid(1)))
    used.checkpoints["k"] = b""
    used.checkpoints_removed.append("x")
    used.reopened.append("y")
    assert used
    used.clear()
    assert not used
    assert not used.has_rare_rows


HOSTILE = [
    "",
    "\0",
    "a\0b",
    "'; DROP TABLE facts; --",
    '"',
    "\n\r\t",
    "\u202eevil",
    "\x1b[2J",
    "𝄞é",
    "%s?",
]


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 1_000_000, "\0" * 1_000_000])
def test_hostile_text_comes_back_exactly(journal: Journal, text: str) -> None:
    """In every text column: NUL, quotes, control and bidi characters, nothing, a megabyte."""
    message = CancelOrder(text, text, TS, text)
    made = Batch()
    made.facts.append((TS, text, "CancelOrder", encode(message)))
    made.facts.append((TS, text + "\0", "CancelOrder", encode(message)))
    made.fills.append((text, text, text, text, text, text))
    made.closed.append((text, text, text, text, text, text, text, 1, text.encode()))
    made.venue_ids.append((text, text, text, text))
    made.checkpoints[text] = text.encode()
    journal.append(made)
    found = list(journal.records(entity=text))
    assert [text] == [record.entity for record in found]
    assert message == decode_record(found[0])
    assert text == journal.has_fill(text, text, text, text, text)
    assert [(text,) * 5] == journal.fills_of(text)
    assert text.encode() == journal.closed_order(text) == journal.closed_by_intent(text)
    assert text.encode() == journal.closed_by_venue_id(text, text, text, text)
    assert {text: (2, text.encode())} == journal.checkpoints()
    assert [] == journal.verify()


@pytest.mark.parametrize("field", ["facts", "fills", "closed", "venue_ids", "checkpoints"])
def test_half_a_surrogate_pair_is_refused_anywhere(journal: Journal, field: str) -> None:
    """Text without bytes is an InvalidValue, and nothing of its batch is stored."""
    made = batch(1, 2, fills=True)
    bad = "\ud800"
    if field == "facts":
        made.facts.append((TS, bad, "k", b"{}"))
    elif field == "fills":
        made.fills.append((bad, "", "", "", "", ""))
    elif field == "closed":
        made.closed.append((cid(1), bad, "", "", "", "", "", 1, b""))
    elif field == "venue_ids":
        made.venue_ids.append(("", "", bad, ""))
    else:
        made.checkpoints[bad] = b""
    with pytest.raises(InvalidValue, match="surrogate"):
        journal.append(made)
    assert 0 == journal.last_seq
    assert journal.has_fill(*fill_row(1)[:5]) is None
    assert 2 == journal.append(batch(1, 2, fills=True))


@pytest.mark.parametrize("ts", [2**63, -(2**63) - 1, 10**30])
def test_a_time_beyond_64_bits_is_refused(journal: Journal, ts: int) -> None:
    """A number that a file cannot hold is an InvalidValue, in facts and in closed orders."""
    made = Batch()
    made.facts.append((ts, "e", "k", b"{}"))
    with pytest.raises(InvalidValue, match=str(ts)):
        journal.append(made)
    made.clear()
    made.closed.append((*closed_row(1)[:7], ts, b"{}"))
    with pytest.raises(InvalidValue):
        journal.append(made)
    assert journal.closed_order(cid(1)) is None


def test_a_closed_journal_refuses_appends(journal: Journal) -> None:
    """After close an append is an error that says so, and closing again does nothing."""
    journal.append(batch(1, 1))
    journal.close()
    journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        journal.append(batch(2, 1))


def test_statistics_count_what_was_done(journal: Journal) -> None:
    """Records and appends are counted."""
    fill_journal(journal, 20, size=5)
    assert (20, 4, "") == (
        journal.statistics().last_seq,
        journal.statistics().appends,
        journal.statistics().checkpoint_error,
    )


def test_verify_tells_how_far_it_is(journal: Journal) -> None:
    """A progress bar gets its numbers, up to the last record."""
    fill_journal(journal, 25)
    seen: list[int] = []
    assert [] == journal.verify(seen.append)
    assert 25 == seen[-1]


def test_memory_fails_on_demand_and_works_again() -> None:
    """A fault plan makes a journal in memory unavailable for a while; nothing is half stored."""
    journal = MemoryJournal()
    journal.unavailable = "has no space"
    with pytest.raises(JournalUnavailable, match="has no space"):
        journal.append(batch(1, 3, fills=True))
    journal.unavailable = ""
    assert 3 == journal.append(batch(1, 3, fills=True))
