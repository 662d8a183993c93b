"""The monitors of one account at work: they follow what is held, and close it when a rule is met.

What is met, and what is missing until all is closed, is decided in
:mod:`engine.policies.monitoring`. How far a monitor has come (what it follows, its peak, that it
has fired) is a fact, written in the turn of the fill or the close that it goes with: a restart
neither forgets a rule nor fires it twice.

Nothing here costs anything where there is no monitor: slots tell only once there was one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from engine.errors import DuplicateIntent, InvalidValue
from engine.messages import EndMonitor, MonitorFired, MonitorMoved, SetMonitor
from engine.policies.monitoring import (
    Rule,
    check_to_come,
    earned,
    has_pnl_rules,
    judge_pnl,
    side_of,
)
from engine.position_state import Position
from engine.prices import Price
from engine.session_chart import SessionState
from engine.values import ZERO, PositionSlot
from engine.watched import Monitor, monitor_urn

from .monitor_closing import MonitorClosing
from .monitor_scopes import Scopes
from .position import PositionActor
from .roles import BrokerRole
from .runtime import Timer
from .times_of_day import next_time

__all__ = ["MonitorLook", "Monitors"]

SlotKey: TypeAlias = tuple[str, PositionSlot]
_POLL_NS: Final = 250_000_000  # between two looks at least, until what fired is closed


class MonitorLook(NamedTuple):
    """To the monitors of an account: something of what this one follows has changed."""

    monitor_id: str


class _Noted:
    """Undo of a note that a message is queued: with its turn the message is discarded too."""

    def __init__(self, notes: dict[str, None]) -> None:
        self._notes = notes

    def restore(self, before: str, extra: None) -> None:
        """Take it back."""
        del extra
        self._notes.pop(before, None)


class _Seen:
    """Undo of what a slot was seen to hold."""

    def __init__(self, seen: dict[SlotKey, Position]) -> None:
        self._seen = seen

    def restore(self, before: SlotKey, extra: Position) -> None:
        """Take it back."""
        self._seen[before] = extra


class Monitors:
    """The part of a broker that keeps rules about what is held. Lives and dies with it."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self.scopes = Scopes(broker)
        self.closing = MonitorClosing(broker, self.scopes)
        self._seen: dict[SlotKey, Position] = {}  # what each slot held when it told last
        self._followed: dict[SlotKey, PositionActor] = {}
        self._looking: dict[str, None] = {}  # monitors with a look in the queue
        self._timers: dict[str, Timer] = {}  # the next look of each
        self._eyes: dict[str, Timer] = {}  # when it is seen whether prices are fresh
        self._blind: dict[str, None] = {}  # monitors of which a person was told that they see none
        self._prices: dict[str, dict[str, None]] = {}  # instrument -> monitors that need its prices
        self.routes: dict[type, Callable[[Any], object]] = {MonitorLook: self.look}

    @property
    def _all(self) -> dict[str, Monitor]:
        return self.broker.watched.monitors

    # --- rules come and go ------------------------------------------------------------------------

    def set(self, terms: SetMonitor) -> str:
        """Keep a rule from now on; its id. The same again changes nothing.

        Raises:
            DuplicateIntent: the id is that of other rules. InvalidValue: there is no such group or
            instrument, or its times have passed. Nothing has changed.
        """
        known = self._all.get(terms.monitor_id)
        if known is not None:
            if replace(known.terms, ts=terms.ts) != terms:
                raise DuplicateIntent(
                    f"monitor {terms.monitor_id!a} has other rules: unmonitor() it first, or take"
                    " another id"
                )
            return terms.monitor_id
        self.scopes.check(terms)
        check_to_come(terms, self.broker.turn.time_ns())
        self.broker.watched.take(terms)
        for slot in self.broker.positions.values():
            self.follow(slot)
        self._sync(self._all[terms.monitor_id], None)
        self._queue(terms.monitor_id)
        return terms.monitor_id

    def end(self, monitor_id: str, reason: str) -> None:
        """Keep a rule no more; what it has sent stays sent.

        Raises:
            InvalidValue: there is no such monitor.
        """
        monitor = self._all.get(monitor_id)
        if monitor is None:
            at = f"{self.broker.name}/{self.broker.account}"
            raise InvalidValue(f"no monitor {monitor_id[:64]!a} at {at}")
        self._end(monitor.terms, reason)

    def _end(self, terms: SetMonitor, reason: str) -> None:
        turn = self.broker.turn
        at = (terms.monitor_id, terms.venue, terms.account, turn.time_ns())
        self.broker.watched.take(EndMonitor(*at, reason))
        turn.effects.append((self._arm, terms.monitor_id, None))

    def look_all(self) -> None:
        """After a restart: every rule looks at what is held."""
        if self._all:
            for slot in self.broker.positions.values():
                self.follow(slot)
            for monitor_id in self._all:
                self._queue(monitor_id)

    # --- what is held -----------------------------------------------------------------------------

    def made(self, slot: PositionActor) -> None:
        """There is one more slot."""
        if self._all:
            self.follow(slot)

    def follow(self, slot: PositionActor) -> None:
        """Have a slot tell when it holds something else."""
        held = slot.position
        key = held.instrument, held.slot
        if self._followed.get(key) is not slot:
            self._followed[key] = slot
            self._seen[key] = held
            slot.tell_also(self._moved)

    def _moved(self, instrument: str, slot: PositionSlot) -> None:
        """A slot holds something else; in the turn of what was booked there."""
        key = instrument, slot
        before = self._seen[key]
        self.broker.turn.undo.append((_Seen(self._seen), key, before))
        self._seen[key] = self._followed[key].position
        for monitor in list(self._all.values()):
            if self.scopes.covers(monitor.terms, key):
                if not monitor.fired and not monitor.terms.group_id:
                    self._sync(monitor, before)
                self.closing.moved(key)
                self._queue(monitor.terms.monitor_id)

    def _sync(self, monitor: Monitor, before: Position | None) -> None:
        """Follow what is held: a position begins, ends, or becomes one of the other side.

        ``before``: the slot that has changed, as it was.
        """
        terms = monitor.terms
        held = [position for position, _ in self.scopes.held(terms)]
        side = side_of(held, signed=bool(terms.instrument))
        if side == monitor.side:
            return
        if terms.group_id and monitor.side:
            return  # a group is followed until it is over
        if monitor.side and not terms.every:
            self._end(terms, "what it followed is closed")
            return
        was = held
        if not monitor.side and before is not None:
            was = [before if one.key == before.key else one for one in held]
        self._write(self._begun(monitor, side, earned(was)) if side else _idle(monitor))

    def _begun(self, monitor: Monitor, side: int, base: Decimal) -> Monitor:
        """The monitor of a position that begins now."""
        terms, ts = monitor.terms, self.broker.turn.time_ns()
        base = ZERO if terms.group_id else base  # only what the group itself has done is counted
        due_ts = _due(terms, ts)
        if terms.close_times and not terms.close_at and terms.close_times[-1] <= ts:
            detail = f"monitor {terms.monitor_id}: the last of its close_times is over; they close"
            self.broker.alarm(
                "monitor_over",
                f"{detail} nothing of what is held now",
                monitor_urn(terms.monitor_id),
            )
        return replace(_idle(monitor), side=side, opened_ts=ts, base=base, due_ts=due_ts)

    def _write(self, now: Monitor) -> None:
        terms, turn = now.terms, self.broker.turn
        fact = MonitorMoved(
            terms.monitor_id, terms.venue, terms.account, turn.time_ns(), now.side, now.opened_ts,
            now.base, now.due_ts, now.peak, now.fired, now.fired_ts, now.count,
        )  # fmt: skip
        self.broker.watched.take(fact)
        turn.effects.append((self._arm, terms.monitor_id, None))

    # --- looking ----------------------------------------------------------------------------------

    def _queue(self, monitor_id: str) -> None:
        if monitor_id not in self._looking:
            self._looking[monitor_id] = None
            self.broker.turn.undo.append((_Noted(self._looking), monitor_id, None))
            self.broker.dispatcher.post(self.broker, MonitorLook(monitor_id))

    def look(self, message: MonitorLook) -> None:
        """See whether a rule is met; go on closing where one was."""
        name = message.monitor_id
        self._looking.pop(name, None)
        monitor = self._all.get(name)
        if monitor is None:
            return
        if not monitor.fired:
            self._follow_up(monitor)
            monitor = self._all.get(name)
        if monitor is not None and monitor.fired and self.closing.go_on(monitor):
            self._closed(monitor)
        self.broker.turn.effects.append((self._arm, name, None))

    def _follow_up(self, monitor: Monitor) -> None:
        """One that has not fired: is its group over, is it time, do prices say so?"""
        terms, turn = monitor.terms, self.broker.turn
        if terms.group_id:
            if self.scopes.group(terms.group_id) is None:
                self._end(terms, "its group is over")
                return
            self._sync(monitor, None)
            monitor = self._all[terms.monitor_id]
        if monitor.side and monitor.due_ts and turn.time_ns() >= monitor.due_ts:
            held_for = terms.hold_ns or 0
            by_time = monitor.due_ts == monitor.opened_ts + held_for
            worth = self.scopes.worth(terms)
            pnl = None if worth is None else worth.pnl - monitor.base
            self._fire(monitor, Rule.HOLD_TIME if by_time else Rule.TIME_OF_DAY, pnl, None)
        else:
            self._judge(monitor)

    def _priced(self, price: Price) -> None:
        """A price came; in a turn."""
        for monitor_id in list(self._prices.get(price.instrument, ())):
            monitor = self._all.get(monitor_id)
            if monitor is not None:
                self._judge(monitor)

    def _judge(self, monitor: Monitor) -> None:
        """Hold P&L against the rules: only while our books and the prices are to be relied on."""
        if not monitor.side or monitor.fired or not has_pnl_rules(monitor.terms):
            return
        if self.broker.session.state is not SessionState.READY:
            return
        worth = self.scopes.worth(monitor.terms)
        if worth is None:
            return
        met = judge_pnl(monitor, worth)
        if met.rule is not None:
            self._fire(monitor, met.rule, met.pnl, met.level)
        elif met.peak != monitor.peak:
            self._write(replace(monitor, peak=met.peak))

    def _fire(
        self, monitor: Monitor, rule: Rule, pnl: Decimal | None, level: Decimal | None
    ) -> None:
        """A rule is met: it is a fact before anything leaves."""
        turn, terms = self.broker.turn, monitor.terms
        ts = turn.time_ns()
        self._write(replace(monitor, fired=rule.value, fired_ts=ts, count=monitor.count + 1))
        if MonitorFired in turn.hub.wanted:
            turn.events.append(
                MonitorFired(
                    terms.monitor_id, terms.venue, terms.account, terms.instrument, terms.slot,
                    terms.group_id, ts, rule.value, pnl, level, self.scopes.currency(terms),
                    terms.tags,
                )
            )  # fmt: skip
        self._queue(terms.monitor_id)

    def _closed(self, monitor: Monitor) -> None:
        """All that was there when it fired is closed."""
        terms = monitor.terms
        if not terms.every or terms.group_id:
            self._end(terms, f"{monitor.fired}: closed")
            return
        held = [position for position, _ in self.scopes.held(terms)]
        side = side_of(held, signed=bool(terms.instrument))
        self._write(self._begun(monitor, side, earned(held)) if side else _idle(monitor))

    # --- clocks -----------------------------------------------------------------------------------

    def _arm(self, name: str, _: None) -> None:
        """After the commit: come back when it is time, and watch the prices that matter."""
        monitor, clock = self._all.get(name), self.broker.dispatcher
        before = self._timers.pop(name, None)
        if before is not None:
            before.cancel()
        if monitor is not None and monitor.fired:
            self._timers[name] = clock.watch_later(_POLL_NS, lambda: self._queue(name))
        elif monitor is not None and monitor.due_ts:
            wait_ns = max(monitor.due_ts - clock.time_ns(), 1)
            self._timers[name] = clock.call_later(wait_ns, lambda: self._queue(name))
        self._watch_prices(name, monitor)

    def _watch_prices(self, name: str, monitor: Monitor | None) -> None:
        needed: list[str] = []
        if monitor is not None and monitor.side and not monitor.fired:
            if has_pnl_rules(monitor.terms):
                needed = [one.symbol for _, one in self.scopes.held(monitor.terms)]
        for symbol in [one for one in self._prices if one not in needed]:
            self._prices[symbol].pop(name, None)
            if not self._prices[symbol]:
                del self._prices[symbol]
                self.broker.prices.unwatch(symbol, "monitors")
        for symbol in needed:
            if symbol not in self._prices:
                self._prices[symbol] = {}
                self.broker.prices.watch(symbol, "monitors", self._priced)
            self._prices[symbol][name] = None
        if not needed:
            self._blind.pop(name, None)
            if name in self._eyes:
                self._eyes.pop(name).cancel()
        elif name not in self._eyes and monitor is not None:
            self._open_eyes(name, monitor.terms.max_age_ns)

    def _open_eyes(self, name: str, wait_ns: int) -> None:
        clock = self.broker.dispatcher
        self._eyes[name] = clock.watch_later(wait_ns, lambda: self._check_eyes(name))

    def _check_eyes(self, name: str) -> None:
        """Timer: a rule about P&L that sees no price is none, and a person is told so, once."""
        monitor = self._all.get(name)
        if monitor is not None and monitor.side and not monitor.fired:
            terms = monitor.terms
            is_blind = self.scopes.worth(terms) is None
            if is_blind and name not in self._blind:
                detail = (
                    f"monitor {name} knows no P&L: a price of what it follows is older than"
                    f" {terms.max_age_ns / 1e9:g} s or unknown, or what it cost is; its rules"
                    " about time stand"
                )
                self.broker.alarm("monitor_blind", detail, monitor_urn(terms.monitor_id))
            self.broker.turn.effects.append((self._saw, name, is_blind))

    def _saw(self, name: str, is_blind: bool) -> None:
        self._blind.pop(name, None)
        if is_blind:
            self._blind[name] = None
        monitor = self._all.get(name)
        if name in self._eyes and monitor is not None:
            self._open_eyes(name, max(monitor.terms.max_age_ns // 2, 1))

    def is_blind(self, monitor_id: str) -> bool:
        """Whether a person was told that it sees no price, and it has seen none since."""
        return monitor_id in self._blind


def _idle(monitor: Monitor) -> Monitor:
    """The monitor while nothing is held."""
    return Monitor(monitor.terms, count=monitor.count)


def _due(terms: SetMonitor, opened_ts: int) -> int:
    """When what was opened then has to be closed; 0: at no time."""
    due: list[int] = [ts for ts in terms.close_times if ts > opened_ts][:1]
    if terms.hold_ns is not None:
        due.append(opened_ts + terms.hold_ns)
    if terms.close_at:
        due.append(next_time(terms.close_at, terms.time_zone, terms.close_days, opened_ts))
    return min(due, default=0)
