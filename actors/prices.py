"""The prices of one account's instruments, and who watches them.

They come from the venue's own feed, where it has one and somebody watches, or from the host
(``system.on_price``). They are no facts: what follows from a price (a trigger that was elected, an
extreme of a position) is what gets journalled.

However fast they come, one message for each instrument waits in the engine's queue, so a burst of
prices never keeps a cancel out of it. What comes meanwhile joins that message, in order; where it
holds many, those that tell the most stay (:func:`engine.prices.telling`), and an alarm says so.
So a price may be seen before a command that was given before it; whoever begins to watch looks at
the newest price there is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from threading import Lock
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from engine.errors import InvalidValue
from engine.messages import Alarm, PriceUpdate
from engine.prices import Price, age_ns, check_price, price_of, taken, telling
from engine.values import TriggerSource

from .door import admit_price
from .nonsense import Nonsense
from .roles import BrokerRole

__all__ = ["PriceFeed", "PriceWatcher", "Prices", "PricesWaiting"]

#: Updates of one instrument that wait, before all but the most telling are passed over.
WAITING_MAX: Final = 256

logger = logging.getLogger(__name__)

#: Called inside the turn in which a price came.
PriceWatcher: TypeAlias = Callable[[Price], object]


@runtime_checkable
class PriceFeed(Protocol):
    """A venue that can tell prices: a :class:`~engine.messages.PriceUpdate` for each change of what
    is watched, as it stands at the first call and from then on while the session stands. ``tell``
    may be called from any thread.
    """

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        """Tell the prices of one more instrument; again is nothing new. Never raises."""
        ...


class PricesWaiting:
    """The updates of one instrument that came since the engine looked; one message."""

    __slots__ = ("instrument", "passed_over", "updates")

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.updates: list[tuple[PriceUpdate, int]] = []  # and when each came, monotonic ns
        self.passed_over = 0

    def add(self, update: PriceUpdate, came_ns: int) -> None:
        """Take one more in."""
        updates = self.updates
        updates.append((update, came_ns))
        if len(updates) >= WAITING_MAX:
            kept = [updates[at] for at in telling([one for one, _ in updates])]
            self.passed_over += len(updates) - len(kept)
            self.updates = kept


class Prices:
    """The part of a broker that knows prices. Lives and dies with it, on the same thread."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self._known: dict[str, Price] = {}
        self._watchers: dict[str, dict[object, PriceWatcher]] = {}
        self._waiting: dict[str, PricesWaiting] = {}
        self._nonsense = Nonsense(broker)
        self._lock = Lock()  # of what waits: prices come from any thread
        #: What the broker hands over here, by class.
        self.routes: dict[type, Callable[[Any], object]] = {
            PriceUpdate: self.take,
            PricesWaiting: self.take_waiting,
        }

    # --- what comes -------------------------------------------------------------------------------

    def sink(self, update: PriceUpdate) -> None:
        """Take what a feed or the host tells; from any thread."""
        dispatcher = self.broker.dispatcher
        if dispatcher.in_turn():  # it may be discarded, and what it posted with it
            dispatcher.post(self.broker, update)
            return
        if update.instrument not in self.broker.instruments:
            return  # of no order and no slot here: names without number would fill the memory
        came_ns = dispatcher.monotonic_ns()
        with self._lock:
            waiting = self._waiting.get(update.instrument)
            is_first = waiting is None
            if waiting is None:
                waiting = self._waiting[update.instrument] = PricesWaiting(update.instrument)
            waiting.add(update, came_ns)
        if is_first:
            dispatcher.post(self.broker, waiting)

    def from_feed(self, update: Any) -> None:
        """As :meth:`sink`, from an adapter that may tell anything; what is no price is an alarm."""
        try:
            update = admit_price(update)
        except InvalidValue as error:
            name = update.instrument if type(update) is PriceUpdate else None
            about = name if type(name) is str and name in self.broker.instruments else ""
            self._nonsense.tell("bad_price", about, str(error))
            return
        self.sink(update)

    def take_waiting(self, waiting: PricesWaiting) -> None:
        """Take over all that came; again when its turn was discarded."""
        with self._lock:
            if self._waiting.get(waiting.instrument) is waiting:
                del self._waiting[waiting.instrument]
        bad = [told for one, came_ns in waiting.updates if (told := self._take(one, came_ns))]
        if bad:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            self.broker.alarm("bad_price", bad[0] + more, self.broker.actor_urn)
        if waiting.passed_over:
            detail = f"{waiting.passed_over} prices of {waiting.instrument} came too fast: of those"
            detail += " only the lowest, the highest and the newest were looked at"
            self.broker.alarm("prices_passed_over", detail, self.broker.actor_urn)

    def take(self, update: PriceUpdate) -> None:
        """Take prices over, and tell those who watch them."""
        bad = self._take(update, self.broker.dispatcher.monotonic_ns())
        if bad:
            self.broker.alarm("bad_price", bad, self.broker.actor_urn)

    def _take(self, update: PriceUpdate, came_ns: int) -> str:
        """Take one over; why it cannot be a price, or ""."""
        instrument = self.broker.instruments.get(update.instrument)
        if instrument is None:
            return ""  # of no order and no slot here
        try:
            check_price(update, instrument)
        except InvalidValue as error:
            return str(error)
        # No fact, so it stays when the turn is discarded: it is what the market did.
        price = self._known[update.instrument] = taken(
            self._known.get(update.instrument), update, came_ns
        )
        for key, watcher in list(self._watchers.get(update.instrument, {}).items()):
            self._tell(key, watcher, price)
        return ""

    def _tell(self, key: object, watcher: PriceWatcher, price: Price) -> None:
        """A watcher that fails leaves no trace of it, and spares the others."""
        turn = self.broker.turn
        mark = turn.mark()
        try:
            watcher(price)
        except Exception as error:
            turn.rollback(mark)
            logger.exception("a watcher of prices failed", extra={"watcher": str(key)})
            detail = f"{key} at {price.instrument}: {type(error).__name__}: {error}"
            turn.tell(Alarm(turn.time_ns(), "price_watcher_failed", detail, str(key)))

    # --- who watches ------------------------------------------------------------------------------

    def watch(self, instrument: str, key: object, watcher: PriceWatcher) -> None:
        """Call ``watcher(price)`` at every update of an instrument, until :meth:`unwatch` with the
        same key. The venue is asked for its feed where it has one.
        """
        self._watchers.setdefault(instrument, {})[key] = watcher
        self._ask_feed(instrument)

    def unwatch(self, instrument: str, key: object) -> None:
        """Stop telling; one that does not watch is passed over."""
        watchers = self._watchers.get(instrument, {})
        watchers.pop(key, None)
        if not watchers:
            self._watchers.pop(instrument, None)

    def linked(self) -> None:
        """The session stands (again): the feed is asked for what is watched."""
        for instrument in self._watchers:
            self._ask_feed(instrument)

    def _ask_feed(self, instrument: str) -> None:
        venue: Any = self.broker.venue
        if not isinstance(venue, PriceFeed):
            return
        tell = self.sink if self.broker.capabilities.inline else self.from_feed  # see actors.door
        try:
            venue.watch_prices(instrument, tell)
        except Exception as error:  # it tells nothing then; its text may hold a signed URL
            detail = f"the feed of {instrument} raised {type(error).__name__}"
            self.broker.turn.tell(Alarm(self.broker.turn.time_ns(), "price_feed", detail))

    # --- questions --------------------------------------------------------------------------------

    def latest(self, instrument: str) -> Price | None:
        """All that is known of it, however old."""
        return self._known.get(instrument)

    def now(
        self, instrument: str, source: TriggerSource, max_age_ns: int | None = None
    ) -> Decimal | None:
        """The price by one source, unless it is older than ``max_age_ns``; None: not known."""
        price = self._known.get(instrument)
        if price is None:
            return None
        age = age_ns(price, source, self.broker.dispatcher.monotonic_ns())
        if age is None or (max_age_ns is not None and age > max_age_ns):
            return None
        return price_of(price, source)
