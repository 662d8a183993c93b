"""Where a host feeds prices and time into a paper exchange, and a driver that plays a market.

Everything here runs on the thread of the venues it serves (see :mod:`actors.venues.paper`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, Protocol, runtime_checkable

from engine.errors import InvalidValue
from engine.given import check_kind, check_whole, several
from engine.simulator import Exchange, MarketStep
from engine.simulator.book import Levels
from engine.simulator.market import apply_step
from engine.values import Side

from .port import Clock

__all__ = ["Listener", "PaperMarket", "PaperMarketDriver", "sleep_until"]


_MAGNITUDE: Final = 60  # of any price or quantity there is, as a power of ten


class Listener(Protocol):
    """An account that wants its reports."""

    account: str

    def push(self, now_ns: int) -> None:
        """Hand over what is visible by ``now_ns``."""
        ...


class Timer(Protocol):
    """Something that can be called off."""

    def cancel(self) -> object: ...


@runtime_checkable
class Timers(Protocol):
    """A clock that can call back, as a dispatcher is."""

    def call_later(self, delay_ns: int, fn: Callable[[], object]) -> Timer: ...


def check_numbers(symbol: str, *numbers: Decimal | None) -> None:
    """Refuse what a host's script may tell of a market by mistake: it would stop in the middle.

    Raises:
        InvalidValue: nothing has changed.
    """
    check_kind("the symbol", symbol, str)
    for number in numbers:
        if number is not None:
            check_kind(f"a price or quantity of {symbol} (write Decimal('0.1'))", number, Decimal)
            if not number.is_finite() or (number and abs(number.adjusted()) > _MAGNITUDE):
                raise InvalidValue(f"{symbol} cannot be quoted with {number!s:.40}")


def check_levels(symbol: str, levels: Levels) -> None:
    """Refuse what is no list of pairs of (price, quantity).

    Raises:
        InvalidValue: nothing has changed.
    """
    for level in several("levels", levels, tuple):
        if len(level) != 2 or None in level:
            raise InvalidValue(f"a level of {symbol} is (price, quantity), was {level!r:.80}")
        check_numbers(symbol, *level)


class PaperMarket:
    """An exchange and the venues (accounts) connected to it; where a host feeds prices and time.

    ``now_ns`` may be left out once a venue is connected: then its clock tells the time.
    """

    __slots__ = ("_clock", "_due_ns", "_gone", "_timer", "_timers", "_venues", "exchange")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._venues: list[Listener] = []
        self._gone: dict[str, None] = {}  # accounts whose venue has closed
        self._clock: Clock | None = None
        self._timers: Timers | None = None
        self._timer: Timer | None = None
        self._due_ns = 0

    def on_quote(
        self,
        symbol: str,
        bid_px: Decimal | None,
        bid_qty: Decimal | None,
        ask_px: Decimal | None,
        ask_qty: Decimal | None,
        now_ns: int | None = None,
    ) -> None:
        """State the best prices; an impossible quote raises InvalidValue and changes nothing."""
        now_ns = self.time_ns(now_ns)
        check_numbers(symbol, bid_px, bid_qty, ask_px, ask_qty)
        self.exchange.on_quote(symbol, bid_px, bid_qty, ask_px, ask_qty, now_ns)
        self.flush(now_ns)

    def set_book(self, symbol: str, bids: Levels, asks: Levels, now_ns: int | None = None) -> None:
        """State the outside book, best first."""
        now_ns = self.time_ns(now_ns)
        check_levels(symbol, bids)
        check_levels(symbol, asks)
        self.exchange.set_book(symbol, bids, asks, now_ns)
        self.flush(now_ns)

    def on_trade(
        self,
        symbol: str,
        px: Decimal,
        qty: Decimal,
        aggressor: Side | None = None,
        now_ns: int | None = None,
    ) -> None:
        """Others traded; state it before the book it left."""
        now_ns = self.time_ns(now_ns)
        check_kind("px", px, Decimal)
        check_kind("qty", qty, Decimal)
        check_numbers(symbol, px, qty)
        if aggressor is not None:
            check_kind("aggressor (or None)", aggressor, Side)
        self.exchange.on_trade(symbol, px, qty, aggressor, now_ns)
        self.flush(now_ns)

    def on_mark(self, symbol: str, px: Decimal, now_ns: int | None = None) -> None:
        """The mark price moved."""
        now_ns = self.time_ns(now_ns)
        check_kind("px", px, Decimal)
        check_numbers(symbol, px)
        self.exchange.on_mark(symbol, px, now_ns)
        self.flush(now_ns)

    def on_step(self, step: MarketStep) -> None:
        """Show one step of a generated market."""
        apply_step(self.exchange, step)
        self.flush(step.ts)

    def advance(self, now_ns: int | None = None) -> None:
        """Let time pass: requests arrive, orders expire, reports become visible."""
        now_ns = self.time_ns(now_ns)
        self.exchange.advance(now_ns)
        self.flush(now_ns)

    def next_event_ns(self) -> int | None:
        """When :meth:`advance` next has something to do; None for never."""
        return self.exchange.next_event_ns()

    def time_ns(self, now_ns: int | None = None) -> int:
        """``now_ns``, or the connected clock's time, or the exchange's own."""
        if now_ns is not None:
            check_whole("now_ns", now_ns)
            return now_ns
        return self.exchange.now_ns if self._clock is None else self._clock.time_ns()

    def flush(self, now_ns: int) -> None:
        """Push every visible report into the sink of its account."""
        for venue in self._venues:
            venue.push(now_ns)
        for account in self._gone:  # nobody hears it, and it must not stay due for ever
            self.exchange.drain(account, now_ns)
        if self._timers is not None:
            self._wake_for_next_event(now_ns)

    def _wake_for_next_event(self, now_ns: int) -> None:
        """On a clock that runs by itself, orders expire by themselves; a simulation lets time pass
        as it likes.
        """
        due_ns = self.exchange.next_event_ns()
        if self._timers is None or due_ns is None or (self._timer and due_ns == self._due_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_ns = due_ns
        self._timer = self._timers.call_later(max(due_ns - now_ns, 1), self._woken)

    def _woken(self) -> None:
        self._timer = None
        if self._venues:
            self.advance()

    def attach(self, venue: Listener, clock: Clock) -> None:
        """A venue connected; one venue object per account at a time, the newest one."""
        self._venues = [other for other in self._venues if other.account != venue.account]
        self._venues.append(venue)
        self._gone.pop(venue.account, None)
        self._clock = clock
        runs_by_itself = isinstance(clock, Timers) and not getattr(clock, "hand_driven", True)
        self._timers = clock if runs_by_itself and isinstance(clock, Timers) else None

    def detach(self, venue: Listener) -> None:
        """A venue closed."""
        self._venues = [other for other in self._venues if other is not venue]
        if all(other.account != venue.account for other in self._venues):
            self._gone[venue.account] = None
        if not self._venues and self._timer is not None:
            self._timer.cancel()
            self._timer = None


class PaperMarketDriver:
    """Plays a market into the exchange, sleeping on the clock between steps and due events."""

    def __init__(self, market: PaperMarket, steps: Iterable[MarketStep], clock: Clock) -> None:
        self._market = market
        self._steps = steps
        self._clock = clock
        self._is_stopped = False

    async def run(self) -> int:
        """Play all steps (a step in the past at once); returns how many were played."""
        played = 0
        for step in self._steps:
            while (due := self._market.next_event_ns()) is not None and due < step.ts:
                await sleep_until(due, self._clock)
                if self._is_stopped:
                    return played
                self._market.advance(max(due, self._clock.time_ns()))
            await sleep_until(step.ts, self._clock)
            if self._is_stopped:
                return played
            self._market.on_step(step)
            played += 1
        return played

    def stop(self) -> None:
        """End :meth:`run` at its next step."""
        self._is_stopped = True


async def sleep_until(at_ns: int, clock: Clock) -> None:
    """Sleep only when there is something to wait for: calls without latency never suspend."""
    wait_ns = at_ns - clock.time_ns()
    if wait_ns > 0:
        await clock.sleep_ns(wait_ns)
