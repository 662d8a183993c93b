"""A venue adapter that means well, and loses money in two ways.

Both are found in adapters that are in use: a client order id that was refused as a duplicate is
made unique and sent again, and a cancel that comes too late is called a success, because the order
is gone, is it not. ``test_helpful_venue.py`` shows how the test kit finds them.
"""

from __future__ import annotations

from msgspec.structs import replace

from actors import PaperVenue
from actors.venues.port import Done, Duplicate, Outcome, Refused
from engine.messages import Cancel, Cancelled, Place

__all__ = ["HelpfulVenue"]


class HelpfulVenue(PaperVenue):
    """BROKEN: see the module's text. Everything else is the paper venue's."""

    async def place(self, request: Place) -> Outcome:
        """Place; never take a duplicate for an answer."""
        outcome = await super().place(request)
        if not isinstance(outcome, Duplicate):
            return outcome
        unique = f"{request.client_order_id}-2"
        return await super().place(Place(replace(request.order, client_order_id=unique)))

    async def cancel(self, request: Cancel) -> Outcome:
        """Cancel; never complain."""
        outcome = await super().cancel(request)
        if not isinstance(outcome, Refused):
            return outcome
        now_ns = self.market.time_ns()
        return Done((Cancelled(request.client_order_id, now_ns, request.req_id),))
