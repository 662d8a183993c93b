"""The facade's accounts: what is held and what it is worth, rates, and the history of positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from engine.errors import InvalidValue
from engine.given import check_kind, check_text_of, check_whole
from engine.marks import mark_of
from engine.messages import SetRate
from engine.prices import Price
from engine.rates import Converter, UsedRate, check_rate, rate_of
from engine.trip_steps import so_far
from engine.trips import Trip
from engine.values import PositionSlot, decimal_from

from .broker import BrokerActor
from .door import nanoseconds
from .history import HistoryReader, Wanted
from .kept import tags_of
from .moving import Moving
from .pnl import PnlReport, pnl_of
from .portfolio import Portfolio, PositionView, portfolio_of, views_of
from .runtime import Future
from .stamping import instrument_of

__all__ = ["Accounting"]

_NAME_MAX: Final = 64


class Accounting(Moving):
    """Amounts stay per currency; one currency is a view. Everything public may be called from any
    thread.
    """

    # --- what it is worth -------------------------------------------------------------------------

    def portfolio(
        self, marks: Mapping[tuple[str, str], Decimal] | None = None
    ) -> Future[Portfolio]:
        """Positions of all venues and amounts per currency.

        What is held is valued by the prices that are known (see ``mark_positions``); ``marks`` by
        (venue, instrument) win.

        Raises:
            InvalidValue: a mark is none. SystemStopped: the system is not running.
        """
        _check_marks(marks)
        return self._asked(lambda: portfolio_of(self._positions(marks)))

    def pnl(
        self,
        currency: str,
        *,
        max_age: float | None = None,
        marks: Mapping[tuple[str, str], Decimal] | None = None,
    ) -> Future[PnlReport]:
        """P&L, fees and funding by position and in all, in ``currency``, at the rates that were
        stated (:meth:`set_rate`, :meth:`follow_rate`) and are not older than ``max_age`` seconds.

        What cannot be told is None, and named in ``missing``.

        Raises:
            InvalidValue: no currency, or ``max_age`` is no time.
            SystemStopped: the system is not running.
        """
        _check_name(currency, "currency")
        age_ns = _age_ns(max_age)
        _check_marks(marks)

        def look() -> PnlReport:
            ts = self.dispatcher.time_ns()
            converter = Converter(self.accounts.money.table, currency, ts, age_ns)
            return pnl_of(self._positions(marks), converter, ts)

        return self._asked(look)

    # --- rates ------------------------------------------------------------------------------------

    def set_rate(
        self,
        base: str,
        quote: str,
        px: Decimal | int | str,
        *,
        ts: int | None = None,
        source: str = "",
    ) -> Future[None]:
        """State that one unit of ``base`` is worth ``px`` of ``quote`` since ``ts`` (UTC ns; now if
        left out). Journalled; of each pair the newest counts.

        Raises:
            InvalidValue: it is no rate; nothing has changed.
            JournalUnavailable, SystemStopped: not accepted.
        """
        self._check_running()
        _check_name(base, "base")
        _check_name(quote, "quote")
        if source != "":
            _check_name(source, "source")
        if ts is not None and (type(ts) is not int or not 0 <= ts < 2**63):
            raise InvalidValue(f"ts must be UTC nanoseconds, was {ts!r:.40}")
        at = self.dispatcher.time_ns() if ts is None else ts
        rate = SetRate(base, quote, decimal_from(px, "a rate"), at, source)
        check_rate(rate)
        return self.in_turn(lambda: self.accounts.take(rate))

    def rate(
        self, base: str, quote: str, *, max_age: float | None = None
    ) -> Future[UsedRate | None]:
        """What one ``base`` is worth in ``quote``, directly, by the inverse or across one more
        currency; None: no rate is known that is not older than ``max_age`` seconds.
        """
        age_ns = _age_ns(max_age)
        _check_name(base, "base")
        _check_name(quote, "quote")

        def look() -> UsedRate | None:
            now_ns = self.dispatcher.time_ns()
            return rate_of(self.accounts.money.table, base, quote, now_ns, age_ns)

        return self._asked(look)

    def follow_rate(
        self, instrument: str, *, venue: str = "", account: str = "", every: float = 60.0
    ) -> Callable[[], None]:
        """Take the rate of an instrument's base in its quote from its price: at once, and then at
        most every so many seconds, each a journalled fact. Returns what ends it.

        The price is chosen as for positions. It is asked for anew after a restart.

        Raises:
            InvalidValue: the instrument has no base and quote, or ``every`` is not above 0.
            InvalidOrder: no account there knows it.
            SystemStopped: the system is not running.
        """
        self._check_accepting()
        broker = self._broker(venue, account)
        known = instrument_of(broker, instrument)
        every_ns = nanoseconds("every", every)
        check_rate(SetRate(known.base, known.quote, Decimal(1), 0))
        follower = _RateFollower(self, broker, known.base, known.quote, every_ns)

        def watch() -> None:
            broker.prices.watch(instrument, follower, follower.priced)
            price = broker.prices.latest(instrument)
            if price is not None:
                follower.priced(price)

        self.dispatcher.call_soon(watch)
        return lambda: self.dispatcher.call_soon(
            lambda: broker.prices.unwatch(instrument, follower)
        )

    # --- history ----------------------------------------------------------------------------------

    def history(
        self,
        instrument: str = "",
        *,
        venue: str = "",
        account: str = "",
        slot: PositionSlot | None = None,
        since: int | None = None,
        until: int | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Future[tuple[Trip, ...]]:
        """Positions that were closed, in the order of their closes; of more than ``limit`` the
        newest. ``since`` and ``until`` bound the close (UTC ns, ``until`` not included); ``tags``
        are those its opening order must have.

        Read from the journal a piece at a time, so that a long history holds nothing up.

        Raises:
            InvalidValue: no history is kept (``ExecutionSystem(history=True)``), a time is not a
                whole number of nanoseconds, or ``limit`` is negative.
            InvalidOrder: there is no such account or instrument.
            JournalCorrupt: in the future: a row of it cannot be read.
            SystemStopped: the system is not running.
        """
        self._check_accepting()
        self._check_history()
        for what, name in (("instrument", instrument), ("venue", venue), ("account", account)):
            check_text_of(what, name)
        for what, number in (("since", since), ("until", until), ("limit", limit)):
            if number is not None:
                check_whole(f"{what} (or None)", number)
        if slot is not None:
            check_kind("slot", slot, PositionSlot)
        wanted = Wanted(instrument, slot, since, until, tags_of(tags), limit)
        brokers = [
            broker
            for (name, at), broker in self.brokers.items()
            if (not venue or name == venue) and (not account or at == account)
        ] or [self._broker(venue, account)]
        if instrument and not any(instrument in broker.instruments for broker in brokers):
            instrument_of(brokers[0], instrument)
        future: Future[tuple[Trip, ...]] = self.promises.keep(Future(self.dispatcher))
        HistoryReader(brokers, wanted, self.journal, future).begin(self.dispatcher)
        return future

    def open_trips(self) -> Future[tuple[Trip, ...]]:
        """The trips that are open, with what they have come to so far; without their unrealised
        P&L, which :meth:`portfolio` has.

        Raises:
            InvalidValue: no history is kept (``ExecutionSystem(history=True)``).
            SystemStopped: the system is not running.
        """
        self._check_accepting()
        self._check_history()

        def look() -> tuple[Trip, ...]:
            return tuple(
                trip
                for broker in self.brokers.values()
                for trail in broker.following.trails()
                if (trip := so_far(trail.now, broker.instruments[trail.now.position.instrument]))
            )

        return self._asked(look)

    # --- inside -----------------------------------------------------------------------------------

    def _check_history(self) -> None:
        if self.accounts.money.history_ts is None:
            raise InvalidValue("no history is kept: give history=True to ExecutionSystem")

    def _positions(
        self, marks: Mapping[tuple[str, str], Decimal] | None = None
    ) -> tuple[PositionView, ...]:
        return views_of(self.brokers.values(), self.dispatcher.time_ns(), marks or {})


class _RateFollower:
    """States a rate from the prices of an instrument, at a bounded pace."""

    def __init__(
        self, system: Accounting, broker: BrokerActor, base: str, quote: str, every_ns: int
    ) -> None:
        self._system = system
        self._broker = broker
        self._base = base
        self._quote = quote
        self._every_ns = every_ns
        self._told_ns: int | None = None

    def priced(self, price: Price) -> None:
        """A price came, inside a turn."""
        broker, marking = self._broker, self._broker.following.marking
        now_ns = broker.dispatcher.monotonic_ns()
        if self._told_ns is not None and now_ns - self._told_ns < self._every_ns:
            return
        mark = mark_of(price, marking.sources, now_ns, marking.max_age_ns)
        if mark is None:
            return
        ts = broker.turn.time_ns() - mark.age_ns
        rate = SetRate(self._base, self._quote, mark.px, ts, f"{broker.name}:{price.instrument}")
        check_rate(rate)
        self._system.accounts.take(rate)
        self._told_ns = now_ns


def _age_ns(max_age: float | None) -> int | None:
    return None if max_age is None else nanoseconds("max_age (or None)", max_age)


def _check_marks(marks: Mapping[tuple[str, str], Decimal] | None) -> None:
    if marks is None:
        return
    check_kind("marks (Decimals by (venue, instrument), or None)", marks, Mapping)
    pairs: Iterable[tuple[object, object]] = marks.items()
    for of, px in pairs:
        if not isinstance(of, tuple) or [str, str] != [type(part) for part in of]:
            raise InvalidValue(f"marks are by (venue, instrument), was {of!r:.80}")
        if not isinstance(px, Decimal) or not px.is_finite():
            raise InvalidValue(
                f"the mark of {of[1]!a:.40} must be a finite Decimal, was {px!r:.40}"
            )


def _check_name(text: str, what: str) -> None:
    try:
        fits = 0 < len(text.encode()) <= _NAME_MAX
    except (AttributeError, UnicodeEncodeError):
        fits = False
    if not fits:
        raise InvalidValue(f"{what} must be a text of 1 to {_NAME_MAX} bytes, was {text!a:.80}")
