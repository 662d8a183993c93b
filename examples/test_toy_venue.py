"""The smallest adapter, held against the suite; and a system that trades through it on a bad
line.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from actors import ExecutionSystem
from actors.runtime import SimulatedDispatcher
from actors.testing.venue_conformance import VenueConformance
from actors.testing.venue_desk import Desk, Runner, SimulatedRunner
from engine import OrderState, limit
from engine.messages import SubmitOrder
from examples.toy_exchange import SYMBOL, ToyExchange
from examples.toy_venue import ToyVenue


class TestToy(VenueConformance):
    """Everything the capabilities declare is kept."""

    symbol = SYMBOL

    def make_venue(self) -> ToyVenue:
        """The adapter under test."""
        self.http = ToyExchange()
        return ToyVenue(self.http)

    def make_runner(self) -> Runner:
        """Its calls await nothing but the clock, so time may be virtual."""
        return SimulatedRunner()

    def trade_with(self, desk: Desk, order: SubmitOrder, qty: Decimal) -> bool:
        """A stranger."""
        self.http.trade(order.client_order_id, qty)
        return True

    def lose_next_answer(self, desk: Desk) -> bool:
        """The exchange will act, and nobody hears of it."""
        self.http.loses_next = True
        return True


def test_a_bad_line_loses_and_doubles_nothing(orderwright_seed: int, tmp_path: Path) -> None:
    """Answers get lost, calls are refused, the stream is cut, and the process restarts: what left
    is one order at the exchange for each intent, filled once; what could not leave in time never
    does.
    """
    http = ToyExchange(seed=orderwright_seed, busy=100, lost=100)
    for intents in (10, 20):  # the second life is asked for the first ten again
        dispatcher = SimulatedDispatcher(seed=orderwright_seed)
        with ExecutionSystem(
            [ToyVenue(http)], journal=tmp_path / "toy.db", dispatcher=dispatcher
        ) as system:
            tickets = [
                system.submit(limit(SYMBOL, "BUY", "0.10", 1001, intent_id=f"intent-{number}"))
                for number in range(intents)
            ]
            dispatcher.run_for(50_000_000)
            http.cut()
            ends = [ticket.wait(timeout=600) for ticket in tickets]  # seconds of virtual time
            positions = system.snapshot().get(timeout=600).positions
            filled = [one for one in ends if one.state is OrderState.FILLED]
            late = [one for one in ends if one.state is OrderState.EXPIRED]
            assert len(filled) + len(late) == intents
            assert sum(one.cum_qty for one in filled) == sum(held.qty for held in positions)
            assert len(http.orders) == len(http.fills) == len(filled)
