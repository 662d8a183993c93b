"""An orderly stop: what was accepted is handled, what flies may land, the sessions end, and the
state is written down.

Every wait here has a bound and runs on a clock that goes on while the journal fails, so that
neither a venue that hangs nor a full disk keeps a system from stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from engine.messages import CancelOrder
from engine.views import OrderView

from .broker import BrokerActor
from .broker_words import Ask, WaitFor
from .portfolio import Snapshot
from .runtime import Dispatcher, Future
from .tickets import Until

__all__ = ["Stoppable", "all_within", "wind_down"]

T = TypeVar("T")


class Stoppable(Protocol):
    """What there is to stop."""

    brokers: dict[tuple[str, str], BrokerActor]

    @property
    def dispatcher(self) -> Dispatcher:
        """What it runs on."""
        ...

    def in_turn(self, fn: Callable[[], T]) -> Future[T]:
        """Have ``fn`` called inside a turn."""
        ...

    def req_id(self) -> str:
        """A name for a request."""
        ...

    def last_words(self) -> Snapshot:
        """In the last turn: have everything written down."""
        ...

    def snapshot_now(self) -> Snapshot:
        """Everything as it is in memory."""
        ...


_LOOK_NS = 5_000_000  # between two looks at calls in flight
_CLOSE_NS = 1_000_000_000  # what a venue's close may take at least


async def wind_down(system: Stoppable, open_orders: str, timeout_ns: int) -> Snapshot:
    """Stop everything but the dispatcher; the snapshot says what is left and whether the journal
    took it.
    """
    clock = system.dispatcher
    until_ns = clock.monotonic_ns() + timeout_ns
    brokers = list(system.brokers.values())
    if open_orders == "cancel":
        await _cancel_all(system, timeout_ns)
    else:
        await all_within(system, [system.in_turn(_nothing)], timeout_ns)
    for broker in brokers:
        broker.link.begin_close()
    while any(broker.session.in_flight for broker in brokers) and clock.monotonic_ns() < until_ns:
        await clock.sleep_ns(_LOOK_NS)
    closings = [clock.spawn(broker.link.close()) for broker in brokers]
    await all_within(system, closings, max(until_ns - clock.monotonic_ns(), _CLOSE_NS))
    for closing in closings:
        closing.cancel()
    last = system.in_turn(system.last_words)
    if await all_within(system, [last], max(until_ns - clock.monotonic_ns(), _CLOSE_NS)):
        return last.get(timeout=0)
    return system.snapshot_now()  # nothing can be committed any more: as it is in memory


async def all_within(system: Stoppable, futures: Iterable[Future[Any]], timeout_ns: int) -> bool:
    """Wait until all are done, or for so long; whether they are."""
    waiting = [future for future in futures if not future.done()]
    if not waiting:
        return True
    over: Future[None] = Future(system.dispatcher)
    left = [len(waiting)]

    def ring() -> None:
        if not over.done():
            over.set(None)

    def one_less(_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            ring()

    async def alarm_clock() -> None:
        await system.dispatcher.sleep_ns(timeout_ns)
        ring()

    for future in waiting:
        future.add_done_callback(one_less)
    clock = system.dispatcher.spawn(alarm_clock())
    await over
    clock.cancel()
    return all(future.done() for future in waiting)


def _nothing() -> None:
    """Be handled after everything that was accepted before."""


async def _cancel_all(system: Stoppable, timeout_ns: int) -> None:
    closing: list[Future[OrderView]] = []

    def ask() -> None:
        for broker in system.brokers.values():
            for cid in list(broker.orders):
                ts = system.dispatcher.time_ns()
                broker.on_receive(Ask(CancelOrder(cid, system.req_id(), ts, "stop"), None))
                future: Future[OrderView] = Future(system.dispatcher)
                broker.on_receive(WaitFor(cid, Until.CLOSED, future))
                closing.append(future)

    if await all_within(system, [system.in_turn(ask)], timeout_ns):
        await all_within(system, closing, timeout_ns)
