"""What the judge asks of protection: what is called protected is covered, a gap raises an alarm.

Named promises (``docs/testing.md`` lists them):

* ``protected_is_covered``: a slot that is PROTECTED has confirmed stops for what it holds, but for
  dust; by the facts at any time, at the exchange once all is at rest.
* ``gap_has_an_alarm``: what a group holds is never without a confirmed stop for longer than it
  allows, unless an alarm was raised or the venue could not be reached; while a person lets
  nothing leave (mode NONE), one alarm is enough.
* ``both_filled_is_told``: exits that close more than there was raise an alarm.

Counted anew from the orders, with nothing of what the running system keeps of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from engine.fold import Books
from engine.group import Group, legs_of
from engine.group_tables import GroupState
from engine.group_wants import emergency_of
from engine.messages import Alarm, Leg, TradingMode, VenueStatus
from engine.order import Order, is_waiting, leaves_qty
from engine.order_links import is_held
from engine.order_tables import Life
from engine.pnl import is_dust
from engine.protection import ProtectionState
from engine.session_chart import SessionState
from engine.values import ZERO, OrderType, PositionSlot, Side

from .truth import Truth, Violation
from .truth_groups import Holding, held_by, protects

if TYPE_CHECKING:
    from ..broker import BrokerActor

__all__ = ["ProtectionJudge"]

_STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
_WORKS: Final = (Life.ACCEPTED, Life.TRIGGERED)
_OPEN: Final = (VenueStatus.WORKING, VenueStatus.TRIGGERED)
_SLACK_NS: Final = 1_000_000_000


class ProtectionJudge:
    """Watches one account over all lives of its system; ``alarms`` grows beside it.

    Attributes:
        excess: groups whose exits have closed more than there was.
    """

    def __init__(self, alarms: list[Alarm]) -> None:
        self.alarms = alarms
        #: By group and what of it is naked: since when, and how many alarms there were then.
        self._naked: dict[tuple[str, str], tuple[int, int]] = {}
        self.excess: dict[str, None] = {}

    def begins(self) -> None:
        """A life begins, or ends: its clocks begin anew."""
        self._naked.clear()

    # --- at every commit --------------------------------------------------------------------------

    def committed(self, groups: Sequence[Group], books: Books, broker: BrokerActor) -> None:
        """These groups have looked, or will; of others what is held may have been closed. While the
        venue cannot be reached the clocks begin anew: it may be so between two looks only.
        """
        now_ns = broker.dispatcher.monotonic_ns()
        if broker.session.state is not SessionState.READY:
            self._naked = dict.fromkeys(self._naked, (now_ns, len(self.alarms)))
        naked = (books.groups[name] for name, _ in self._naked)
        slots = _Slots(books)
        for group in {one.group_id: one for one in (*groups, *naked)}.values():
            gone = dict.fromkeys(key for key in self._naked if key[0] == group.group_id)
            for emergency, excess in _uncovered(group, books, slots):
                if excess:  # until it has looked, what its entry filled may be still to come
                    if not broker.groups.will_look(group.group_id):
                        self.excess[group.group_id] = None
                    continue
                key = group.group_id, emergency
                gone.pop(key, None)
                self._naked.setdefault(key, (now_ns, len(self.alarms)))
            for key in gone:
                del self._naked[key]

    # --- at every look ----------------------------------------------------------------------------

    def looked(self, books: Books, broker: BrokerActor) -> Iterator[Violation]:
        """Slots that are called protected, and how long something was naked."""
        for (symbol, slot), held in broker.protections.slots.items():
            if held.state is ProtectionState.PROTECTED:
                yield from _is_covered(symbol, slot, books, broker)
        if broker.session.state is not SessionState.READY:
            self._naked.clear()  # while the venue cannot be reached the clocks begin anew
        now_ns = broker.dispatcher.monotonic_ns()
        for (group_id, emergency), (since_ns, alarms) in list(self._naked.items()):
            group = books.groups[group_id]
            if _nothing_leaves(group, broker) and self._was_told(group_id, "unprotected"):
                self._naked[group_id, emergency] = now_ns, len(self.alarms)
                continue
            within_ns = 2 * group.terms.protect_within_ns + _SLACK_NS  # it may have begun anew once
            is_late = now_ns - since_ns > within_ns
            if is_late and not self._was_told(group_id, "unprotected", alarms):
                text = f"{emergency} is naked for {(now_ns - since_ns) / 1e9:g} s"
                yield Violation("gap_has_an_alarm", text, group_id)

    def _was_told(self, group_id: str, kind: str, since: int = 0) -> bool:
        entity = f"group:{group_id}"
        return any((one.kind, one.entity) == (kind, entity) for one in self.alarms[since:])

    # --- at rest ----------------------------------------------------------------------------------

    def at_rest(self, truth: Truth, books: Books, broker: BrokerActor) -> Iterator[Violation]:
        """By the exchange's own orders; and who closed too much has said so."""
        for group_id in self.excess:
            if not self._was_told(group_id, "both_filled"):
                text = "its exits closed more than there was, and nobody was told"
                yield Violation("both_filled_is_told", text, group_id)
        for (symbol, slot), kept in broker.protections.slots.items():
            if kept.state is not ProtectionState.PROTECTED:
                continue
            held = ZERO
            for one in truth.positions:
                if (one.instrument, one.slot) == (symbol, slot):
                    held = one.qty
            side, covered = _close_side(held), ZERO
            for seen in truth.orders:
                order = books.orders.get(seen.client_order_id)
                if order is None or seen.status not in _OPEN or seen.order_qty is None:
                    continue
                if _is_stop_of(order, symbol, slot, side):
                    covered += seen.order_qty - (seen.cum_qty or ZERO)
            yield from _enough(symbol, slot, held, covered, broker, "at the exchange")


