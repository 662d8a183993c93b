"""What a monitor follows: a slot, the slots of an account, or what a group holds.

What a group holds is no slot: others may trade there too. It is what its own executions come to,
booked one by one on empty slots by the very function that books the real ones.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from engine.errors import InvalidValue
from engine.fold import book_execution, revive
from engine.group import Group, legs_of
from engine.group_tables import GROUP
from engine.messages import Feeds, SetMonitor
from engine.order import Booking, BookingKind, Ledger, Order
from engine.policies.monitoring import Worth, pnl_of
from engine.position_state import Position, new_position
from engine.values import Instrument, PositionSlot

from .roles import BrokerRole

__all__ = ["Scopes"]

SlotKey: TypeAlias = tuple[str, PositionSlot]
Held: TypeAlias = list[tuple[Position, Instrument]]


class Scopes:
    """Reads one account. Lives and dies with its broker, on the same thread."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        #: By group: its orders and ledgers as they were, and what that came to.
        self._groups: dict[str, tuple[list[tuple[Order, int]], Held]] = {}
        self._closed: dict[str, tuple[Order, Ledger | None]] = {}

    def check(self, terms: SetMonitor) -> None:
        """Refuse what there is not.

        Raises:
            InvalidValue: no such instrument or group, nothing that settles in the currency, or a
                group that trades in several.
        """
        broker = self.broker
        at = f"{broker.name}/{broker.account}"
        if terms.instrument and terms.instrument not in broker.instruments:
            raise InvalidValue(f"instrument {terms.instrument[:64]!a} is not known at {at}")
        if terms.group_id:
            group = self.group(terms.group_id)
            if group is None:
                raise InvalidValue(f"no group {terms.group_id[:64]!a} at {at} that is not over")
            symbols = {leg.order.instrument for leg in legs_of(group.terms.root)}
            if len({broker.instruments[name].settle_currency for name in symbols}) > 1:
                raise InvalidValue("P&L of a group in several currencies is no one number")
        elif not terms.instrument and not terms.currency:
            raise InvalidValue(
                "a monitor needs an instrument, a group, or the currency of an account: amounts of"
                " several are not added"
            )
        elif terms.currency:
            known = dict.fromkeys(one.settle_currency for one in broker.instruments.values())
            if terms.currency not in known:
                raise InvalidValue(
                    f"nothing at {at} settles in {terms.currency[:64]!a}; there are"
                    f" {', '.join(sorted(known)) or 'no instruments'}"
                )

    def currency(self, terms: SetMonitor) -> str:
        """What its P&L is in; "" where its group is over."""
        symbol = terms.instrument
        if terms.group_id:
            symbol = next(iter(self.slots_of_group(terms.group_id)), ("",))[0]
        instrument = self.broker.instruments.get(symbol)
        return terms.currency if instrument is None else instrument.settle_currency

    def group(self, group_id: str) -> Group | None:
        """A group that is not over."""
        actor = self.broker.groups.groups.get(group_id)
        over = actor is None or actor.group.state in GROUP.terminal
        return None if over or actor is None else actor.group

    def covers(self, terms: SetMonitor, key: SlotKey) -> bool:
        """Whether what a slot holds matters to it."""
        if terms.instrument:
            return key == (terms.instrument, terms.slot)
        if terms.group_id:
            return key in self.slots_of_group(terms.group_id)
        instrument = self.broker.instruments.get(key[0])
        return instrument is not None and instrument.settle_currency == terms.currency

    def slots_of_group(self, group_id: str) -> dict[SlotKey, None]:
        """Where the legs of a group trade; none when it is over."""
        group = self.group(group_id)
        legs = () if group is None else legs_of(group.terms.root)
        return {(leg.order.instrument, leg.order.slot): None for leg in legs}

    def slots(self, terms: SetMonitor) -> list[SlotKey]:
        """The slots of the account that are followed."""
        return [key for key in self.broker.positions if self.covers(terms, key)]

    def held(self, terms: SetMonitor) -> Held:
        """What is followed, as it stands."""
        if terms.group_id:
            return self._of_group(terms.group_id)
        actors = (self.broker.positions[key] for key in self.slots(terms))
        return [(actor.position, actor.instrument) for actor in actors]

    def worth(self, terms: SetMonitor) -> Worth | None:
        """What it is worth at prices that are fresh enough; None: one is not known."""
        return pnl_of(
            (position, instrument, self._price(terms, instrument))
            for position, instrument in self.held(terms)
        )

    def _price(self, terms: SetMonitor, instrument: Instrument) -> Decimal | None:
        return self.broker.prices.now(instrument.symbol, terms.price_source, terms.max_age_ns)

    # --- groups -----------------------------------------------------------------------------------

    def _of_group(self, group_id: str) -> Held:
        group = self.group(group_id)
        if group is None:
            self._groups.pop(group_id, None)
            return []
        orders = [self._order(cid) for _, cids in group.slices for cid in cids]
        stand = [(order, 0 if book is None else len(book)) for order, book in orders]
        known = self._groups.get(group_id)
        if known is None or any(
            one[0] is not two[0] or one[1] != two[1]
            for one, two in zip(known[0], stand, strict=False)
        ) or len(known[0]) != len(stand):  # fmt: skip
            known = self._groups[group_id] = stand, self._booked(orders)
        return known[1]

    def _order(self, cid: str) -> tuple[Order, Ledger | None]:
        actor = self.broker.orders.get(cid)
        if actor is not None:
            self._closed.pop(cid, None)
            return actor.order, actor.ledger
        found = self._closed.get(cid)
        if found is None:
            body = self.broker.journal.closed_order(cid)
            if body is None:
                raise InvalidValue(f"order {cid!a} of a group is nowhere")
            found = self._closed[cid] = revive(body)
        return found

    def _booked(self, orders: list[tuple[Order, Ledger | None]]) -> Held:
        broker = self.broker
        fills = [
            (fill.ts, order, fill)
            for order, ledger in orders
            for fill in (() if ledger is None else ledger.live())
            if fill.feeds is not Feeds.ORDER and fill.last_qty
        ]
        fills.sort(key=lambda one: one[0])
        slots: dict[SlotKey, Position] = {}
        for ts, order, fill in fills:
            terms = order.terms
            key = fill.instrument or terms.instrument, terms.slot
            instrument = broker.instruments[key[0]]
            before = slots.get(key) or new_position(broker.name, broker.account, instrument, key[1])
            booking = Booking(BookingKind.BOOK, fill, fill.exec_id)
            slots[key] = book_execution(before, instrument, terms, booking, ts)
        return [(position, broker.instruments[key[0]]) for key, position in slots.items()]
