"""`orderwright replay`: its report, its exit codes, and what it says about bad input."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.journal import open_journal
from engine.errors import JournalError

from .replay_kit import HOSTILE, LOBSTER, kucoin, lobster, run

KEYS = [
    "recording", "format", "messages", "orders", "orders_by_state", "fills", "duplicates", "late",
    "quarantined", "positions", "checks", "digest", "seconds", "messages_per_s",
]  # fmt: skip


def test_json_has_the_keys_that_are_promised(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One object on stdout, decimals as text, and nothing else anywhere."""
    told = run(capsys, "replay", lobster(tmp_path), "--json")
    (position,) = told.json["positions"]

    assert (told.code, told.err) == (0, "")
    assert KEYS == list(told.json)
    assert {
        "account": "market", "instrument": "XYZ", "slot": "NET", "qty": "3",
        "avg_px": "585.3300", "realized_pnl": "0.0900", "currency": "USD", "fees": {},
    } == position  # fmt: skip
    assert {"name", "checked", "failed", "examples"} <= set(told.json["checks"][0])
    assert told.json["orders_by_state"] == {
        "ACCEPTED": 1, "PARTIAL": 1, "FILLED": 1, "CANCELLED": 2,
    }  # fmt: skip


def test_the_report_for_people_says_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Tables of orders, positions and checks, and the verdict."""
    path = lobster(tmp_path)
    digest = run(capsys, "replay", path, "--json").json["digest"]
    told = run(capsys, "replay", path)

    assert told.code == 0
    for word in ("message_1.csv (lobster)", "FILLED", "no_fill_booked_twice", digest):
        assert word in told.out
    assert told.out.rstrip().endswith("all checks hold")


def test_a_failed_check_is_exit_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A drop copy that disagrees with the log fails its check, and the trade is named."""
    log = kucoin(tmp_path, ["order-1"])
    export = tmp_path / "trades.csv"
    export.write_text(
        "exchange_trade_id,config_file_path,strategy,market,symbol,base_asset,quote_asset,"
        "timestamp,order_id,trade_type,order_type,price,amount,leverage,trade_fee,position,age\n"
        "Torder-1,c,pure,kucoin,EDG-BTC,EDG,BTC,1667826302000,order-1,BUY,LIMIT_MAKER,1E-8,0.7,1,"
        "\"{'fee_type': 'AddedToCost', 'percent': '0.001', 'percent_token': None,"
        " 'flat_fees': []}\",NIL,00:00:01\n"
    )
    told = run(capsys, "replay", log, export, "--json")
    failed = [check for check in told.json["checks"] if check["failed"]]

    assert told.code == 1
    assert [check["name"] for check in failed] == ["drop_copy_common_trades_agree"]
    assert "Torder-1" in failed[0]["examples"][0]
    assert "1 of" in run(capsys, "replay", log, export).out.splitlines()[-1]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], ("empty",)),
        (["hello"], ("hello", "readable formats")),
        ([*LOBSTER, LOBSTER[0][:-4]], ("line 11", "message_1.csv")),
        ([*LOBSTER, "34201.0,4,11,2,NaN,-1"], ("line 11", "NaN")),
        ([*LOBSTER, "34201.0,4,11,-2,5853500,-1"], ("line 11",)),
        ([*LOBSTER, '{"event_name": "OrderFilledEvent"}'], ("line 11", "event_name")),
    ],
)
def test_a_recording_that_cannot_be_read_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: list[str], words: tuple[str, ...]
) -> None:
    """Empty, of no format, truncated, impossible or mixed: the message shows where and what."""
    path = lobster(tmp_path, rows)
    if not rows:
        path.write_bytes(b"")
    told = run(capsys, "replay", path, "--json")

    assert (told.code, list(told.json)) == (2, ["error"])
    assert [word for word in words if word not in told.err] == []
    assert "Traceback" not in told.err