class _Slots:
    """What all groups hold, by slot and side; counted when it is asked for first."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._held: dict[object, Decimal] = {}

    def held_by_all(self, key: object) -> Decimal:
        """What the groups that are not over hold of a slot, on one side."""
        if not self._held:
            for group in self._books.groups.values():
                for one in (
                    held_by(group, self._books) if group.state is not GroupState.DONE else ()
                ):
                    self._held[one.key] = self._held.get(one.key, ZERO) + one.left
        return self._held.get(key, ZERO)


def _uncovered(group: Group, books: Books, slots: _Slots) -> Iterator[tuple[str, bool]]:
    """What of a group has less of a confirmed stop than it needs; True: it has closed too much."""
    if group.aside or group.state is GroupState.DONE:
        return
    for one in held_by(group, books):
        emergency = emergency_of(one.exits)
        if one.closed - one.whole >= one.dust:
            if not _has_claims(group, books):  # else the venue says that more was opened
                yield emergency, True
        elif one.has_stop and one.key is not None and emergency not in group.late:
            stops = sum((_confirmed(group, leg.name, books) for leg in one.exits
                         if protects(leg, group)), ZERO)  # fmt: skip
            left = one.left - _claimed(group, one.exits, books)
            if min(left, _beside(one, group, books, slots)) - stops >= one.dust:
                yield emergency, False


def _nothing_leaves(group: Group, broker: BrokerActor) -> bool:
    """Whether a person holds back even closes of what it trades."""
    mode_of = broker.flattening.control.mode_of
    return any(
        mode_of(leg.order.instrument) is TradingMode.NONE for leg in legs_of(group.terms.root)
    )


def _has_claims(group: Group, books: Books) -> bool:
    orders = (books.orders[cid] for _, cids in group.slices for cid in cids)
    return any(order.claim_qty > order.cum_qty for order in orders)


def _claimed(group: Group, exits: tuple[Leg, ...], books: Books) -> Decimal:
    """What exits, and closes in their place, have filled by the venue's word, and is not told as
    executions yet.
    """
    slices = dict(group.slices)
    names = (*(leg.name for leg in exits), emergency_of(exits))
    orders = (books.orders[cid] for name in names for cid in slices.get(name, ()))
    return sum((max(one.claim_qty - one.cum_qty, ZERO) for one in orders), ZERO)


def _beside(one: Holding, group: Group, books: Books, slots: _Slots) -> Decimal:
    """What the slot of a holding has beyond what other groups hold there."""
    assert one.key is not None
    symbol, slot, side = one.key
    terms = group.terms
    position = books.positions.get((terms.venue, terms.account, symbol, slot))
    qty = ZERO if position is None else position.qty
    held = qty if side is Side.BUY else -qty
    return held - (slots.held_by_all(one.key) - one.left)


def _confirmed(group: Group, leg: str, books: Books) -> Decimal:
    total = ZERO
    for cid in dict(group.slices).get(leg, ()):
        order = books.orders.get(cid)
        if order is not None and _is_confirmed(order):
            total += leaves_qty(order) or ZERO
    return total


def _is_confirmed(order: Order) -> bool:
    """It works at the venue, or the engine watches its trigger; nobody has asked for its end."""
    works = order.life in _WORKS or (is_waiting(order) and not is_held(order))
    return works and not any(out.is_cancel for out in order.requests)


def _close_side(held: Decimal) -> Side:
    return Side.SELL if held > ZERO else Side.BUY


def _is_stop_of(order: Order, symbol: str, slot: PositionSlot, side: Side) -> bool:
    terms = order.terms
    here = (terms.instrument, terms.slot, terms.side) == (symbol, slot, side)
    return here and terms.order_type in _STOPS


def _is_covered(
    symbol: str, slot: PositionSlot, books: Books, broker: BrokerActor
) -> Iterator[Violation]:
    position = books.positions.get((broker.name, broker.account, symbol, slot))
    held = ZERO if position is None else position.qty
    covered = ZERO
    for order in books.orders.values():
        if _is_stop_of(order, symbol, slot, _close_side(held)) and _is_confirmed(order):
            covered += leaves_qty(order) or ZERO
    yield from _enough(symbol, slot, held, covered, broker, "confirmed")


def _enough(
    symbol: str,
    slot: PositionSlot,
    held: Decimal,
    covered: Decimal,
    broker: BrokerActor,
    where: str,
) -> Iterator[Violation]:
    rest = abs(held) - covered
    if rest > ZERO and not is_dust(rest, broker.instruments[symbol]):
        text = f"{slot.name} is PROTECTED, holds {held}, and {covered} of stops are {where}"
        yield Violation("protected_is_covered", text, symbol)
