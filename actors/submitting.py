"""A group on its way in: checked whole, its legs given their ids, one claim for each."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from msgspec.structs import replace

from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.errors import InvalidOrder, InvalidValue, UserError
from engine.group import check_group, is_exit, legs_of
from engine.messages import GroupState, GroupTerms, Leg, SubmitGroup, SubmitOrder, Swap, Tags
from engine.policies.validation import Reason, check_order
from engine.triggers import localised
from engine.values import Instrument, OrderType

from .broker import BrokerActor
from .door import check_types
from .groups import NewGroup
from .intents import Intents
from .runtime import Future
from .stamping import instrument_of
from .tickets import Kept, Ticket, Until

__all__ = ["GroupTicket", "check_legs", "group_id_of", "local_legs", "new_group"]


class GroupTicket:
    """The receipt of a submitted group: its id, and a ticket for each leg by its name.

    Wait for it (``wait``), or ``await`` it (until it is done).
    """

    __slots__ = ("_kept", "_look", "_watch", "group_id", "legs")

    def __init__(
        self,
        group_id: str,
        legs: dict[str, Ticket],
        look: Callable[[str], Future[GroupState]],
        watch: Callable[[str], Future[GroupState]],
    ) -> None:
        self.group_id = group_id
        self.legs = legs
        self._look = look
        self._watch = watch
        self._kept = Kept()

    def __repr__(self) -> str:
        return f"<GroupTicket {self.group_id} {', '.join(self.legs)}>"

    def state(self) -> Future[GroupState]:
        """How it stands now."""
        return self._look(self.group_id)

    def done(self) -> Future[GroupState]:
        """A future that is set once every order of it has ended and is settled."""
        return self._kept.pending(Until.CLOSED, lambda: self._watch(self.group_id))

    def wait(self, timeout: float | None = None) -> GroupState:
        """Block until it is done; ``timeout`` in seconds.

        Raises:
            AskTimeout: not in time; the group goes on as it was.
            BlockingCallError: called on the system's own thread or loop; use ``await``.
        """
        return self.done().get(timeout=timeout)

    def __await__(self) -> Generator[Any, Any, GroupState]:
        return self.done().__await__()


def group_id_of(group: GroupTicket | str) -> str:
    """The id of a group that is named by it or by its ticket.

    Raises:
        InvalidValue: it is neither.
    """
    found = group if isinstance(group, str) else getattr(group, "group_id", None)
    if not isinstance(found, str):
        raise InvalidValue(f"a group is named by its ticket or its id, not {group!r:.80}")
    return found


def local_legs(node: GroupTerms, capabilities: Capabilities) -> GroupTerms:
    """The group, with the triggers that its venue does not know to be watched by the engine."""
    if not isinstance(node, GroupTerms):
        return node  # type: ignore[unreachable]  # callers may not check: refused elsewhere
    members = tuple(
        local_legs(one, capabilities)
        if isinstance(one, GroupTerms)
        else _local_leg(one, capabilities)
        for one in node.members
    )
    return GroupTerms(node.contingency, members)


def _local_leg(one: Leg, capabilities: Capabilities) -> Leg:
    kind: object = one.order.order_type
    if not isinstance(kind, OrderType):
        return one  # refused elsewhere, by name
    return replace(one, order=localised(one.order, capabilities))


def check_legs(root: GroupTerms, broker: BrokerActor) -> None:
    """Check every leg as if it were submitted by itself, and that all are of this account.

    Raises:
        InvalidOrder: naming the leg; nothing has happened.
    """
    check_group(root)
    sized = next((one.order.order_qty for one in legs_of(root) if one.order.order_qty), None)
    for one in legs_of(root):
        order = one.order
        try:
            instrument = instrument_of(broker, order.instrument)
            _check_leg(one, order, instrument, broker, sized is not None)
        except InvalidOrder as error:
            raise InvalidOrder(f"leg {one.name!r}: {error}", error.reason) from None


def _check_leg(
    one: Leg, order: SubmitOrder, instrument: Instrument, broker: BrokerActor, is_sized: bool
) -> None:
    if order.venue not in ("", broker.name) or order.account not in ("", broker.account):
        raise InvalidOrder(
            f"it is for {order.venue}/{order.account}, the group for"
            f" {broker.name}/{broker.account}: legs of a group are at one account",
            Reason.UNKNOWN_VENUE.name,
        )
    if order.intent_id or order.client_order_id:
        raise InvalidOrder(
            "it has an id of its own: give the group an intent_id", Reason.BAD_TERMS.name
        )
    if order.order_qty is None and is_sized and is_exit(one):
        smallest = instrument.min_qty or instrument.lot_size
        order = replace(order, order_qty=smallest)  # its quantity will follow what has filled
        instrument = replace(instrument, min_notional=None)
    if broker.capabilities.reduce_only is ReduceOnlyRule.UNSUPPORTED:
        order = replace(order, reduce_only=False)
    check_types(order)
    check_order(order, instrument, broker.capabilities)


def new_group(
    root: GroupTerms,
    broker: BrokerActor,
    intents: Intents,
    intent_id: str,
    protect_within_ns: int,
    tags: Tags,
    ts: int,
    swap: Swap,
) -> tuple[NewGroup, bool]:
    """Give every leg its ids; and whether the group is new.

    With an intent id the legs are ``ID/NAME``, so the same group submitted again finds its orders.

    Raises:
        DuplicateIntent: the intent id was used with other terms; nothing has happened.
    """
    group_id = intent_id or f"G{intents.number()}"
    flags = broker.capabilities.reduce_only is not ReduceOnlyRule.UNSUPPORTED
    orders: list[SubmitOrder] = []
    named: dict[str, SubmitOrder] = {}
    new: list[SubmitOrder] = []
    is_new = True
    for one in legs_of(root):
        asked = replace(
            one.order, intent_id=f"{group_id}/{one.name}", group_id=group_id, held=True,
            reduce_only=one.order.reduce_only and flags, closes=is_exit(one),
        )  # fmt: skip
        try:
            written, fresh = intents.claim(asked, broker, ts)
        except UserError:
            for claimed in new:
                intents.give_up(claimed)
            raise
        new += [written] if fresh else []
        is_new = is_new and fresh
        orders.append(written)
        named[one.name] = written
    command = SubmitGroup(
        group_id, intent_id or group_id, broker.name, broker.account, _with_ids(root, named), ts,
        protect_within_ns, tags, swap,
    )  # fmt: skip
    return NewGroup(command, tuple(orders)), is_new


def _with_ids(node: GroupTerms, named: dict[str, SubmitOrder]) -> GroupTerms:
    members = tuple(
        replace(one, order=named[one.name]) if isinstance(one, Leg) else _with_ids(one, named)
        for one in node.members
    )
    return GroupTerms(node.contingency, members)
