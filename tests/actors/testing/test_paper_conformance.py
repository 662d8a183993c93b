"""The paper venue, under faults as well, passes the suite that we give to every adapter."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from msgspec.structs import replace

from actors.testing.faulty_venue import FaultyVenue
from actors.testing.simulated_parts import TimedMarket
from actors.testing.venue_conformance import VenueConformance
from actors.testing.venue_desk import Desk, Runner, SimulatedRunner
from actors.venues.paper import PaperVenue
from actors.venues.port import Venue
from engine.messages import SubmitOrder
from engine.simulator import (
    FULL_CAPABILITIES,
    Exchange,
    ExchangeConfig,
    FeeCurrency,
    FeePlan,
)
from engine.testing.faults import Fault, FaultKind, When
from engine.values import Instrument, InstrumentKind

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
ABLE = replace(FULL_CAPABILITIES, place_batch=5, cancel_batch=5)


class Paper(VenueConformance):
    """How the suite works at a paper venue: prices are told, and others trade on demand."""

    symbol = "BTC/USDT"
    config: ClassVar[ExchangeConfig] = ExchangeConfig(capabilities=ABLE)
    instrument: ClassVar[Instrument] = BTC

    def make_venue(self) -> Venue:
        self.market = TimedMarket(Exchange(self.config, [self.instrument]))
        return PaperVenue("paper", "main", self.market)

    def make_runner(self) -> Runner:
        runner = SimulatedRunner()
        self.market.wakes_on(runner.dispatcher)
        return runner

    def open_market(self, desk: Desk) -> None:
        self.market.on_quote("BTC/USDT", D(1000), D(5), D(1001), D(5))

    def trade_with(self, desk: Desk, order: SubmitOrder, qty: Decimal) -> bool:
        self.market.exchange.execute("main", order.client_order_id, qty, self.market.time_ns())
        self.market.advance()
        return True


class TestPaper(Paper):
    """Without latency."""


class TestPaperFarAway(Paper):
    """With latency both ways, and fees."""

    config = ExchangeConfig(
        capabilities=ABLE,
        latency_out_ns=30 * _MS,
        latency_in_ns=20 * _MS,
        fees=FeePlan(taker=D("0.001")),
    )


class TestPaperThatPays(Paper):
    """With rebates for who takes."""

    config = ExchangeConfig(capabilities=ABLE, fees=FeePlan(taker=D("-0.001")))


class TestPaperWithFeesInKind(Paper):
    """A fee is taken out of what was bought."""

    config = ExchangeConfig(
        capabilities=ABLE, fees=FeePlan(taker=D("0.001"), currency=FeeCurrency.RECEIVED)
    )


class TestPaperFutures(Paper):
    """A contract: no coin changes hands, and the position may be short."""

    instrument = replace(BTC, kind=InstrumentKind.LINEAR, settle="USDT", min_notional=None)
    config = ExchangeConfig(capabilities=ABLE, fees=FeePlan(taker=D("0.001")))


class TestPaperOnALoop(Paper):
    """In an asyncio loop, in real time."""

    def make_runner(self) -> Runner:
        return VenueConformance.make_runner(self)


class TestFaultyVenueWithoutFaults(Paper):
    """The venue that can fail is a venue like any other while it does not."""

    def make_venue(self) -> Venue:
        super().make_venue()
        self.venue = FaultyVenue(PaperVenue("paper", "main", self.market))
        return self.venue

    def lose_next_answer(self, desk: Desk) -> bool:
        for verb in ("place", "cancel"):
            self.venue.inject(Fault(FaultKind.UNKNOWN_AFTER, When(verb=verb, nth=1)))
        return True
