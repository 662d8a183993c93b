"""Replay: every recorded message takes the real path, and the recordings' own oracles agree."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.journal import MemoryJournal, open_journal
from actors.replay import BATCH, Interrupted, Report, replay
from actors.replay_checks import FinalState
from actors.replay_feed import Feed
from actors.replay_io import open_recording
from engine.errors import JournalSchemaError, RecordingError
from engine.messages import Command
from engine.messages import Report as Said
from engine.recordings import Step
from tests.conftest import shared_path

from .replay_kit import HOSTILE, LOBSTER, kucoin, lobster

FILLS = ("data", "fills")
ORDERS = ("data", "orders")
KUCOIN = "hummingbot_kucoin_EDG-BTC_events.jsonl.gz"
EXPORTS = tuple(f"hummingbot_kucoin_EDG-BTC_trades_conf_pure_mm_{n}.csv.gz" for n in (3, 4))

#: Another form of a recording that is played anyway, or another sample of its venue.
NIGHTLY = (pytest.mark.slow, pytest.mark.nightly)
#: Every recording of the shared set: its files, messages, orders and fills.
RECORDINGS = [
    pytest.param(FILLS, (KUCOIN, *EXPORTS), 57_752, 16_693, 11_585, id="kucoin"),
    pytest.param(FILLS, EXPORTS, 12_634, 7_191, 12_634, id="kucoin-trades"),
    pytest.param(
        FILLS, ("bitmex_execution_price_precision_trades.part1.csv.gz",), 5_088, 316, 5_088,
        id="bitmex",
    ),
    pytest.param(
        FILLS, ("hyperliquid_historical_data.part1.csv.gz",), 12_814, 227, 12_799, id="hyperliquid"
    ),
    pytest.param(
        ORDERS, ("AAPL_2012-06-21_34200000_37800000_message_50.csv.gz",), 134_124, 44_336, 4_067,
        id="aapl-50", marks=pytest.mark.slow,
    ),
    pytest.param(
        ORDERS, ("LOBSTER_SampleFile_GOOG_2012-06-21_10.zip",), 218_073, 74_468, 7_765,
        id="goog-10", marks=NIGHTLY,
    ),
    pytest.param(
        ORDERS, ("LOBSTER_SampleFile_AAPL_2012-06-21_1.zip",), 167_915, 67_398, 23_658,
        id="aapl-1", marks=NIGHTLY,
    ),
    pytest.param(
        ORDERS, ("bitstamp_btcusd_2015-05-01_00-16h.orders.csv.gz",), 251_619, 83_091, 5_519,
        id="bitstamp-orders", marks=pytest.mark.slow,
    ),
    pytest.param(
        ORDERS, ("bitstamp_btcusd_2015-05-01_00-16h.log.gz",), 251_619, 83_091, 5_519,
        id="bitstamp-log", marks=NIGHTLY,
    ),
    pytest.param(
        ORDERS, ("esh4-glbx-mdp3-20231225.mbo.csv.gz",), 80_093, 29_216, 6_364,
        id="cme-csv", marks=NIGHTLY,
    ),
    pytest.param(
        ORDERS, ("esh4-glbx-mdp3-20231225.mbo.dbn.zst",), 80_093, 29_216, 6_364,
        id="cme-dbn", marks=pytest.mark.slow,
    ),
    pytest.param(
        ORDERS, ("AX_sbe_sse_600519.zip",), 114_060, 44_278, 37_370,
        id="shanghai-log", marks=NIGHTLY,
    ),
    pytest.param(
        ORDERS, ("AX_sbe_sse_600519.events.csv.gz",), 114_060, 44_278, 37_370,
        id="shanghai-events", marks=pytest.mark.slow,
    ),
]  # fmt: skip


def failures(report: Report) -> list[object]:
    """The checks that failed, with their examples."""
    return [(check.name, check.examples) for check in report.checks if check.failed]


@pytest.mark.parametrize(("folder", "names", "messages", "orders", "fills"), RECORDINGS)
def test_every_recording_passes_its_checks(
    folder: tuple[str, ...], names: tuple[str, ...], messages: int, orders: int, fills: int
) -> None:
    """All of a recording goes through the running system, and nothing in it disagrees."""
    if names[0].endswith(".dbn.zst"):
        pytest.importorskip("databento_dbn")
    report = replay([shared_path(*folder, name) for name in names])

    assert failures(report) == []
    assert (messages, orders, fills) == (report.messages, report.orders, report.fills)
    assert orders == sum(report.orders_by_state.values())
    assert report.quarantined == 0


def test_a_small_market_comes_out_as_it_was_recorded(tmp_path: Path) -> None:
    """Filled in two, cancelled after a part, cancelled whole, left open, met mid-life."""
    report = replay([lobster(tmp_path)])

    assert failures(report) == []
    expected = {"ACCEPTED": 1, "PARTIAL": 1, "FILLED": 1, "CANCELLED": 2}
    assert expected == report.orders_by_state
    assert (report.fills, report.late, report.duplicates) == (4, 0, 0)
    assert [str(held.qty) for held in report.positions] == ["3"]  # bought 10, sold 5 and 2


def test_the_state_does_not_depend_on_where_it_is_written(tmp_path: Path) -> None:
    """In memory, in a file, and again: the same digest."""
    path = lobster(tmp_path)
    digests = [replay([path]).digest, replay([path], journal=tmp_path / "a.db").digest]

    assert digests[0] == digests[1] == replay([path]).digest


def test_a_finished_replay_run_again_takes_nothing_in(tmp_path: Path) -> None:
    """The same command on the same journal finds everything done, and judges it again."""
    path, journal = lobster(tmp_path), tmp_path / "a.db"
    first = replay([path], journal=journal)
    again = replay([path], journal=journal)

    assert (first.digest, first.messages) == (again.digest, again.resumed_at)
    assert [check.checked for check in first.checks] == [check.checked for check in again.checks]
    assert failures(again) == []


def many_orders(count: int) -> list[str]:
    """Rows of ``count`` orders, alive at the same time, some left open, some filled in parts."""
    rows = []
    for n in range(count):
        rows.append(f"{34200 + n}.1,1,{n},10,{5853300 + n},{1 if n % 2 else -1}")
        if n >= 5:
            qty, side = 10 if n % 3 else 4, -1 if n % 2 else 1
            rows.append(f"{34200 + n}.2,4,{n - 5},{qty},{5853300 + n - 5},{side}")
    return rows


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_stopped_replay_goes_on_where_it_stopped(tmp_path: Path, turns: int) -> None:
    """Stopped between turns, the journal is whole; the same call goes on to the same digest."""
    path, journal = lobster(tmp_path, many_orders(3 * BATCH)), tmp_path / "a.db"
    left = [turns]

    def stop() -> bool:
        left[0] -= 1
        return left[0] == 0

    with pytest.raises(Interrupted):
        replay([path], journal=journal, stop=stop)
    report = replay([path], journal=journal)
    whole = replay([path])

    assert 0 < report.resumed_at < report.messages
    assert failures(report) == []
    assert (whole.digest, whole.messages) == (report.digest, report.messages)
    assert whole.checks == report.checks


def test_a_journal_of_ours_is_replayed_to_the_same_state(tmp_path: Path) -> None:
    """Its facts through a fresh system lead to the digest they fold to."""
    journal = tmp_path / "a.db"
    first = replay([lobster(tmp_path)], journal=journal)
    again = replay([journal])

    assert again.format == "journal"
    assert failures(again) == []
    assert first.digest == again.digest
    assert "digest_as_folded" in [check.name for check in again.checks]


def test_the_drop_copy_names_what_is_missing() -> None:
    """Trades of the export that the log does not hold are explained by day, none is ignored."""
    report = replay([shared_path(*FILLS, name) for name in (KUCOIN, *EXPORTS)])
    checks = {check.name: check for check in report.checks}

    assert checks["drop_copy_common_trades_agree"].checked == 2_872
    missing = checks["drop_copy_missing_in_log"]
    assert missing.checked == sum(count for _, count in missing.explained) == 9_762


# --- order of delivery ---------------------------------------------------------------------------


def shuffled(steps: list[tuple[str, Step]], seed: int) -> Iterator[tuple[str, Command | Said]]:
    """The same messages; each order's reports change places among each other."""
    places: dict[str, list[int]] = {}
    for index, (_, step) in enumerate(steps):
        if isinstance(step.message, Said):
            cid: str = step.message.client_order_id  # type: ignore[attr-defined]
            places.setdefault(cid, []).append(index)
    mixed = list(steps)
    draw = random.Random(seed)
    for own in places.values():
        others = own.copy()
        draw.shuffle(others)
        for here, there in zip(own, others, strict=True):
            mixed[here] = steps[there]
    for account, step in mixed:
        yield account, step.message


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_deliveries_does_not_change_the_result(seed: int) -> None:
    """An order's reports shuffled among each other: same final state, quantity, cost and fills."""
    recording = open_recording([shared_path(*FILLS, KUCOIN)], limit=6_000)
    steps = list(recording.steps())
    accounts = {name: (recording.venue, name) for name in recording.accounts}
    ends = []
    for messages in (((a, s.message) for a, s in steps), shuffled(steps, seed)):
        with Feed(accounts, recording.instruments, MemoryJournal(created_ts=0), 0) as feed:
            for count, (account, message) in enumerate(messages):
                feed.post(account, message)
                if count % BATCH == 0:
                    feed.run()
            feed.run()
            state = FinalState(feed.system)
            ends.append((sorted(state.orders()), [held.qty for held in state.positions_held]))
            assert feed.counts().failures == 0

    assert ends[0] == ends[1]


