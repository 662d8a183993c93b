"""Instruments: what is known of each venue's, journalled when it is learnt or changes.

Quantities mean nothing without them, so a definition is a fact like any other, and a discarded turn
takes it back.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.messages import DefineInstrument
from engine.values import Instrument

from .broker import BrokerActor
from .turn import Turn

__all__ = ["Definitions"]


class Definitions:
    """By venue and symbol; each venue's brokers share its dict."""

    def __init__(self, brokers: dict[tuple[str, str], BrokerActor]) -> None:
        self._brokers = brokers
        self.known: dict[str, dict[str, Instrument]] = {}
        self.turn: Turn  # set before the first turn

    def of(self, venue: str) -> dict[str, Instrument]:
        """A venue's instruments by symbol: the dict itself."""
        return self.known.setdefault(venue, {})

    def all(self) -> list[Instrument]:
        """Every instrument of every venue."""
        return [one for known in self.known.values() for one in known.values()]

    def define_all(self, instruments: Iterable[Instrument]) -> None:
        """Learn instruments; those that are known as they are write nothing. Inside a turn."""
        for instrument in instruments:
            self._define(instrument)

    def _define(self, instrument: Instrument) -> None:
        before = self.of(instrument.venue).get(instrument.symbol)
        if before == instrument:
            return
        turn = self.turn
        turn.undo.append((self, (instrument.venue, instrument.symbol), before))
        ts = turn.time_ns()
        turn.record(
            ts,
            f"instrument:{instrument.venue}:{instrument.symbol}",
            DefineInstrument(instrument, ts),
        )
        self._put(instrument.venue, instrument.symbol, instrument)
        for broker in self._brokers.values():
            if broker.name == instrument.venue and broker.intake.parked:
                broker.intake.try_again()

    def _put(self, venue: str, symbol: str, instrument: Instrument) -> None:
        self.of(venue)[symbol] = instrument
        for broker in self._brokers.values():  # a slot books by the rules that the fold would use
            if broker.name == venue:
                for (traded, _), slot in broker.positions.items():
                    if traded == symbol:
                        slot.instrument = instrument

    def restore(self, before: tuple[str, str], extra: Instrument | None) -> None:
        """Take a definition back whose turn was discarded."""
        venue, symbol = before
        if extra is None:
            self.of(venue).pop(symbol, None)
        else:
            self._put(venue, symbol, extra)
