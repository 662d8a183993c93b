"""Subscriptions: events out of the system, after their facts are journalled.

A callback runs on the system's own thread, between turns: it must be quick and may submit, never
block. If it raises, it is unsubscribed and an alarm says so. A :class:`Subscription` is an iterator
for other threads or loops, with a bound and a stated policy for a reader that is too slow:
``"drop_oldest"`` (the reader gets an :class:`~engine.messages.EventsMissed` in place of what it
lost) or ``"close"`` (the subscription ends with :class:`~engine.errors.SlowReader`). Publishing
never waits for a reader, and nobody's slowness reaches the orders. Alarms are logged as well, so
that they are seen where nobody has subscribed to them.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, Self, TypeAlias

from engine.errors import AskTimeout, BlockingCallError, InvalidValue, SlowReader
from engine.given import check_whole
from engine.messages import Alarm, Event, EventsMissed

from .runtime import Future

__all__ = ["EVENTS", "Hub", "Overflow", "Subscription"]

logger = logging.getLogger("actors.hub")
#: Every alarm, as a warning, for hosts that have set up logging; others are told nothing.
alarms = logging.getLogger("actors.alarm")
alarms.addHandler(logging.NullHandler())

Overflow = Literal["drop_oldest", "close"]
Callback = Callable[[Event], object]
_Entry: TypeAlias = tuple[Callback, tuple[type[Event], ...]]


def _leaves(kind: type[Event]) -> list[type[Event]]:
    """``kind`` and everything below it."""
    return [kind, *(leaf for below in kind.__subclasses__() for leaf in _leaves(below))]


#: Every kind of event there is.
EVENTS: Final = frozenset(_leaves(Event))


class Hub:
    """All subscribers of one system."""

    __slots__ = ("_callbacks", "_lock", "_routes", "_subscriptions", "wanted")

    def __init__(self) -> None:
        self._callbacks: tuple[_Entry, ...] = ()
        self._routes: dict[type[Event], tuple[_Entry, ...]] = {}  # kind -> who takes it
        self._subscriptions: tuple[Subscription, ...] = ()
        self._lock = threading.Lock()
        #: The kinds that somebody takes; the hot path makes no event for nobody.
        self.wanted: frozenset[type[Event]] = frozenset()
        self._reroute()

    def add_callback(
        self, callback: Callback, kinds: tuple[type[Event], ...]
    ) -> Callable[[], None]:
        """Add a callback; returns what takes it out again."""
        if not callable(callback):
            raise InvalidValue(f"a subscriber must be callable, was {callback!r:.80}")
        _check_kinds(kinds)
        entry = (callback, kinds)
        with self._lock:
            self._callbacks = (*self._callbacks, entry)
            self._reroute()

        def remove() -> None:
            with self._lock:
                self._callbacks = tuple(e for e in self._callbacks if e is not entry)
                self._reroute()

        return remove

    def add_subscription(self, subscription: Subscription) -> None:
        """Add an iterator."""
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
            self._reroute()

    def remove_subscription(self, subscription: Subscription) -> None:
        """Take an iterator out."""
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
            self._reroute()

    def _reroute(self) -> None:
        """Work out anew who takes what; under the lock."""
        routes = {
            kind: tuple(e for e in self._callbacks if not e[1] or issubclass(kind, e[1]))
            for kind in EVENTS
        }
        readers = [s.kinds for s in self._subscriptions]
        self._routes = {**routes, Alarm: (_LOG, *routes[Alarm])}
        self.wanted = frozenset(
            kind
            for kind, takers in routes.items()
            if takers or any(not kinds or issubclass(kind, kinds) for kinds in readers)
        )

    def publish(self, events: list[Event]) -> None:
        """Hand events to everybody, in order. On the dispatcher's thread, after the commit."""
        routes = self._routes
        for event in events:
            for entry in routes[type(event)]:
                if routes is not self._routes and entry not in self._callbacks:
                    continue  # one of those before it ended its subscription
                try:
                    entry[0](event)
                except (
                    Exception
                ) as error:  # a subscriber's bug must not touch orders; it is told, not hidden
                    self._drop_callback(entry[0], event, error)
                except BaseException:  # it ends the system, and is not told of that: once is enough
                    self._take_out(entry[0])
                    raise
        for subscription in self._subscriptions:
            subscription.push(events)

    def close(self) -> None:
        """End all iterators: what they hold can still be read."""
        for subscription in self._subscriptions:
            subscription.close()

    def _take_out(self, callback: Callback) -> None:
        with self._lock:
            self._callbacks = tuple(e for e in self._callbacks if e[0] is not callback)
            self._reroute()

    def _drop_callback(self, callback: Callback, event: Event, error: Exception) -> None:
        logger.error("a subscriber raised and was unsubscribed", exc_info=error)
        self._take_out(callback)
        name = getattr(callback, "__qualname__", repr(callback))
        detail = (
            f"{name} raised {type(error).__name__} on {type(event).__name__} and was unsubscribed"
        )
        alarm = Alarm(getattr(event, "ts", 0), "subscriber_failed", detail)
        if not (isinstance(event, Alarm) and event.kind == "subscriber_failed"):
            self.publish([alarm])


