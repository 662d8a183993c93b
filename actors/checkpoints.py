"""When checkpoints are written, and of what: with them a restart folds only a journal's tail.

A checkpoint is everything as it was at one record (call it C), the last one of the turn in which it
begins. It is written little by little, so that no turn stops for it however many orders are open:
only what changed since the one before, a few entries with each turn. An order that changes before
its entry is written is written with the turn that changes it, as it was at C: the turn's own undo
list says how it was. One that was not finished is as if it had not been begun.

:mod:`actors.segments` says how it is kept, :mod:`actors.stored` reads it back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from engine.control import Control
from engine.fold import tombstone
from engine.group import Group
from engine.order import is_settled
from engine.order_steps import mark_unsent
from engine.order_tables import TERMINAL
from engine.position_state import Position, new_position
from engine.trip_books import Money
from engine.trips import Trail
from engine.values import Instrument
from engine.watched import Watched

from .accounts import Accounts
from .broker import BrokerActor
from .cut import Cut, Item, Was
from .journal import FactRow
from .position import PositionActor
from .recovery import Recovered
from .segments import HEAD, Entry, Head, Kind, pack_segment, segment_key
from .stored import FROZEN, MONEY, instrument_name, parked_name, position_name
from .turn import Turn

__all__ = ["Checkpoints", "Pace"]

#: Kinds of which one may be gone.
_PASSING: Final[tuple[Kind, ...]] = ("parked", "group", "control", "watched")
_BYTES_MAX: Final = 256 * 1024  # of one segment: an order may have many executions

_ENCODE: Final = msgspec.json.Encoder().encode


class Pace(NamedTuple):
    """How often checkpoints are written, and in how large pieces."""

    #: Facts between two of them; where more orders are open, as many as there are. So a busy order
    #: is not written again for each of its facts. A restart folds about twice as many at most:
    #: those until the next is due, and those until it is written.
    facts: int = 50_000
    #: Entries with one turn. Between these it is as many as it takes to be through by the time the
    #: next one is due, so that what a large one costs is spread evenly and not felt in bursts.
    least: int = 8
    most: int = 64


class Checkpoints:
    """Follows what changes, and writes it down every so many facts and at an orderly stop.

    Args:
        turn: what it writes with.
        brokers: read whenever it is needed, as ``instruments`` (by venue and symbol) is.
        recovered: what the system began with; handed over to the brokers already.

    Attributes:
        pace: how often, and in how large pieces.
        on_finished: called after the commit of each checkpoint.
    """

    def __init__(
        self,
        turn: Turn,
        brokers: Mapping[tuple[str, str], BrokerActor],
        instruments: Mapping[str, Mapping[str, Instrument]],
        recovered: Recovered,
        accounts: Accounts,
    ) -> None:
        self._turn = turn
        self._accounts = accounts
        self._brokers = brokers
        self._instruments = instruments
        stored = recovered.stored
        self._shelf = stored.shelf
        self._old_keys = stored.old_keys  # of a journal of before there were segments
        self._elsewhere = tuple(_elsewhere(brokers, recovered))
        on_disk = {(kind, name): value for kind, name, value in stored.values()}
        #: What was written last of everything but orders, by what it is known by here.
        self._written: dict[object, object] = {}
        for item in map(_named, self._values()):
            value = on_disk.get((item.kind, item.name))
            if value is item.value or (item.kind == "parked" and value == item.value):
                self._written[item.mark] = item.value
        #: Entities of facts since the last C, and orders that closed since then.
        self._changed: dict[str, None] = dict.fromkeys(recovered.changed)
        open_orders = {order.terms.client_order_id: None for order, _ in recovered.open_orders}
        closed = [cid for cid in self._shelf.names("order") if cid not in open_orders]
        self._gone: dict[str, None] = dict.fromkeys(closed)
        self._facts = recovered.facts_folded  # since the last C
        self.pace = Pace()
        self.on_finished: Callable[[], object] | None = None
        self._due = 0  # facts, when it is looked at again how many orders are open
        self._per_fact = 0.0  # entries
        self._room = 0  # entries with the next turn
        self._cut: Cut | None = None

    # --- following --------------------------------------------------------------------------------

    def committed(self, facts: list[FactRow]) -> None:
        """Facts were written."""
        changed = self._changed
        for fact in facts:  # the hot path: a plain loop is the fastest there is
            changed[fact[1]] = None
        self._facts += len(facts)
        if self._cut is not None:
            even = math.ceil(len(facts) * self._per_fact)
            self._room = min(self.pace.most, max(self.pace.least, even))
        elif self._facts >= self.pace.facts and self._facts >= self._due:
            open_orders = sum(len(broker.orders) for broker in self._brokers.values())
            self._due = max(self.pace.facts, open_orders)
            if self._facts >= self._due:
                self._turn.checkpoint = self._begin

    def retired(self, cid: str) -> None:
        """An order has closed and left memory."""
        self._changed.pop(cid, None)
        if self._cut is not None or self._shelf.has("order", cid):
            self._gone[cid] = None

    def demand(self) -> None:
        """Have a whole checkpoint written with the turn that runs, whatever it takes."""
        self._turn.checkpoint = self._whole

    # --- one checkpoint ---------------------------------------------------------------------------

    def _whole(self) -> None:
        cut = self._start()
        self._stage(cut, self.pace.most)
        while cut.orders or cut.items:
            self._stage(cut, self.pace.most)

    def _begin(self) -> None:
        """At the end of the turn whose last record is C, before its commit."""
        self._stage(self._start(), self.pace.most)

    def _go_on(self) -> None:
        """At the end of a later turn, before its commit."""
        cut = self._cut
        assert cut is not None
        cut.put_back()
        cut.remember(self._turn.undo)
        self._stage(cut, self._room)

    def _start(self) -> Cut:
        """Note what is to be written: a few milliseconds where there are thousands of positions."""
        if self._cut is not None:  # its turn was discarded, or the system stops in the middle of it
            self._abandon(self._cut)
        orders, self._changed = self._changed, {}
        gone, self._gone = self._gone, {}
        for fact in self._turn.batch.facts:
            orders[fact[1]] = None
        items = [
            Item("order", cid, None, None)
            for cid in gone
            if cid not in orders and self._shelf.has("order", cid)
        ]
        items += self._changed_values()
        cut = self._cut = Cut(self._shelf.last + 1, orders, items, self._facts)
        self._facts = 0
        self._make_room(cut, gone)
        self._per_fact = (len(cut.orders) + len(cut.items)) / max(self.pace.facts, self._due)
        return cut

    def _make_room(self, cut: Cut, gone: dict[str, None]) -> None:
        """Write once more what still counts in the oldest segments, where there is much waste."""
        wasted = self._shelf.wasted(max(2 * len(cut.orders), self.pace.most))
        if not wasted:
            return
        listed = {(item.kind, item.name) for item in cut.items}
        again: dict[tuple[str, str], None] = {}
        for number, names in wasted:
            cut.given_up.append(number)
            for kind, name in names:
                if kind in {"order", "frozen"}:
                    if name not in gone:
                        cut.orders[name] = None
                elif (kind, name) not in listed:
                    again[kind, name] = None
        if again:
            for item in map(_named, self._values()):
                if (item.kind, item.name) in again:
                    cut.items.append(item)

    def _stage(self, cut: Cut, room: int) -> None:
        """Stage the next segment, and with the last one what makes all of them count."""
        entries: list[Entry] = []
        size = 0
        while cut.items and len(entries) < room and size < _BYTES_MAX:
            item = cut.items.pop()
            cut.staged_items.append(item)
            size += self._write_item(item, entries)
        aside = list(cut.before)  # first, so that few are held twice: as they are and as they were
        while (aside or (cut.orders and len(entries) < room)) and size < _BYTES_MAX:
            if aside:
                del cut.orders[cid := aside.pop()]
            else:
                cid, _ = cut.orders.popitem()
            cut.staged_orders.append(cid)
            size += self._write_order(cut, cid, entries)
        number, batch, head = cut.next, self._turn.batch, None
        cut.next += 1
        batch.checkpoints[segment_key(number)] = pack_segment(entries)
        if not cut.orders and not cut.items:
            oldest = self._shelf.oldest(cut.given_up) or cut.first
            head = Head(oldest, cut.first, number)
            batch.checkpoints[HEAD] = _ENCODE(head)
            batch.checkpoints_removed += map(segment_key, cut.given_up)
            batch.checkpoints_removed += self._old_keys
        written = [(kind, name, body is not None) for kind, name, body in entries]
        self._turn.effects.append((self._confirmed, (number, written), head))

    def _write_item(self, item: Item, entries: list[Entry]) -> int:
        """Add the entry of something else, or the word that it is gone; how large it is."""
        if item.value is not None:
            body = _ENCODE(item.value)
            entries.append((item.kind, item.name, msgspec.Raw(body)))
            return len(body)
        entries.append((item.kind, item.name, None))
        if item.kind == "order" and self._shelf.has("frozen", item.name):
            entries.append(("frozen", item.name, None))
        return 0

    def _write_order(self, cut: Cut, cid: str, entries: list[Entry]) -> int:
        """Add the entry of one order as it was at C; how large it is."""
        was = cut.before[cid] if cid in cut.before else self._live(cid)
        if was is None or (was[0].life in TERMINAL and is_settled(was[0])):
            if self._shelf.has("order", cid):
                self._write_item(Item("order", cid, None, None), entries)
            return 0
        order, ledger, frozen = was
        # That it was sent is no fact: in the fold of the facts an order waits until it is answered.
        body = tombstone(mark_unsent(order), ledger)
        entries.append(("order", cid, msgspec.Raw(body)))
        if frozen:
            entries.append(("frozen", cid, msgspec.Raw(FROZEN)))
        return len(body)

    def _confirmed(self, what: tuple[int, list[tuple[Kind, str, bool]]], head: Head | None) -> None:
        """After the commit of a segment."""
        cut = self._cut
        assert cut is not None
        self._shelf.put(*what)
        cut.done += what[1]
        for cid in cut.staged_orders:
            cut.before.pop(cid, None)
        for item in cut.staged_items:
            if item.mark is not None:
                self._written[item.mark] = item.value
                cut.done_marks.append(item.mark)
        cut.staged_orders, cut.staged_items = [], []
        if head is None:
            self._turn.checkpoint = self._go_on
            return
        self._turn.checkpoint = None
        self._shelf.finish(head, cut.given_up)
        self._old_keys = ()
        self._cut = None
        self._due = 0
        if self.on_finished is not None:
            self.on_finished()

    def _abandon(self, cut: Cut) -> None:
        """Everything in it is to be written again, with whatever changed since."""
        cut.put_back()
        self._shelf.take_back(cut.done)
        self._changed.update(cut.orders)
        for kind, name, is_there in cut.done:
            if kind == "order":
                (self._changed if is_there else self._gone)[name] = None
        self._gone.update({item.name: None for item in cut.items if item.kind == "order"})
        for mark in cut.done_marks:
            self._written.pop(mark, None)
        self._facts += cut.facts
        self._cut = None

    # --- as it is, and as it was ------------------------------------------------------------------

    def _live(self, cid: str) -> Was:
        for broker in self._brokers.values():
            actor = broker.orders.get(cid)
            if actor is not None:
                return actor.order, actor.ledger, actor.frozen
        return None

    def _changed_values(self) -> Iterator[Item]:
        """What is not an order and not as it was written."""
        there: dict[Kind, dict[str, None]] = {kind: {} for kind in _PASSING}
        for kind, value, mark in self._values():
            if kind in there or self._written.get(mark) is not value:
                item = _named((kind, value, mark))
                if self._written.get(mark) is not value:
                    yield item
                if kind in there:
                    there[kind][item.name] = None
        for kind, names in there.items():
            for name in self._shelf.names(kind):
                if name not in names:
                    yield Item(kind, name, None, None)

    def _values(self) -> Iterator[tuple[Kind, object, object]]:
        """Everything that is not an order: kind, value, and what it is known by here."""
        for (venue, account), broker in self._brokers.items():
            for slot in broker.positions.values():
                if slot.position.ts or not _is_untouched(slot):
                    yield "position", slot.position, slot
            for group in broker.groups.groups.values():
                yield "group", group.group, group
            for trail in broker.following.trails():
                yield "trail", trail, ("trail", trail.name)
            if broker.flattening.is_anything_shut:
                yield "control", broker.flattening.control, broker.flattening
            if broker.watched.now.is_anything:
                yield "watched", broker.watched.now, broker.watched
            for entity, reports in broker.intake.parked.items():
                yield "parked", reports, (venue, account, entity)
        for known in self._instruments.values():
            for one in known.values():
                yield "instrument", one, (one.venue, one.symbol)
        if self._accounts.money:
            yield "money", self._accounts.money, MONEY
        yield from self._elsewhere


def _is_untouched(slot: PositionActor) -> bool:
    """Whether nothing was ever booked there: then no fact says that there is such a slot."""
    held = slot.position
    return held == new_position(held.venue, held.account, slot.instrument, held.slot)


def _elsewhere(
    brokers: Mapping[tuple[str, str], BrokerActor], recovered: Recovered
) -> Iterator[tuple[Kind, object, object]]:
    """What is of accounts that this system does not have: it is kept as it is."""
    yield from (found[1:] for found in _of_accounts(recovered) if found[0] not in brokers)
    for (venue, account), parked in recovered.parked.items():
        if venue and (venue, account) not in brokers:
            for entity, reports in parked.items():
                yield "parked", reports, (venue, account, entity)


def _of_accounts(
    recovered: Recovered,
) -> Iterator[tuple[tuple[str, str], Kind, object, object]]:
    """All that belongs to an account, and to which."""
    books = recovered.books
    for position in books.positions.values():
        yield (position.venue, position.account), "position", position, position.key
    for (venue, account, *_), trail in books.history.trails.items():
        yield (venue, account), "trail", trail, ("trail", trail.name)
    for group in books.groups.values():
        yield (group.terms.venue, group.terms.account), "group", group, group.group_id
    for key, control in books.controls.items():
        yield key, "control", control, control.name
    for key, watched in books.watched.items():
        yield key, "watched", watched, watched.name


def _named(found: tuple[Kind, object, Any]) -> Item:
    """What was found, with the name it is stored under."""
    kind, value, mark = found
    if isinstance(value, Position):
        return Item(kind, position_name(value), value, mark)
    if isinstance(value, Instrument):
        return Item(kind, instrument_name(value), value, mark)
    if isinstance(value, Trail):
        return Item(kind, value.name, value, mark)
    if isinstance(value, Money):
        return Item(kind, MONEY, value, mark)
    if isinstance(value, Group):
        return Item(kind, value.group_id, value, mark)
    if isinstance(value, Control | Watched):
        return Item(kind, value.name, value, mark)
    return Item(kind, parked_name(*mark), value, mark)
