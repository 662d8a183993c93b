"""The moves of a group's legs that a person asks for, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from engine.errors import EngineError, InvalidOrder, UserError
from engine.group import Group
from engine.group_actions import Resize
from engine.group_moves import check_move, leg_of, moved_of
from engine.messages import Alarm, AmendGroup, AmendOrder, GroupState, Leg, LegMoved, LegRole
from engine.order_links import is_held
from engine.order_tables import TERMINAL
from engine.policies.validation import Reason

from .roles import BrokerRole

__all__ = ["GroupMoves"]

_MAX_AGE_NS: Final = 60_000_000_000  # of the price that a stop is held against


class GroupMoves:
    """Lives with its group, on the same thread."""

    __slots__ = ("_broker", "_told")

    def __init__(self, broker: BrokerRole) -> None:
        self._broker = broker
        self._told: dict[tuple[str, str], LegMoved | None] | None = None  # once there is something

    def check(self, group: Group, wanted: AmendGroup) -> None:
        """Check a move that a person asks for.

        Raises:
            InvalidOrder: it cannot be made; nothing has changed.
            UserError: it is an entry, and entries are shut.
        """
        leg = leg_of(group, wanted.leg)
        if leg is None or leg.order.instrument not in self._broker.instruments:
            check_move(group, wanted, None, None)
            return
        order, broker = leg.order, self._broker
        now_px = broker.prices.now(order.instrument, order.trigger_source, _MAX_AGE_NS)
        check_move(group, wanted, broker.instruments[order.instrument], now_px)
        if leg.role is not LegRole.ENTRY:
            return
        if broker.flattening.is_shut(order.instrument):
            raise UserError(f"entries of {order.instrument} are shut: cancel the group instead")
        if not broker.capabilities.amend and self._works(group, leg.name):
            raise InvalidOrder(
                f"{broker.name} cannot amend orders: cancel the group and submit it anew",
                Reason.UNSUPPORTED.name,
            )

    def shut(self, legs: Iterable[Leg]) -> Iterator[str]:
        """Entries of which nothing new may be asked now; their group looks again once it may."""
        is_shut = self._broker.flattening.is_shut
        for leg in legs:
            if leg.role is LegRole.ENTRY and is_shut(leg.order.instrument):
                yield leg.name

    def wish(self, group: Group, amend: AmendOrder) -> AmendGroup | None:
        """The move that an amend of one order of the group comes to, where its leg is moved by the
        engine or was moved before; else that order alone is amended.
        """
        cid = amend.client_order_id
        name = next((name for name, cids in group.slices if cid in cids), "")
        if (amend.price is None and amend.stop_px is None) or leg_of(group, name) is None:
            return None
        leg = leg_of(group, name)
        is_moved = leg is not None and (leg.trail is not None or leg.break_even is not None)
        if moved_of(group, name) is None and not is_moved:
            return None
        return AmendGroup(group.group_id, name, amend.ts, amend.stop_px, amend.price)

    def prices(self, group: Group, name: str) -> tuple[Decimal | None, Decimal | None]:
        """At which price and stop price an order of a leg is to be placed: where the leg was moved
        to, or where its newest order stands, which a person may have amended.
        """
        cid = dict(group.slices)[name][-1]
        order = self._broker.find_order(cid)
        if order is None:
            raise EngineError(f"group {group.group_id!r} has an order {cid!r} that is nowhere")
        moved = moved_of(group, name) or LegMoved(name)
        return moved.price or order.price, moved.stop_px or order.stop_px

    def is_vain(self, asked: Resize | None) -> bool:
        """Whether an amend of prices that was answered has changed nothing."""
        actor = None if asked is None else self._broker.orders.get(asked.client_order_id)
        if asked is None or actor is None:
            return False
        order = actor.order
        return asked.price not in (None, order.price) or asked.stop_px not in (None, order.stop_px)

    def _works(self, group: Group, name: str) -> bool:
        orders = (self._broker.orders.get(cid) for cid in dict(group.slices)[name])
        return any(
            one is not None and one.order.life not in TERMINAL and not is_held(one.order)
            for one in orders
        )

    def tell_degraded(self, group: Group) -> None:
        """It has come to another state: a person is told when that is DEGRADED."""
        if group.state is GroupState.DEGRADED:
            self._broker.alarm(
                "target_missing",
                "the venue refuses a target again and again: it is tried on, more and more rarely;"
                " the other orders of the group work",
                f"group:{group.group_id}",
            )

    def tell(self, group: Group, refused: tuple[str, ...], away: tuple[str, ...]) -> None:
        """After the commit: what could not be moved, and what is away for its move; once each."""
        if self._told is None:
            if not refused and not away:
                return
            self._told = {}
        turn = self._broker.turn
        for kind, names, text in (
            ("leg_not_moved", refused, "the venue refuses its new terms; the old ones stand"),
            ("stop_away", away, "no two can rest: it is cancelled first, and is placed again then"),
        ):
            for key in [key for key in self._told if key[0] == kind and key[1] not in names]:
                del self._told[key]
            for name in names:
                wish = moved_of(group, name)
                if self._told.get((kind, name)) == wish:
                    continue
                self._told[kind, name] = wish
                leg = leg_of(group, name)
                to = "" if wish is None else f" to {wish.stop_px or wish.price}"
                what = "" if leg is None else f" of {leg.order.instrument}"
                detail = f"leg {name!r}{what} is to move{to}: {text}"
                turn.tell(Alarm(turn.time_ns(), kind, detail, f"group:{group.group_id}"))
