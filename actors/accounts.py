"""What of a system's money is not a position's: its rates, and whether trips are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.messages import KeepHistory, SetRate
from engine.trip_books import Money, taken_in

if TYPE_CHECKING:
    from .turn import Turn

__all__ = ["Accounts"]


class Accounts:
    """Belongs to the dispatcher's thread; ``money`` is replaced, never changed, so it may be read
    from any.
    """

    def __init__(self, turn: Turn, money: Money) -> None:
        self.money = money
        self.turn = turn

    def take(self, fact: SetRate | KeepHistory) -> None:
        """Write a fact down, and count with it; inside a turn."""
        self.turn.undo.append((self, self.money, None))
        self.money = taken_in(self.money, fact)
        entity = "history:trips"
        if isinstance(fact, SetRate):
            entity = f"rate:{fact.base}/{fact.quote}"
        self.turn.record(fact.ts, entity, fact)

    def restore(self, before: Money, extra: None) -> None:
        """Take a fact back; its turn was discarded."""
        del extra
        self.money = before
