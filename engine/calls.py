"""Calls: requests on their way to a venue, and how they end.

These are the words between a broker, its session and its lane; nothing here decides anything.
"""

from __future__ import annotations

from typing import Final, TypeAlias, assert_never

import msgspec

from .messages import Amend, Cancel, Place, QueryOrder, Request
from .values import Word

__all__ = [
    "EXITS",
    "LISTS",
    "QUERIES",
    "Call",
    "CallKind",
    "Ended",
    "Ending",
    "Enqueued",
    "FetchExecutions",
    "Query",
    "QueryExecutions",
    "QueryOpenOrders",
    "QueryPositions",
    "VenueRequest",
    "sort",
]


class QueryOpenOrders(Request, frozen=True, gc=False, omit_defaults=True):
    """Ask which orders of the account are open, to compare. It is about no order, so one such call
    waits for the other.
    """

    client_order_id: str = ""
    instrument: str = ""


class QueryExecutions(Request, frozen=True, gc=False, omit_defaults=True):
    """Ask what was executed at or after ``since_ts``, to compare."""

    since_ts: int
    client_order_id: str = ""
    instrument: str = ""


class QueryPositions(Request, frozen=True, gc=False, omit_defaults=True):
    """Ask what each slot holds, to compare. Its id is no order's: it waits for no other question of
    the account.
    """

    client_order_id: str = "/positions"
    instrument: str = ""


class FetchExecutions(Request, frozen=True, gc=False, omit_defaults=True):
    """Ask what was executed at or after ``since_ts``, to be booked where it is not."""

    since_ts: int
    client_order_id: str = "/executions"
    instrument: str = ""


#: What changes nothing at the venue.
Query: TypeAlias = QueryOrder | QueryOpenOrders | QueryExecutions | QueryPositions | FetchExecutions
QUERIES: Final = (QueryOrder, QueryOpenOrders, QueryExecutions, QueryPositions, FetchExecutions)
#: Questions about a whole account: their answers may have many pages.
LISTS: Final = (QueryOpenOrders, QueryExecutions, QueryPositions, FetchExecutions)
#: The requests that go through a session.
VenueRequest: TypeAlias = Place | Cancel | Amend | Query


class CallKind(Word):
    """The class a call waits in, most urgent first."""

    CANCEL = "CANCEL"
    REDUCE = "REDUCE"  # placements and amends that can only lower exposure
    AMEND = "AMEND"
    NEW = "NEW"  # entries: the only calls with a send-by time
    QUERY = "QUERY"


#: What may only lower exposure: it has slots, tokens and gates that nothing else uses.
EXITS: Final = (CallKind.CANCEL, CallKind.REDUCE)


class Ending(Word):
    """How a call ended, as its lane saw it."""

    DONE = "DONE"
    REFUSED = "REFUSED"  # a definite no: it had no effect and never will
    UNKNOWN = "UNKNOWN"  # it may or may not have had its effect
    THROTTLED = "THROTTLED"  # refused before execution by a rate limit: the same call leaves again


class Call(msgspec.Struct, frozen=True, gc=False):
    """One request and its place in line.

    ``call_id`` counts up within a session; times are nanoseconds as given.
    """

    call_id: int
    kind: CallKind
    client_order_id: str
    instrument: str
    request: VenueRequest
    queued_ns: int
    send_by_ns: int | None = None  # entries only: from this moment on it may not leave
    resend: bool = False  # a placement whose first send has an unknown outcome


class Enqueued(msgspec.Struct, frozen=True, gc=False):
    """What enqueuing did.

    ``withdrawn`` calls never leave and nothing carries their intention: end them locally (it
    includes ``call`` itself when that has no purpose any more). ``coalesced`` calls never leave
    either; ``call`` carries their terms.
    """

    call: Call
    withdrawn: tuple[Call, ...] = ()
    coalesced: tuple[Call, ...] = ()


class Ended(msgspec.Struct, frozen=True, gc=False):
    """What an ending did.

    ``requeued``: the call, or one that carries its terms, waits at the front of its class.
    ``merged`` is an unsent amend as it now stands, when it took over a throttled one's terms.
    """

    requeued: bool = False
    withdrawn: tuple[Call, ...] = ()
    coalesced: tuple[Call, ...] = ()
    merged: Call | None = None


def sort(request: VenueRequest, *, reduces: bool) -> CallKind:
    """The class of a request; ``reduces`` is the broker's word that it can only lower exposure."""
    match request:
        case Cancel():
            return CallKind.CANCEL
        case Amend():
            return CallKind.REDUCE if reduces else CallKind.AMEND
        case Place():
            return CallKind.REDUCE if reduces else CallKind.NEW
        case (
            QueryOrder()
            | QueryOpenOrders()
            | QueryExecutions()
            | QueryPositions()
            | FetchExecutions()
        ):
            return CallKind.QUERY
        case _:
            assert_never(request)
