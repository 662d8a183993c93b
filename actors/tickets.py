"""Tickets: what a caller holds after submitting, and the waiters behind them.

A ticket costs nothing until somebody waits; then one future is made and kept by the broker until
the order is there. Waiting never changes anything, and a timeout says nothing about the order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from engine.order import Order
from engine.order_tables import TERMINAL, Life
from engine.values import Word
from engine.views import OrderView, view_order

from .runtime import Future

if TYPE_CHECKING:
    from .turn import Turn

__all__ = ["Kept", "Ticket", "Until", "Waiters"]

T = TypeVar("T")


class Until(Word):
    """What a caller waits for."""

    SUBMITTED = "SUBMITTED"  # it has left, or ended without leaving
    ACCEPTED = "ACCEPTED"  # the venue has answered, one way or another
    CLOSED = "CLOSED"  # it has ended


_NOT_SENT = frozenset({Life.PENDING})
_NOT_ANSWERED = frozenset({Life.PENDING, Life.SUBMITTED, Life.IN_DOUBT})


def _reached(until: Until, order: Order) -> bool:
    if until is Until.CLOSED:
        return order.life in TERMINAL
    return order.life not in (_NOT_SENT if until is Until.SUBMITTED else _NOT_ANSWERED)


class Kept:
    """The futures of one ticket that are not set yet: whoever asks again gets the same one. So a
    host that waits for a second, again and again, leaves one waiter behind and not thousands.
    """

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: dict[Until, ref[Future[Any]]] = {}  # held by those who wait, and who set it

    def pending(self, until: Until, make: Callable[[], Future[T]]) -> Future[T]:
        """The future that waits for ``until``; from any thread."""
        held = self._pending.get(until)
        future: Future[T] | None = None if held is None else held()
        if future is None or future.done():
            future = make()
            self._pending[until] = ref(future)
        return future


class Ticket:
    """The receipt of a submitted order. Wait for it (``wait``), or ``await`` it (until closed)."""

    __slots__ = ("_kept", "_watch", "client_order_id", "intent_id")

    def __init__(
        self,
        client_order_id: str,
        intent_id: str,
        watch: Callable[[str, Until], Future[OrderView]],
    ) -> None:
        self.client_order_id = client_order_id
        self.intent_id = intent_id
        self._watch = watch
        self._kept: Kept | None = None

    def __repr__(self) -> str:
        return f"<Ticket {self.client_order_id} intent={self.intent_id!r}>"

    def until(self, until: Until = Until.CLOSED) -> Future[OrderView]:
        """A future of the order as it is once ``until`` is reached; may be awaited or asked with
        ``get(timeout=...)``.
        """
        if self._kept is None:
            self._kept = Kept()
        return self._kept.pending(until, lambda: self._watch(self.client_order_id, until))

    def wait(self, timeout: float | None = None, until: Until = Until.CLOSED) -> OrderView:
        """Block until ``until`` is reached; ``timeout`` in seconds.

        Raises:
            AskTimeout: not reached in time; the order goes on as it was.
            BlockingCallError: called on the system's own thread or loop; use ``await``.
        """
        return self.until(until).get(timeout=timeout)

    def __await__(self) -> Generator[Any, Any, OrderView]:
        return self.until(Until.CLOSED).__await__()


class Waiters:
    """Who waits for which order, or for the session; lives on the dispatcher's thread."""

    __slots__ = ("_by_order", "_ended", "_session", "any")

    def __init__(self) -> None:
        self._by_order: dict[str, list[tuple[Until, Future[OrderView]]]] = {}
        self._session: list[tuple[Callable[[], object], Future[None]]] = []
        self._ended: BaseException | None = None
        self.any = False  # read on the hot path

    def answer_now(self, until: Until, order: Order, future: Future[OrderView], turn: Turn) -> bool:
        """Answer at once when it is there already."""
        if not _reached(until, order):
            return False
        turn.reply(future, view_order(order))
        return True

    def add(self, client_order_id: str, until: Until, future: Future[OrderView]) -> None:
        """Keep a waiter; one that comes after the end is told of it."""
        if self._ended is not None:
            future.set_exception(self._ended)
            return
        self._by_order.setdefault(client_order_id, []).append((until, future))
        self.any = True

    def add_for_session(self, look: Callable[[], object], future: Future[None]) -> None:
        """Have ``look`` called when the session is reconciled; ``future`` is failed if it ends."""
        self._session = [one for one in self._session if not one[1].done()]
        self._session.append((look, future))

    def reconciled(self) -> None:
        """The session is: outside turns."""
        waiting, self._session = self._session, []
        for look, _ in waiting:
            look()

    def stepped(self, order: Order, turn: Turn) -> None:
        """Answer those whose order is there now; the answer leaves after the commit."""
        waiting = self._by_order.get(order.terms.client_order_id)
        if waiting is None:
            return
        there = [pair for pair in waiting if _reached(pair[0], order)]
        if not there:
            return
        for _, future in there:
            turn.effects.append((self._answer, order, future))

    def sent(self, order: Order) -> None:
        """An order has left: not a fact of its own, so those who wait for that are answered at
        once.
        """
        for until, future in self._by_order.get(order.terms.client_order_id, ()):
            if until is Until.SUBMITTED:
                self._answer(order, future)

    def _answer(self, order: Order, future: Future[OrderView]) -> None:
        cid = order.terms.client_order_id
        waiting = [pair for pair in self._by_order.pop(cid, ()) if pair[1] is not future]
        if waiting:
            self._by_order[cid] = waiting
        self.any = bool(self._by_order)
        if not future.done():
            future.set(view_order(order))

    def fail_all(self, error: BaseException) -> None:
        """The system stops: nobody will be answered any more."""
        self._ended = error
        futures: list[Future[Any]] = [future for _, future in self._session]
        futures += [future for waiting in self._by_order.values() for _, future in waiting]
        for future in futures:
            if not future.done():
                future.set_exception(error)
        self._session.clear()
        self._by_order.clear()
        self.any = False
