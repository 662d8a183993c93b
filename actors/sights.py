"""Whether the prices that triggers wait for are live: a stop without a price protects nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from engine.order import Order
from engine.prices import Price
from engine.triggers import sight_age_ns
from engine.values import TriggerSource, Word

from .roles import BrokerRole
from .runtime import Timer

__all__ = ["MAX_AGE_NS", "Feed", "Sight", "Sights", "feed_of"]

#: Prices older than this protect nobody, where the host says nothing else.
MAX_AGE_NS: Final = 5_000_000_000

#: What is watched: the instrument, and which of its prices.
Feed: TypeAlias = tuple[str, TriggerSource]


class Sight(Word):
    """Whether the prices of a feed can be seen."""

    UNSEEN = "UNSEEN"  # none has come yet
    LIVE = "LIVE"
    BLIND = "BLIND"  # the newest is too old, or none has come for as long


def feed_of(order: Order) -> Feed:
    """The prices that elect an order."""
    return order.terms.instrument, order.terms.trigger_source


class _Unsee:
    """Undo of what was seen."""

    def __init__(self, seen: dict[Feed, Sight]) -> None:
        self._seen = seen

    def restore(self, before: Feed, extra: Sight) -> None:
        """Take it back."""
        self._seen[before] = extra


class Sights:
    """The feeds that a broker's triggers wait for. Lives and dies with it, on the same thread.

    Args:
        changed: called with a feed, and the ids of those that wait for it, inside a turn.

    Attributes:
        max_age_ns: how old the newest price may be.
    """

    def __init__(self, broker: BrokerRole, changed: Callable[[Feed, list[str]], object]) -> None:
        self.broker = broker
        self.max_age_ns = MAX_AGE_NS
        self._changed = changed
        self._waiting: dict[Feed, dict[str, None]] = {}  # ids of the orders
        self._seen: dict[Feed, Sight] = {}
        self._timers: dict[Feed, Timer] = {}
        self._watched: dict[str, None] = {}

    # --- who waits for which ----------------------------------------------------------------------

    def add(self, order: Order) -> None:
        """One more waits."""
        feed = feed_of(order)
        waiting = self._waiting.setdefault(feed, {})
        if not waiting:  # nobody has looked at it for a while
            age = self._age_ns(feed)
            is_fresh = age is not None and age <= self.max_age_ns
            self._seen[feed] = Sight.LIVE if is_fresh else Sight.UNSEEN
        waiting[order.terms.client_order_id] = None

    def drop(self, order: Order) -> None:
        """It waits no more."""
        self._waiting.get(feed_of(order), {}).pop(order.terms.client_order_id, None)

    def attend(self, feed: Feed) -> bool:
        """Begin to note when a feed goes silent; between turns. Whether the instrument's prices
        were not watched before.
        """
        if self._waiting.get(feed) and feed not in self._timers:
            self._ring_in(feed, self.max_age_ns)
        is_new = feed[0] not in self._watched
        self._watched[feed[0]] = None
        return is_new

    def forget(self, symbol: str) -> bool:
        """Between turns: stop looking at an instrument; False when somebody waits after all."""
        feeds = [feed for feed in self._waiting if feed[0] == symbol]
        if any(self._waiting[feed] for feed in feeds):
            return False
        for feed in feeds:
            del self._waiting[feed]
            self._seen.pop(feed, None)
            timer = self._timers.pop(feed, None)
            if timer is not None:
                timer.cancel()
        self._watched.pop(symbol, None)
        return True

    # --- what is seen -----------------------------------------------------------------------------

    def is_live(self, order: Order) -> bool:
        """Whether the prices that an order waits for can be seen."""
        return self._seen.get(feed_of(order)) is Sight.LIVE

    def of(self, order: Order) -> Sight:
        """The same in a word."""
        return self._seen.get(feed_of(order), Sight.UNSEEN)

    def see(self, feed: Feed, price: Price) -> bool:
        """A price has come: whether those that wait for this feed can go by it."""
        if not self._waiting.get(feed):
            return False
        age = sight_age_ns(price, feed[1], self.broker.dispatcher.monotonic_ns())
        if age is None or age > self.max_age_ns:
            return False
        if self._seen[feed] is not Sight.LIVE:
            self._become(feed, Sight.LIVE, "")
        return True

    def _age_ns(self, feed: Feed) -> int | None:
        price = self.broker.prices.latest(feed[0])
        if price is None:
            return None
        return sight_age_ns(price, feed[1], self.broker.dispatcher.monotonic_ns())

    def _become(self, feed: Feed, sight: Sight, why: str) -> None:
        before, turn = self._seen[feed], self.broker.turn
        turn.undo.append((_Unsee(self._seen), feed, before))
        self._seen[feed] = sight
        waiting = list(self._waiting[feed])
        symbol, source = feed
        entity = f"{self.broker.actor_urn}:{symbol}"
        if sight is Sight.BLIND:
            detail = f"{source.value} prices of {symbol}: {why}; {len(waiting)} orders wait for one"
            self.broker.alarm("price_blind", detail, entity)
        else:
            turn.effects.append((self._listen, feed, None))
            if before is Sight.BLIND:
                detail = f"{source.value} prices of {symbol} are seen again"
                self.broker.alarm("price_blind", detail, entity)
        self._changed(feed, waiting)

    def _listen(self, feed: Feed, _: None) -> None:
        if feed not in self._timers and self._waiting.get(feed):
            self._ring_in(feed, self.max_age_ns)

    def _ring_in(self, feed: Feed, delay_ns: int) -> None:
        call: Callable[[], Any] = lambda: self._rung(feed)  # noqa: E731
        self._timers[feed] = self.broker.dispatcher.call_later(delay_ns + 1, call)

    def _rung(self, feed: Feed) -> None:
        """Timer: the newest price may be too old by now."""
        self._timers.pop(feed, None)
        if not self._waiting.get(feed):
            return
        age = self._age_ns(feed)
        if age is not None and age <= self.max_age_ns:
            self.broker.turn.effects.append((self._ring_in, feed, self.max_age_ns - age))
        elif self._seen[feed] is not Sight.BLIND:
            came = "none has come" if age is None else f"the newest is {age / 1e9:g} s old"
            self._become(feed, Sight.BLIND, came)
