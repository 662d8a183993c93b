"""The executions of one order: what is booked, what was taken back, and by which key.

The ledger stands beside the order, not in it: a live order must stay small, and most have few
fills. It is the only mutable part of an order's state and changes only by :meth:`Ledger.apply`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .messages import Filled, SubmitOrder
from .values import Word

__all__ = ["Booking", "BookingKind", "Ledger", "ledger_key", "leg_key"]


class BookingKind(Word):
    """What happens to one execution."""

    BOOK = "BOOK"
    VOID = "VOID"
    FEE = "FEE"  # the fee of a booked execution became known: only fee and fee_currency count
    SPLIT = "SPLIT"  # restated in new units: the position has a correction of its own


class Booking(msgspec.Struct, frozen=True, gc=False):
    """One execution to book into, or take back from, the ledger, the journal and the position."""

    kind: BookingKind
    fill: Filled
    exec_id: str  # the ledger key, see ledger_key: the execution's own id but for a combo's legs


class Ledger:
    """The executions of one order, by :func:`ledger_key`.

    None is void: busted, or busted before it came.

    ``fills`` is read where speed matters and written only here; None until the first booking.
    """

    __slots__ = ("fills", "has_inferred")

    def __init__(self) -> None:
        self.fills: dict[str, Filled | None] | None = None
        self.has_inferred = False  # stays True once one was booked: it may still have to make room

    @classmethod
    def restored(
        cls, terms: SubmitOrder, fills: tuple[Filled, ...], voids: tuple[str, ...]
    ) -> Ledger:
        """The ledger of a tombstone."""
        ledger = cls()
        live = {ledger_key(terms, fill): fill for fill in fills}
        ledger.fills = live | dict.fromkeys(voids)
        ledger.has_inferred = any(fill.inferred for fill in fills)
        return ledger

    def __contains__(self, key: str) -> bool:
        return self.fills is not None and key in self.fills

    def __len__(self) -> int:
        """Count live executions."""
        return 0 if self.fills is None else sum(1 for f in self.fills.values() if f is not None)

    def __bool__(self) -> bool:
        """Always true: one that holds only voids must not pass for none."""
        return True

    def get(self, key: str) -> Filled | None:
        """The live execution with this key, or None when it is unknown or void."""
        return None if self.fills is None else self.fills.get(key)

    def is_void(self, key: str) -> bool:
        """Whether this execution was taken back, perhaps before it came."""
        return self.fills is not None and key in self.fills and self.fills[key] is None

    def live(self) -> Iterator[Filled]:
        """Live executions in booking order."""
        if self.fills is not None:
            for fill in self.fills.values():
                if fill is not None:
                    yield fill

    def exec_ids(self) -> tuple[str, ...]:
        """Every key ever seen, void ones included: what a tombstone keeps."""
        return () if self.fills is None else tuple(self.fills)

    def void_ids(self) -> tuple[str, ...]:
        """Keys that are void."""
        if self.fills is None:
            return ()
        return tuple(key for key, fill in self.fills.items() if fill is None)

    def apply(self, bookings: tuple[Booking, ...]) -> None:
        """Take over the bookings of a step."""
        fills = self.fills
        if fills is None:
            fills = self.fills = {}
        for booking in bookings:
            if booking.kind is BookingKind.VOID:
                fills[booking.exec_id] = None
            else:
                fill = booking.fill
                fills[booking.exec_id] = fill
                if fill.inferred:
                    self.has_inferred = True

    def undo(self, bookings: tuple[Booking, ...], before: dict[str, Filled | None]) -> None:
        """Take bookings back (a turn whose commit failed).

        ``before`` are the entries as they were.
        """
        if self.fills is None:
            return
        for booking in bookings:
            key = booking.exec_id
            if key in before:
                self.fills[key] = before[key]  # in its old place: booking order stays
            else:
                self.fills.pop(key, None)

    def entries(self, bookings: tuple[Booking, ...]) -> dict[str, Filled | None]:
        """The present entries that ``bookings`` would touch, for :meth:`undo`."""
        fills = self.fills
        if fills is None:
            return {}
        return {one.exec_id: fills[one.exec_id] for one in bookings if one.exec_id in fills}


def ledger_key(terms: SubmitOrder, fill: Filled) -> str:
    """What an execution is known by within its order.

    Its id, with instrument and side where they differ.

    Venues number trades per symbol, so two legs of a combo may carry the same number.
    """
    side, symbol = fill.side, fill.instrument
    if (side is None or side is terms.side) and (not symbol or symbol == terms.instrument):
        return fill.exec_id
    return leg_key(fill, fill.exec_id)


def leg_key(fill: Filled, exec_id: str) -> str:
    """The key of execution ``exec_id`` on the instrument and side of ``fill``, a combo's leg."""
    side = "" if fill.side is None else fill.side.name
    return f"{exec_id}|{fill.instrument}|{side}"
