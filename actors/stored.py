"""Read a checkpoint back: what it holds, and where each piece of it is.

Two formats are read. Segments, see :mod:`actors.segments`; and, in journals of before there were
segments, a row for each thing, all of them as of one record. The next checkpoint replaces those.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from engine.control import Control
from engine.errors import JournalCorrupt
from engine.fold import revive
from engine.group import Group
from engine.messages import OrderReport
from engine.order import Ledger, Order
from engine.position_state import Position
from engine.trip_books import Money
from engine.trips import Trail
from engine.values import Instrument
from engine.watched import Watched

from .segments import KINDS, Head, Kind, Shelf, read_head, segment_key, segments

if TYPE_CHECKING:
    from .journal import Journal

__all__ = [
    "FROZEN",
    "MONEY",
    "Stored",
    "checkpoint_seq",
    "instrument_name",
    "load",
    "parked_name",
    "position_name",
]

#: The entry of an order that is frozen.
FROZEN: Final = b'"frozen before the checkpoint"'

#: The name of what is of the system as a whole.
MONEY: Final = "system"

_INSTRUMENT: Final = msgspec.json.Decoder(Instrument)
_GROUP: Final = msgspec.json.Decoder(Group)
_CONTROL: Final = msgspec.json.Decoder(Control)
_WATCHED: Final = msgspec.json.Decoder(Watched)
_POSITION: Final = msgspec.json.Decoder(Position)
_TRAIL: Final = msgspec.json.Decoder(Trail)
_MONEY: Final = msgspec.json.Decoder(Money)
_PARKED: Final = msgspec.json.Decoder(tuple[OrderReport, ...])
_PARKED_NAME: Final = msgspec.json.Decoder(tuple[str, str, str])
_ENCODE: Final = msgspec.json.Encoder().encode


class Stored:
    """What a journal's last checkpoint holds."""

    def __init__(self) -> None:
        self.seq = 0  # the record it is the state of; 0 when there is none
        self.shelf = Shelf()
        self.orders: dict[str, tuple[Order, Ledger | None]] = {}
        self.frozen: dict[str, None] = {}
        self.positions: dict[str, Position] = {}
        self.instruments: dict[str, Instrument] = {}
        self.groups: dict[str, Group] = {}
        self.controls: dict[str, Control] = {}
        self.trails: dict[str, Trail] = {}
        self.money = Money()
        self.watched: dict[str, Watched] = {}
        #: Reports by account (venue, account) and what they are parked as. ("", ""): in a
        #: checkpoint of before accounts were told apart.
        self.parked: dict[tuple[str, str], dict[str, tuple[OrderReport, ...]]] = {}
        self.old_keys: tuple[str, ...] = ()  # rows that the next checkpoint replaces

    def values(self) -> Iterator[tuple[Kind, str, object]]:
        """What is in segments besides orders: kind, name, value."""
        if self.shelf.head is not None:
            for name, position in self.positions.items():
                yield "position", name, position
            for name, instrument in self.instruments.items():
                yield "instrument", name, instrument
            for name, group in self.groups.items():
                yield "group", name, group
            for name, control in self.controls.items():
                yield "control", name, control
            for name, trail in self.trails.items():
                yield "trail", name, trail
            if self.money:
                yield "money", MONEY, self.money
            for name, watched in self.watched.items():
                yield "watched", name, watched
            for (venue, account), parked in self.parked.items():
                for entity, reports in parked.items():
                    yield "parked", parked_name(venue, account, entity), reports


def position_name(position: Position) -> str:
    """What a position is stored as."""
    venue, account, symbol, slot = position.key
    return f"{venue}:{account}:{symbol}:{slot.value}"


def instrument_name(instrument: Instrument) -> str:
    """What an instrument is stored as."""
    return f"{instrument.venue}:{instrument.symbol}"


def parked_name(venue: str, account: str, entity: str) -> str:
    """What parked reports are stored as: venues number alike, so the account is part of it."""
    return _ENCODE((venue, account, entity)).decode()


def checkpoint_seq(journal: Journal) -> int:
    """The record that the last checkpoint is the state of; 0 when there is none in segments.

    Raises:
        JournalCorrupt: it cannot be read.
    """
    head = read_head(journal)
    row = None if head is None else journal.checkpoint(segment_key(head.first))
    return 0 if row is None else row[0]


def load(journal: Journal) -> Stored:
    """Read the last checkpoint that was finished.

    Raises:
        JournalCorrupt: it cannot be read.
    """
    stored = Stored()
    head = read_head(journal)
    if head is not None:
        _load_segments(stored, journal, head)
        return stored
    for key, (seq, body) in journal.checkpoints().items():
        kind, _, name = key.partition(":")
        if kind in KINDS:  # other rows are others' (a replay's watermark)
            stored.seq = max(stored.seq, seq)
            stored.old_keys += (key,)
            _take(stored, kind, name, body, key)
    return stored


def _load_segments(stored: Stored, journal: Journal, head: Head) -> None:
    stored.shelf.head = head
    seen: dict[Kind, dict[str, None]] = {kind: {} for kind in KINDS}
    for number, seq, entries in segments(journal, head):
        if number == head.first:
            stored.seq = seq
        names: list[tuple[Kind, str]] = []
        for kind, name, body in entries:
            if name in seen[kind]:
                continue  # a newer segment has said the last word
            seen[kind][name] = None
            if body is not None:
                names.append((kind, name))
                _take(stored, kind, name, body, f"segment {number}, {kind} {name}")
        stored.shelf.loaded(number, names, len(entries))


def _take(stored: Stored, kind: str, name: str, body: bytes, where: str) -> None:
    """Take one entry in."""
    try:
        if kind == "order":
            stored.orders[name] = revive(body)
        elif kind == "position":
            stored.positions[name] = _POSITION.decode(body)
        elif kind == "instrument":
            stored.instruments[name] = _INSTRUMENT.decode(body)
        elif kind == "frozen":
            stored.frozen[name] = None
        elif kind == "group":
            stored.groups[name] = _GROUP.decode(body)
        elif kind == "control":
            stored.controls[name] = _CONTROL.decode(body)
        elif kind == "trail":
            stored.trails[name] = _TRAIL.decode(body)
        elif kind == "money":
            stored.money = _MONEY.decode(body)
        elif kind == "watched":
            stored.watched[name] = _WATCHED.decode(body)
        else:
            venue, account, entity = "", "", name
            if stored.shelf.head is not None:
                venue, account, entity = _PARKED_NAME.decode(name)
            mine = stored.parked.setdefault((venue, account), {})
            mine[entity] = _PARKED.decode(body)
    except msgspec.MsgspecError as error:
        raise JournalCorrupt(f"checkpoint {where!r} cannot be read: {error}") from None
