"""Signals: what a strategy wants, before anybody has decided how much of it.

An :class:`EntrySignal` says where to get in, where that is proven wrong (the stop), and where to
take profit; its size follows from the risk (:mod:`engine.policies.sizing`) once it is allowed
(:mod:`engine.policies.risk`). An :class:`ExitSignal` takes all or a part of what is held.

A signal has an id of the caller's own, by which it is carried out once, and a time: that of the
market it was made of, UTC nanoseconds, given by the caller. What became of it is an event:
:class:`SignalAccepted` or :class:`SignalRefused`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from .errors import InvalidOrder, InvalidValue
from .given import check_text_of
from .messages import BreakEven, Event, Tags, Trail
from .policies.validation import TAGS_MAX, check_tags, check_text
from .values import ONE, ZERO, OrderType, PositionSlot, Side, Word

__all__ = [
    "SIGNAL_ID_LENGTH_MAX",
    "Direction",
    "EntrySignal",
    "ExitSignal",
    "Signal",
    "SignalAccepted",
    "SignalRefused",
    "are_pairs",
    "same_slot",
]

SIGNAL_ID_LENGTH_MAX: Final = 32  # the orders made of it add the names of their legs
_TS_END: Final = 2**63
_OWN_TAGS: Final = 3  # the id, the time and the price of the signal


class Direction(Word):
    """Which way a position is, or is to be."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def side(self) -> Side:
        """The side that opens it."""
        return Side.BUY if self is Direction.LONG else Side.SELL

    @property
    def opposite(self) -> Direction:
        """The other one."""
        return Direction.SHORT if self is Direction.LONG else Direction.LONG


class EntrySignal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Get in.

    ``entry_px`` is the price of a LIMIT entry; of a MARKET one (``order_type``) the price that is
    expected, which its size is taken from: what the market slips is on top. ``targets`` are pairs
    of (price, share): shares above 0 that come to at most 1, the rest is left to the stop.
    ``strength`` (above 0, at most 1) is the part of the risk per trade that is taken. ``trail`` and
    ``break_even``: how the engine moves the stop (:func:`~engine.contingent.trail_by`).

    Raises:
        InvalidValue: a field breaks its rule; nothing has happened. InvalidOrder: the signal's id
            cannot be written down.
    """

    signal_id: str
    instrument: str
    direction: Direction
    entry_px: Decimal
    stop_px: Decimal
    ts: int
    targets: tuple[tuple[Decimal, Decimal], ...] = ()
    order_type: OrderType = OrderType.LIMIT
    strength: Decimal = ONE
    trail: Trail | None = None
    break_even: BreakEven | None = None
    venue: str = ""
    account: str = ""
    slot: PositionSlot = PositionSlot.NET
    tags: Tags = ()

    def __post_init__(self) -> None:
        _check_head(self)
        _check_kind(self, "direction", self.direction, Direction)
        _check_kind(self, "order_type", self.order_type, OrderType)
        if self.order_type not in (OrderType.LIMIT, OrderType.MARKET):
            raise InvalidValue(
                f"signal {self.signal_id!a}: an entry is LIMIT or MARKET, was"
                f" {self.order_type.value}"
            )
        if not are_pairs(self.targets):
            raise InvalidValue(
                f"signal {self.signal_id!a}: targets are a tuple of pairs, ((price, share),), were"
                f" {self.targets!r:.80}"
            )
        pairs = [("entry_px", self.entry_px), ("stop_px", self.stop_px)]
        pairs += [("a target's price", px) for px, _ in self.targets]
        pairs += [("a target's share", part) for _, part in self.targets]
        for what, number in (*pairs, ("strength", self.strength)):
            _check_decimal(self, what, number)
        if not ZERO < self.strength <= ONE:
            raise InvalidValue(
                f"signal {self.signal_id!a}: strength must be above 0 and at most 1, was"
                f" {self.strength}"
            )
        parts = [part for _, part in self.targets]
        if any(part <= ZERO for part in parts) or sum(parts, ZERO) > ONE:
            raise InvalidValue(
                f"signal {self.signal_id!a}: shares of targets must be above 0 and come to at most"
                f" 1, were {', '.join(map(str, parts))}"
            )
        for what, moves, kind in (
            ("trail", self.trail, Trail),
            ("break_even", self.break_even, BreakEven),
        ):
            if moves is not None:
                _check_kind(self, what, moves, kind)
        try:
            check_tags(self.tags, TAGS_MAX - _OWN_TAGS)
        except InvalidOrder as error:
            raise InvalidValue(f"signal {self.signal_id!a}: {error}") from None


class ExitSignal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Get out of what a slot holds: of a ``share`` of it (above 0, below 1), of ``qty`` of it, or,
    with neither, of all, entries that still work included.

    It takes nothing that was opened by a signal later than itself.

    Raises:
        InvalidValue: a field breaks its rule; nothing has happened. InvalidOrder: the signal's id
            cannot be written down.
    """

    signal_id: str
    instrument: str
    ts: int
    share: Decimal | None = None
    qty: Decimal | None = None
    venue: str = ""
    account: str = ""
    slot: PositionSlot = PositionSlot.NET
    reason: str = ""

    def __post_init__(self) -> None:
        _check_head(self)
        check_text_of("the reason of an exit", self.reason)
        if self.share is not None and self.qty is not None:
            raise InvalidValue(f"signal {self.signal_id!a}: a share or a qty, not both")
        if self.share is not None:
            _check_decimal(self, "share", self.share)
            if not ZERO < self.share < ONE:
                raise InvalidValue(
                    f"signal {self.signal_id!a}: share must be above 0 and below 1, was"
                    f" {self.share}; leave it out to exit all"
                )
        if self.qty is not None:
            _check_decimal(self, "qty", self.qty)
            if self.qty <= ZERO:
                raise InvalidValue(
                    f"signal {self.signal_id!a}: qty must be above 0, was {self.qty}"
                )

    @property
    def is_all(self) -> bool:
        """Whether nothing is to be left."""
        return self.share is None and self.qty is None


