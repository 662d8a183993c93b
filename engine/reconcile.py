"""What absence of an order proves, and when to ask again. Pure: time is an argument.

Silence is never an answer. An order in doubt is asked about, again and again, further and further apart; a timer never
decides. "It never arrived" needs all of what :func:`absence_proven` lists (DESIGN 3.5); what cannot be proven goes on the
hand-over list for a person, and meanwhile counts as exposure.
"""

from __future__ import annotations

from typing import Final

from .capabilities import Capabilities
from .messages import CancelRefused, OrderNotFound, OrderSnapshot, Replaced, ReplaceRefused, VenueStatus
from .order import Doubt, Order, Outstanding
from .values import Source

__all__ = ["ASK_AGAIN_NS", "MISSES_NEEDED", "Inquiry", "absence_proven", "requests_settled"]

_MS: Final = 1_000_000

#: Waits between questions about one order; the last repeats.
ASK_AGAIN_NS: Final = tuple(ms * _MS for ms in (0, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000))

#: How many complete answers in a row must not show an order before its absence counts.
MISSES_NEEDED: Final = 3

#: After so many questions without an answer that settles it, a person is told.
ESCALATE_AFTER: Final = 6


class Inquiry:
    """The questions about one order: how many were asked, and how many complete answers did not show it."""

    __slots__ = ("asked", "escalated", "misses", "waiting")

    def __init__(self) -> None:
        self.asked = 0
        self.misses = 0
        self.waiting = False  # a question is queued or on the wire
        self.escalated = False

    def next_wait_ns(self) -> int:
        """How long to wait before the next question."""
        return ASK_AGAIN_NS[min(self.asked, len(ASK_AGAIN_NS) - 1)]

    def missed(self, *, complete: bool) -> None:
        """An answer did not show the order. Only complete answers count, and one that is not starts over."""
        self.misses = self.misses + 1 if complete else 0

    def is_due_for_a_person(self) -> bool:
        """Whether it has been asked about in vain for long enough that a person should look."""
        return self.asked >= ESCALATE_AFTER


def absence_proven(
    order: Order, capabilities: Capabilities, inquiry: Inquiry, answer: OrderNotFound
) -> str:
    """Say what proves that a placement never arrived; "" while it is not proven.

    Needed, all of them: doubt of existence and no trace of the order; a venue that finds closed orders by client id; a
    question sent after the request window and the visibility lag have passed since the placement; and that repeated.
    """
    if order.doubt is not Doubt.EXISTENCE or order.venue_order_ids or order.cum_qty:
        return ""
    if not capabilities.lookup_by_client_id:
        return ""
    settled_ts = order.ts + capabilities.request_window_ns + capabilities.visibility_lag_ns
    if answer.sent_ts < settled_ts or inquiry.misses < MISSES_NEEDED:
        return ""
    return (
        f"{inquiry.misses} lookups by client id in a row did not show it, the last sent"
        f" {(answer.sent_ts - order.ts) // _MS} ms after the doubt began"
    )


_AT_VENUE: Final = (VenueStatus.WORKING, VenueStatus.TRIGGERED, VenueStatus.SUSPENDED)


def requests_settled(
    order: Order, capabilities: Capabilities, seen: OrderSnapshot, sent_ts: int, ts: int
) -> list[CancelRefused | ReplaceRefused | Replaced]:
    """What a look at a working order says about its requests of unknown outcome; empty while it proves nothing.

    Only a look sent after the request window and the visibility lag have passed counts: by then a cancel that had its
    effect would show, and an amend shows as the new terms or as the old ones.
    """
    too_early = sent_ts < order.ts + capabilities.request_window_ns + capabilities.visibility_lag_ns
    if too_early or seen.status not in _AT_VENUE:
        return []
    cid = order.terms.client_order_id
    found: list[CancelRefused | ReplaceRefused | Replaced] = []
    why = "it still works, long after the request could have had its effect"
    for out in order.requests:
        if not out.unknown:
            continue
        if out.is_cancel:
            found.append(CancelRefused(cid, ts, out.req_id, why, source=Source.QUERY))
        elif _agrees(out, seen):
            found.append(
                Replaced(cid, ts, out.req_id, out.order_qty, out.price, out.stop_px, source=Source.QUERY)
            )
        elif _shows(out, seen):
            found.append(ReplaceRefused(cid, ts, out.req_id, why, source=Source.QUERY))
    return found


def _shows(out: Outstanding, seen: OrderSnapshot) -> bool:
    """Whether the snapshot says anything about each of the terms asked for."""
    return (
        (out.order_qty is None or seen.order_qty is not None)
        and (out.price is None or seen.price is not None)
        and (out.stop_px is None or seen.stop_px is not None)
    )


def _agrees(out: Outstanding, seen: OrderSnapshot) -> bool:
    return (
        (out.order_qty is None or out.order_qty == seen.order_qty)
        and (out.price is None or out.price == seen.price)
        and (out.stop_px is None or out.stop_px == seen.stop_px)
    )
