"""What the tests of a session share: requests in a word, and a session that is ready."""

from __future__ import annotations

from decimal import Decimal

from engine.budget import SessionLimits
from engine.calls import Call, Ending
from engine.messages import Amend, Cancel, Place, QueryOrder, SubmitOrder
from engine.session import VenueSession
from engine.session_chart import SessionTrigger
from engine.values import OrderType, Side

SECOND = 1_000_000_000


def place(cid: str, instrument: str = "X") -> Place:
    return Place(
        SubmitOrder(cid, "v", "a", instrument, Side.BUY, OrderType.MARKET, Decimal(1), 0, cid)
    )


def cancel(cid: str, req_id: str = "c", instrument: str = "X") -> Cancel:
    return Cancel(cid, req_id, instrument)


def amend(cid: str, req_id: str = "a", qty: int | None = None, price: int | None = None) -> Amend:
    return Amend(
        cid,
        req_id,
        "X",
        None if qty is None else Decimal(qty),
        None if price is None else Decimal(price),
    )


def query(cid: str, instrument: str = "X") -> QueryOrder:
    return QueryOrder(cid, instrument)


def ready(limits: SessionLimits | None = None) -> VenueSession:
    session = VenueSession(limits)
    session.on(SessionTrigger.LINK_UP)
    session.on(SessionTrigger.RECONCILED)
    return session


def leave(session: VenueSession, now: int = 0) -> Call:
    call = session.next(now)
    assert call is not None
    return call


def leaving(session: VenueSession, now: int = 0) -> list[str]:
    """Let everything leave one by one, each done at once; name what left."""
    names = []
    while (call := session.next(now)) is not None:
        names.append(f"{call.kind.name} {call.client_order_id}")
        session.ended(call.call_id, Ending.DONE, now)
    return names