@pytest.mark.parametrize("copies", [2, 3])
def test_repeated_deliveries_change_nothing(tmp_path: Path, copies: int) -> None:
    """Every report told again and again: the same digest, every repetition counted."""
    recording = open_recording([lobster(tmp_path)])
    digests = []
    for times in (1, copies):
        with Feed(
            {"market": ("NASDAQ", "market")}, recording.instruments, MemoryJournal(created_ts=0), 0
        ) as feed:
            for account, step in recording.steps():
                again = times if isinstance(step.message, Said) else 1
                for _ in range(again):
                    feed.post(account, step.message)
                feed.run()
            digests.append(FinalState(feed.system).digest)
            reports = sum(isinstance(s.message, Said) for _, s in recording.steps())
            assert feed.counts().duplicates == reports * (times - 1)

    assert digests[0] == digests[1]


# --- bad input -----------------------------------------------------------------------------------


def test_a_bad_row_is_named_and_what_came_before_is_kept(tmp_path: Path) -> None:
    """The error names file, line and text; the rows before it are in the journal, whole."""
    rows = [*LOBSTER[:5], "34200.6,4,8,cake,5853400,-1", *LOBSTER[6:]]
    journal = tmp_path / "a.db"
    with pytest.raises(RecordingError, match=r"XYZ_2012.*\.csv, line 6:.*cake"):
        replay([lobster(tmp_path, rows)], journal=journal)
    with open_journal(journal, read_only=True) as book:  # type: ignore[attr-defined]
        assert book.verify() == []
        assert len(list(book.closed_orders())) == 1
        assert [record.kind for record in book.records()].count("SubmitOrder") == 3


