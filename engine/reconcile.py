"""What absence of an order proves, and when to ask again. Pure: time is an argument.

Silence is never an answer. An order in doubt is asked about, again and again, further and further
apart; a timer never decides. "It never arrived" needs all of what :func:`absence_proven`
lists; what cannot be proven goes on the hand-over list for a person, and meanwhile counts as
exposure.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from .capabilities import Capabilities
from .messages import (
    CancelRefused,
    OrderNotFound,
    OrderSnapshot,
    Replaced,
    ReplaceRefused,
    VenueStatus,
)
from .order import (
    Doubt,
    Ledger,
    Order,
    Outstanding,
    has_questions,
    is_in_flight,
    is_open,
)
from .order_steps import step
from .statechart import Verdict
from .values import OrderType, Source

__all__ = [
    "ASK_AGAIN_NS",
    "ESCALATE_AFTER",
    "MISSES_NEEDED",
    "Inquiry",
    "absence_proven",
    "contradicts",
    "may_lag",
    "requests_settled",
    "should_be_listed",
]

_MS: Final = 1_000_000

#: Waits between questions about one order; the last repeats.
ASK_AGAIN_NS: Final = tuple(ms * _MS for ms in (0, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000))

#: How many complete answers in a row must not show an order before its absence counts.
MISSES_NEEDED: Final = 3

#: After so many questions without an answer that settles it, a person is told.
ESCALATE_AFTER: Final = 6


class Inquiry:
    """The questions about one order.

    How many were asked, and how many complete answers did not show it.
    """

    __slots__ = ("asked", "escalated", "late_misses", "misses", "waiting")

    def __init__(self) -> None:
        self.asked = 0
        self.misses = 0
        self.late_misses = 0  # of these, sent when nothing could be on its way any more
        self.waiting = False  # a question is queued or on the wire
        self.escalated = False

    def noted(self) -> tuple[int, int, int, bool, bool]:
        """Its state, for :meth:`restore`."""
        return self.asked, self.misses, self.late_misses, self.waiting, self.escalated

    def restore(self, before: tuple[int, int, int, bool, bool], extra: None) -> None:
        """Become what :meth:`noted` gave: one answer, handled again, must not count as two."""
        del extra
        self.asked, self.misses, self.late_misses, self.waiting, self.escalated = before

    def next_wait_ns(self) -> int:
        """How long to wait before the next question."""
        return ASK_AGAIN_NS[min(self.asked, len(ASK_AGAIN_NS) - 1)]

    def missed(self, *, complete: bool) -> None:
        """An answer did not show the order.

        Only complete answers count, and one that is not starts over.
        """
        self.misses = self.misses + 1 if complete else 0

    def is_due_for_a_person(self) -> bool:
        """Whether it has been asked about in vain for long enough that a person should look."""
        return self.asked >= ESCALATE_AFTER


def absence_proven(
    order: Order, capabilities: Capabilities, inquiry: Inquiry, answer: OrderNotFound
) -> str:
    """Say what proves that a placement never arrived; "" while it is not proven.

    Needed, all of them: doubt of existence and no trace of the order; a venue that finds closed
    orders by client id; and :data:`MISSES_NEEDED` complete answers in a row whose questions were
    sent after the request window and the visibility lag had passed since the doubt began. Call it
    once for each answer that :meth:`Inquiry.missed` was told of.
    """
    if (
        order.doubt is not Doubt.EXISTENCE
        or order.venue_order_ids
        or order.cum_qty
        or order.claim_qty
    ):
        return ""
    if not capabilities.lookup_by_client_id:
        return ""
    if inquiry.misses <= inquiry.late_misses:
        inquiry.late_misses = 0  # the row was broken since
    if not inquiry.misses or answer.sent_ts < _settled_ts(order.ts, capabilities):
        return ""
    inquiry.late_misses += 1
    if inquiry.late_misses < MISSES_NEEDED:
        return ""
    return (
        f"{inquiry.misses} lookups by client id in a row did not show it, the last sent"
        f" {(answer.sent_ts - order.ts) // _MS} ms after the doubt began"
    )


def _settled_ts(since: int, capabilities: Capabilities) -> int:
    """From when on nothing of a call made at ``since`` can be on its way or hidden from a query."""
    return since + capabilities.request_window_ns + capabilities.visibility_lag_ns


_AT_VENUE: Final = frozenset(
    {VenueStatus.WORKING, VenueStatus.TRIGGERED, VenueStatus.SUSPENDED, VenueStatus.FILLED}
)


def may_lag(seen: OrderSnapshot, order: Order | None, capabilities: Capabilities) -> OrderSnapshot:
    """A look at an order as it counts: one asked for within the venue's lag after our last fact may
    show what was before that fact, so like a list it adds to what is known and contradicts nothing.
    """
    lag_ns = capabilities.visibility_lag_ns
    if not lag_ns or order is None or seen.sent_ts is None or seen.sent_ts > order.ts + lag_ns:
        return seen
    return msgspec.structs.replace(seen, source=Source.LIST)


def requests_settled(
    order: Order, capabilities: Capabilities, seen: OrderSnapshot, sent_ts: int, ts: int
) -> list[CancelRefused | ReplaceRefused | Replaced]:
    """What a look at an order says about its requests of unknown outcome.

    Empty while it proves nothing.

    Only a look sent after the request window and the visibility lag have passed since that outcome
    became unknown counts: by then a cancel that had its effect would show, and an amend shows as
    the new terms or as others. Facts that came meanwhile (fills) do not start the wait over. The
    stop price of a trailing stop follows the market: where none is shown, none was put in force.
    """
    if seen.status not in _AT_VENUE:
        return []
    cid = order.terms.client_order_id
    found: list[CancelRefused | ReplaceRefused | Replaced] = []
    why = "it shows no effect, long after the request could have had one"
    source = Source.QUERY
    for out in order.requests:
        if not out.unknown or sent_ts < _settled_ts(out.ts, capabilities):
            continue
        if out.is_cancel:
            found.append(CancelRefused(cid, ts, out.req_id, why, source=source))
            continue
        pairs = _asked_and_shown(order, out, seen)
        if not pairs or any(shown is not None and shown != asked for asked, shown in pairs):
            found.append(ReplaceRefused(cid, ts, out.req_id, why, source=source))
        elif all(shown is not None for _, shown in pairs):
            terms = (out.order_qty, out.price, out.stop_px)
            found.append(Replaced(cid, ts, out.req_id, *terms, source=source))
    return found


def _asked_and_shown(
    order: Order, out: Outstanding, seen: OrderSnapshot
) -> list[tuple[Decimal, Decimal | None]]:
    """Each term that was asked for and can be shown, beside what the venue shows of it."""
    has_no_stop = order.terms.order_type is OrderType.TRAILING_STOP and seen.stop_px is None
    pairs = (
        (out.order_qty, seen.order_qty),
        (out.price, seen.price),
        (None if has_no_stop else out.stop_px, seen.stop_px),
    )
    return [(asked, shown) for asked, shown in pairs if asked is not None]


def contradicts(order: Order, ledger: Ledger, seen: OrderSnapshot, lag_ns: int) -> bool:
    """Whether a list shows more of an order than we were told, and nothing under way explains it.

    A larger total counts however old the list is. Another status or other terms count only when the
    list was asked for more than ``lag_ns`` after our last fact: a list may be as stale as that.
    """
    if is_in_flight(order) or has_questions(order):
        return False
    out = step(order, ledger, seen)
    after = out.order
    if after.claim_qty > after.cum_qty:
        return True
    if seen.sent_ts is None or seen.sent_ts <= max(order.ts, order.ended_ts) + lag_ns:
        return False
    return out.verdict is Verdict.QUARANTINE or after.unverified or after.life is not order.life


def should_be_listed(order: Order, sent_ts: int, lag_ns: int) -> bool:
    """Whether a whole list of open orders, asked for at ``sent_ts``, shows this one if all is as we
    know it.
    """
    if not is_open(order) or is_in_flight(order) or has_questions(order):
        return False
    return sent_ts > order.ts + lag_ns
