"""Recorded order flow through the real path, against a bare decode of the same file.

In: opening and decompressing the file, reading its rows into messages, and each message through
broker, order and position actors into a SQLite journal on disk; then the recording's own checks.
Out: starting the process. The floor decompresses the same file and decodes every row (JSON, or
split text), and does nothing with it. A message is one row of the file, for both.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import orjson

from actors.replay import Report, replay

from .harness import Options, Result, Side, Unavailable, compare
from .shared import shared_file

#: (case, file): one recording of an account, one of an exchange.
CASES: Final = (
    ("KuCoin log", ("data", "fills", "hummingbot_kucoin_EDG-BTC_events.jsonl.gz")),
    (
        "AAPL 50-level",
        ("data", "orders", "AAPL_2012-06-21_34200000_37800000_message_50.csv.gz"),
    ),
)
_ROWS_QUICK: Final = 4_000


def run(options: Options) -> Iterator[Result]:
    """Measure both recordings."""
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        for case, parts in CASES:
            path = shared_file(*parts)
            if path is None:
                raise Unavailable(f"the shared recordings are not here ({'/'.join(parts)})")
            if options.quick:
                path = _beginning(path, Path(folder), _ROWS_QUICK)
            rows = _count(path)
            sides = (Replay(path), BareDecode(path, rows))
            yield from compare(
                "replay", case, "messages/s", _per_second(rows), sides, options.rounds
            )


class Replay(Side):
    """The recording through the running system, as `orderwright replay` does it."""

    name = "engine"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._report: Report | None = None

    def prepare(self) -> None:
        """A folder for the journal."""
        self._folder = tempfile.TemporaryDirectory(prefix="replay-")
        self._report = None

    def work(self) -> None:
        """Replay, and judge."""
        self._report = replay([self._path], journal=Path(self._folder.name) / "replay.journal")

    def check(self) -> None:
        """Every check of the recording holds."""
        assert self._report is not None
        failed = [check for check in self._report.checks if check.failed]
        assert not failed, failed

    def finish(self) -> None:
        """Remove the journal."""
        self._folder.cleanup()


class BareDecode(Side):
    """Every row decoded, nothing done with it."""

    name = "bare decode"

    def __init__(self, path: Path, rows: int) -> None:
        self._path = path
        self._rows = rows
        self._is_json = ".jsonl" in path.name

    def prepare(self) -> None:
        """Nothing was read yet."""
        self._seen = 0

    def work(self) -> None:
        """Read, decompress, decode."""
        seen = 0
        with gzip.open(self._path, "rb") as file:
            if self._is_json:
                for line in file:
                    orjson.loads(line)
                    seen += 1
            else:
                for line in file:
                    line.split(b",")
                    seen += 1
        self._seen = seen

    def check(self) -> None:
        """Every row was seen."""
        assert self._rows == self._seen, self._seen

    def finish(self) -> None:
        """Nothing is kept."""


def _per_second(rows: int) -> Callable[[float], float]:
    return lambda seconds: rows / seconds


def _count(path: Path) -> int:
    with gzip.open(path, "rb") as file:
        return sum(1 for _ in file)


def _beginning(path: Path, folder: Path, rows: int) -> Path:
    """A copy of the first ``rows`` rows, for quick runs."""
    copy = folder / path.name
    with gzip.open(path, "rb") as whole, gzip.open(copy, "wb") as part:
        for _, line in zip(range(rows), whole, strict=False):
            part.write(line)
    return copy
