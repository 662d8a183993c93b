"""State = fold of facts.

What the running system does through actors, done here by a plain loop over a journal.

:class:`Books` holds what a journal says: instruments, orders with their ledgers, positions.
:meth:`Books.apply` takes one fact and uses the very functions the actors use
(:func:`~engine.order_steps.step`, :func:`~engine.position.book`), so live state and folded state
can only differ if somebody acted outside the journal; :func:`digest` makes that comparable in one
line.

Facts about an order that nobody introduced are *parked*: kept under its id, and applied when it is
adopted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from .booking import book_execution, state_position
from .control import CONTROL_FACTS, Control, take_control
from .errors import InvalidValue, InvariantViolated, JournalCorrupt
from .group import Group, begin_group
from .group_moves import changed_group
from .group_tables import GROUP
from .invariants import check_step
from .messages import (
    AdoptOrder,
    AmendGroup,
    AmendOrder,
    CancelOrder,
    CancelRefused,
    CorrectPosition,
    DefineInstrument,
    Denied,
    Feeds,
    Filled,
    GroupMoved,
    LinkDown,
    LinkOrder,
    LinkUp,
    LocalReleased,
    LocalTrailed,
    LocalTriggered,
    Message,
    OutcomeUnknown,
    ReplaceRefused,
    ReviveGroup,
    ReviveOrder,
    SetBaseline,
    SettleOrder,
    SubmitGroup,
    SubmitOrder,
    Withdrawn,
)
from .order import Booking, BookingKind, Ledger, Order, public_state
from .order_steps import begin, mark_sent, step
from .order_tables import Life
from .position_state import Position, new_position
from .statechart import Verdict
from .trip_books import MONEY_FACTS, Money, TripBooks
from .trips import Trail
from .values import Instrument, OrderState, PositionSlot, exact
from .watched import WATCHED_FACTS, Watched, take_watched

__all__ = [
    "Books",
    "SlotKey",
    "Tombstone",
    "book_execution",
    "digest",
    "revive",
    "state_position",
    "tombstone",
]

SlotKey: TypeAlias = tuple[str, str, str, PositionSlot]  # venue, account, instrument, slot


class Tombstone(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """All that is needed to take up an order again.

    A late fill, a bust, or a restart finds it as it was.
    """

    order: Order
    fills: tuple[Filled, ...] = ()
    voids: tuple[str, ...] = ()


_ENCODER = msgspec.json.Encoder()
_TOMBSTONE = msgspec.json.Decoder(Tombstone)


def tombstone(order: Order, ledger: Ledger | None) -> bytes:
    """Write an order down whole: what encoding a :class:`Tombstone` would give.

    Put together by hand, because most of its executions are written already.
    """
    body = b'{"order":' + _ENCODER.encode(order)
    if ledger is not None:
        fills, voids = ledger.written(), ledger.void_ids()
        if fills:
            body += b',"fills":[%b]' % b",".join(fills)
        if voids:  # sorted: the same bytes, read back in between or not
            body += b',"voids":' + _ENCODER.encode(sorted(voids))
    return body + b"}"


def revive(body: bytes) -> tuple[Order, Ledger | None]:
    """Read :func:`tombstone` back.

    Raises:
        JournalCorrupt: the bytes are not a tombstone.
    """
    try:
        stone = _TOMBSTONE.decode(body)
    except msgspec.MsgspecError as error:
        raise JournalCorrupt(f"a closed order cannot be read: {error}; {body[:80]!r}") from None
    if not stone.fills and not stone.voids:
        return stone.order, None
    return stone.order, Ledger.restored(stone.order.terms, stone.fills, stone.voids)


class Books:
    """What a journal says, built fact by fact. Mutable; owns what it holds."""

    def __init__(self) -> None:
        self.instruments: dict[tuple[str, str], Instrument] = {}
        self.orders: dict[str, Order] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.positions: dict[SlotKey, Position] = {}
        self.groups: dict[str, Group] = {}
        self.controls: dict[tuple[str, str], Control] = {}
        self.history = TripBooks()
        self.watched: dict[tuple[str, str], Watched] = {}
        self.parked: dict[str, list[Message]] = {}
        self.frozen: dict[str, str] = {}  # order -> the failure that froze it
        self.facts = 0
        self.quarantined = 0
        self.late = 0

    def apply(self, entity: str, message: Message) -> None:
        """Take over one fact of ``entity``.

        Raises:
            JournalCorrupt: the fact contradicts the journal before it (an order introduced twice,
                an execution of an instrument nobody defined).
        """
        self.facts += 1
        if isinstance(message, SubmitOrder | AdoptOrder):
            self._introduce(entity, message)
        elif isinstance(message, DefineInstrument):
            self.instruments[message.instrument.venue, message.instrument.symbol] = (
                message.instrument
            )
        elif isinstance(message, SetBaseline | CorrectPosition):
            key = (message.venue, message.account, message.instrument, message.slot)
            instrument = self._instrument(message.venue, message.instrument)
            held = self.positions.get(key) or new_position(
                message.venue, message.account, instrument, message.slot
            )
            self.positions[key] = self.history.stated(held, instrument, message)
        elif isinstance(message, MONEY_FACTS):
            self.history.take(message, self.positions, self.instruments)
        elif isinstance(message, SubmitGroup | ReviveGroup | GroupMoved | AmendGroup):
            self._of_group(message)
        elif isinstance(message, CONTROL_FACTS):
            take_control(self.controls, message)
        elif isinstance(message, WATCHED_FACTS):
            take_watched(self.watched, message)
        elif isinstance(message, ReviveOrder):
            if entity not in self.orders:  # in a whole fold the order is here, as it was
                self.hold(*revive(message.tombstone.encode()))
        elif isinstance(message, LinkUp | LinkDown):
            return  # a session's ups and downs are history, not state
        elif entity not in self.orders:
            self.parked.setdefault(entity, []).append(message)
        else:
            self._step(entity, message)

    def hold(self, order: Order, ledger: Ledger | None) -> None:
        """Take over an order as it was written down (a checkpoint, a tombstone)."""
        name = order.terms.client_order_id
        self.orders[name] = order
        if ledger is not None:
            self.ledgers[name] = ledger

    def apply_all(self, facts: Iterable[tuple[str, Message]]) -> Books:
        """Fold many facts under the engine's own decimal context."""
        with exact():
            for entity, message in facts:
                self.apply(entity, message)
        return self

    def _introduce(self, entity: str, fact: SubmitOrder | AdoptOrder) -> None:
        if entity in self.orders:
            raise JournalCorrupt(f"order {entity!r} is introduced twice")
        self.orders[entity] = begin(fact)
        for message in self.parked.pop(entity, ()):
            self._step(entity, message)

    def _step(self, entity: str, message: Message) -> None:
        ledger = self.ledgers.get(entity)
        before = self.orders[entity]
        if before.life is Life.PENDING and type(message) not in _BEFORE_SENT:
            before = mark_sent(before)  # a venue speaks of it, so it had left
        try:
            out = step(before, ledger if ledger is not None else _NO_FILLS, message)
            check_step(before, out)
            held = self._booked(before.terms, out.bookings, out.order.ts)
        except _FAILURES as error:
            self._failed(entity, before.terms, message, error)
            return
        self.orders[entity] = out.order
        self._hold(held)
        if out.order.venue_order_ids is not before.venue_order_ids:
            self._unpark_venue_ids(before, out.order)
        if out.anomaly in ("late_fill", "overfill"):
            self.late += 1
        elif out.verdict is Verdict.QUARANTINE:
            self.quarantined += 1
        if not out.bookings:
            return
        if ledger is None:
            ledger = self.ledgers[entity] = Ledger()
        ledger.apply(out.bookings)

    def _failed(self, entity: str, terms: SubmitOrder, message: Message, error: Exception) -> None:
        """A step that failed live fails here too.

        There the order was frozen and an execution still booked.
        """
        self.frozen[entity] = str(error)
        if isinstance(message, Filled):
            booking = Booking(BookingKind.BOOK, message, message.exec_id)
            try:
                self._hold(self._booked(terms, (booking,), message.ts))
            except _FAILURES:
                return  # it was unbookable live too, and alarmed there

    def _unpark_venue_ids(self, before: Order, order: Order) -> None:
        """Reports kept under an id of the venue's were told again under the order that has it."""
        terms = order.terms
        for venue_order_id in order.venue_order_ids[len(before.venue_order_ids) :]:
            self.parked.pop(f"venue:{terms.venue}:{terms.account}:{venue_order_id}", None)

    def _booked(
        self, terms: SubmitOrder, bookings: tuple[Booking, ...], ts: int
    ) -> dict[SlotKey, Position]:
        """The slots that bookings feed, as they are after them; nothing is taken over yet."""
        after: dict[SlotKey, Position] = {}
        self.history.drop()
        for booking in bookings:
            fill = booking.fill
            if fill.feeds is Feeds.ORDER or booking.kind is BookingKind.SPLIT or not fill.last_qty:
                continue
            symbol = fill.instrument or terms.instrument
            key = (terms.venue, terms.account, symbol, terms.slot)
            instrument = self._instrument(terms.venue, symbol)
            held = after.get(key) or self.positions.get(key)
            if held is None:
                held = new_position(terms.venue, terms.account, instrument, terms.slot)
            after[key] = self.history.booked(held, instrument, terms, booking, ts)
        return after

    def _hold(self, after: dict[SlotKey, Position]) -> None:
        if after:
            self.positions.update(after)
            self.history.keep()

    def _of_group(self, message: SubmitGroup | ReviveGroup | GroupMoved | AmendGroup) -> None:
        group_id = (message.terms if isinstance(message, ReviveGroup) else message).group_id
        held = self.groups.get(group_id)
        if isinstance(message, GroupMoved | AmendGroup):
            if held is None:
                raise JournalCorrupt(f"group {group_id!r} moved and was never introduced")
            self.groups[group_id] = changed_group(held, message)
        elif isinstance(message, SubmitGroup):
            if held is not None:
                raise JournalCorrupt(f"group {group_id!r} is introduced twice")
            self.groups[group_id] = begin_group(message)
        elif held is None:  # in a whole fold it is here, as it was
            self.groups[group_id] = begin_group(message.terms)

    def _instrument(self, venue: str, symbol: str) -> Instrument:
        instrument = self.instruments.get((venue, symbol))
        if instrument is None:
            raise JournalCorrupt(
                f"instrument {symbol!r} of {venue!r} is traded but was never defined"
            )
        return instrument

    def orders_by_state(self) -> dict[str, int]:
        """How many orders stand in each public state.

        Only states that occur, in the enum's order.
        """
        counts = dict.fromkeys(OrderState, 0)
        for order in self.orders.values():
            counts[public_state(order)] += 1
        return {state.value: count for state, count in counts.items() if count}


