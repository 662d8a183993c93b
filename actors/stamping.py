"""An order on its way in: whose it is, its id, the copy that is journalled, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from engine.errors import InvalidOrder, InvalidValue
from engine.given import check_text_of
from engine.messages import SubmitOrder
from engine.policies.validation import Reason, check_text
from engine.values import Instrument

from .roles import BrokerRole
from .tickets import Ticket

__all__ = ["difference", "id_of", "instrument_of", "only_one", "stamped"]


B = TypeVar("B", bound=BrokerRole)


def only_one(brokers: Mapping[tuple[str, str], B], venue: str, account: str) -> B:
    """The broker that a venue and an account name; either may be "" where one fits.

    Raises:
        InvalidOrder: none fits, or several do. InvalidValue: one is no text.
    """
    check_text_of("venue", venue)
    check_text_of("account", account)
    found = [
        broker
        for (name, owner), broker in brokers.items()
        if (not venue or name == venue) and (not account or owner == account)
    ]
    if len(found) == 1:
        return found[0]
    have = ", ".join(f"{name}/{owner}" for name, owner in brokers)
    what = "is not known" if not found else "fits several"
    raise InvalidOrder(
        f"venue {venue[:64]!a} with account {account[:64]!a} {what}; this system has {have}",
        Reason.UNKNOWN_VENUE.name,
    )


def instrument_of(broker: BrokerRole, symbol: str) -> Instrument:
    """The instrument of this name at an account.

    Raises:
        InvalidOrder: there is none; the message names those there are.
    """
    given: object = symbol
    found = broker.instruments.get(given) if isinstance(given, str) else None
    if found is None:
        known = ", ".join(sorted(broker.instruments)[:8])
        known = known or "none (the venue has told none yet, and instruments= gave none)"
        shown = f"{given[:64]!a}" if isinstance(given, str) else f"{given!r:.64}"
        raise InvalidOrder(
            f"instrument {shown} is not known at {broker.name}; known are: {known}",
            Reason.UNKNOWN_INSTRUMENT.name,
        )
    return found


def id_of(order: Ticket | str) -> str:
    """The client order id, fit to be written down."""
    cid = order if isinstance(order, str) else getattr(order, "client_order_id", None)
    if not isinstance(cid, str):
        raise InvalidValue(
            f"an order is named by its ticket or its client order id, not {order!r:.80}"
        )
    if not cid.isascii():
        check_text(cid, "client_order_id", len(cid) + 1)
    return cid


def stamped(order: SubmitOrder, intent: str, broker: BrokerRole, cid: str, ts: int) -> SubmitOrder:
    """The order as it is journalled; positional, because every order passes here.

    Texts that many orders share are one object: a million copies of a symbol are 60 MB.
    """
    return SubmitOrder(
        intent, broker.name, broker.account, broker.instruments[order.instrument].symbol,
        order.side, order.order_type, order.order_qty,
        order.ts or ts, cid, order.price, order.stop_px, order.trail_offset, order.trigger_source,
        order.time_in_force, order.expire_ts, order.post_only, order.reduce_only, order.slot,
        order.cash_qty, order.attempt, order.tags, order.group_id, order.held,
        order.closes, order.local,
    )  # fmt: skip


_NOT_TERMS = frozenset({"ts", "attempt"})


def difference(one: SubmitOrder, other: SubmitOrder) -> str:
    """Name the first term in which two orders differ."""
    for field in one.__struct_fields__:
        if field not in _NOT_TERMS and getattr(one, field) != getattr(other, field):
            return f"{field} was {getattr(one, field)}, now {getattr(other, field)}"
    return ""
