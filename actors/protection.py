"""Keeps watch over what is held without a stop: states, times, alarms. It sends nothing.

A slot is looked at again whenever something was booked on it or a stop of it changed. Only stops
are kept here, so a million other orders cost nothing. Whoever wants what is naked closed submits a
group (:mod:`actors.group`), which does that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from engine.messages import ProtectionChanged, SubmitOrder
from engine.order import Booking, Order, leaves_qty
from engine.protection import (
    PROTECTION,
    STOPS,
    Cover,
    ProtectionState,
    ProtectionTrigger,
    close_side,
    cover_of,
    part_of,
)
from engine.values import ZERO, PositionSlot, Side

from .roles import BrokerRole
from .runtime import Timer

__all__ = ["Protection", "ProtectionReport", "Protections", "report_of"]

SlotKey: TypeAlias = tuple[str, PositionSlot]
#: What a stop covers, what it would if it were confirmed, and what of the first is local.
Parts: TypeAlias = tuple[Decimal, Decimal, Decimal]

#: Times to protection that are kept: the newest.
_TIMES_MAX: Final = 10_000


class Protection(msgspec.Struct, frozen=True):
    """One slot: how far it is covered, and since when something of it has been naked.

    Times are of the monotonic clock; ``opened_ns`` stands until it is covered for the first time.
    """

    state: ProtectionState
    cover: Cover
    naked_since_ns: int | None = None
    opened_ns: int | None = None


class ProtectionReport(msgspec.Struct, frozen=True, kw_only=True):
    """Times from the first fill of a position to its protection, and what is naked now.

    Times are nanoseconds, of the newest positions of this life; None while there is none.
    ``naked``: (venue, account, instrument, slot), quantity, and for how long. ``local``: what is
    covered only by triggers that the engine watches, while it runs and has prices.
    """

    count: int
    p50_ns: int | None
    p99_ns: int | None
    max_ns: int | None
    naked: tuple[tuple[tuple[str, str, str, str], str, int], ...]
    local: tuple[tuple[tuple[str, str, str, str], str], ...] = ()


_NO_PART: Final[Parts] = (ZERO, ZERO, ZERO)
_NOTHING: Final = Protection(ProtectionState.FLAT, Cover(ZERO, ZERO, ZERO, ProtectionTrigger.EMPTY))


class Protections:
    """The slots of one broker. Lives and dies with it, on the same thread.

    Args:
        within_ns: how long something may be naked before an alarm tells; ``None``: for ever.
    """

    def __init__(self, broker: BrokerRole, within_ns: int | None) -> None:
        self.broker = broker
        self.within_ns = within_ns
        #: Whether there is anything to look at: without stops and deadlines fills cost nothing.
        self.active = within_ns is not None
        self.slots: dict[SlotKey, Protection] = {}
        self.times_ns: deque[int] = deque(maxlen=_TIMES_MAX)
        #: By stop, and by slot and side: what is covered, and what would be. Sums, so that a fill
        #: costs the same beside any number of stops.
        self._parts: dict[str, Parts] = {}
        self._sums: dict[tuple[str, PositionSlot, Side], Parts] = {}
        self._due: dict[SlotKey, Timer] = {}

    # --- what may change it -----------------------------------------------------------------------

    def introduced(self, order: Order) -> None:
        """A stop is held from now on; with the first one the watch begins."""
        self.recount(order.terms, self._parts_of(order))
        if not self.active:
            self.active = True
            if self.broker.turn.running:  # else a restart, which looks at all by itself
                self._begin()

    def _begin(self) -> None:
        """What is held already has been without a stop since it changed last, or for longer."""
        clock = self.broker.dispatcher
        self.broker.turn.undo.append((_Begun(self), None, None))
        for key, held in list(self.broker.positions.items()):
            age_ns = max(clock.time_ns() - held.position.ts, 0)
            self.look(key, clock.monotonic_ns() - age_ns)

    def gone(self, order: Order) -> None:
        """An order has left memory."""
        if order.terms.client_order_id in self._parts:
            self.recount(order.terms, None)

    def stepped(self, order: Order, bookings: tuple[Booking, ...]) -> None:
        """An order has changed, perhaps by executions: its slots are looked at."""
        terms = order.terms
        symbols = {one.fill.instrument or terms.instrument: None for one in bookings}
        if terms.order_type in STOPS:
            symbols[terms.instrument] = None
            before = self.recount(terms, self._parts_of(order))
            self.broker.turn.undo.append((_Recount(self), terms, before))
        for symbol in symbols:
            self.look((symbol, terms.slot))

    def _parts_of(self, order: Order) -> Parts:
        """A stop that the engine watches covers while the prices it waits for are live; while they
        are not, it is no stop.
        """
        if order.terms.local:
            left = leaves_qty(order) or ZERO
            if self.broker.triggers.is_live(order):
                return left, ZERO, left
            if self.broker.triggers.is_blind(order):
                return _NO_PART
        return (*part_of(order), ZERO)

    def recount(self, terms: SubmitOrder, part: Parts | None) -> Parts | None:
        """Put what a stop covers in the place of what it did (``None``: it is not here)."""
        cid, key = terms.client_order_id, (terms.instrument, terms.slot, terms.side)
        before = self._parts.pop(cid, None)
        covered, coming, local = self._sums.get(key, _NO_PART)
        if before is not None:
            covered, coming, local = covered - before[0], coming - before[1], local - before[2]
        if part is not None:
            self._parts[cid] = part
            covered, coming, local = covered + part[0], coming + part[1], local + part[2]
        self._sums[key] = covered, coming, local
        return before

    def look_all(self) -> None:
        """After a restart: every slot is looked at once."""
        for key in list(self.broker.positions) if self.active else ():
            self.look(key)

    def look(self, key: SlotKey, opened_ns: int | None = None) -> None:
        """Look at one slot, and say if it is covered in another way than before; ``opened_ns``: it
        is held since then, if that is not now.
        """
        held = self.broker.positions.get(key)
        if held is None:
            return
        *part, local = self._sums.get((*key, close_side(held.position)), _NO_PART)
        cover = cover_of(held.position, held.instrument, (part[0], part[1]), local)
        before = self.slots.get(key, _NOTHING)
        if cover == before.cover:
            return
        state = PROTECTION.table[before.state, cover.trigger].target
        now = self.broker.dispatcher.monotonic_ns()
        since = before.naked_since_ns
        opened = before.opened_ns
        if before.state is ProtectionState.FLAT and state is not ProtectionState.FLAT:
            opened = now if opened_ns is None else opened_ns
            since = opened
        after = Protection(
            state,
            cover,
            (since if since is not None else now) if cover.naked_qty else None,
            opened if state not in _COVERED else None,
        )
        turn = self.broker.turn
        turn.undo.append((self, key, before))
        self.slots[key] = after
        turn.effects.append((self._confirmed, key, before))
        if ProtectionChanged in turn.hub.wanted and (
            state is not before.state
            or cover.naked_qty != before.cover.naked_qty
            or cover.local_qty != before.cover.local_qty
        ):
            turn.events.append(
                ProtectionChanged(
                    self.broker.name, self.broker.account, key[0], key[1], turn.time_ns(),
                    state.value, cover.held_qty, cover.covered_qty,
                    0 if since is None else now - since, cover.local_qty,
                )
            )  # fmt: skip

    def restore(self, before: SlotKey, extra: Protection) -> None:
        """Take back a look whose turn was discarded."""
        self.slots[before] = extra

    def _confirmed(self, key: SlotKey, before: Protection) -> None:
        """After the commit: the clocks."""
        after = self.slots[key]
        now = self.broker.dispatcher.monotonic_ns()
        if after.state is ProtectionState.PROTECTED and before.opened_ns is not None:
            self.times_ns.append(now - before.opened_ns)
        if after.naked_since_ns is None:
            if key in self._due:
                self._due.pop(key).cancel()
        elif key not in self._due and self.within_ns is not None:
            self._due[key] = self.broker.dispatcher.call_later(
                self.within_ns, lambda: self._too_late(key)
            )

    def _too_late(self, key: SlotKey) -> None:
        """Something has been without a stop for too long: a person is told, once."""
        held = self.slots[key]
        if held.naked_since_ns is None:
            return
        naked_ns = self.broker.dispatcher.monotonic_ns() - held.naked_since_ns
        detail = (
            f"{held.cover.naked_qty} of {held.cover.held_qty} {key[0]} had no confirmed stop for"
            f" {naked_ns / 1e9:g} s"
        )
        self.broker.alarm("unprotected", detail, f"{self.broker.name}/{self.broker.account}")

    # --- questions --------------------------------------------------------------------------------

    def naked(self) -> list[tuple[tuple[str, str, str, str], str, int]]:
        """What is naked now, and for how long (ns); without a watch: since it changed last."""
        if not self.active:
            return self._unwatched()
        now = self.broker.dispatcher.monotonic_ns()
        at = self.broker.name, self.broker.account
        return [
            ((*at, symbol, slot.value), str(one.cover.naked_qty), now - one.naked_since_ns)
            for (symbol, slot), one in self.slots.items()
            if one.naked_since_ns is not None
        ]

    def local(self) -> list[tuple[tuple[str, str, str, str], str]]:
        """What is covered only by triggers that the engine watches."""
        at = self.broker.name, self.broker.account
        return [
            ((*at, symbol, slot.value), str(one.cover.local_qty))
            for (symbol, slot), one in self.slots.items()
            if one.cover.local_qty
        ]

    def _unwatched(self) -> list[tuple[tuple[str, str, str, str], str, int]]:
        """Nobody has placed a stop: all that is held is naked."""
        now = self.broker.dispatcher.time_ns()
        at = self.broker.name, self.broker.account
        return [
            ((*at, symbol, slot.value), str(cover.held_qty), max(now - held.position.ts, 0))
            for (symbol, slot), held in self.broker.positions.items()
            if (cover := cover_of(held.position, held.instrument, (ZERO, ZERO))).held_qty
        ]


class _Begun:
    """Undo of the watch's beginning."""

    def __init__(self, protections: Protections) -> None:
        self._protections = protections

    def restore(self, before: None, extra: None) -> None:
        """Take it back."""
        del before, extra
        self._protections.active = False


class _Recount:
    """Undo of what a stop was counted as."""

    def __init__(self, protections: Protections) -> None:
        self._protections = protections

    def restore(self, before: SubmitOrder, extra: Parts | None) -> None:
        """Take it back."""
        self._protections.recount(before, extra)


_COVERED: Final = (ProtectionState.PROTECTED, ProtectionState.FLAT)


def report_of(parts: Iterable[Protections]) -> ProtectionReport:
    """The times and the naked slots of several accounts as one."""
    every = list(parts)
    times = sorted(ns for one in every for ns in one.times_ns)
    return ProtectionReport(
        count=len(times),
        p50_ns=_percentile(times, 50),
        p99_ns=_percentile(times, 99),
        max_ns=times[-1] if times else None,
        naked=tuple(found for one in every for found in one.naked()),
        local=tuple(found for one in every for found in one.local()),
    )


def _percentile(times: list[int], percent: int) -> int | None:
    """The value that so many percent do not exceed."""
    if not times:
        return None
    return times[min(-(-len(times) * percent // 100), len(times)) - 1]
