"""The demo's stage: two paper venues in virtual time, a running system, the means to tell a story.

Everything is the real thing except time and the market: the simulator makes the market from a seed,
and virtual time passes only when a scene lets it. So the same seed gives the same story, to the
last digit of the digest. The story itself is in :mod:`actors.demo_story`; how it looks is the
command line's business.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from engine.capabilities import Capabilities
from engine.errors import JournalSchemaError, UserError
from engine.messages import Event, GroupTerms, LinkDown, SubmitOrder
from engine.simulator import (
    Exchange,
    ExchangeConfig,
    FeeCurrency,
    FeePlan,
    IntegerDraw,
    MarketPath,
    SessionCalendar,
    TopView,
)
from engine.simulator.config import FULL_CAPABILITIES
from engine.values import Instrument, InstrumentKind, Side

from .journal import Journal, open_journal
from .runtime import SimulatedDispatcher
from .submitting import GroupTicket
from .system import ExecutionSystem
from .tickets import Ticket
from .venues.paper import PaperMarketDriver, PaperVenue

__all__ = ["ALPHA", "DELTA", "PERP", "SPOT", "START_NS", "Stage"]

ALPHA: Final = "alpha"  # a spot exchange
DELTA: Final = "delta"  # a derivatives exchange, farther away
SPOT: Final = Instrument(
    symbol="BTC/USDT",
    venue=ALPHA,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.5"),
    lot_size=Decimal("0.0001"),
    min_notional=Decimal(5),
)
PERP: Final = Instrument(
    symbol="BTC-PERP",
    venue=DELTA,
    kind=InstrumentKind.INVERSE,
    base="BTC",
    quote="USD",
    settle="BTC",
    tick_size=Decimal("0.5"),
    lot_size=Decimal(1),
    multiplier=Decimal(10),  # USD a contract
)
_MS: Final = 1_000_000
_SECOND: Final = 1_000_000_000
START_NS: Final = 1_767_225_600 * _SECOND  # 2026-01-01 00:00 UTC
_CLOSE_NS: Final = 30 * _SECOND  # alpha's trading day ends this long after the start
_STEP_NS: Final = 100 * _MS  # between two moves of a market
_START_PX: Final = Decimal(60_000)


class Stage:
    """The system and its two venues; scenes act on it.

    Args:
        seed: of the market and of the schedule.
        journal: a new file, or ``None`` for memory.
        on_event: sees every event of the system, with the virtual UTC it was seen at.
        on_pause: called after each pause, so that somebody can look.
    """

    def __init__(
        self,
        seed: int,
        journal: str | Path | None,
        on_event: Callable[[int, Event], object],
        on_pause: Callable[[], object],
    ) -> None:
        self._on_pause = on_pause
        self.clock = SimulatedDispatcher("demo", seed=seed, start_ns=START_NS)
        self.journal: Journal = open_journal(
            journal, engine_id="DEM", incarnation="DEMO", created_ts=START_NS
        )
        if self.journal.last_seq:
            self.journal.close()
            raise JournalSchemaError(
                f"{self.journal.name}: this journal holds {self.journal.last_seq} facts already;"
                " the demo begins at the beginning: name a new file"
            )
        self.spot = PaperVenue(ALPHA, "main", Exchange(_spot_config(), [SPOT]), _balances())
        self.perp = PaperVenue(DELTA, "hedge", Exchange(_perp_config(), [PERP]))
        self.system = ExecutionSystem(
            [self.spot, self.perp],
            journal=self.journal,
            dispatcher=self.clock,
            engine_id="DEM",
        )
        self.system.subscribe(lambda event: on_event(self.clock.time_ns(), event))
        self.tickets: dict[str, Ticket] = {}
        self.refused: list[tuple[str, str]] = []
        self.system.start()
        self._drivers = [
            self._play(self.spot, SPOT, IntegerDraw(seed)),
            self._play(self.perp, PERP, IntegerDraw(seed + 1)),
        ]
        self.pause(1)

    @property
    def day_ends_ns(self) -> int:
        """When alpha's trading day ends."""
        return START_NS + _CLOSE_NS

    def _play(
        self, venue: PaperVenue, instrument: Instrument, draw: IntegerDraw
    ) -> PaperMarketDriver:
        path = MarketPath(
            instrument, draw, _START_PX, levels=8, lots_max=1_500 if instrument is SPOT else 1_200,
            gap_every=40, gap_ticks=120,
        )  # fmt: skip
        driver = PaperMarketDriver(
            venue.market, path.steps(self.clock.time_ns() + _STEP_NS, _STEP_NS), self.clock
        )
        self.clock.spawn(driver.run())
        return driver

    # --- what scenes do --------------------------------------------------------------------------

    def submit(self, order: SubmitOrder) -> Ticket | None:
        """Submit an order; a refusal before anything was written is part of the story."""
        if not order.venue:
            venue = DELTA if order.instrument == PERP.symbol else ALPHA
            order = msgspec.structs.replace(order, venue=venue)
        try:
            ticket = self.system.submit(order)
        except UserError as error:
            self.refused.append((order.intent_id, str(error)))
            return None
        self.tickets[order.intent_id] = ticket
        return ticket

    def submit_group(self, root: GroupTerms, intent_id: str, tags: dict[str, str]) -> GroupTicket:
        """Submit contingent orders on alpha; their legs are ``intent_id/leg`` from now on."""
        group = self.system.submit_group(
            root, intent_id=intent_id, venue=ALPHA, account="main", protect_within=2, tags=tags
        )
        self.tickets.update((ticket.intent_id, ticket) for ticket in group.legs.values())
        return group

    def cancel(self, intent_id: str) -> None:
        """Ask for a cancel."""
        ticket = self.tickets.get(intent_id)
        if ticket is not None:
            self.system.cancel(ticket, "the story")

    def amend(
        self,
        intent_id: str,
        *,
        price: Decimal | None = None,
        order_qty: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> None:
        """Ask for new terms."""
        ticket = self.tickets.get(intent_id)
        if ticket is not None:
            self.system.amend(ticket, price=price, order_qty=order_qty, stop_px=stop_px)

    def pause(self, seconds: float) -> None:
        """Let virtual time pass, in steps that somebody can watch."""
        left_ns = round(seconds * _SECOND)
        while left_ns > 0:
            step_ns = min(left_ns, 250 * _MS)
            self.clock.run_for(step_ns)
            left_ns -= step_ns
            self._on_pause()

    def top(self, instrument: Instrument) -> TopView:
        """Best prices now."""
        venue = self.spot if instrument is SPOT else self.perp
        top = venue.market.exchange.top(instrument.symbol)
        assert top is not None
        return top

    def bid(self, instrument: Instrument, ticks: int = 0) -> Decimal:
        """The best bid, ``ticks`` better (above 0) or worse."""
        return (self.top(instrument).bid_px or _START_PX) + ticks * instrument.tick_size

    def ask(self, instrument: Instrument, ticks: int = 0) -> Decimal:
        """The best ask, ``ticks`` worse for the seller (below 0) or better."""
        return (self.top(instrument).ask_px or _START_PX) + ticks * instrument.tick_size

    def wick(self, instrument: Instrument, ticks: int) -> None:
        """Let the market spike for one step: it trades ``ticks`` away, and comes back."""
        venue = self.spot if instrument is SPOT else self.perp
        tick, size = instrument.tick_size, 400 * instrument.lot_size
        px = self.bid(instrument, ticks)
        aggressor = Side.BUY if ticks > 0 else Side.SELL
        bids = tuple((px - n * tick, size) for n in range(8))
        asks = tuple((px + n * tick, size) for n in range(1, 9))

        def spike() -> None:
            venue.market.on_trade(instrument.symbol, px, size, aggressor)
            venue.market.set_book(instrument.symbol, bids, asks)

        self.system.call_soon(spike)

    def drop_link(self) -> None:
        """The line to delta breaks: what it says from now on reaches nobody."""
        self.clock.run(self.perp.close())
        ts = self.clock.time_ns()
        self.system.report(DELTA, "hedge", LinkDown(ts, "the line broke"))

    # --- the end ---------------------------------------------------------------------------------

    def marks(self) -> dict[tuple[str, str], Decimal]:
        """A price for everything held: the middle of the market."""
        found = {}
        for instrument in (SPOT, PERP):
            top = self.top(instrument)
            if top.bid_px is not None and top.ask_px is not None:
                found[instrument.venue, instrument.symbol] = (top.bid_px + top.ask_px) / 2
        return found

    def cancel_all(self) -> None:
        """Cancel what is open, and wait for the confirmations."""
        for order in self.system.orders().get():
            if not order.is_closed:
                self.system.cancel(order.client_order_id, "the end")
        self.pause(1)

    def close(self) -> None:
        """End the markets and the system."""
        for driver in self._drivers:
            driver.stop()
        self.system.stop()


def _spot_config() -> ExchangeConfig:
    return ExchangeConfig(
        fees=_fees("0.0005", "0.001"),
        latency_out_ns=15 * _MS,
        latency_in_ns=15 * _MS,
        calendar=SessionCalendar(closes=(START_NS + _CLOSE_NS,)),
        capabilities=_slower(visibility_ms=30),
    )


def _perp_config() -> ExchangeConfig:
    return ExchangeConfig(
        fees=_fees("-0.0001", "0.0005"),
        latency_out_ns=40 * _MS,
        latency_in_ns=40 * _MS,
        capabilities=_slower(visibility_ms=80),
    )


def _fees(maker: str, taker: str) -> FeePlan:
    return FeePlan(maker=Decimal(maker), taker=Decimal(taker), currency=FeeCurrency.RECEIVED)


def _slower(visibility_ms: int) -> Capabilities:
    """All abilities, with a lag that fits the latency."""
    return msgspec.structs.replace(
        FULL_CAPABILITIES, visibility_lag_ns=visibility_ms * _MS, request_window_ns=_SECOND
    )


def _balances() -> dict[str, Decimal]:
    return {"USDT": Decimal(250_000), "BTC": Decimal(1)}
