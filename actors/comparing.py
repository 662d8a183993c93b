"""What a venue shows and we were not told: its open orders and executions beside ours.

Nothing is changed here, nor concluded: a list may be stale, and the stream may be about to say the
same. So each difference can be asked later whether it still is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from engine.fold import revive
from engine.ledger import ledger_key
from engine.messages import Filled, OrderSnapshot
from engine.order import Ledger, Order
from engine.reconcile import contradicts, should_be_listed

from .roles import BrokerRole
from .venues.port import Answer

__all__ = ["Comparison", "Difference", "Key"]

Key: TypeAlias = tuple[object, ...]
_NO_FILLS = Ledger()


class Difference(NamedTuple):
    """One thing that differs: what it is known by, in words, and whether it still differs."""

    key: Key
    text: str
    still: Callable[[], bool]


class Comparison:
    """What differs, found piece by piece, because lists may be long.

    Attributes:
        found: the differences so far. latest_ts: of the latest execution that was shown; is_whole:
        whether the list of them is. unshown: orders that a list which need not show all does not
        show: they have to be asked about.
    """

    def __init__(
        self,
        broker: BrokerRole,
        open_orders: Answer[OrderSnapshot],
        executions: Answer[Filled],
    ) -> None:
        self.found: dict[Key, Difference] = {}
        self.latest_ts = 0
        self.is_whole = executions.complete
        self.unshown: list[str] = []
        self._broker = broker
        self._open_orders = open_orders
        self._executions = executions
        self._items = self._compared()

    def go_on(self, count: int) -> bool:
        """Compare up to so many items more; whether that was all."""
        for one in self._items:
            if one is not None:
                self.found[one.key] = one
            count -= 1
            if not count:
                return False
        return True

    def _compared(self) -> Iterator[Difference | None]:
        broker = self._broker
        for item in self._executions.items:
            for fill in broker.link.admitted((item,)):
                self.latest_ts = max(self.latest_ts, fill.ts)
                yield _unbooked(broker, fill)
        shown: dict[str, None] = {}
        for order in self._open_orders.items:
            for seen in broker.link.admitted((order,)):
                shown[seen.client_order_id] = None
                if (
                    seen.client_order_id not in broker.orders
                ):  # else its id may be another's as well
                    shown[seen.venue_order_id or ""] = None
                yield _other(broker, seen)
        whole = self._open_orders.complete and broker.capabilities.lists_trigger_orders
        for cid in list(broker.orders):
            missing = _missing(broker, cid, shown, self._open_orders.sent_ts)
            if missing is None or whole:
                yield missing
            else:
                self.unshown.append(cid)
                yield None


def _unbooked(broker: BrokerRole, fill: Filled) -> Difference | None:
    def still() -> bool:
        return not _is_booked(broker, fill)

    if not still():
        return None
    key = ("execution", fill.instrument, fill.side, fill.exec_id, fill.client_order_id)
    text = f"execution {fill.exec_id!a} of {fill.client_order_id or fill.venue_order_id!a}"
    return Difference(key, text, still)


def _is_booked(broker: BrokerRole, fill: Filled) -> bool:
    found = _find(broker, fill.client_order_id, fill)
    if found is None:
        return False
    order, ledger = found
    if ledger_key(order.terms, fill) in ledger:
        return True
    return broker.executions.is_claimed(broker.executions.key(order.terms, fill))


def _other(broker: BrokerRole, seen: OrderSnapshot) -> Difference | None:
    lag_ns = broker.capabilities.visibility_lag_ns

    def still() -> bool:
        found = _find(broker, seen.client_order_id, seen)
        return found is None or contradicts(*found, seen, lag_ns)

    if not still():
        return None
    name = seen.client_order_id or seen.venue_order_id
    terms = (seen.status, seen.order_qty, seen.cum_qty, seen.price, seen.stop_px)
    return Difference(("order", name, *terms), f"order {name!a} is {seen.status.value}", still)


def _missing(
    broker: BrokerRole, cid: str, shown: dict[str, None], sent_ts: int
) -> Difference | None:
    actor = broker.orders.get(cid)
    if actor is None:
        return None
    order = actor.order
    if not should_be_listed(order, sent_ts, broker.capabilities.visibility_lag_ns):
        return None
    if cid in shown or any(name in shown for name in order.venue_order_ids):
        return None

    def still() -> bool:
        now = broker.orders.get(cid)
        return now is not None and now.order is order  # nothing was told since

    return Difference(("missing", cid, order.ts), f"order {cid!a} is not open", still)


def _find(
    broker: BrokerRole, cid: str, report: Filled | OrderSnapshot
) -> tuple[Order, Ledger] | None:
    """The order a report is about, live or closed, as it is; nothing is taken up for it."""
    venue_id = report.venue_order_id
    actor = broker.orders.get(cid)
    body: bytes | None = None
    if actor is None and cid:
        body = broker.journal.closed_order(cid)
    if actor is None and body is None and venue_id is not None:
        known = broker.venue_ids.find(venue_id, report)
        actor = broker.orders.get(known) if known is not None else None
        if actor is None and not cid:
            body = broker.journal.closed_by_venue_id(
                broker.name, broker.account, venue_id, report.instrument or None
            )
    if actor is not None:
        return actor.order, actor.ledger or _NO_FILLS
    if body is None:
        return None
    order, ledger = revive(body)
    return order, ledger or _NO_FILLS
