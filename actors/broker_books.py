"""What a broker holds: its orders and its position slots, how they come and how they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.fold import revive
from engine.messages import Filled, SubmitOrder
from engine.order import Ledger, Order, is_waiting
from engine.position_state import Position, new_position
from engine.protection import STOPS
from engine.values import PositionSlot

from .broker_calls import BrokerCalls
from .broker_watch import BrokerWatch
from .broker_words import NewSlot, UnknownInstrument
from .claims import Claims
from .drifting import Drifting
from .flattening import Flattening
from .following import Following
from .groups import BrokerGroups
from .intake import Intake
from .monitors import Monitors
from .order import OrderActor
from .position import PositionActor
from .protection import Protections
from .roles import BrokerRole, OrderRole
from .signal_book import SignalBook
from .surplus import Surplus
from .triggers import Triggers
from .watched_books import WatchedBooks

__all__ = ["BrokerBooks"]


class BrokerBooks(BrokerRole):
    """The part of the broker actor that keeps its orders and slots in memory."""

    calls: BrokerCalls
    groups: BrokerGroups
    protections: Protections
    flattening: Flattening
    following: Following
    triggers: Triggers
    watch: BrokerWatch
    intake: Intake
    drifting: Drifting
    monitors: Monitors
    on_closed: Callable[[SubmitOrder], None]
    #: Where somebody decides about signals; else orders cost nothing for it.
    signal_book: SignalBook | None = None

    def begin_to_watch(self) -> dict[type, Callable[[Any], object]]:
        """Make what watches over slots and orders beside them; the routes of that."""
        self.claims, self.surplus = Claims(self), Surplus(self)
        self.watched = WatchedBooks(self.turn, self.name, self.account)
        self.drifting = Drifting(self)
        self.monitors = Monitors(self)
        return {**self.flattening.routes, **self.monitors.routes}

    def look_all(self) -> None:
        """After a restart: whatever looks at orders and slots does so once."""
        self.triggers.resume()
        self.groups.look_all()
        self.protections.look_all()
        self.monitors.look_all()

    # --- slots ------------------------------------------------------------------------------------

    def position_of(self, terms: SubmitOrder, fill: Filled) -> PositionActor:
        """The slot an execution feeds."""
        key = (fill.instrument or terms.instrument, terms.slot)
        return self.positions.get(key) or self.slot(*key)

    def slot(self, symbol: str, slot: PositionSlot) -> PositionActor:
        """A slot of this account, made when there is none yet."""
        actor = self.positions.get((symbol, slot))
        if actor is None:
            instrument = self.instruments.get(symbol)
            if instrument is None:
                raise UnknownInstrument(f"instrument {symbol!r} is not defined at {self.name}")
            position = new_position(self.name, self.account, instrument, slot)
            actor = PositionActor(self.turn, instrument, position, self.groups.moved)
            self.dispatcher.adopt(actor)
            self.positions[symbol, slot] = actor
            self.following.made(actor)
            self.turn.undo.append((NewSlot(self.positions), (symbol, slot), None))
            self.monitors.made(actor)
            if not self.watch.armed:
                self.watch.arm()
        return actor

    def hold_position(self, position: Position) -> None:
        """Take a position over at a restart, before any message."""
        self.slot(position.instrument, position.slot).position = position

    # --- orders -----------------------------------------------------------------------------------

    def introduce(self, order: Order, ledger: Ledger | None = None) -> OrderRole:
        """Hold an order from now on; taken back if the turn is discarded."""
        actor = OrderActor(self, order, ledger)
        self.dispatcher.adopt(actor)
        cid = order.terms.client_order_id
        self.orders[cid] = actor
        self.venue_ids.learn(order)
        if order.terms.order_type in STOPS:
            self.protections.introduced(order)
        self.turn.undo.append((self, cid, None))
        if self.signal_book is not None:
            self.signal_book.touched(cid)
        if not self.watch.armed:
            self.watch.arm()
        return actor

    def restore(self, before: str, extra: None) -> None:
        """Take back an introduction whose turn was discarded."""
        del extra
        actor = self.orders.pop(before, None)
        if self.signal_book is not None:
            self.signal_book.touched(before)
        if actor is not None:
            self.venue_ids.forget(actor.order)
            self.protections.gone(actor.order)
            self.dispatcher.release(actor)

    def retire(self, actor: OrderRole) -> None:
        """After the commit of its closed row: the order leaves memory."""
        cid = actor.order.terms.client_order_id
        if self.orders.get(cid) is not actor:
            return
        del self.orders[cid]
        if self.signal_book is not None:
            self.signal_book.touched(cid)
        self.venue_ids.forget(actor.order)
        if actor.order.terms.order_type in STOPS:
            self.protections.gone(actor.order)
        self.calls.forget(cid)
        self.flattening.forget(cid)
        self.dispatcher.release(actor)
        self.on_closed(actor.order.terms)

    def symbol_of(self, cid: str) -> str | None:
        """What an order trades, if we hold it; may be asked from any thread."""
        actor = self.orders.get(cid)
        return None if actor is None else actor.order.terms.instrument

    def is_waiting(self, cid: str) -> bool:
        """Whether an order waits here for its trigger; may be asked from any thread."""
        actor = self.orders.get(cid)
        return actor is not None and is_waiting(actor.order)

    def revive(self, cid: str) -> OrderRole | None:
        """Take up a closed order again."""
        return self.intake.revive(cid)

    def find_order(self, cid: str) -> Order | None:
        """The order with this id, live or closed."""
        actor = self.orders.get(cid)
        if actor is not None:
            return actor.order
        body = self.journal.closed_order(cid)
        return None if body is None else revive(body)[0]
