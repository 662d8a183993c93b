"""A monitor that has fired closes what it follows.

What is missing is decided by :func:`engine.policies.monitoring.plan_close`. Here the account
becomes a view of it, and its actions become messages and placements. What is remembered beside the
facts (what was asked for, what came to nothing just now) may be lost: a restart looks again.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from engine.capabilities import ReduceOnlyRule
from engine.flatten import CallOff, CancelIt, CloseSlot
from engine.messages import CancelGroup, CancelOrder, SubmitOrder, TradingMode
from engine.order import exposure_qty, has_questions, is_settled
from engine.order_links import is_held
from engine.order_tables import TERMINAL
from engine.policies.monitoring import (
    CloseAction,
    CloseView,
    GroupHeld,
    Working,
    plan_close,
)
from engine.session_chart import SessionState
from engine.values import ZERO, InstrumentKind, OrderType, PositionSlot, Side, TimeInForce
from engine.watched import Monitor

from .group_pauses import pause_ns
from .monitor_scopes import Scopes
from .roles import BrokerRole

__all__ = ["MonitorClosing"]

SlotKey: TypeAlias = tuple[str, PositionSlot]
_TAG: Final = "monitor"  # of the orders it places


class MonitorClosing:
    """Lives and dies with its broker, on the same thread."""

    def __init__(self, broker: BrokerRole, scopes: Scopes) -> None:
        self.broker = broker
        self.scopes = scopes
        self._asked: dict[str, None] = {}  # orders whose cancel was asked for
        #: By slot: how often a close was placed in a row, and until when the next one waits.
        self._tries: dict[SlotKey, tuple[int, int]] = {}

    def moved(self, key: SlotKey) -> None:
        """Something was booked there: the next close need not wait."""
        self._tries.pop(key, None)

    def withheld(self, monitor: Monitor) -> bool:
        """Whether nothing may leave now: what is held is not known for certain, or a person or a
        kill switch has the say.
        """
        broker = self.broker
        if broker.session.state is not SessionState.READY:
            return True
        control = broker.flattening.control
        return any(
            control.switch_over(symbol) is not None or control.mode_of(symbol) is TradingMode.NONE
            for symbol, _ in self._slots(monitor)
        )

    def _slots(self, monitor: Monitor) -> list[SlotKey]:
        return self.scopes.slots(monitor.terms)

    def go_on(self, monitor: Monitor) -> bool:
        """Do what is missing; whether nothing is."""
        broker = self.broker
        if self.withheld(monitor):
            return False
        group_id = monitor.terms.group_id
        if group_id:
            group = self.scopes.group(group_id)
            if group is not None and not group.closing:
                self._do(CallOff(group_id), monitor)
            return group is None
        done, working = True, self._working(monitor)
        for key in self._slots(monitor):
            plan = plan_close(self._view(monitor, key, working))
            groups = [action for action in plan.actions if isinstance(action, CallOff)]
            if groups:  # first, because they close something at once
                for one in groups:
                    self._do(one, monitor)
                working = self._working(monitor)
                plan = plan_close(self._view(monitor, key, working))
            for action in plan.actions:
                self._do(action, monitor)
            done = done and plan.is_done
        for cid in [one for one in self._asked if one not in broker.orders] if done else ():
            del self._asked[cid]
        return done

    # --- the view ---------------------------------------------------------------------------------

    def _view(
        self, monitor: Monitor, key: SlotKey, working: dict[SlotKey, list[Working]]
    ) -> CloseView:
        broker = self.broker
        slot = broker.positions[key]
        qty = slot.position.qty
        able = broker.capabilities
        locks = not able.exits_share_balance and slot.instrument.kind is InstrumentKind.CASH
        bounds = able.reduce_only is not ReduceOnlyRule.UNSUPPORTED and not (locks and qty > ZERO)
        due_ns = self._tries.get(key, (0, 0))[1]
        return CloseView(
            slot.instrument,
            key[1],
            qty,
            tuple(working.get(key, ())),
            self._groups(monitor, key, Side.SELL if qty < ZERO else Side.BUY),
            bounds,
            due_ns > broker.dispatcher.monotonic_ns(),
            self._asked,
        )

    def _working(self, monitor: Monitor) -> dict[SlotKey, list[Working]]:
        """Every order that is open or not settled, by slot; all of them are looked through once."""
        found: dict[SlotKey, list[Working]] = {key: [] for key in self._slots(monitor)}
        for actor in self.broker.orders.values():
            order = actor.order
            terms = order.terms
            key = terms.instrument, terms.slot
            if key not in found or is_settled(order) or is_held(order):
                continue
            is_market = terms.order_type is OrderType.MARKET
            found[key].append(
                Working(
                    terms.client_order_id,
                    terms.group_id,
                    terms.side,
                    exposure_qty(order),
                    terms.ts <= monitor.fired_ts,
                    order.life in TERMINAL,
                    any(out.is_cancel for out in order.requests),
                    has_questions(order),
                    is_market and any(name == _TAG for name, _ in terms.tags),
                    not is_market,
                )
            )
        return found

    def _groups(self, monitor: Monitor, key: SlotKey, side: Side) -> tuple[GroupHeld, ...]:
        found: list[GroupHeld] = []
        for group_id, actor in self.broker.groups.groups.items():
            group = self.scopes.group(group_id)
            if group is not None and key in self.scopes.slots_of_group(group_id):
                held = actor.holds.get((*key, side), ZERO)
                old = group.terms.ts <= monitor.fired_ts
                found.append(GroupHeld(group_id, held, old, group.closing))
        return tuple(found)

    # --- doing ------------------------------------------------------------------------------------

    def _do(self, action: CloseAction, monitor: Monitor) -> None:
        broker = self.broker
        ts = broker.turn.time_ns()
        if isinstance(action, CallOff):
            broker.groups.call_off(CancelGroup(action.group_id, ts, True, _TAG))
        elif isinstance(action, CancelIt):
            cid = action.client_order_id
            broker.turn.effects.append((self._asked.__setitem__, cid, None))
            broker.deliver(broker.orders[cid], CancelOrder(cid, broker.groups.req_id(), ts, _TAG))
        else:
            self._close(action, monitor, ts)

    def _close(self, action: CloseSlot, monitor: Monitor, ts: int) -> None:
        broker = self.broker
        able = broker.capabilities
        immediate = TimeInForce.IOC in able.times_in_force
        terms = SubmitOrder(
            "", broker.name, broker.account, action.instrument, action.side, OrderType.MARKET,
            action.qty, ts,
            time_in_force=TimeInForce.IOC if immediate else TimeInForce.GTC,
            reduce_only=able.reduce_only is not ReduceOnlyRule.UNSUPPORTED, slot=action.slot,
            tags=((_TAG, monitor.terms.monitor_id),), closes=True,
        )  # fmt: skip
        broker.groups.place(broker.groups.new_order(terms))
        broker.turn.effects.append((self._tried, (action.instrument, action.slot), None))

    def _tried(self, key: SlotKey, _: None) -> None:
        count = self._tries.get(key, (0, 0))[0] + 1
        self._tries[key] = count, self.broker.dispatcher.monotonic_ns() + pause_ns(count)
