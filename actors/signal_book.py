"""What works at one account, slot by slot, kept up to date for whoever decides about signals.

A look costs what has changed since the last one, not what there is. Only orders that have changed
are counted again, from what they are then: so a turn that is discarded leaves nothing wrong, as
long as what it touched is counted once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias, TypeVar

from engine.errors import InvalidValue
from engine.messages import SubmitOrder
from engine.order import Order, leaves_qty, public_state
from engine.order_tables import TERMINAL
from engine.policies.entries import ENTRY_PX
from engine.values import ZERO, OrderState, PositionSlot, Side, decimal_from

from .roles import BrokerRole

__all__ = ["Entries", "SignalBook", "tagged_px"]

_Slot: TypeAlias = tuple[str, PositionSlot]
_Key = TypeVar("_Key")


class Entries(NamedTuple):
    """Entries of groups that work in one slot, together. ``value`` is in the settle currency;
    ``unpriced``: so many of them have no price that is known.
    """

    value: Decimal
    unpriced: int
    longs: int
    shorts: int


_NONE = Entries(ZERO, 0, 0, 0)
_DIRTY_MAX: Final = 100_000  # orders that changed with no look in between


class SignalBook:
    """Lives with its broker, on the same thread; made by the first desk that looks there."""

    def __init__(self, broker: BrokerRole) -> None:
        self._broker = broker
        self._touches = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Nothing is counted: the next look counts all that there is."""
        self._is_new = True
        #: Orders to be counted again, each with the number of the touch.
        self._dirty: dict[str, int] = {}
        self._counted: dict[str, tuple[_Slot, Entries]] = {}
        self.entries: dict[_Slot, Entries] = {}
        self._beside: dict[_Slot, dict[str, None]] = {}
        self._doubtful: dict[str, dict[str, None]] = {}
        #: Where an order is noted: its slot and its instrument.
        self._noted: dict[str, _Slot] = {}

    def touched(self, cid: str) -> None:
        """An order has come, changed, or gone."""
        self._touches += 1
        self._dirty[cid] = self._touches
        if len(self._dirty) > _DIRTY_MAX:
            self._begin_anew()

    def settle(self) -> None:
        """Count what has changed; inside a turn."""
        if self._is_new:
            self._is_new = False
            self._dirty = dict.fromkeys(self._broker.orders, self._touches)
        if not self._dirty:
            return
        for cid in self._dirty:
            self._count(cid)
        self._broker.turn.effects.append((self._clean, dict(self._dirty), None))

    def _clean(self, counted: dict[str, int], _: None) -> None:
        """After the commit: what was counted stands, unless it was touched behind that."""
        for cid, touch in counted.items():
            if self._dirty.get(cid) == touch:
                del self._dirty[cid]

    def doubtful(self, symbol: str) -> str:
        """An order of an instrument that is in doubt, "" where there is none."""
        return next(iter(self._doubtful.get(symbol, ())), "")

    def beside(self, slot: _Slot | None = None) -> Iterator[Order]:
        """Orders of no group that are not over, in one slot or (None) in all."""
        slots = [self._beside.get(slot, {})] if slot is not None else list(self._beside.values())
        for cids in slots:
            for cid in cids:
                yield self._broker.orders[cid].order

    def _count(self, cid: str) -> None:
        self._forget(cid)
        actor = self._broker.orders.get(cid)
        if actor is None or actor.order.life in TERMINAL:
            return
        order = actor.order
        terms = order.terms
        slot = self._noted[cid] = terms.instrument, terms.slot
        if public_state(order) is OrderState.IN_DOUBT:
            self._doubtful.setdefault(terms.instrument, {})[cid] = None
        if not terms.group_id:
            self._beside.setdefault(slot, {})[cid] = None
        elif not terms.closes:
            self._add(cid, slot, self._worth(order))

    def _worth(self, order: Order) -> Entries:
        terms = order.terms
        px = order.price or order.stop_px or tagged_px(terms)
        is_long = terms.side is Side.BUY
        if not px:
            return Entries(ZERO, 1, is_long, not is_long)
        instrument = self._broker.instruments[terms.instrument]
        value = instrument.notional(leaves_qty(order) or ZERO, px).copy_abs()
        return Entries(value, 0, is_long, not is_long)

    def _add(self, cid: str, slot: _Slot, one: Entries) -> None:
        all_ = self.entries.get(slot, _NONE)
        self._counted[cid] = slot, one
        self.entries[slot] = Entries(
            all_.value + one.value, all_.unpriced + one.unpriced, all_.longs + one.longs,
            all_.shorts + one.shorts,
        )  # fmt: skip

    def _forget(self, cid: str) -> None:
        noted = self._noted.pop(cid, None)
        if noted is None:
            return
        _drop(self._beside, noted, cid)
        _drop(self._doubtful, noted[0], cid)
        counted = self._counted.pop(cid, None)
        if counted is None:
            return
        slot, one = counted
        all_ = self.entries[slot]
        left = Entries(
            all_.value - one.value, all_.unpriced - one.unpriced, all_.longs - one.longs,
            all_.shorts - one.shorts,
        )  # fmt: skip
        if left.longs or left.shorts:
            self.entries[slot] = left
        else:
            del self.entries[slot]


def _drop(notes: dict[_Key, dict[str, None]], key: _Key, cid: str) -> None:
    there = notes.get(key)
    if there is None or cid not in there:
        return
    del there[cid]
    if not there:
        del notes[key]


def tagged_px(terms: SubmitOrder) -> Decimal | None:
    """The price that a signal expected of its market entry."""
    try:
        return decimal_from(dict(terms.tags).get(ENTRY_PX, ""), ENTRY_PX)
    except InvalidValue:  # nobody's, or a tag of the caller's own that is called the same
        return None
