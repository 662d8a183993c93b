"""Whatever the market and the venue do, the strategy never holds more than its target.

``TestPatient`` passes. ``TestHasty`` fails, and is meant to: Hypothesis finds the moment that makes
it buy twice, and shrinks what led there to a few steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace

from actors.testing import Violation
from actors.testing.machine import ExecutionMachine
from engine.messages import Event
from engine.simulator import ExchangeConfig
from engine.testing.scenario import ACCOUNT, Scenario
from examples.target_position import HastyBuyer, PatientBuyer


class PatientMachine(ExecutionMachine):
    """The strategy at a venue that fails, in a process that dies."""

    random_host = False  # nobody else trades
    strategy: type[PatientBuyer] = PatientBuyer

    def beginnings(self) -> st.SearchStrategy[Scenario]:
        """Our venue is 20 ms away; all else is drawn."""
        far = ExchangeConfig(latency_out_ns=20_000_000, latency_in_ns=20_000_000)
        return super().beginnings().map(lambda drawn: replace(drawn, config=far))

    def begun(self) -> None:
        """A hundred lots, at the bid."""
        self.buyer = self.strategy(self, Decimal(1), Decimal("199.5"))

    def restarted(self) -> None:
        """What the strategy remembers was kept; what the engine had not written is gone."""
        self.buyer.on_restart()

    def on_events(self, events: Sequence[Event]) -> None:
        """The strategy hears all of them."""
        for event in events:
            self.buyer.on_event(event)

    @rule(ticks=st.integers(-2, 2))
    def signals(self, ticks: int) -> None:
        """A rule of our own: the strategy is told a price."""
        if self.system.alive:
            self.buyer.on_price(Decimal(200) + ticks * Decimal("0.5"))

    def promises(self) -> Iterable[Violation]:
        """Asked after each step, of the venue's own truth: what is held, and may still fill."""
        venue = self.system.exchange
        most = sum((one.qty for one in venue.positions(ACCOUNT)), Decimal(0))
        for order in venue.open_orders(ACCOUNT, venue.now_ns):
            if order.order_qty is not None and order.cum_qty is not None:
                most += order.order_qty - order.cum_qty
        if most > self.buyer.target:
            yield Violation("never_more_than_the_target", f"it may come to {most}")


class HastyMachine(PatientMachine):
    """The same with the broken strategy."""

    strategy = HastyBuyer


TestPatient = PatientMachine.TestCase
TestHasty = HastyMachine.TestCase
