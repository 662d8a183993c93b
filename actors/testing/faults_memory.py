"""What a venue looked like a while ago: for queries and lists that lag."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from engine.messages import OrderSnapshot, VenueStatus
from engine.simulator import Exchange
from engine.values import Source

__all__ = ["Memory", "as_answer"]

_OPEN = (VenueStatus.WORKING, VenueStatus.TRIGGERED)


class Memory:
    """How each order of an account looked, since when; filled by :meth:`look`.

    Looks are taken after each call and each move of the market, and cost time in proportion to the
    number of orders; ``is_on`` says whether they are taken at all.
    """

    def __init__(self, exchange: Exchange, account: str, *, is_on: bool) -> None:
        self.is_on = is_on
        self._exchange = exchange
        self._account = account
        self._seen: dict[str, tuple[list[int], list[OrderSnapshot]]] = {}

    def look(self, now_ns: int) -> None:
        """Remember how things stand."""
        if not self.is_on:
            return
        for _, order in self._exchange.placed(self._account):
            times, looks = self._seen.setdefault(order.client_order_id, ([], []))
            if not looks or msgspec.structs.replace(order, ts=looks[-1].ts) != looks[-1]:
                times.append(now_ns)
                looks.append(order)

    def order_at(
        self, client_order_id: str, venue_order_id: str | None, ts: int
    ) -> OrderSnapshot | None:
        """The order as it was at ``ts``, by client id or else the venue's; None: not there yet."""
        if client_order_id:
            times, looks = self._seen.get(client_order_id, ([], []))
            index = bisect_right(times, ts)
            return looks[index - 1] if index else None
        for order in self.orders_at(ts):
            if order.venue_order_id == venue_order_id:
                return order
        return None

    def orders_at(self, ts: int) -> tuple[OrderSnapshot, ...]:
        """Every order that was there at ``ts``, oldest first."""
        found = (self.order_at(cid, None, ts) for cid in self._seen)
        return tuple(order for order in found if order is not None)

    def open_at(self, ts: int) -> tuple[OrderSnapshot, ...]:
        """Every order that was open at ``ts``, oldest first."""
        return tuple(order for order in self.orders_at(ts) if order.status in _OPEN)


def as_answer(order: OrderSnapshot, sent_ts: int, source: Source) -> OrderSnapshot:
    """A remembered look as the answer to a question."""
    return msgspec.structs.replace(order, sent_ts=sent_ts, source=source)
