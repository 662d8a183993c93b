"""Which of our orders a venue's own order id means.

Some venues number orders per instrument, so one id can be several orders'; a report that names its
instrument is then for the order of that instrument, and one that names none is for nobody.
"""

from __future__ import annotations

from engine.messages import Feeds, Filled
from engine.order import Order

__all__ = ["VenueIds"]


class VenueIds:
    """The ids of live orders. Ids of closed ones are in the journal."""

    __slots__ = ("_orders",)

    def __init__(self) -> None:
        self._orders: dict[str, tuple[tuple[str, str], ...]] = {}  # id -> (instrument, our id)...

    def learn(self, order: Order) -> None:
        """Take in every id of an order."""
        ids = order.venue_order_ids
        if not ids:
            return
        terms = order.terms
        entry = (terms.instrument, terms.client_order_id)
        for venue_id in ids:
            known = self._orders.get(venue_id)
            if known is None:
                self._orders[venue_id] = (entry,)
            elif entry not in known:
                self._orders[venue_id] = (*known, entry)

    def forget(self, order: Order) -> None:
        """Let go of every id of an order."""
        cid = order.terms.client_order_id
        for venue_id in order.venue_order_ids:
            known = self._orders.pop(venue_id, ())
            if len(known) > 1:
                self._orders[venue_id] = tuple(entry for entry in known if entry[1] != cid)

    def find(self, venue_id: str, report: object) -> str | None:
        """The one order that a report under ``venue_id`` can be about; None when that is open.

        A combo's leg names another instrument than its order; it is bound where only one order
        has the id.
        """
        known = self._orders.get(venue_id, ())
        instrument = getattr(report, "instrument", "")
        named = [cid for symbol, cid in known if not instrument or symbol == instrument]
        if not named and isinstance(report, Filled) and report.feeds is Feeds.POSITION:
            named = [cid for _, cid in known]
        return named[0] if len(named) == 1 else None
