"""Whatever the market and the venue do, the strategy never holds more than its target.

``TestPatient`` passes. ``TestHasty`` fails, and is meant to: Hypothesis finds the moment that makes
it buy twice, and shrinks what led there to a few steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import rule

from actors.testing import Violation
from actors.testing.machine import ExecutionMachine
from engine.messages import Event
from engine.testing.scenario import ACCOUNT
from examples.target_position import HastyBuyer, PatientBuyer


class PatientMachine(ExecutionMachine):
    """The strategy at a venue that fails, in a process that dies."""

    random_host = False  # nobody else trades
    strategy: type[PatientBuyer] = PatientBuyer

    def begun(self) -> None:
        """Ten lots, below the market."""
        self.buyer = self.strategy(self, Decimal("0.10"), Decimal(199))

    def restarted(self) -> None:
        """What the strategy remembers was kept; what the engine had not written is gone."""
        self.buyer.on_restart()

    def on_events(self, events: Sequence[Event]) -> None:
        """The strategy hears all of them."""
        for event in events:
            self.buyer.on_event(event)

    @rule(ticks=st.integers(-2, 4))
    def signals(self, ticks: int) -> None:
        """A rule of our own: the strategy is told a price."""
        if self.system.alive:
            self.buyer.on_price(Decimal(199) + ticks * Decimal("0.5"))

    def promises(self) -> Iterable[Violation]:
        """Asked after each step, of the venue's own truth."""
        held = sum((one.qty for one in self.system.exchange.positions(ACCOUNT)), Decimal(0))
        if held > self.buyer.target:
            yield Violation("never_more_than_the_target", f"{held} are held")


class HastyMachine(PatientMachine):
    """The same with the broken strategy."""

    strategy = HastyBuyer


TestPatient = PatientMachine.TestCase
TestHasty = HastyMachine.TestCase