def _log(alarm: Event) -> None:
    if isinstance(alarm, Alarm):
        alarms.warning("%s: %s", alarm.kind, alarm.detail, extra={"entity": alarm.entity})


_LOG: Final[_Entry] = (_log, (Alarm,))


class Subscription:
    """A bounded stream of events: iterate it in a thread, or ``async for`` it in a loop.

    Close it when done.
    """

    def __init__(
        self,
        hub: Hub,
        kinds: tuple[type[Event], ...],
        capacity: int,
        overflow: Overflow,
        is_own_thread: Callable[[], bool],
    ) -> None:
        check_whole("the capacity of a subscription", capacity, at_least=1)
        _check_kinds(kinds)
        if overflow not in ("drop_oldest", "close"):
            raise InvalidValue(f"overflow must be 'drop_oldest' or 'close', was {overflow!r:.80}")
        self._hub = hub
        self.kinds = kinds
        self._capacity = capacity
        self._overflow = overflow
        self._is_own_thread = is_own_thread
        self._events: deque[Event] = deque()
        self._missed = 0
        self._ended = False
        self._too_slow = False
        self._ready = threading.Condition()
        self._waiting: list[Future[None]] = []  # async readers, in any loop or simulation
        hub.add_subscription(self)

    def push(self, events: list[Event]) -> None:
        """Take events in; never waits."""
        with self._ready:
            if self._ended:
                return
            for event in events:
                if self.kinds and not isinstance(event, self.kinds):
                    continue
                if len(self._events) >= self._capacity:
                    if self._overflow == "close":
                        self._too_slow = self._ended = True
                        break
                    self._events.popleft()
                    self._missed += 1
                self._events.append(event)
            self._wake()
        if self._too_slow:
            self._hub.remove_subscription(self)

    def close(self) -> None:
        """End the stream; events already taken in can still be read."""
        with self._ready:
            self._ended = True
            self._wake()
        self._hub.remove_subscription(self)

    def _wake(self) -> None:
        self._ready.notify_all()
        if self._waiting and (self._events or self._ended):
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                future.set(None)

    def _take(self) -> Event | None:
        """The next event, None when there is none yet; raises when the stream is over."""
        if self._missed:
            missed, self._missed = self._missed, 0
            return EventsMissed(getattr(self._events[0], "ts", 0), missed)
        if self._events:
            return self._events.popleft()
        if self._too_slow:
            raise SlowReader(
                f"the reader fell {self._capacity} events behind and its subscription was closed;"
                " read faster, raise the capacity, or choose overflow='drop_oldest'"
            )
        return None

    def get(self, timeout: float | None = None) -> Event:
        """The next event, waiting up to ``timeout`` seconds.

        Raises:
            AskTimeout: none came in time.
            SlowReader: this reader was too slow and its policy is to close.
            StopIteration: never; use iteration to be told of the end. At the end: EOFError.
        """
        if self._is_own_thread():
            raise BlockingCallError(
                "a subscription cannot be read on the system's own thread; use `async for`"
            )
        with self._ready:
            if not self._ready.wait_for(
                lambda: self._events or self._missed or self._ended, timeout
            ):
                raise AskTimeout(f"no event within {timeout} s")
            event = self._take()
        if event is None:
            raise EOFError("the subscription has ended")
        return event

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Event:
        try:
            return self.get()
        except EOFError:
            raise StopIteration from None

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        while True:
            with self._ready:
                event = self._take()
                if event is not None:
                    return event
                if self._ended:
                    raise StopAsyncIteration
                future: Future[None] = Future()
                self._waiting.append(future)
            try:
                await future
            finally:
                if not future.done():  # its reader waits no longer, and may come back for ever
                    with self._ready:
                        self._waiting = [one for one in self._waiting if one is not future]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _check_kinds(kinds: tuple[object, ...]) -> None:
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            raise InvalidValue(
                f"kinds of events are classes of engine.messages (OrderFilled...), got {kind!r:.80}"
            )
