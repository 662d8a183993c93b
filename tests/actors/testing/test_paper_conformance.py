"""The paper venue, under faults as well, passes the suite that we give to every adapter."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from actors.testing.faulty_venue import FaultyVenue
from actors.testing.simulated_parts import TimedMarket
from actors.testing.venue_conformance import VenueConformance
from actors.testing.venue_desk import Desk, Runner, SimulatedRunner
from actors.venues.paper import PaperVenue
from actors.venues.port import Venue
from engine.messages import SubmitOrder
from engine.simulator import Exchange, ExchangeConfig
from engine.values import Instrument, Side

D = Decimal
BTC = Instrument(
    symbol="BTC/USDT",
    venue="paper",
    base="BTC",
    quote="USDT",
    tick_size=D("0.5"),
    lot_size=D("0.01"),
    min_notional=D(5),
)
_MS = 1_000_000


class Paper(VenueConformance):
    """How the suite works at a paper venue: prices are told, and others trade on demand."""

    symbol = "BTC/USDT"
    config: ClassVar[ExchangeConfig] = ExchangeConfig()

    def make_venue(self) -> Venue:
        self.market = TimedMarket(Exchange(self.config, [BTC]))
        return PaperVenue("paper", "main", self.market)

    def make_runner(self) -> Runner:
        runner = SimulatedRunner()
        self.market.wakes_on(runner.dispatcher)
        return runner

    def open_market(self, desk: Desk) -> None:
        self.market.on_quote("BTC/USDT", D(1000), D(5), D(1001), D(5))

    def trade_with(self, desk: Desk, order: SubmitOrder) -> bool:
        assert order.price is not None
        px = order.price - BTC.tick_size
        now_ns = desk.runner.clock.time_ns()
        self.market.on_trade("BTC/USDT", px, D(9), Side.SELL, now_ns)
        return True


class TestPaper(Paper):
    """Without latency."""


class TestPaperFarAway(Paper):
    """With latency both ways."""

    config = ExchangeConfig(latency_out_ns=30 * _MS, latency_in_ns=20 * _MS)


class TestPaperOnALoop(Paper):
    """In an asyncio loop, in real time."""

    def make_runner(self) -> Runner:
        return VenueConformance.make_runner(self)


class TestFaultyVenueWithoutFaults(Paper):
    """The venue that can fail is a venue like any other while it does not."""

    def make_venue(self) -> Venue:
        super().make_venue()
        return FaultyVenue(PaperVenue("paper", "main", self.market))
