"""Which of our orders a venue's own order id means.

Some venues number orders per instrument, so one id can be several orders'; a report that names its
instrument is then for the order of that instrument, and one that names none is for nobody. Others
give an id again to another order later on; so a report that names its order by a client id is for
that order alone.
"""

from __future__ import annotations

from typing import TypeAlias

from engine.messages import Feeds, Filled, SubmitOrder
from engine.order import Order

__all__ = ["VenueIds", "nameless"]

#: Orders by their terms, which live as long as they do; alone nearly always, and then bare.
_Known: TypeAlias = SubmitOrder | tuple[SubmitOrder, ...]


class VenueIds:
    """The ids of live orders. Ids of closed ones are in the journal."""

    __slots__ = ("_orders",)

    def __init__(self) -> None:
        self._orders: dict[str, _Known] = {}

    def learn(self, order: Order) -> None:
        """Take in every id of an order."""
        terms = order.terms
        for venue_id in order.venue_order_ids:
            known = self._orders.get(venue_id)
            if known is None:
                self._orders[venue_id] = terms
            elif known is not terms:
                self._orders[venue_id] = (*_others(known, terms), terms)

    def forget(self, order: Order) -> None:
        """Let go of every id of an order."""
        terms = order.terms
        for venue_id in order.venue_order_ids:
            known = self._orders.pop(venue_id, ())
            left = _others(known, terms) if known is not terms else ()
            if left:
                self._orders[venue_id] = left

    def find(self, venue_id: str, report: object) -> str | None:
        """The one order that a report under ``venue_id`` can be about; None when that is open.

        A combo's leg names another instrument than its order; it is bound where only one order
        has the id. A report with a client id is for the order of that name, or for one of others
        whose name nobody has told yet (:func:`nameless`).
        """
        known = _all(self._orders.get(venue_id, ()))
        cid = getattr(report, "client_order_id", "")
        if cid and known:
            ours = (cid, nameless(known[0].venue, venue_id))
            known = tuple(one for one in known if one.client_order_id in ours)
        instrument = getattr(report, "instrument", "")
        named = [one for one in known if not instrument or one.instrument == instrument]
        if not named and isinstance(report, Filled) and report.feeds is Feeds.POSITION:
            named = list(known)
        return named[0].client_order_id if len(named) == 1 else None


def nameless(venue: str, venue_id: str) -> str:
    """What we call an order of others while its venue tells only its own id of it."""
    return f"{venue}:{venue_id}"


def _all(known: _Known) -> tuple[SubmitOrder, ...]:
    return (known,) if isinstance(known, SubmitOrder) else known


def _others(known: _Known, terms: SubmitOrder) -> tuple[SubmitOrder, ...]:
    cid = terms.client_order_id
    return tuple(one for one in _all(known) if one.client_order_id != cid)
