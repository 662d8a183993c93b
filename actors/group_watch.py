"""What a group waits for after each of its looks: deadlines, pauses, prices."""

from __future__ import annotations

from decimal import Decimal

from engine.group_steps import Plan
from engine.values import ZERO

from .group_moves import GroupMoves
from .group_pauses import Pauses
from .group_roles import GroupRole
from .group_swaps import GroupSwaps
from .group_trails import GroupTrails
from .group_words import Look, ProtectionDue
from .runtime import Timer

__all__ = ["GroupWatch"]


class GroupWatch:
    """The clocks of one group. Lives and dies with it, on the same thread."""

    __slots__ = ("_actor", "_again", "_both_told", "_due", "_moves", "_pauses", "_trails", "swaps")

    def __init__(
        self, actor: GroupRole, pauses: Pauses, moves: GroupMoves, trails: GroupTrails | None
    ) -> None:
        self._actor = actor
        self._pauses = pauses
        self._moves = moves
        self._trails = trails
        self._due: dict[str, Timer] = {}
        self._both_told: dict[str, Decimal] = {}
        self._again: Timer | None = None
        self.swaps: GroupSwaps | None = None  # where the venue locks what exits offer

    def looked(self, found: Plan, _: None) -> None:
        """After the commit: keep the clocks of what is without a stop, tell of what was closed
        twice.
        """
        actor = self._actor
        group = actor.group
        exposed = dict(found.exposed)
        now = actor.broker.dispatcher.monotonic_ns()
        for emergency in list(self._due):
            if emergency not in exposed or self._due[emergency].due_ns <= now:
                self._due.pop(emergency).cancel()
        for emergency in exposed:
            if emergency not in self._due and emergency not in group.late:
                self._due[emergency] = actor.desk.remind(
                    group.terms.protect_within_ns, ProtectionDue(group.group_id, emergency)
                )
        if self._trails is not None:
            self._trails.watch(group)
        self._moves.tell(group, found.refused, found.away)
        ends = self._pauses.ends(now)
        if ends is not None and (self._again is None or not now < self._again.due_ns <= ends):
            if self._again is not None:
                self._again.cancel()
            self._again = actor.desk.remind(ends - now, Look(group.group_id))
        for emergency, qty in found.both_filled:
            if self._both_told.get(emergency, ZERO) < qty:
                self._both_told[emergency] = qty
                first = actor.legs[emergency.removesuffix("~exit")].order.instrument
                actor.desk.both_filled(group, first, emergency, qty)
        if found.aims and self.swaps is None:
            self.swaps = GroupSwaps(actor)
        if self.swaps is not None:
            self.swaps.looked(found)

    def stop(self) -> None:
        """Its clocks stop."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        if self._trails is not None:
            self._trails.stop()
        if self._again is not None:
            self._again.cancel()
        if self.swaps is not None:
            self.swaps.stop()
