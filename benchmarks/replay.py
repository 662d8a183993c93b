"""Recorded order flow through the real path, against a bare decode of the same file.

In: opening and decompressing the file, reading its rows into messages, and each message through
broker, order and position actors into a SQLite journal on disk; then the recording's own checks.
Out: starting the process, and counting the rows. The floor decompresses the same file and decodes
every row (JSON, split text, or binary records), and does nothing with it. A message is one row of
the file, for both: what the engine adds (an order that a row implies, rows that it passes over) is
its own affair.

These are all shared recordings of orders with more than 40,000 rows, in each of their forms; each
is read up to row 30,000. The warm-up reads the beginnings; then two rounds follow.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Final, NamedTuple

import orjson

from actors.replay import Report, replay

from .harness import Options, Result, Side, Unavailable, compare
from .shared import shared_file

_ROWS_MAX: Final = 30_000  # of each file, in each round
_ROUNDS: Final = 2
_ROWS_QUICK: Final = 1_000
_CHUNK: Final = 1 << 16  # bytes


class Recording(NamedTuple):
    """One file, and how little can be done to read it."""

    case: str
    parts: tuple[str, ...]
    decode: Callable[[bytes], object]
    member: str = ""  # what the name of the zip's member has in it


def _columns(line: bytes) -> object:
    return line.split(b",")


def _words(line: bytes) -> object:
    return line.split()


def _stamped(line: bytes) -> object:
    return orjson.loads(line.split(b" ", 2)[2])


RECORDINGS: Final = (
    Recording("KuCoin log", ("fills", "hummingbot_kucoin_EDG-BTC_events.jsonl.gz"), orjson.loads),
    Recording(
        "AAPL 50-level",
        ("orders", "AAPL_2012-06-21_34200000_37800000_message_50.csv.gz"),
        _columns,
    ),
    Recording(
        "AAPL level 1", ("orders", "LOBSTER_SampleFile_AAPL_2012-06-21_1.zip"), _columns, "message"
    ),
    Recording(
        "GOOG 10-level",
        ("orders", "LOBSTER_SampleFile_GOOG_2012-06-21_10.zip"),
        _columns,
        "message",
    ),
    Recording(
        "Bitstamp orders", ("orders", "bitstamp_btcusd_2015-05-01_00-16h.orders.csv.gz"), _columns
    ),
    Recording("Bitstamp log", ("orders", "bitstamp_btcusd_2015-05-01_00-16h.log.gz"), _stamped),
    Recording("CME MBO, csv", ("orders", "esh4-glbx-mdp3-20231225.mbo.csv.gz"), _columns),
    Recording("CME MBO, dbn", ("orders", "esh4-glbx-mdp3-20231225.mbo.dbn.zst"), _columns),
    Recording("Shanghai events", ("orders", "AX_sbe_sse_600519.events.csv.gz"), _columns),
    Recording("Shanghai log", ("orders", "AX_sbe_sse_600519.zip"), _words, ".log"),
)


def run(options: Options) -> Iterator[Result]:
    """Measure every recording; the binary one only where the extra ``dbn`` is installed."""
    for recording in RECORDINGS:
        path = shared_file("data", *recording.parts)
        if path is None:
            missing = "/".join(recording.parts)
            raise Unavailable(f"the shared recordings are not here ({missing})")
        if path.suffix == ".zst" and find_spec("databento_dbn") is None:
            continue
        yield from measure(recording, path, options)


def measure(recording: Recording, path: Path, options: Options) -> list[Result]:
    """One file, up to a row; quick: its beginning."""
    beginning = _sides(recording, path, _ROWS_QUICK)
    rows = _ROWS_QUICK
    sides = beginning
    if not options.quick:
        rows = min(sum(1 for _ in BareDecode(recording, path, None)), _ROWS_MAX)
        sides = _sides(recording, path, rows)
    return compare(
        "replay",
        recording.case,
        "messages/s",
        lambda seconds: rows / seconds,
        sides,
        min(options.rounds, _ROUNDS),
        warm_up=beginning,
    )


def _sides(recording: Recording, path: Path, rows: int) -> tuple[Side, ...]:
    return Replay(path, rows), BareDecode(recording, path, rows)


class Replay(Side):
    """The recording through the running system, as `orderwright replay` does it."""

    name = "engine"

    def __init__(self, path: Path, rows: int) -> None:
        self._path = path
        self._rows = rows

    def prepare(self) -> None:
        """A folder for the journal."""
        self._folder = tempfile.TemporaryDirectory(prefix="replay-")
        self._report: Report | None = None

    def work(self) -> None:
        """Replay, and judge."""
        journal = Path(self._folder.name) / "replay.journal"
        self._report = replay([self._path], journal=journal, limit=self._rows)

    def check(self) -> None:
        """Every check of the recording holds."""
        assert self._report is not None
        failed = [check for check in self._report.checks if check.failed]
        assert not failed, failed
        assert self._report.messages, "nothing was replayed"

    def finish(self) -> None:
        """Remove the journal."""
        self._folder.cleanup()


class BareDecode(Side):
    """Every row decoded, nothing done with it. Iterate it for the rows; None: all of them."""

    name = "bare decode"

    def __init__(self, recording: Recording, path: Path, rows: int | None) -> None:
        self._recording = recording
        self._path = path
        self._rows = rows

    def prepare(self) -> None:
        """Nothing was read yet."""
        self._seen = 0

    def work(self) -> None:
        """Read, decompress, decode."""
        seen = 0
        for _ in self:
            seen += 1
        self._seen = seen

    def check(self) -> None:
        """Every row was seen."""
        assert self._rows == self._seen, self._seen

    def finish(self) -> None:
        """Nothing is kept."""

    def __iter__(self) -> Iterator[object]:
        with ExitStack() as stack:
            if self._path.suffix == ".zst":
                rows = _records(stack.enter_context(self._path.open("rb")))
            else:
                rows = map(self._recording.decode, self._lines(stack))
            yield from islice(rows, self._rows)

    def _lines(self, stack: ExitStack) -> IO[bytes]:
        if self._path.suffix != ".zip":
            return io.BufferedReader(stack.enter_context(gzip.GzipFile(self._path)))
        archive = stack.enter_context(zipfile.ZipFile(self._path))
        (name,) = (name for name in archive.namelist() if self._recording.member in name)
        return stack.enter_context(archive.open(name))


def _records(file: IO[bytes]) -> Iterator[object]:
    """The records of Databento's binary form, behind a line that stands for the header of a csv."""
    import databento_dbn  # noqa: PLC0415  # optional: only this form needs it

    decoder = databento_dbn.DBNDecoder(compression=databento_dbn.Compression("zstd"))
    while chunk := file.read(_CHUNK):
        decoder.write(chunk)
        yield from decoder.decode()
