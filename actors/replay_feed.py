"""The running system a replay feeds: the real one, on virtual time, with recorded venues.

Nothing here folds anything. A recorded message is posted to the broker of its account, as the
facade posts commands and a venue's stream posts reports; from there on it is the path of live
trading: broker, order and position actors, one journalled turn, the lane and its (recorded) venue.

Two things differ from live trading, and both because the recording is all that was ever said. No
timer fires: nobody is asked again, so silence in a recording starts no questions. And a replay that
goes on after its process was killed leaves nothing in doubt: it was our process that died, not the
recorded one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Self, TypeAlias

from engine.errors import JournalError, UserError
from engine.messages import Command, DefineInstrument, Event, Report
from engine.session import SessionLimits
from engine.trip_books import MONEY_FACTS
from engine.values import Instrument

from .broker import BrokerActor
from .following import take_fact
from .journal import Journal
from .replay_groups import RecordedBroker
from .runtime import SimulatedDispatcher
from .runtime.timers import Timer
from .system import ExecutionSystem
from .venues.recorded import RecordedVenue

__all__ = ["AccountKey", "Counts", "Feed"]

#: Venue and account.
AccountKey: TypeAlias = tuple[str, str]

_TURN_MESSAGES: Final = 1 << 30  # a batch is one turn, however many messages follow from it
_EVER_NS: Final = 1 << 62
#: A recorded venue bears everything, and what was sent was sent.
_LIMITS: Final = SessionLimits(window=1 << 30, exit_slots=1, entry_send_by_ns=_EVER_NS)


class _Clock(SimulatedDispatcher):
    """Virtual time that follows the recording; no timer ever fires (see the module's text)."""

    def call_later(self, delay_ns: int, fn: Callable[[], object]) -> Timer:
        """Give back a timer that is never due."""
        return Timer(self.monotonic_ns() + max(delay_ns, 0), fn)

    watch_later = call_later


class _ReplaySystem(ExecutionSystem):
    """The system, taken up again without doubts; groups and switches follow their facts."""

    broker_kind = RecordedBroker

    def _resume(self) -> None:
        self._restarted.clear()
        super()._resume()

    def define(self, instrument: Instrument) -> None:
        """Make an instrument known; inside a turn."""
        self._definitions.define_all((instrument,))

    @property
    def journal_error(self) -> JournalError | None:
        """Why the journal cannot be written, while it cannot."""
        return self._journal_error


class Counts:
    """What the brokers counted, over all accounts."""

    __slots__ = ("adopted", "duplicates", "failures", "late", "quarantined")

    def __init__(self) -> None:
        self.adopted = 0
        self.duplicates = 0
        self.failures = 0
        self.late = 0
        self.quarantined = 0


class Feed:
    """One system and the doors of its accounts. Use it as a context manager.

    Args:
        accounts: by the name that messages come under.
        instruments: known from the start.
        journal: where everything is written; closed at the end.
        start_ns: virtual UTC at the start.
        on_event: sees every event, in order, after its commit.

    Raises:
        JournalError: the journal cannot be used.
    """

    def __init__(
        self,
        accounts: Mapping[str, AccountKey],
        instruments: Iterable[Instrument],
        journal: Journal,
        start_ns: int,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self.journal = journal
        self._clock = _Clock(
            "replay", fifo=True, turn_messages=_TURN_MESSAGES, start_ns=start_ns, capacity=1 << 30
        )
        venues = [RecordedVenue(*key) for key in accounts.values()]
        self.system = _ReplaySystem(
            venues,
            journal=journal,
            dispatcher=self._clock,
            instruments=instruments,
            limits=_LIMITS,
            engine_id=journal.engine_id,
        )
        if on_event is not None:
            self.system.subscribe(on_event)
        self.system.start()
        self._brokers: dict[str, BrokerActor] = {
            name: self.system.brokers[key] for name, key in accounts.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        if kind is None or issubclass(kind, UserError):
            self.close()
        else:
            self.journal.close()  # what was committed is whole; the rest is not trusted any more

    def advance(self, ts: int) -> None:
        """Let virtual time reach ``ts``; a time in the past does nothing."""
        self._clock.run_to(ts)

    def post(self, account: str, message: Command | Report) -> None:
        """Queue one recorded message for the next turn."""
        if type(message) is DefineInstrument:
            self.in_turn(functools.partial(self.system.define, message.instrument))
        elif isinstance(message, MONEY_FACTS):
            brokers, accounts = self.system.brokers, self.system.accounts
            self.in_turn(functools.partial(take_fact, brokers, accounts, message))
        else:
            self._clock.post(self._brokers[account], message)

    def in_turn(self, fn: Callable[[], object]) -> None:
        """Queue a call: it runs in order with the messages, inside the same turn."""
        self._clock.call_soon(fn)

    def stage_row(self, key: str, body: bytes) -> None:
        """Write a row beside the facts of the current turn, in the same transaction."""
        self.system.turn.batch.checkpoints[key] = body

    def run(self) -> None:
        """Handle what was queued, in one turn, and let its effects leave.

        Raises:
            JournalError: it could not be written; nothing of the turn was.
        """
        clock = self._clock
        clock.run_ready()
        while clock.queued():
            # The turn was discarded. An execution that is booked on another order is refused there
            # at the next attempt, so every attempt gets further; a journal that fails does not.
            error = self.system.journal_error
            if error is not None:
                raise error
            clock.resume()
            clock.run_ready()

    def counts(self) -> Counts:
        """What was counted since the start."""
        total = Counts()
        for broker in self._brokers.values():
            counted = broker.counters
            total.adopted += counted.adopted
            total.duplicates += counted.duplicates
            total.failures += counted.failures
            total.late += counted.late
            total.quarantined += counted.quarantined
        total.failures += self._clock.dead_letters.count
        return total

    def close(self) -> None:
        """Stop the system: a last checkpoint, and the journal is closed."""
        if self.system.journal_error is None:
            self.system.stop()
        else:
            self.journal.close()