Signal: TypeAlias = EntrySignal | ExitSignal


class SignalAccepted(Event, frozen=True, gc=False, omit_defaults=True):
    """A signal is being carried out: what it leads to is journalled.

    ``qty`` is what is to be opened or closed; ``loss`` what the stop costs with it, in the currency
    of the risk. ``group_id``: the bracket of an entry.
    """

    signal_id: str
    venue: str
    account: str
    instrument: str
    ts: int
    qty: Decimal
    loss: Decimal | None = None
    group_id: str = ""
    tags: Tags = ()


class SignalRefused(Event, frozen=True, gc=False, omit_defaults=True):
    """A signal came to nothing; ``reason`` is a short constant, ``detail`` the sentence."""

    signal_id: str
    instrument: str
    ts: int
    reason: str
    detail: str
    tags: Tags = ()


def are_pairs(value: object) -> bool:
    """Whether it is a tuple of pairs: not every caller has a type checker."""
    return isinstance(value, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 for pair in value
    )


def same_slot(one: Signal, other: Signal) -> bool:
    """Whether two signals are about the same slot of the same account."""
    return (one.instrument, one.slot, one.venue, one.account) == (
        other.instrument, other.slot, other.venue, other.account,
    )  # fmt: skip


def _check_head(signal: Signal) -> None:
    check_text(signal.signal_id, "signal_id", SIGNAL_ID_LENGTH_MAX)
    _check_kind(signal, "slot", signal.slot, PositionSlot)
    for what in ("instrument", "venue", "account"):
        check_text_of(what, getattr(signal, what))
    if type(signal.ts) is not int or not 0 < signal.ts < _TS_END:
        raise InvalidValue(
            f"signal {signal.signal_id!a}: ts is UTC nanoseconds above 0, was {signal.ts!r:.40}"
        )


def _check_kind(signal: Signal, what: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidValue(
            f"signal {signal.signal_id!a}: {what} must be a {kind.__name__}, was {value!r:.80}"
        )


def _check_decimal(signal: Signal, what: str, number: Decimal) -> None:
    if type(number) is not Decimal or not number.is_finite():
        raise InvalidValue(
            f"signal {signal.signal_id!a}: {what} must be a finite Decimal, was {number!r:.80}"
        )
