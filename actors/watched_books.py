"""What is watched at one account, as its facts say; live, and taken back with a turn."""

from __future__ import annotations

from typing import TypeAlias

from engine.messages import ExecutionsRead
from engine.values import PositionSlot
from engine.watched import Drift, Monitor, Watched, WatchedFact, entity_of, watched

from .turn import Turn

__all__ = ["WatchedBooks"]

SlotKey: TypeAlias = tuple[str, PositionSlot]


class WatchedBooks:
    """Lives and dies with its broker, on the same thread.

    Attributes:
        now: the fold. drifts, monitors: the same, by slot and by id.
    """

    def __init__(self, turn: Turn, venue: str, account: str) -> None:
        self._turn = turn
        self.now = Watched(venue, account)
        self.drifts: dict[SlotKey, Drift] = {}
        self.monitors: dict[str, Monitor] = {}

    def take(self, fact: WatchedFact) -> None:
        """Write a fact down, in a turn."""
        self._turn.undo.append((self, self.now, None))
        self._turn.record(fact.ts, entity_of(fact), fact)
        self.take_over(watched(self.now, fact))

    def read_until(self, until_ts: int) -> None:
        """Write down, in a turn, that executions are booked up to there, where that is new."""
        if until_ts > self.now.executions_ts:
            at = self.now.venue, self.now.account
            self.take(ExecutionsRead(*at, self._turn.time_ns(), until_ts))

    def take_over(self, now: Watched) -> None:
        """Become this; at a restart, before any message."""
        if now.drifts is not self.now.drifts:
            self.drifts = {(one.instrument, one.slot): one for one in now.drifts}
        if now.monitors is not self.now.monitors:
            self.monitors = {one.terms.monitor_id: one for one in now.monitors}
        self.now = now

    def restore(self, before: Watched, extra: None) -> None:
        """Take back what was noted in a turn that was discarded."""
        del extra
        self.take_over(before)