_NO_FILLS = Ledger()

#: What makes a step fail, live and here: a broken rule, arithmetic, a value that cannot be booked.
_FAILURES = (InvariantViolated, ArithmeticError, InvalidValue)

#: What an order may be told before it left; that it left is no fact of its own.
_BEFORE_SENT: frozenset[type[Message]] = frozenset(
    {
        Denied,
        Withdrawn,
        CancelOrder,
        AmendOrder,
        SettleOrder,
        OutcomeUnknown,
        CancelRefused,  # a request of ours that was overtaken before it was sent
        ReplaceRefused,
        LinkOrder,
        *(LocalTrailed, LocalTriggered, LocalReleased),
    }
)


def digest(
    stones: Iterable[tuple[str, bytes]],
    positions: Iterable[Position],
    groups: Iterable[Group] = (),
    controls: Iterable[Control | Watched] = (),
    trails: Iterable[Trail] = (),
    money: Money | None = None,
) -> str:
    """One line that names the whole state.

    SHA-256 over every order, position, group that is not done, what is shut and what is watched,
    what can still change of trips, and rates, in order of ids; but not how far lists were read.

    ``stones`` are (client order id, :func:`tombstone` bytes) in any order. An order waiting to
    leave and one that left count as the same: after a restart nothing counts as not sent, so the
    difference is not in the journal.
    """
    total = hashlib.sha256()
    for name, body in sorted(stones):
        waits = _PENDING in body and revive(body)[0].life is Life.PENDING
        shown = body.replace(_PENDING, _SUBMITTED, 1) if waits else body
        total.update(name.encode() + b"\0" + shown + b"\n")
    for position in sorted(positions, key=_position_key):
        total.update(_ENCODER.encode(position) + b"\n")
    for group in sorted(groups, key=lambda one: one.group_id):
        if group.state not in GROUP.terminal:
            total.update(_ENCODER.encode(group) + b"\n")
    for control in sorted(controls, key=lambda one: one.name):
        if isinstance(control, Control):
            total.update(_ENCODER.encode(control) + b"\n")
        elif control.is_state:
            told = msgspec.structs.replace(control, executions_ts=0)
            total.update(_ENCODER.encode(told) + b"\n")
    for trail in sorted(trails, key=lambda one: one.name):
        total.update(_ENCODER.encode(trail) + b"\n")
    if money:
        total.update(_ENCODER.encode(money) + b"\n")
    return total.hexdigest()


_PENDING = b'"life":"PENDING"'
_SUBMITTED = b'"life":"SUBMITTED"'


def _position_key(position: Position) -> tuple[str, str, str, str]:
    return position.venue, position.account, position.instrument, position.slot.value