def test_a_truncated_archive_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Half of a gzip file: the line up to which it could be read is named."""
    rows = [f"{34200 + n}.1,1,{n},{n % 97 + 1},{5853300 + n * 7919 % 5000},1" for n in range(5000)]
    packed = gzip.compress(lobster(tmp_path, rows).read_bytes())
    path = tmp_path / "half.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    told = run(capsys, "replay", path)

    assert told.code == 2
    assert "half.csv.gz: cannot be read past line" in told.err


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--format", "cake"), "known are kucoin-events"),
        (("--format", "cme-mbo"), "asked to read it as cme-mbo"),
        (("--limit", "0"), "limit"),
        (("--journal", "/no/such/folder/a.db"), "/no/such/folder"),
    ],
)
def test_bad_options_are_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, args: tuple[str, ...], word: str
) -> None:
    """The message names the value and what would do."""
    told = run(capsys, "replay", lobster(tmp_path), *args)

    assert told.code == 2
    assert word in told.err


def test_several_recordings_at_once_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Only a log and its exports belong together."""
    told = run(capsys, "replay", lobster(tmp_path), kucoin(tmp_path, ["a"]))

    assert told.code == 2
    assert "Replay each alone" in told.err


def test_the_limit_takes_the_first_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The oracle is cut at the same row, so its checks still hold."""
    told = run(capsys, "replay", lobster(tmp_path), "--limit", 4, "--json")

    assert told.code == 0
    assert told.json["orders_by_state"] == {"ACCEPTED": 1, "FILLED": 1}


def test_a_journal_in_use_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A second system on the same journal is refused, and says so."""
    path = tmp_path / "a.db"
    holder = open_journal(path)
    told = run(capsys, "replay", lobster(tmp_path), "--journal", path)
    holder.close()

    assert told.code == 2
    assert "a.db" in told.err


def test_a_read_only_journal_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A journal that cannot be written is a clear error, and stays as it was."""
    path = tmp_path / "a.db"
    path.write_bytes(b"not a journal at all, but somebody's text" * 100)
    before = path.read_bytes()
    told = run(capsys, "replay", lobster(tmp_path), "--journal", path)

    assert told.code == 2
    assert before == path.read_bytes()


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The process may write 400 KB, no more: exit code 2, a whole journal, and it goes on later."""
    path, journal = kucoin(tmp_path, [f"order-{n}" for n in range(2_000)]), tmp_path / "a.db"
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "from actors.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    full = [sys.executable, "-c", script, "replay", str(path), "--journal", str(journal)]
    done = subprocess.run(full, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "a.db" in done.stderr
    assert "Traceback" not in done.stderr

    whole = [sys.executable, "-m", "actors", "verify", str(journal)]
    assert subprocess.run(whole, capture_output=True, check=False).returncode == 0
    again = [sys.executable, "-m", "actors", "replay", str(path), "--journal", str(journal)]
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert (done.returncode, "went on at" in done.stdout) == (0, True), done.stderr


def test_hostile_names_reach_no_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing a terminal would obey is printed, in the report or in JSON."""
    path = kucoin(tmp_path, HOSTILE)
    for args in ((), ("--json",)):
        told = run(capsys, "replay", path, "--journal", tmp_path / f"{len(args)}.db", *args)
        assert told.code == 0
        odd = [one for one in told.out + told.err if not one.isprintable() and one != "\n"]
        assert odd == []


def test_ctrl_c_ends_cleanly_and_it_goes_on(tmp_path: Path) -> None:
    """SIGINT during a replay: exit code 130, a whole journal, and the same command goes on."""
    path, journal = kucoin(tmp_path, [f"order-{n}" for n in range(20_000)]), tmp_path / "a.db"
    command = [sys.executable, "-m", "actors", "replay", str(path), "--journal", str(journal)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not has_facts(journal):
        assert child.poll() is None, child.stderr
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)

    assert child.returncode == 130, err
    assert "goes on from here" in err
    assert "Traceback" not in err
    verified = subprocess.run(
        [sys.executable, "-m", "actors", "verify", str(journal)], capture_output=True, check=False
    )
    assert verified.returncode == 0
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def has_facts(journal: Path) -> bool:
    """Whether somebody has begun to write orders there."""
    try:
        book = open_journal(journal, read_only=True)
    except JournalError:
        return False
    try:
        return book.last_seq > 1_000
    finally:
        book.close()