def test_another_recording_does_not_go_into_a_replays_journal(tmp_path: Path) -> None:
    """Other content under the same name is refused, and nothing is written."""
    journal = tmp_path / "a.db"
    replay([lobster(tmp_path)], journal=journal)
    with open_journal(journal, read_only=True) as book:  # type: ignore[attr-defined]
        before = book.last_seq
    with pytest.raises(JournalSchemaError, match="another recording"):
        replay([lobster(tmp_path, LOBSTER[:8])], journal=journal)
    with open_journal(journal, read_only=True) as book:  # type: ignore[attr-defined]
        assert before == book.last_seq


def test_a_journal_of_live_orders_takes_no_replay(tmp_path: Path) -> None:
    """Facts that are no replay's stay apart from recorded ones."""
    journal = MemoryJournal(created_ts=0)
    recording = open_recording([lobster(tmp_path)])
    with Feed({"m": ("NASDAQ", "market")}, recording.instruments, journal, 0):
        pass
    journal.unavailable = ""
    with pytest.raises(JournalSchemaError, match="is no replay"):
        replay([lobster(tmp_path)], journal=journal)


def test_hostile_names_go_through_unharmed(tmp_path: Path) -> None:
    """Ids with quotes, NUL, newlines, escapes or a megabyte: journalled, folded, found again."""
    journal = tmp_path / "a.db"
    report = replay([kucoin(tmp_path, HOSTILE)], journal=journal)

    assert failures(report) == []
    assert report.orders == len(HOSTILE)
    with open_journal(journal, read_only=True) as book:  # type: ignore[attr-defined]
        assert sorted(HOSTILE) == sorted(cid for cid, _ in book.closed_orders())
    assert report.digest == replay([journal]).digest
