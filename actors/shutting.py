"""What is shut at one account: its trading modes and kill switches, written down and kept to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.control import Control, ControlFact, controlled
from engine.messages import (
    CancelOrder,
    Flatten,
    LiftFlatten,
    ModeChanged,
    SetMode,
    SubmitOrder,
    TradingMode,
)
from engine.order import exposure_qty
from engine.order_links import never_left
from engine.order_tables import Life
from engine.values import ZERO, Side

from .roles import BrokerRole

if TYPE_CHECKING:
    from .groups import BrokerGroups

__all__ = ["Shutting"]


class Shutting:
    """The part of a broker that keeps shut what is. Lives and dies with it, on the same thread.

    Attributes:
        control: what is shut; the fold of its facts.
    """

    def __init__(self, broker: BrokerRole, groups: BrokerGroups) -> None:
        self.broker = broker
        self.groups = groups
        self.control = Control(broker.name, broker.account)
        self.is_anything_shut = False  # whether a mode or a switch is set
        self._placing = ""  # an order of the switch itself, while it is introduced

    def linked(self) -> None:
        """What the venue showed before counts no more."""
        raise NotImplementedError

    def take_over(self, control: Control) -> None:
        """At a restart, before any message."""
        self._become(control)

    def take(self, fact: ControlFact) -> None:
        """Somebody shuts or opens something: written down, and in force at once."""
        turn = self.broker.turn
        before = self.control
        turn.undo.append((self, before, None))
        turn.record(fact.ts, before.name, fact)
        self._become(controlled(before, fact))
        mode = self.control.mode_of(fact.instrument)
        if mode is not before.mode_of(fact.instrument) or isinstance(fact, SetMode):
            if ModeChanged in turn.hub.wanted:
                turn.events.append(
                    ModeChanged(
                        fact.venue, fact.account, fact.instrument, fact.ts, mode, fact.statement
                    )
                )
            self._withdraw_entries(fact.instrument)
            if mode is TradingMode.ALL:
                self.groups.look_soon()
        if isinstance(fact, Flatten | LiftFlatten):
            word = "pulled" if isinstance(fact, Flatten) else "lifted"
            detail = f"the kill switch was {word}: {fact.statement or 'no statement'}"
            self.broker.alarm("kill_switch", detail, f"{before.name}:{fact.instrument}")
        self.linked()
        self.broker.triggers.unshut()

    def restore(self, before: Control, extra: None) -> None:
        """Take back what was shut in a turn that was discarded."""
        del extra
        self._become(before)

    def _become(self, control: Control) -> None:
        self.control = control
        self.is_anything_shut = bool(control.modes or control.switches)
        self.broker.session.set_mode(control.mode_of(""))

    def shut_entries(self, why: str) -> None:
        """Entries of the account stop until a person lets them go on."""
        if self.control.mode_of("") is TradingMode.ALL:
            broker, ts = self.broker, self.broker.turn.time_ns()
            self.take(SetMode(broker.name, broker.account, "", TradingMode.REDUCE_ONLY, ts, why))

    def _withdraw_entries(self, instrument: str) -> None:
        """Entries and their amends that wait to leave never do: nothing is queued for better
        times.
        """
        for cid, actor in list(self.broker.orders.items()):
            order = actor.order
            if instrument not in ("", order.terms.instrument):
                continue
            mode = self.control.mode_of(order.terms.instrument)
            if mode is TradingMode.ALL or never_left(order) or order.terms.reduce_only:
                continue
            if self.groups.closes(order):
                continue
            if order.life is not Life.PENDING:
                if any(not out.is_cancel for out in order.requests):
                    reason = "entries were shut before it was sent"
                    self.broker.turn.effects.append((self.broker.lane.drop_amend, cid, reason))
            elif not any(out.is_cancel for out in order.requests):
                self._cancel(cid, "shut")

    def _cancel(self, cid: str, why: str) -> None:
        actor = self.broker.orders.get(cid)
        if actor is not None:
            req_id, ts = self.broker.groups.req_id(), self.broker.turn.time_ns()
            self.broker.deliver(actor, CancelOrder(cid, req_id, ts, why))

    def refusal(self, order: SubmitOrder, reduces: bool) -> tuple[str, str] | None:
        """Why an order may not be taken now, or None; ``reduces``: it can only lower what is held.

        Exits of groups always pass: a switch has their groups stand aside, and a mode that lets
        nothing leave keeps them waiting.
        """
        if not self.is_anything_shut or order.client_order_id == self._placing:
            return None
        if reduces and order.group_id:
            return None
        switch = self.control.switch_over(order.instrument)
        if switch is not None:
            of = switch.instrument or f"{self.broker.name}/{self.broker.account}"
            return "flatten", f"the kill switch of {of} is on, until a person lifts it"
        mode = self.control.mode_of(order.instrument)
        if mode is TradingMode.NONE or (mode is TradingMode.REDUCE_ONLY and not reduces):
            return "trading_mode", f"the trading mode of {order.instrument} is {mode.value}"
        return None

    def is_shut(self, instrument: str) -> bool:
        """Whether entries of it are refused."""
        return self.is_anything_shut and self.control.mode_of(instrument) is not TradingMode.ALL

    def only_reduces(self, order: SubmitOrder) -> bool:
        """Where entries are shut: whether an order that is not flagged can only lower what is held,
        whatever else works on its side.
        """
        return self.is_shut(order.instrument) and self.lowers(order)

    def lowers(self, order: SubmitOrder) -> bool:
        """Whether an order can only lower what is held, whatever else works on its side."""
        if order.order_qty is None:
            return False
        held = self.broker.positions.get((order.instrument, order.slot))
        qty = ZERO if held is None else held.position.qty
        if not qty or qty.is_signed() != (order.side is Side.BUY):
            return False
        left = abs(qty)
        for actor in self.broker.orders.values():
            terms = actor.order.terms
            beside = (terms.instrument, terms.slot, terms.side)
            if beside != (order.instrument, order.slot, order.side):
                continue
            if terms.client_order_id != order.client_order_id and not never_left(actor.order):
                exposed = exposure_qty(actor.order)
                left -= left if exposed is None else exposed
        return order.order_qty <= left
