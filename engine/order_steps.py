"""The entry to an order.

How it begins, :func:`step` for every message, and the moves that are no messages.

Handlers are pure: order, ledger and message in, :class:`~engine.order.Step` out; an illegal message
raises and nothing has changed. Who handles what: executions :mod:`engine.order_fills`, those taken
back :mod:`engine.order_corrections`; acknowledgements :mod:`engine.order_acks`; ends
:mod:`engine.order_ends`; our requests and changed terms :mod:`engine.order_requests`; silence and
what ends it :mod:`engine.order_evidence`; ties to siblings :mod:`engine.order_links`; triggers that
the engine watches :mod:`engine.order_triggers`.

In which order facts come does not matter, but for these, where the venue's order *is* the fact:
terms (``Replaced``, ``Restated``), ``Suspended`` against ``Resumed`` or a fill, two different ends
(the first stands), two corrections of one execution in place, and evidence that is dated by the
time its question was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from .errors import InvalidValue
from .messages import (
    Accepted,
    AdoptOrder,
    AmendOrder,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Denied,
    DoneForDay,
    Expired,
    Filled,
    LinkOrder,
    LinkTrigger,
    LocalReleased,
    LocalTrailed,
    LocalTriggered,
    Message,
    NeverArrived,
    OrderNotFound,
    OrderSnapshot,
    OutcomeUnknown,
    Rejected,
    Replaced,
    ReplaceRefused,
    RequestPending,
    Restated,
    Resumed,
    SettleOrder,
    SubmitOrder,
    Suspended,
    TradeBusted,
    TradeCorrected,
    Triggered,
    Withdrawn,
)
from .order import Ledger, Order, Step, new_order
from .order_acks import on_accepted, on_request_pending, on_resumed, on_suspended, on_triggered
from .order_corrections import on_busted, on_corrected
from .order_ends import (
    on_cancelled,
    on_denied,
    on_done_for_day,
    on_expired,
    on_rejected,
    on_withdrawn,
)
from .order_evidence import (
    on_never_arrived,
    on_not_found,
    on_outcome_unknown,
    on_snapshot,
)
from .order_fills import on_filled
from .order_links import on_link, relink
from .order_moves import moved, replace
from .order_requests import on_amend, on_cancel, on_replaced, on_request_refused, on_restated
from .order_settling import on_settle
from .order_tables import LIFE, Life, LifeTrigger
from .order_triggers import on_local_released, on_local_trailed, on_local_triggered

__all__ = ["begin", "mark_sent", "mark_unsent", "relink", "step"]

M = TypeVar("M", bound=Message)
_ON_SEND = {life: LIFE.table[life, LifeTrigger.SEND] for life in Life}
_TIED = {True: LinkTrigger.HOLD_BACK, False: LinkTrigger.ARM}
_Handler = Callable[[Order, Ledger, Message], Step]


def begin(fact: SubmitOrder | AdoptOrder) -> Order:
    """The order a first fact creates.

    PENDING for our own intent, SUBMITTED for one somebody else sent.
    """
    if isinstance(fact, AdoptOrder):
        return replace(new_order(fact.terms), life=Life.SUBMITTED, ts=fact.ts)
    if fact.group_id:
        return relink(new_order(fact), _TIED[fact.held], fact.ts).order
    return new_order(fact)


def step(order: Order, ledger: Ledger, message: Message) -> Step:
    """What ``message`` does to ``order``.

    Raises:
        InvalidValue: for a message that is not addressed to an order; nothing changed.
    """
    handler = _HANDLERS.get(type(message))
    if handler is None:
        raise InvalidValue(f"{type(message).__name__} is not a message to an order")
    return handler(order, ledger, message)


def mark_sent(order: Order) -> Order:
    """Note that the lane has handed the placement to the wire.

    Not a fact of its own: after a restart nothing counts as not sent, so the journalled intent says
    as much.
    """
    cell = _ON_SEND[order.life]
    return order if cell.target is order.life else moved(order, cell.target, order.ts)


def mark_unsent(order: Order) -> Order:
    """Note that the venue refused to take the placement at all (a rate limit).

    It waits to leave again.

    Like :func:`mark_sent` no fact of its own, and only where no answer has moved the order since.
    """
    if order.life is not Life.SUBMITTED or order.venue_order_ids:
        return order
    return moved(order, Life.PENDING, order.ts)


def _entry(
    kind: type[M], handler: Callable[[Order, Ledger, M], Step]
) -> tuple[type[Message], _Handler]:
    return kind, cast("_Handler", handler)


_HANDLERS: dict[type[Message], _Handler] = dict(
    (
        _entry(Filled, on_filled),
        _entry(Accepted, on_accepted),
        _entry(Cancelled, on_cancelled),
        _entry(Expired, on_expired),
        _entry(Rejected, on_rejected),
        _entry(Triggered, on_triggered),
        _entry(Suspended, on_suspended),
        _entry(Resumed, on_resumed),
        _entry(RequestPending, on_request_pending),
        _entry(DoneForDay, on_done_for_day),
        _entry(Denied, on_denied),
        _entry(Withdrawn, on_withdrawn),
        _entry(OutcomeUnknown, on_outcome_unknown),
        _entry(OrderNotFound, on_not_found),
        _entry(NeverArrived, on_never_arrived),
        _entry(OrderSnapshot, on_snapshot),
        _entry(SettleOrder, on_settle),
        _entry(CancelOrder, on_cancel),
        _entry(AmendOrder, on_amend),
        _entry(CancelRefused, on_request_refused),
        _entry(ReplaceRefused, on_request_refused),
        _entry(Replaced, on_replaced),
        _entry(Restated, on_restated),
        _entry(TradeBusted, on_busted),
        _entry(TradeCorrected, on_corrected),
        _entry(LinkOrder, on_link),
        _entry(LocalTrailed, on_local_trailed),
        _entry(LocalTriggered, on_local_triggered),
        _entry(LocalReleased, on_local_released),
    )
)
