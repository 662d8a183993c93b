"""When checkpoints are written, and of what: with them a restart folds only a journal's tail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.position_state import Position
from engine.values import Instrument

from .broker import BrokerActor
from .recovery import checkpoint
from .turn import Turn

__all__ = ["Checkpoints"]

#: Facts between checkpoints: a restart folds at most about a second's worth.
FACTS_BETWEEN = 50_000


class Checkpoints:
    """Writes everything as it is: every so many facts, and at an orderly stop."""

    def __init__(
        self,
        turn: Turn,
        known: Iterable[str],
        instruments: Mapping[str, Mapping[str, Instrument]],
        brokers: Iterable[BrokerActor],
        elsewhere: Iterable[Position],
    ) -> None:
        self._turn = turn
        self._keys = dict.fromkeys(known)  # rows that are on disk
        self._instruments = instruments
        self._brokers = brokers  # read when it is needed
        self._elsewhere = tuple(elsewhere)  # positions of accounts that this system does not have
        self._at = 0

    def look(self) -> None:
        """Have one written with this turn if enough has happened since the last."""
        if self._turn.facts_written - self._at >= FACTS_BETWEEN:
            self._at = self._turn.facts_written
            self.demand()

    def demand(self) -> None:
        """Have one written at the end of the turn."""
        self._turn.checkpoint = self._write

    def _write(self) -> None:
        brokers = list(self._brokers)
        held = [slot.position for broker in brokers for slot in broker.positions.values()]
        parked = {name: told for b in brokers for name, told in b.intake.parked.items()}
        checkpoint(
            self._turn.batch,
            self._keys,
            [one for known in self._instruments.values() for one in known.values()],
            [*self._elsewhere, *held],
            [actor for broker in brokers for actor in broker.orders.values()],
            parked,
        )
        written = dict.fromkeys(self._turn.batch.checkpoints)
        self._turn.effects.append((self._written, written, None))

    def _written(self, keys: dict[str, None], _: None) -> None:
        self._keys = keys
