"""An order engine of stock parts: a Pykka thread per order, with a `transitions` machine in each.

As somebody who knows both libraries would write it. :class:`ThreadPerOrder` has no actors but the
orders: a venue's messages are decoded, looked up in a dict and told to their order by the host's
thread, and an order books its fills into a position behind a lock. :class:`ActorsThroughout` has
the parts that we have: a broker actor routes, and a position actor books. A machine has the life
of an order only, no automatic transitions, and its states are made once for all orders. An order's
thread ends with its order.

No journal, no validation, no check of ids, no queue to the venue, no events, no supervision.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, cast

import msgspec
import pykka
from transitions import Machine, State

from engine.messages import Accepted, Filled, SubmitOrder
from engine.values import ZERO
from engine.values import Side as OrderSide

from .harness import Side
from .lives import Life, net_position

__all__ = ["ActorsThroughout", "ThreadPerOrder"]

_PATIENCE_S: Final = 60.0
_NAMES: Final = ("PENDING", "SUBMITTED", "ACCEPTED", "PARTIAL", "FILLED", "CANCELLED", "REJECTED")
_STATES: Final = [State(name) for name in _NAMES]
_OPEN: Final = ["SUBMITTED", "ACCEPTED", "PARTIAL"]
_TRANSITIONS: Final[list[list[Sequence[str]]]] = [
    ["send", "PENDING", "SUBMITTED"],
    ["accept", "SUBMITTED", "ACCEPTED"],
    ["fill", _OPEN, "PARTIAL"],
    ["complete", _OPEN, "FILLED"],
    ["cancel", _OPEN, "CANCELLED"],
    ["reject", "SUBMITTED", "REJECTED"],
]

#: (order, execution, whether it is the last): called when a fill was applied.
Book: TypeAlias = Callable[[SubmitOrder, Filled, bool], None]


class _Life:
    """What a machine gives its model; declared, because it does so at run time."""

    state: str
    send: Callable[[], bool]
    accept: Callable[[], bool]
    fill: Callable[[], bool]
    complete: Callable[[], bool]


class _OrderThread(pykka.ThreadingActor, _Life):
    """One order."""

    use_daemon_thread = True

    def __init__(self, terms: SubmitOrder, book: Book) -> None:
        super().__init__()
        self._terms = terms
        self._book = book
        self._cum_qty = ZERO
        self._machine = Machine(
            self,
            states=_STATES,
            transitions=_TRANSITIONS,
            initial="PENDING",
            auto_transitions=False,
        )
        self.send()

    def on_receive(self, message: Accepted | Filled) -> None:
        if type(message) is Accepted:
            self.accept()
            return
        fill = cast("Filled", message)
        self._cum_qty += fill.last_qty
        is_last = self._cum_qty == self._terms.order_qty
        if is_last:
            self.complete()
            self.stop()
        else:
            self.fill()
        self._book(self._terms, fill, is_last)


class _Position:
    """What the fills add up to, and how many orders are complete."""

    def __init__(self, count: int) -> None:
        self.qty = ZERO
        self.fees = ZERO
        self.filled = 0
        self.all_filled = threading.Event()
        self._count = count

    def book(self, order: SubmitOrder, fill: Filled, is_last: bool) -> None:
        """Add one fill. By one thread at a time."""
        self.qty += fill.last_qty if order.side is OrderSide.BUY else -fill.last_qty
        self.fees += fill.fee or ZERO
        if is_last:
            self.filled += 1
            if self.filled == self._count:
                self.all_filled.set()


class _PositionThread(pykka.ThreadingActor):
    """The position as an actor of its own."""

    use_daemon_thread = True

    def __init__(self, position: _Position) -> None:
        super().__init__()
        self._position = position

    def on_receive(self, message: tuple[SubmitOrder, Filled, bool]) -> None:
        self._position.book(*message)


class _BrokerThread(pykka.ThreadingActor):
    """Knows the orders: it introduces them, and routes what the venue says to them."""

    use_daemon_thread = True

    def __init__(self, orders: dict[str, Ref], book: Book) -> None:
        super().__init__()
        self._orders = orders
        self._book = book

    def on_receive(self, message: SubmitOrder | Accepted | Filled) -> None:
        if isinstance(message, SubmitOrder):
            self._orders[message.client_order_id] = _OrderThread.start(message, self._book)
        else:
            self._orders[message.client_order_id].tell(message)


Ref: TypeAlias = "pykka.ActorRef[_OrderThread]"


class ThreadPerOrder(Side):
    """A thread per order; everything else is the host's. ``open_orders`` are open at a time."""

    name = "thread per order"

    def __init__(self, lives: list[Life], open_orders: int) -> None:
        self._lives = lives
        self._open_orders = open_orders
        self._decode = msgspec.json.Decoder(SubmitOrder | Accepted | Filled).decode

    def prepare(self) -> None:
        """Nothing is open."""
        self._orders: dict[str, Ref] = {}
        self._position = _Position(len(self._lives))
        self._lock = threading.Lock()

    def work(self) -> None:
        """Every life: introduced and accepted at once, filled when enough others are open."""
        decode = self._decode
        waiting: deque[Life] = deque()
        for life in self._lives:
            self._introduce(cast("SubmitOrder", decode(life[0])))
            self._report(cast("Accepted", decode(life[1])))
            waiting.append(life)
            if len(waiting) > self._open_orders:
                self._fill(waiting.popleft())
        for life in waiting:
            self._fill(life)
        done = self._position.all_filled.wait(_PATIENCE_S)
        assert done, f"{self._position.filled} of {len(self._lives)} orders were filled"

    def check(self) -> None:
        """Every order is filled, and the position adds up."""
        assert len(self._lives) == self._position.filled, self._position.filled
        assert net_position(len(self._lives)) == self._position.qty, self._position.qty

    def finish(self) -> None:
        """Wait until the threads of the orders have ended."""
        for ref in self._orders.values():
            ref.stop()

    def _fill(self, life: Life) -> None:
        for body in life[2:]:
            self._report(cast("Filled", self._decode(body)))

    def _introduce(self, order: SubmitOrder) -> None:
        self._orders[order.client_order_id] = _OrderThread.start(order, self._book)

    def _report(self, report: Accepted | Filled) -> None:
        self._orders[report.client_order_id].tell(report)

    def _book(self, order: SubmitOrder, fill: Filled, is_last: bool) -> None:
        with self._lock:
            self._position.book(order, fill, is_last)


class ActorsThroughout(ThreadPerOrder):
    """Also the broker and the position are actors, each with its thread."""

    name = "thread per order, broker and position"

    def prepare(self) -> None:
        """Start those two."""
        super().prepare()
        booker = _PositionThread.start(self._position)

        def book(order: SubmitOrder, fill: Filled, is_last: bool) -> None:
            booker.tell((order, fill, is_last))

        self._booker = booker
        self._broker = _BrokerThread.start(self._orders, book)

    def finish(self) -> None:
        """Stop them."""
        self._broker.stop()
        super().finish()
        self._booker.stop()

    def _introduce(self, order: SubmitOrder) -> None:
        self._broker.tell(order)

    def _report(self, report: Accepted | Filled) -> None:
        self._broker.tell(report)
