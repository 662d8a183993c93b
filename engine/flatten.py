"""What a kill switch does next: the difference between an empty account and what there is.

:func:`plan_flatten` is the whole of it: pure and level-triggered, like :mod:`engine.group_steps`.
Called after anything that may matter (an order changed, an answer came, a restart, a while has
passed) it gives what is missing now, and nothing that is under way. Its caller does it and calls
again.

Who closes: the switch, and nobody beside it. A group whose legs are all in its scope stands aside
(its orders go and it places nothing more); one that reaches beyond it closes what it holds itself,
and its slots are left to it until it is over.

Why nothing is closed twice: one close of a slot is outstanding at a time. Where the venue bounds a
close at flat, another may leave beside one in doubt. Elsewhere a close is at most what is held less
everything that may still fill on its side: stops being cancelled, orders in doubt, claims of the
venue.

When it is flat: orders and slots are gone by our books, and then, by what the venue showed when it
was asked after the last change (and its lag), in its positions and in every order book it keeps.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from .messages import FlatProgress
from .pnl import is_dust
from .values import ONE, ZERO, Instrument, InstrumentKind, PositionSlot, Side, round_down

__all__ = [
    "CallOff",
    "CancelIt",
    "CloseSlot",
    "Evidence",
    "FlatPlan",
    "FlatReport",
    "FlatView",
    "GroupSeen",
    "OrderSeen",
    "Scope",
    "SlotKey",
    "SlotSeen",
    "StandAside",
    "plan_flatten",
]

SlotKey: TypeAlias = tuple[str, PositionSlot]


class Scope(msgspec.Struct, frozen=True):
    """What a kill switch or a trading mode is for: everything, a venue's accounts, one account, or
    one instrument there. An empty word means all of them.
    """

    venue: str = ""
    account: str = ""
    instrument: str = ""


class FlatReport(msgspec.Struct, frozen=True):
    """How far a kill switch has come, account by account."""

    accounts: tuple[FlatProgress, ...]

    @property
    def verified(self) -> bool:
        """Whether every venue has shown, after the last close ended, that nothing is left."""
        return all(one.verified for one in self.accounts)


class OrderSeen(msgspec.Struct, frozen=True, gc=False):
    """One order that is open or not settled.

    ``exposure`` is the most that may still fill, or has filled unbooked (None: not known).
    ``is_close``: the switch placed it. ``rests``: it is in the book, where a close may meet it.
    """

    client_order_id: str
    instrument: str
    slot: PositionSlot
    side: Side
    exposure: Decimal | None
    is_over: bool
    is_cancelling: bool
    is_doubtful: bool
    is_close: bool
    rests: bool = False


class SlotSeen(msgspec.Struct, frozen=True, gc=False):
    """One slot by our books; ``qty`` is signed. ``base_qty`` is what it held when the switch began
    with it (unsigned), of which slices are a share.
    """

    instrument: Instrument
    slot: PositionSlot
    qty: Decimal
    is_flat: bool  # dust counts as nothing
    base_qty: Decimal = ZERO


class GroupSeen(msgspec.Struct, frozen=True, gc=False):
    """One group that is not over, and what it trades."""

    group_id: str
    instruments: tuple[str, ...]
    aside: bool
    closing: bool


class Evidence(msgspec.Struct, frozen=True):
    """What the venue showed when it was asked.

    Asked at ``sent_ts``, and the time before at ``earlier_ts``. ``open_orders`` are (name,
    instrument). ``complete``: it shows every order book it keeps, and did.
    """

    sent_ts: int
    positions: Mapping[SlotKey, Decimal]
    open_orders: tuple[tuple[str, str], ...]
    complete: bool
    earlier_ts: int = 0
    earlier: Mapping[SlotKey, Decimal] = MappingProxyType({})


class FlatView(msgspec.Struct, frozen=True):
    """What a look is taken from. Times are UTC nanoseconds by our clock.

    ``instrument``: "" for the whole account. ``changed_ts``: the last change of any order or slot,
    or of the link. ``withheld``: why nothing may leave, or "". ``pausing``: orders and slots of
    which a request has come to nothing just now; ``tried``: of which one was made at all.
    """

    venue: str
    account: str
    instrument: str
    slice_share: Decimal
    orders: tuple[OrderSeen, ...]
    slots: tuple[SlotSeen, ...]
    groups: tuple[GroupSeen, ...]
    evidence: Evidence | None
    changed_ts: int
    lag_ns: int
    withheld: str
    bounds_exits: bool
    pausing: Container[str | SlotKey] = ()
    tried: Container[str | SlotKey] = ()
    locks: bool = False  # the venue locks the coins that a resting sell offers


class StandAside(msgspec.Struct, frozen=True, gc=False):
    """To a group: its orders go, it places nothing more."""

    group_id: str


class CallOff(msgspec.Struct, frozen=True, gc=False):
    """A group is to end by itself, and to close what it holds."""

    group_id: str


class CancelIt(msgspec.Struct, frozen=True, gc=False):
    """Cancel an order, or withdraw one that never left."""

    client_order_id: str


class CloseSlot(msgspec.Struct, frozen=True, gc=False):
    """Close this much of a slot at market."""

    instrument: str
    slot: PositionSlot
    side: Side
    qty: Decimal


FlatAction: TypeAlias = StandAside | CallOff | CancelIt | CloseSlot


class FlatPlan(msgspec.Struct, frozen=True):
    """What to do now, and what is left. ``asks``: the venue has to be asked, not before
    ``ask_ts``. ``differs``: it has shown something that is left.
    """

    actions: tuple[FlatAction, ...]
    progress: FlatProgress
    asks: bool
    ask_ts: int
    differs: bool


def plan_flatten(view: FlatView, ts: int) -> FlatPlan:
    """Look at an account and say what is missing."""
    return _Planner(view, ts).run()


class _Planner:
    """One look; thrown away after it."""

    def __init__(self, view: FlatView, ts: int) -> None:
        self.view = view
        self.ts = ts
        self.orders = [one for one in view.orders if self._is_inside(one.instrument)]
        self.slots = [one for one in view.slots if self._is_inside(one.instrument.symbol)]
        self.groups = [
            one for one in view.groups if any(self._is_inside(name) for name in one.instruments)
        ]
        self.actions: list[FlatAction] = []
        told = view.evidence
        self.fresh_ts = view.changed_ts + view.lag_ns
        self.told = told if told is not None and told.sent_ts > self.fresh_ts else None

    def run(self) -> FlatPlan:
        """Groups, then orders, then slots, then what the venue says of the result."""
        for group in self.groups:
            if all(self._is_inside(name) for name in group.instruments):
                if not group.aside:
                    self.actions.append(StandAside(group.group_id))
            elif not group.aside and not group.closing:
                self.actions.append(CallOff(group.group_id))
        for order in self.orders:
            if order.is_over or order.is_cancelling or order.is_close or self._is_theirs(order):
                continue
            if order.is_doubtful and order.client_order_id in self.view.tried:
                continue  # asked once: to ask on and on would keep it from being found out
            if order.client_order_id not in self.view.pausing:
                self.actions.append(CancelIt(order.client_order_id))
        if not self.view.withheld:
            for slot in self.slots:
                self._close(slot)
        return self._result()

    def _is_inside(self, instrument: str) -> bool:
        return self.view.instrument in ("", instrument)

    def _is_theirs(self, order: OrderSeen) -> bool:
        """Whether a group that reaches beyond the scope sees to it itself."""
        return self._has_own_group(order.instrument)

    def _has_own_group(self, instrument: str) -> bool:
        return any(
            instrument in one.instruments
            and not all(self._is_inside(name) for name in one.instruments)
            and not one.aside
            for one in self.groups
        )

    # --- slots ------------------------------------------------------------------------------------

    def _stated(self, slot: SlotSeen) -> Decimal | None:
        """What the venue says that a slot holds; None: it has not, or does not say."""
        if self.told is None:
            return None
        stated = self.told.positions.get((slot.instrument.symbol, slot.slot))
        if stated is None and slot.instrument.kind is not InstrumentKind.CASH:
            return ZERO  # coins and shares may be told as balances only
        return stated

    def _held(self, slot: SlotSeen) -> Decimal:
        """What is to be closed: our books, unless the venue says otherwise, twice, while nothing
        was under way.
        """
        stated, told = self._stated(slot), self.told
        if stated is None or told is None or told.earlier_ts <= self.fresh_ts:
            return slot.qty
        key = slot.instrument.symbol, slot.slot
        return stated if told.earlier.get(key) == told.positions.get(key) else slot.qty

    def _close(self, slot: SlotSeen) -> None:
        symbol, held = slot.instrument.symbol, self._held(slot)
        if not held or (slot.is_flat and held == slot.qty) or is_dust(held, slot.instrument):
            return
        if (symbol, slot.slot) in self.view.pausing or self._has_own_group(symbol):
            return
        side = Side.SELL if held > ZERO else Side.BUY
        here = [one for one in self.orders if (one.instrument, one.slot) == (symbol, slot.slot)]
        if any(one.is_close and not one.is_over and not one.is_doubtful for one in here):
            return  # one at a time, also where the slot has turned round meanwhile
        if (symbol, slot.slot) in self.view.tried and self._would_meet(symbol, side):
            return  # a venue cancels a close for that: its end first
        left = abs(held)
        is_locked = self.view.locks and side is Side.SELL
        is_locked = is_locked and slot.instrument.kind is InstrumentKind.CASH
        if is_locked or not self.view.bounds_exits:
            for one in here:
                if one.side is side:
                    left -= left if one.exposure is None else one.exposure
        qty = self._slice(slot, left)
        if qty > ZERO and not is_dust(qty, slot.instrument):
            self.actions.append(CloseSlot(symbol, slot.slot, side, qty))

    def _would_meet(self, symbol: str, side: Side) -> bool:
        """Whether an order of ours rests on the other side; one in doubt is not waited for."""
        return any(
            one.rests and not one.is_over and not one.is_doubtful and one.side is not side
            for one in self.orders
            if one.instrument == symbol
        )

    def _slice(self, slot: SlotSeen, left: Decimal) -> Decimal:
        """So much of what is left leaves at once; no remainder that no order could close."""
        rules = slot.instrument
        share = self.view.slice_share
        most = left if share == ONE else max(slot.base_qty, left) * share
        most = max(most, rules.min_qty or rules.lot_size)
        whole = rules.max_qty is None or left <= rules.max_qty
        if rules.max_qty is not None:
            most = min(most, rules.max_qty)
        qty = round_down(min(left, most), rules.lot_size)
        rest = left - qty
        if rest and whole and is_dust(rest, rules):
            qty = round_down(left, rules.lot_size)
        return qty

    # --- what is left -----------------------------------------------------------------------------

    def _result(self) -> FlatPlan:
        told, view = self.told, self.view
        open_orders = [one.client_order_id for one in self.orders if not one.is_over]
        doubtful = [one.client_order_id for one in self.orders if one.is_doubtful or one.is_over]
        if told is not None:
            shown = (name for name, instrument in told.open_orders if self._is_inside(instrument))
            open_orders += [name for name in shown if name not in open_orders]
        slots = self._slots_left()
        detail = view.withheld
        if not detail and told is None:
            detail = "the venue has not shown yet what is left"
        elif not detail and told is not None and not told.complete:
            detail = "the venue did not show all of its order books"
        elif not detail and self.groups:
            detail = "groups are not over: " + ", ".join(one.group_id for one in self.groups)
        verified = not (self.actions or self.orders or open_orders or slots or detail)
        busy = any(not one.is_over for one in self.orders)
        progress = FlatProgress(
            view.venue, view.account, view.instrument, self.ts, verified, tuple(open_orders),
            tuple(doubtful), tuple(slots), detail,
        )  # fmt: skip
        asks = not (verified or busy or self.actions or view.withheld)
        differs = told is not None and bool(slots or open_orders)
        return FlatPlan(tuple(self.actions), progress, asks, self.fresh_ts + 1, differs)

    def _slots_left(self) -> list[tuple[str, PositionSlot, Decimal]]:
        left: list[tuple[str, PositionSlot, Decimal]] = []
        known: dict[SlotKey, None] = {}
        for slot in self.slots:
            known[slot.instrument.symbol, slot.slot] = None
            stated = self._stated(slot)
            ours = ZERO if slot.is_flat else slot.qty
            if stated is None or stated == slot.qty or is_dust(stated, slot.instrument):
                stated = ZERO
            largest = stated if abs(stated) > abs(ours) else ours
            if largest:
                left.append((slot.instrument.symbol, slot.slot, largest))
        if self.told is not None:
            for (symbol, where), qty in self.told.positions.items():
                if qty and (symbol, where) not in known and self._is_inside(symbol):
                    left.append((symbol, where, qty))
        return left
