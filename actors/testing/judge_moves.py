"""What the judge asks of stops that the engine moves, and of triggers that it watches.

Named promises (``docs/testing.md`` lists them):

* ``a_stop_only_tightens``: a move by the engine never gives more away, neither as it is written nor
  at the exchange; and there is none once a person has loosened the stop.
* ``a_move_arrives``: once all is at rest, a stop stands where it was moved to, or somebody was told
  that the venue refuses it.
* ``a_trail_follows``: nor is it further from the price than its trail allows.
* ``elected_once``: a trigger of ours elects once, and by a price that has reached it; once all is
  at rest none waits whose price has come. The venue never sees a trigger of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from engine.fold import Books
from engine.group import Group, is_exit, legs_of
from engine.group_moves import moved_of
from engine.group_tables import GroupState
from engine.group_wants import emergency_of
from engine.journal import decode
from engine.messages import (
    Alarm,
    AmendGroup,
    Leg,
    LegMoved,
    LegRole,
    LocalTriggered,
    Mover,
    PriceUpdate,
    SubmitOrder,
    VenueStatus,
)
from engine.order import Order, is_waiting
from engine.order_links import is_held
from engine.trailing import is_tighter, trail_level
from engine.trigger_tables import Trigger
from engine.values import OrderType, Side, TriggerSource

from .truth import Violation

if TYPE_CHECKING:
    from ..broker import BrokerActor
    from ..journal import FactRow
    from .simulated_parts import KitExchange

__all__ = ["MovesJudge"]

_PLAIN: Final = (OrderType.MARKET, OrderType.LIMIT)
_TOUCHED: Final = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


class MovesJudge:
    """Watches one account over all lives of its system; ``alarms`` grows beside it."""

    def __init__(self, exchange: KitExchange, account: str, alarms: list[Alarm]) -> None:
        self.exchange = exchange
        self.account = account
        self.alarms = alarms
        #: By group and leg: where it was moved to, and whether a person did that last.
        self._stands: dict[tuple[str, str], LegMoved] = {}
        self._by_people: dict[tuple[str, str], None] = {}
        self._seen: dict[str, Decimal] = {}  # by client order id: the stop price at the exchange
        self._elected: dict[str, None] = {}

    def begins(self, books: Books) -> None:
        """A life begins, with what was written before it."""
        self._stands = {
            (group.group_id, one.leg): one for group in books.groups.values() for one in group.moved
        }
        waited = (cid for cid, one in books.orders.items() if one.trigger is not Trigger.WATCHED)
        self._elected = dict.fromkeys(cid for cid in waited if books.orders[cid].terms.local)

    # --- at every commit --------------------------------------------------------------------------

    def committed(self, rows: Sequence[FactRow], books: Books) -> Iterator[Violation]:
        """Facts were written and folded; ``books`` are as after them."""
        for _, entity, kind, body in rows:
            if kind == AmendGroup.__name__:
                fact = decode(body)
                assert isinstance(fact, AmendGroup)
                yield from self._moved(fact, books)
            elif kind == LocalTriggered.__name__:
                election = decode(body)
                assert isinstance(election, LocalTriggered)
                yield from self._triggered(election, books.orders[entity])

    def _moved(self, fact: AmendGroup, books: Books) -> Iterator[Violation]:
        group = books.groups[fact.group_id]
        leg = next(one for one in legs_of(group.terms.root) if one.name == fact.leg)
        key = fact.group_id, fact.leg
        before = self._stands.get(key) or LegMoved(fact.leg)
        stood = leg.order.stop_px if before.stop_px is None else before.stop_px
        by_hand, to_px = before.by_hand, fact.stop_px
        is_person = fact.mover is Mover.PERSON
        if is_person and to_px is not None and stood is not None:
            by_hand = by_hand or is_tighter(leg.order.side, stood, to_px)
        self._stands[key] = LegMoved(fact.leg, to_px or before.stop_px, by_hand=by_hand)
        if is_person:
            self._by_people[key] = None
            return
        if before.by_hand:
            yield Violation("a_stop_only_tightens", f"{fact}, after a person", fact.group_id)
        if fact.stop_px is not None and stood is not None:
            if not is_tighter(leg.order.side, fact.stop_px, stood):
                text = f"{fact.leg} goes from {stood} to {fact.stop_px}"
                yield Violation("a_stop_only_tightens", text, fact.group_id)

    def _triggered(self, fact: LocalTriggered, order: Order) -> Iterator[Violation]:
        cid, terms = fact.client_order_id, order.terms
        if cid in self._elected:
            yield Violation("elected_once", "it was elected before", cid)
        self._elected[cid] = None
        if not _reached(terms, fact.stop_px, fact.px):
            yield Violation("elected_once", f"{fact.px} does not elect {fact.stop_px}", cid)

    # --- at every look ----------------------------------------------------------------------------

    def looked(self, books: Books) -> Iterator[Violation]:
        """At the exchange no stop that only the engine moves goes back."""
        for group, leg in _moving(books):
            if (group.group_id, leg.name) in self._by_people:
                continue
            for cid in dict(group.slices)[leg.name]:
                seen = self.exchange.order(self.account, cid, None, self.exchange.now_ns)
                if seen is None or seen.status is not VenueStatus.WORKING or seen.stop_px is None:
                    continue
                was = self._seen.get(cid, leg.order.stop_px)
                self._seen[cid] = seen.stop_px
                if was is not None and is_tighter(leg.order.side, was, seen.stop_px):
                    text = f"{leg.name} goes from {was} to {seen.stop_px} at the exchange"
                    yield Violation("a_stop_only_tightens", text, group.group_id)

    # --- at rest ----------------------------------------------------------------------------------

    def at_rest(self, books: Books, broker: BrokerActor) -> Iterator[Violation]:
        """Every stop is where it belongs, and no trigger of ours has been passed over."""
        for group, leg in _moving(books):
            yield from self._arrived(group, leg, books, broker)
        for cid, order in books.orders.items():
            if order.terms.local:
                yield from self._waits(cid, order)
        for terms, _ in self.exchange.placed(self.account):
            ours = books.orders.get(terms.client_order_id)
            if ours is not None and ours.terms.local and terms.order_type not in _PLAIN:
                yield Violation("elected_once", f"the venue has {terms}", terms.client_order_id)

    def _arrived(
        self, group: Group, leg: Leg, books: Books, broker: BrokerActor
    ) -> Iterator[Violation]:
        if _closes(group, leg):
            return
        moved = moved_of(group, leg.name) or LegMoved(leg.name)
        stands = leg.order.stop_px if moved.stop_px is None else moved.stop_px
        assert stands is not None
        works = False
        for cid in dict(group.slices)[leg.name]:
            at_px = self._stop_px(books.orders[cid])
            works = works or at_px is not None
            if at_px is not None and at_px != stands and not self._was_told(group.group_id):
                text = f"{leg.name} stands at {at_px}, and was moved to {stands}"
                yield Violation("a_move_arrives", text, group.group_id)
        if not works or leg.trail is None or moved.by_hand:
            return
        trail, side, symbol = leg.trail, leg.order.side, leg.order.instrument
        if trail.activate_px is not None and not moved.active:
            return
        px = _price(self.exchange.prices(symbol), trail.source or leg.order.trigger_source)
        if px is None or group.state is GroupState.DEGRADED or self._was_told(group.group_id):
            return
        level = trail_level(trail, side, px, broker.instruments[symbol].tick_size)
        if is_tighter(side, level, stands) and abs(level - stands) >= trail.step:
            text = f"{leg.name} stands at {stands}, its trail is at {level} by {px}"
            yield Violation("a_trail_follows", text, group.group_id)

    def _stop_px(self, order: Order) -> Decimal | None:
        """Where it waits, at the exchange or here; None: it does not, or not any more."""
        cid = order.terms.client_order_id
        if is_waiting(order) and not is_held(order) and order.trigger is Trigger.WATCHED:
            return order.stop_px
        seen = self.exchange.order(self.account, cid, None, self.exchange.now_ns)
        is_idle = seen is not None and seen.status is VenueStatus.WORKING
        return seen.stop_px if seen is not None and is_idle else None

    def _waits(self, cid: str, order: Order) -> Iterator[Violation]:
        terms = order.terms
        if not is_waiting(order) or is_held(order) or order.trigger is not Trigger.WATCHED:
            return
        px = _price(self.exchange.prices(terms.instrument), terms.trigger_source)
        if order.stop_px is not None and px is not None and _reached(terms, order.stop_px, px):
            yield Violation("elected_once", f"it waits for {order.stop_px}, and {px} is told", cid)

    def _was_told(self, group_id: str) -> bool:
        entity = f"group:{group_id}"
        return any((one.kind, one.entity) == ("leg_not_moved", entity) for one in self.alarms)


def _moving(books: Books) -> Iterator[tuple[Group, Leg]]:
    """The stops of groups that are not over, which the engine moves."""
    for group in books.groups.values():
        if group.state is GroupState.DONE:
            continue
        for leg in legs_of(group.terms.root):
            moves = leg.trail is not None or leg.break_even is not None
            if moves and leg.role is LegRole.STOP:
                yield group, leg


def _closes(group: Group, leg: Leg) -> bool:
    """Whether what the leg protects is being closed, or nobody wants the leg any more."""
    slices = dict(group.slices)
    late = any(emergency_of((one,)) in slices for one in legs_of(group.terms.root) if is_exit(one))
    return group.closing or bool(group.late) or leg.name in group.dropped or late


def _reached(terms: SubmitOrder, stop_px: Decimal, px: Decimal) -> bool:
    """Whether a price is at or beyond a trigger: above it for stops that buy, and for if-touched
    orders that sell.
    """
    rises = (terms.side is Side.BUY) != (terms.order_type in _TOUCHED)
    return px >= stop_px if rises else px <= stop_px


def _price(told: PriceUpdate | None, source: TriggerSource) -> Decimal | None:
    """What an exchange tells, by one source."""
    if told is None:
        return None
    if source is TriggerSource.LAST:
        return told.last
    if source is TriggerSource.MARK:
        return told.mark
    return None if told.bid is None or told.ask is None else (told.bid + told.ask) / 2
