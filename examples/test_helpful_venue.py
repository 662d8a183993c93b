"""The suite for venue adapters, run against a sound adapter and a broken one.

``TestPaper`` passes. ``TestHelpful`` fails where it should: what its client ids and its cancels
promise is not kept.
"""

from __future__ import annotations

from decimal import Decimal

from actors import PaperVenue
from actors.testing.venue_conformance import VenueConformance
from actors.testing.venue_desk import Desk, Runner, SimulatedRunner
from engine import Instrument
from engine.messages import SubmitOrder
from examples.helpful_venue import HelpfulVenue

BTC = Instrument(
    symbol="BTC/USDT",
    venue="paper",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.5"),
    lot_size=Decimal("0.01"),
)


class TestPaper(VenueConformance):
    """A venue in this process: virtual time, and prices that are told."""

    symbol = "BTC/USDT"
    adapter: type[PaperVenue] = PaperVenue

    def make_venue(self) -> PaperVenue:
        """The adapter under test."""
        self.venue = self.adapter("paper", "main", [BTC])
        return self.venue

    def make_runner(self) -> Runner:
        """Its calls await nothing but the clock, so time may be virtual."""
        return SimulatedRunner()

    def open_market(self, desk: Desk) -> None:
        """A bid and an ask."""
        five = Decimal(5)
        self.venue.market.on_quote(self.symbol, Decimal(1000), five, Decimal(1001), five)

    def trade_with(self, desk: Desk, order: SubmitOrder, qty: Decimal) -> bool:
        """Somebody sells to our bid, whatever else was there before it."""
        market = self.venue.market
        market.exchange.execute("main", order.client_order_id, qty, market.time_ns())
        market.advance()
        return True


class TestHelpful(TestPaper):
    """The same with the broken adapter."""

    adapter = HelpfulVenue
