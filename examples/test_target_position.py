"""Whatever the venue does, the strategy never holds more than its target.

``TestPatient`` passes. ``TestHasty`` fails, and is meant to: Hypothesis finds the fault at the
venue and the moment that make it buy twice, and shrinks them to a few steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

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
        """Four lots, one by one, at a price that trades."""
        lot = Decimal("0.01")
        self.buyer = self.strategy(self.submit, target=4 * lot, clip=lot, price=Decimal(205))

    def on_events(self, events: Sequence[Event]) -> None:
        """The strategy hears all of them."""
        for event in events:
            self.buyer.on_event(event)

    def promises(self) -> Iterable[Violation]:
        """Asked after each step, of the venue's own truth."""
        held = sum((one.qty for one in self.system.exchange.positions(ACCOUNT)), Decimal(0))
        if held > self.buyer.target:
            yield Violation("never_more_than_the_target", f"{held} are held")

    promises_at_rest = promises


class HastyMachine(PatientMachine):
    """The same with the broken strategy."""

    strategy = HastyBuyer


TestPatient = PatientMachine.TestCase
TestHasty = HastyMachine.TestCase
