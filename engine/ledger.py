"""The executions of one order: what is booked, what was taken back, and by which key.

The ledger stands beside the order, not in it: a live order must stay small, and most have few
fills. It is the only mutable part of an order's state and changes only by :meth:`Ledger.apply` and
:meth:`Ledger.undo`.

Theory of operation. A million live orders fit into memory only if an execution is small at rest: as
a message it is nine objects and 0.8 KB. So the ledger holds no messages. An execution is in it as
bytes, in one of two forms, and becomes a message again when somebody asks:

* *whole*: the JSON that the journal wrote of it, byte for byte. An order that ends in the same turn
  has its tombstone put together from these, and nothing is encoded twice.
* *packed*, from the end of the turn on (:meth:`Ledger.pack`): what differs from one execution of an
  order to the next, in a third of the room. What they have in common is kept once, in ``like``. An
  execution that is unlike the others stays whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, TypeAlias, cast

import msgspec

from .messages import Filled, SubmitOrder
from .values import ZERO, Liquidity, Word

__all__ = ["Booking", "BookingKind", "Entry", "Ledger", "ledger_key", "leg_key"]

#: One execution at rest, in either form; None is void: busted, or busted before it came.
Entry: TypeAlias = bytes | None


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


class Ledger(msgspec.Struct, eq=False, gc=False):
    """The executions of one order, by :func:`ledger_key`.

    ``fills`` is read where speed matters and written only here; None until the first booking.
    (``gc=False``: it holds texts and bytes, so no cycle, and the collector never looks at it.)
    """

    fills: dict[str, Entry] | None = None
    has_inferred: bool = False  # stays True once one was booked: it may still have to make room
    like: Filled | None = None  # what packed executions have in common; its own numbers mean none

    @classmethod
    def restored(
        cls, terms: SubmitOrder, fills: tuple[Filled, ...], voids: tuple[str, ...]
    ) -> Ledger:
        """The ledger of a tombstone."""
        ledger = cls({})
        assert ledger.fills is not None
        for fill in fills:
            key = ledger_key(terms, fill)
            ledger.fills[key] = ledger._packed(key, fill)
        ledger.fills.update(dict.fromkeys(voids))
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
        entry = None if self.fills is None else self.fills.get(key)
        return None if entry is None else self._message(key, entry)

    def is_void(self, key: str) -> bool:
        """Whether this execution was taken back, perhaps before it came."""
        return self.fills is not None and key in self.fills and self.fills[key] is None

    def live(self) -> Iterator[Filled]:
        """Live executions in booking order."""
        if self.fills is not None:
            for key, entry in self.fills.items():
                if entry is not None:
                    yield self._message(key, entry)

    def named(self, exec_id: str) -> Iterator[Filled]:
        """Live executions with this id of the venue's: one, or the legs of a combo."""
        legs = f"{exec_id}|"  # see leg_key
        for key, entry in (self.fills or {}).items():
            if entry is not None and (key == exec_id or key.startswith(legs)):
                fill = self._message(key, entry)
                if fill.exec_id == exec_id:
                    yield fill

    def inferred(self) -> Iterator[Filled]:
        """Live executions that stand for others to come, in booking order; none is ever packed."""
        for key, entry in (self.fills or {}).items():
            if entry is not None and entry[0] == _WHOLE:
                fill = self._message(key, entry)
                if fill.inferred:
                    yield fill

    def written(self) -> list[bytes]:
        """Live executions in booking order, each as the journal writes it."""
        if self.fills is None:
            return []
        return [
            entry if entry[0] == _WHOLE else _write(self._message(key, entry, _unpack_texts))
            for key, entry in self.fills.items()
            if entry is not None
        ]

    def exec_ids(self) -> tuple[str, ...]:
        """Every key ever seen, void ones included: what a tombstone keeps."""
        return () if self.fills is None else tuple(self.fills)

    def void_ids(self) -> tuple[str, ...]:
        """Keys that are void."""
        if self.fills is None:
            return ()
        return tuple(key for key, fill in self.fills.items() if fill is None)

    # --- changes ----------------------------------------------------------------------------------

    def apply(self, bookings: tuple[Booking, ...], fact: object = None, body: bytes = b"") -> None:
        """Take over the bookings of a step.

        ``body`` is what the journal wrote of ``fact``, the message that was stepped: where that is
        the execution itself its bytes are kept as they are, until :meth:`pack`.
        """
        fills = self.fills
        if fills is None:
            fills = self.fills = {}
        for booking in bookings:
            fill, key = booking.fill, booking.exec_id
            if booking.kind is _VOID:
                fills[key] = None
                continue
            fills[key] = body if fill is fact else self._packed(key, fill)
            if fill.inferred:
                self.has_inferred = True

    def pack(self, bookings: tuple[Booking, ...], fact: object, body: bytes) -> None:
        """Make what :meth:`apply` kept whole small, if it still stands; the content stays."""
        fills = self.fills or {}
        for booking in bookings:
            fill, key = booking.fill, booking.exec_id
            if fill is fact and fills.get(key) is body:
                fills[key] = self._packed(key, fill)

    def undo(self, bookings: tuple[Booking, ...], before: dict[str, Entry]) -> None:
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

    def entries(self, bookings: tuple[Booking, ...]) -> dict[str, Entry]:
        """The present entries that ``bookings`` would touch, for :meth:`undo`."""
        fills = self.fills
        if fills is None:
            return {}
        return {one.exec_id: fills[one.exec_id] for one in bookings if one.exec_id in fills}

    # --- forms ------------------------------------------------------------------------------------

    def _packed(self, key: str, fill: Filled) -> bytes:
        if fill.exec_id != key or fill.revises is not None or fill.inferred or fill.fee_assumed:
            return _write(fill)
        shared = Filled(
            fill.client_order_id, 0, "", ZERO, ZERO, None, fill.fee_currency, None,
            fill.venue_order_id, None, None, False, fill.feeds, fill.instrument, fill.side,
            fill.source,
        )  # fmt: skip
        if self.like is None:
            self.like = shared
        elif self.like != shared:
            return _write(fill)
        own = (fill.ts, fill.last_qty, fill.last_px, fill.fee, fill.liquidity, fill.cum_qty, None)
        return _pack(own)[:-1]  # a slice has the room it needs; what the encoder returns has more

    def _message(self, key: str, entry: bytes, unpack: _Unpack | None = None) -> Filled:
        if entry[0] == _WHOLE:
            return _read(entry)
        like = self.like
        assert like is not None  # as long as anything is packed
        own = (unpack or _unpack)(entry + _END)
        return Filled(
            like.client_order_id, own.ts, key, own.last_qty, own.last_px, own.fee,
            like.fee_currency, own.liquidity, like.venue_order_id, own.cum_qty, None, False,
            like.feeds, like.instrument, like.side, like.source,
        )  # fmt: skip


class _Own(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a packed execution has for itself."""

    ts: int
    last_qty: Decimal
    last_px: Decimal
    fee: Decimal | None
    liquidity: Liquidity | None
    cum_qty: Decimal | None
    end: None  # not kept


class _OwnTexts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The same, with everything left as the text it is kept as."""

    ts: int
    last_qty: str
    last_px: str
    fee: str | None
    liquidity: str | None
    cum_qty: str | None
    end: None


_VOID: Final = BookingKind.VOID
_WHOLE: Final = ord("{")  # how JSON begins; a packed entry begins as a MessagePack array
_END: Final = b"\xc0"  # None
_write: Final = msgspec.json.Encoder().encode
_read: Final = msgspec.json.Decoder(Filled).decode
_pack: Final = msgspec.msgpack.Encoder().encode
_Unpack: TypeAlias = Callable[[bytes], _Own]
_unpack: Final[_Unpack] = msgspec.msgpack.Decoder(_Own).decode
#: Only for what is written again at once: a number is written as its text, so it need not be made
#: one (and that is most of the work).
_unpack_texts: Final = cast("_Unpack", msgspec.msgpack.Decoder(_OwnTexts).decode)


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
