"""The triggers that the engine watches for one broker: stops, trailing stops and if-touched orders
of types that its venue lacks.

An order waits here from the moment it would have left, until a price elects it. Then
:class:`~engine.messages.LocalTriggered` and :class:`~engine.messages.LocalReleased` are journalled
in one turn, after which what it has become leaves: a crash before has no election, a crash after it
an order in doubt, like any other that may have left.

Prices are no facts, so all that is here (who waits where, whether prices are live) is found again
after a restart; what must not be lost of it, the stop price of a trailing stop, is journalled now
and then (:data:`TRAIL_EVERY_NS`).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from engine.capabilities import ReduceOnlyRule
from engine.messages import (
    Denied,
    LocalReleased,
    LocalTrailed,
    LocalTriggered,
    Place,
    TradingMode,
    Withdrawn,
)
from engine.order import Order, is_waiting
from engine.order_links import is_held
from engine.prices import Price, price_of
from engine.trigger_tables import Trigger
from engine.triggers import TriggerBook, child_of
from engine.values import TriggerSource

from .roles import BrokerRole, OrderRole
from .runtime import Timer
from .sights import Feed, Sight, Sights, feed_of

__all__ = ["TRAIL_EVERY_NS", "Triggers", "TriggersDue"]

#: A stop price that follows the market is journalled at most so often, and when it has moved by a
#: tick: what a restart begins with is behind by what the market moved in that time, never ahead.
TRAIL_EVERY_NS: Final = 1_000_000_000


class TriggersDue(NamedTuple):
    """To a broker: look at the orders of an instrument that wait, with the price there is."""

    instrument: str


class _Spot(NamedTuple):
    """One order here: its actor, and whether and where it waits in the book."""

    actor: OrderRole
    is_listed: bool
    stop_px: Decimal | None


class _Back:
    """Undo of when a stop price was written."""

    def __init__(self, written: dict[str, int]) -> None:
        self._written = written

    def restore(self, before: str, extra: int | None) -> None:
        """Take it back."""
        if extra is None:
            self._written.pop(before, None)
        else:
            self._written[before] = extra


class Triggers:
    """Lives and dies with its broker, on the same thread.

    Args:
        recount: called with an order whose protection has changed though no fact of it has.

    Attributes:
        sights: whether the prices that are waited for are live.
    """

    def __init__(self, broker: BrokerRole, recount: Callable[[Order], object]) -> None:
        self.broker = broker
        self._recount = recount
        self._here: dict[str, OrderRole] = {}  # by client order id
        self._elected: dict[str, None] = {}  # of these, the ones that only wait to leave
        self._books: dict[str, TriggerBook] = {}  # by instrument
        self.sights = Sights(broker, self._resighted)
        self._looks: dict[str, None] = {}  # instruments with a look in the queue
        self._written: dict[str, int] = {}  # when a stop price was journalled last (monotonic)
        self._unwritten: dict[str, None] = {}  # it has moved since
        self._flush: Timer | None = None
        self.routes: dict[type, Callable[[Any], object]] = {TriggersDue: self.look}

    # --- who waits --------------------------------------------------------------------------------

    def resume(self) -> None:
        """After a restart, in its first turn: those that waited wait again."""
        for actor in self.broker.orders.values():
            if actor.order.terms.local:
                self.stepped(actor, actor.order)

    def begin(self, actor: OrderRole) -> None:
        """An order would leave now, if it did not wait for its trigger."""
        self.stepped(actor, actor.order)
        self._recount(actor.order)

    def stepped(self, actor: OrderRole, before: Order) -> None:
        """An order whose trigger is ours to watch has come, or changed."""
        order = actor.order
        cid = order.terms.client_order_id
        if not is_waiting(order) or is_held(order):
            if cid in self._here:
                self._set(cid, None)
            return
        is_listed = order.trigger is Trigger.WATCHED
        spot = self._spot(cid)
        has_moved = order.stop_px != before.stop_px  # a price of ours may be further on
        if spot is None or spot.is_listed is not is_listed or (is_listed and has_moved):
            self._set(cid, _Spot(actor, is_listed, order.stop_px))
            self.broker.turn.effects.append((self._attend, feed_of(order), None))

    def _spot(self, cid: str) -> _Spot | None:
        actor = self._here.get(cid)
        if actor is None:
            return None
        book = self._books[actor.order.terms.instrument]
        return _Spot(actor, True, book.stop_px(cid)) if cid in book else _Spot(actor, False, None)

    def _set(self, cid: str, spot: _Spot | None) -> None:
        self.broker.turn.undo.append((self, cid, self._spot(cid)))
        self.restore(cid, spot)

    def restore(self, before: str, extra: _Spot | None) -> None:
        """Make ``extra`` how an order is kept here: also the undo of a discarded turn."""
        known = self._here.pop(before, None)
        self._elected.pop(before, None)
        if known is not None:
            self._books[known.order.terms.instrument].drop(before)
            self.sights.drop(known.order)
        if extra is None:
            self._written.pop(before, None)
            self._unwritten.pop(before, None)
            return
        order = extra.actor.order
        self._here[before] = extra.actor
        self.sights.add(order)
        book = self._books.setdefault(order.terms.instrument, TriggerBook())
        if extra.is_listed:
            book.put(before, order.terms, extra.stop_px)
        else:
            self._elected[before] = None

    def _attend(self, feed: Feed, _: None) -> None:
        """After the commit: have prices come, and look with the newest there is."""
        symbol = feed[0]
        if self.sights.attend(feed):
            self.broker.prices.watch(symbol, "triggers", self.priced)
        if symbol not in self._looks:
            self._looks[symbol] = None
            self.broker.dispatcher.post(self.broker, TriggersDue(symbol))

    # --- prices -----------------------------------------------------------------------------------

    def look(self, message: TriggersDue) -> None:
        """Look at those that wait, with the newest price; those that have been elected leave."""
        self._looks.pop(message.instrument, None)
        for cid in list(self._elected):
            actor = self._here.get(cid)
            if actor is not None and actor.order.terms.instrument == message.instrument:
                self._let_go(actor, is_new=False)
        price = self.broker.prices.latest(message.instrument)
        if price is not None:
            self.priced(price)

    def priced(self, price: Price) -> None:
        """A price has come; inside the turn in which it did."""
        book = self._books.get(price.instrument)
        if book is None or not len(book):
            self.broker.turn.effects.append((self._turn_away, price.instrument, None))
            return
        for source in TriggerSource:
            px = price_of(price, source)
            if px is None or not self.sights.see((price.instrument, source), price):
                continue
            for cid in book.follow(source, px):
                self._trailed(cid, book)
            for cid in book.due(source, px):
                self._elect(cid, book, source, px)

    def _turn_away(self, symbol: str, _: None) -> None:
        """After the commit: where nobody waits any more, prices need not be told."""
        if self.sights.forget(symbol):
            self.broker.prices.unwatch(symbol, "triggers")
            self._books.pop(symbol, None)

    def _elect(self, cid: str, book: TriggerBook, source: TriggerSource, px: Decimal) -> None:
        actor = self._here.get(cid)
        if actor is None or actor.frozen or cid not in book:
            return  # what another one brought about has ended it
        stop_px = book.stop_px(cid)
        assert stop_px is not None
        ts = self.broker.turn.time_ns()
        out = self.broker.deliver(actor, LocalTriggered(cid, ts, source, px, stop_px))
        if out is not None and out.changed:
            self._let_go(actor, is_new=True)

    # --- trailing ---------------------------------------------------------------------------------

    def _trailed(self, cid: str, book: TriggerBook) -> None:
        """The stop price has moved; it is written down if that is due."""
        broker, order = self.broker, self._here[cid].order
        stop_px = book.stop_px(cid)
        assert stop_px is not None
        tick = broker.instruments[order.terms.instrument].tick_size
        if order.stop_px is not None and abs(stop_px - order.stop_px) < tick:
            return
        last, now = self._written.get(cid), broker.dispatcher.monotonic_ns()
        if last is not None and now - last < TRAIL_EVERY_NS:
            self._unwritten[cid] = None
            broker.turn.effects.append((self._write_later, last + TRAIL_EVERY_NS - now, None))
            return
        broker.turn.undo.append((_Back(self._written), cid, last))
        self._written[cid] = now
        broker.deliver(self._here[cid], LocalTrailed(cid, broker.turn.time_ns(), stop_px))
        broker.turn.effects.append((self._wrote, cid, stop_px))

    def _wrote(self, cid: str, stop_px: Decimal) -> None:
        actor = self._here.get(cid)
        if actor is not None and actor.order.stop_px == stop_px:
            self._unwritten.pop(cid, None)

    def _write_later(self, delay_ns: int, _: None) -> None:
        if self._flush is None:
            self._flush = self.broker.dispatcher.call_later(delay_ns, self._write)

    def _write(self) -> None:
        """Timer: write down the stop prices that have moved meanwhile."""
        self._flush = None
        for cid in list(self._unwritten):
            actor = self._here.get(cid)
            book = None if actor is None else self._books[actor.order.terms.instrument]
            if book is not None and cid in book:
                self._trailed(cid, book)

    # --- leaving ----------------------------------------------------------------------------------

    def _let_go(self, actor: OrderRole, *, is_new: bool) -> None:
        """Have an elected order leave, unless its group says when. An entry that may not is denied,
        and one that was elected before (``is_new``: just now) is too late; an exit waits until it
        may.
        """
        broker, order = self.broker, actor.order
        terms = order.terms
        cid, ts = terms.client_order_id, broker.turn.time_ns()
        if is_new and terms.group_id and terms.closes and self._is_all_shut(terms.instrument):
            broker.alarm("trigger_withheld", "its trigger was reached, and the mode is NONE", cid)
        if self._is_the_groups(order):
            self._recount(order)
            return
        shut, child = broker.flattening, child_of(order)
        reduces = terms.reduce_only or terms.closes or shut.lowers(child)
        refusal = shut.refusal(child, reduces)
        if not reduces:
            refusal = refusal or broker.calls.refusal(child)
            if not is_new:
                broker.deliver(actor, Withdrawn(cid, ts, reason="not_sent", expired=True))
            elif refusal is not None:
                broker.deliver(actor, Denied(cid, ts, *refusal))
            else:
                self.release(cid, reduces=False)
        elif refusal is None:
            self.release(cid, reduces=True)
        elif is_new:
            broker.alarm("trigger_withheld", f"its trigger was reached, and {refusal[1]}", cid)

    def _is_the_groups(self, order: Order) -> bool:
        """Whether it leaves when its group says so: where the venue does not keep exits from
        opening, what else closes the same has to be gone first.
        """
        bounds = self.broker.capabilities.reduce_only is not ReduceOnlyRule.UNSUPPORTED
        return bool(order.terms.group_id) and order.terms.closes and not bounds

    def release(self, cid: str, *, reduces: bool) -> None:
        """An elected order leaves with this turn."""
        broker = self.broker
        actor = broker.orders[cid]
        out = broker.deliver(actor, LocalReleased(cid, broker.turn.time_ns()))
        if out is not None and out.changed:
            broker.turn.effects.append((broker.lane.send, Place(child_of(out.order)), reduces))

    def unshut(self) -> None:
        """What may leave has changed: by a mode or a kill switch."""
        for cid, actor in list(self._here.items()):
            if cid in self._elected:
                self._let_go(actor, is_new=False)
            elif cid in self._here:
                self._recount(actor.order)

    # --- questions --------------------------------------------------------------------------------

    def is_live(self, order: Order) -> bool:
        """Whether a price that reaches its trigger now would have the order leave."""
        actor = self._here.get(order.terms.client_order_id)
        if actor is None or actor.frozen or order.trigger is not Trigger.WATCHED:
            return False
        return not self._is_all_shut(order.terms.instrument) and self.sights.is_live(order)

    def _is_all_shut(self, instrument: str) -> bool:
        """Whether not even an exit leaves."""
        control = self.broker.flattening.control
        return bool(control.modes) and control.mode_of(instrument) is TradingMode.NONE

    def is_blind(self, order: Order) -> bool:
        """Whether it waits for prices that have stopped coming."""
        here = order.trigger is Trigger.WATCHED and order.terms.client_order_id in self._here
        return here and self.sights.of(order) is Sight.BLIND

    def waiting(self) -> list[tuple[Order, Decimal | None]]:
        """Those that wait here, with their stop prices as of now, in the order they came."""
        found: list[tuple[Order, Decimal | None]] = []
        for cid, actor in self._here.items():
            spot = self._spot(cid)
            listed = spot is not None and spot.is_listed
            found.append((actor.order, spot.stop_px if spot and listed else actor.order.stop_px))
        return found

    def _resighted(self, feed: Feed, cids: list[str]) -> None:
        for cid in cids:
            self._recount(self._here[cid].order)

    def say_unwatched(self) -> None:
        """The process is about to end: nobody watches these any more."""
        if not self._here:
            return
        some = ", ".join(list(self._here)[:5]) + (", ..." if len(self._here) > 5 else "")
        detail = (
            f"{len(self._here)} orders wait for triggers that only this engine watches; until it"
            f" runs again nobody does: {some}"
        )
        self.broker.alarm("triggers_unwatched", detail, self.broker.actor_urn)
