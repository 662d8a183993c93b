"""Kill a real engine again and again, and compare what it wrote with what its venue did.

:class:`Killing` owns the venue's process and a journal; each round is one life of the engine's
process, ended by SIGKILL at a moment that is drawn: a commit, a call, an answer, or any. At the end
one more life comes to rest, and everything has to agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from actors.journal import SqliteJournal
from actors.replay_checks import books_digest, fold_journal
from actors.testing.truth import Truth, Violation, compare, not_written_first
from actors.verifying import verify

from .engine_process import Death, Options
from .wire import (
    ACCOUNT,
    VENUE,
    Ask,
    Kill,
    KillPoint,
    Move,
    TruthTold,
    What,
    read_said,
    written,
)

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 300.0  # what takes longer on however busy a machine hangs
_REPEATED = 30  # newest orders that each life wants again


class Hangs(AssertionError):
    """A process did not do what was waited for; says what it had said."""


class Report(msgspec.Struct, kw_only=True):
    """What was tried and what became of it."""

    seed: int
    rounds: int = 0
    kills: dict[str, int] = {}
    wanted: int = 0
    records: int = 0
    orders: int = 0
    fills: int = 0
    violations: list[Violation] = []
    seconds: float = 0.0


class _Lines:
    """The lines a process says, read as they come, never longer than our patience."""

    def __init__(self, process: subprocess.Popen[bytes], said: list[str]) -> None:
        assert process.stdout is not None
        self._pipe = process.stdout
        self._rest = b""
        self._said = said
        self._until = time.monotonic() + _PATIENCE_S
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)

    def __iter__(self) -> Iterator[str]:
        with self._selector:
            while True:
                left = self._until - time.monotonic()
                if left <= 0 or not self._selector.select(left):
                    raise Hangs(f"nothing for {_PATIENCE_S:g} s; last said: {self._said[-5:]}")
                read = os.read(self._pipe.fileno(), 65_536)
                if not read:
                    return
                *lines, self._rest = (self._rest + read).split(b"\n")
                for line in lines:
                    self._said.append(line.decode())
                    yield self._said[-1]


class Killing:
    """A venue, a journal, and lives of an engine; everything ends with the ``with`` block."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.report = Report(seed=seed)
        self.journal = folder / "killed.journal"
        self._errors = folder / "stderr.txt"
        self._draw = random.Random(seed)
        self._wanted = 0  # the highest number that any life wanted
        self._told: dict[str, None] = {}  # orders of which a life told after a commit
        self._seq = 0
        self._numbers = 0
        self._stack = contextlib.ExitStack()
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            args = [sys.executable, "-m", "tests.integration.venue_process", str(self.report.seed)]
            venue = stack.enter_context(self._process(args, stdin=subprocess.PIPE))
            self._port = int(next(iter(_Lines(venue, []))))
            address = ("127.0.0.1", self._port)
            control = socket.create_connection(address, timeout=_PATIENCE_S)
            self._control = stack.enter_context(control)
            self._control_lines = stack.enter_context(control.makefile("rb"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def _process(
        self, args: list[str], stdin: int = subprocess.DEVNULL
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process that does not outlive us."""
        with (
            self._errors.open("ab") as errors,
            subprocess.Popen(
                args, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def errors(self) -> str:
        """What the processes complained of."""
        return self._errors.read_text() if self._errors.exists() else ""

    # --- the venue --------------------------------------------------------------------------------

    def _ask(self, what: What) -> Truth | None:
        self._numbers += 1
        self._control.sendall(written(Ask(self._numbers, what)))
        said = read_said(self._control_lines.readline())
        return said.truth if isinstance(said, TruthTold) else None

    def _move(self, steps: int) -> None:
        """The market moves while no engine is there."""
        self._numbers += 1
        self._control.sendall(written(Move(self._numbers, steps)))
        self._control_lines.readline()

    # --- rounds -----------------------------------------------------------------------------------

    def round(self, kind: Death | KillPoint | None = None, nth: int = 0) -> None:
        """One life, killed at the ``nth`` moment of a kind (None: after so many lines it said)."""
        nth = nth or self._draw.choice(
            (1, 3, 1 + self._draw.randrange(80), 1 + self._draw.randrange(400))
        )
        options = Options(
            port=self._port,
            journal=str(self.journal),
            first=max(0, self._wanted - _REPEATED),
            embedded=self._draw.choice(("thread", "loop")),
            durability=self._draw.choice(("process", "process", "power")),
            log_bytes_max=self._draw.choice((20_000, 200_000)),
            death=kind if isinstance(kind, Death) else None,
            nth=nth,
        )
        said: list[str] = []
        with self._life(options) as process:
            if isinstance(kind, KillPoint):
                self._control.sendall(written(Kill(process.pid, kind, nth)))
            for number, _ in enumerate(_Lines(process, said), 1):
                if kind is None and number == nth:
                    process.send_signal(signal.SIGKILL)
            process.wait(_PATIENCE_S)
        self._note(said)
        if process.returncode != -signal.SIGKILL:
            raise Hangs(f"it ended by itself ({process.returncode}): {self.errors()[-2000:]}")
        name = "ANY" if kind is None else kind.name
        self.report.rounds += 1
        self.report.kills[name] = self.report.kills.get(name, 0) + 1
        self._check_journal()
        self._move(self._draw.randrange(8))

    @contextlib.contextmanager
    def _life(self, options: Options) -> Iterator[subprocess.Popen[bytes]]:
        encoded = msgspec.json.encode(options).decode()
        with self._process(
            [sys.executable, "-m", "tests.integration.engine_process", encoded]
        ) as process:
            yield process

    def _note(self, said: list[str]) -> None:
        for line in said:
            word, _, rest = line.partition(" ")
            if word == "wants":
                self._wanted = max(self._wanted, int(rest) + 1)
            elif word == "told":
                self._told[rest] = None

    def _check_journal(self) -> None:
        """After a kill: nothing that was there before is gone, and what was told of is there."""
        if not self.journal.exists():
            assert not self._told
            return
        with SqliteJournal(self.journal, read_only=True) as journal:
            last = journal.last_seq
            if last < self._seq:
                self._broken("nothing_lost", f"{self._seq} records before, {last} after")
            for record in journal.records(after=max(self._seq - 1, 0)):  # checks each by the last
                self._told.pop(record.entity, None)
            self._seq = last
        for cid in self._told:
            if cid not in self._known():
                self._broken("told_is_written", "an event was published of it", cid)
        self._told.clear()

    def _known(self) -> dict[str, None]:
        with SqliteJournal(self.journal, read_only=True) as journal:
            return dict.fromkeys(record.entity for record in journal.records())

    def _broken(self, invariant: str, message: str, entity: str = "") -> None:
        self.report.violations.append(Violation(invariant, message, entity))

    # --- the end ----------------------------------------------------------------------------------

    def settle(self) -> Report:
        """One more life, that comes to rest and stops in order; then everything is compared.

        More rounds may follow: they begin with the checkpoint that this one has left.
        """
        options = Options(
            port=self._port,
            journal=str(self.journal),
            first=max(0, self._wanted - _REPEATED),
            last=self._wanted,
        )
        said: list[str] = []
        with self._life(options) as process:
            for _ in _Lines(process, said):
                pass
            process.wait(_PATIENCE_S)
        if process.returncode != 0 or not said or not said[-1].startswith("end "):
            raise Hangs(f"it did not end well ({said[-3:]}): {self.errors()[-2000:]}")
        _, digest, *hand_over = said[-1].split(" ")
        for cid in hand_over:
            self._broken("nothing_left_to_a_person", "this venue can prove everything", cid)
        self._note(said)
        self._check_journal()
        self._judge(digest)
        self.report.wanted = self._wanted
        self.report.seconds = round(time.monotonic() - self._began, 1)
        return self.report

    def _judge(self, digest: str) -> None:
        truth = self._ask(What.TRUTH)
        assert truth is not None
        with SqliteJournal(self.journal, read_only=True) as journal:
            verdict = verify(journal)
            books = fold_journal(journal)
        for check in verdict.checks:
            if check.failed:
                self._broken("journal_is_whole", f"{check.name}: {'; '.join(check.examples)}")
        if digest != books_digest(books):
            self._broken("live_state_is_the_fold", f"{digest} live, {verdict.digest} folded")
        self.report.violations += compare(truth, books, VENUE, ACCOUNT)
        self.report.violations += not_written_first(truth, books)
        self.report.records = verdict.records
        self.report.orders = verdict.orders
        self.report.fills = verdict.fills


def kinds() -> list[Death | KillPoint | None]:
    """Every kind of death: at named points of ours, at the venue's, at any moment."""
    return [*Death, *KillPoint, None]


def as_json(report: Report) -> str:
    """For people and programs."""
    return json.dumps(msgspec.to_builtins(report), indent=2)
