"""The drifts and monitors of one account, as their facts say; live, and taken back with a turn."""

from __future__ import annotations

from typing import TypeAlias

from engine.values import PositionSlot
from engine.watched import Drift, Monitor, Watched, WatchedFact, watched

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

    @property
    def is_anything_watched(self) -> bool:
        """Whether there is a drift or a monitor."""
        return bool(self.now.drifts or self.now.monitors)

    def take(self, entity: str, fact: WatchedFact) -> None:
        """Write a fact down, in a turn."""
        self._turn.undo.append((self, self.now, None))
        self._turn.record(fact.ts, entity, fact)
        self.take_over(watched(self.now, fact))

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
