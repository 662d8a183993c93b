"""What a group waits for after each of its looks: deadlines, pauses, prices."""

from __future__ import annotations

from decimal import Decimal

from engine.group_steps import REFUSALS_MAX, Plan
from engine.group_wants import Holding
from engine.messages import Alarm, TradingMode
from engine.order_tables import TERMINAL
from engine.session_chart import SessionState
from engine.values import ZERO

from .group_pauses import Pauses
from .group_roles import GroupRole
from .group_swaps import GroupSwaps
from .group_words import Look, ProtectionDue, TakeOver
from .runtime import Timer

__all__ = ["GroupWatch"]


class GroupWatch:
    """The clocks of one group. Lives and dies with it, on the same thread."""

    __slots__ = (
        "_actor",
        "_adrift",
        "_again",
        "_both_told",
        "_due",
        "_short_told",
        "_stuck_told",
        "_withheld",
        "swaps",
    )

    def __init__(self, actor: GroupRole) -> None:
        self._actor = actor
        self._due: dict[str, Timer] = {}
        self._both_told: dict[str, Decimal] = {}
        self._adrift: dict[str, Timer] = {}  # holdings that the venue keeps, and not as it should
        self._again: Timer | None = None
        self._short_told = False
        self._stuck_told: dict[str, None] = {}  # holdings of which was told that no close is taken
        #: Holdings of which was told that nothing may leave; whether they were being closed.
        self._withheld: dict[str, bool] = {}
        self.swaps: GroupSwaps | None = None  # where the venue locks what exits offer

    def looked(self, found: Plan, pauses: Pauses) -> None:
        """After the commit: keep the clocks of what is without a stop, tell of what was closed
        twice.
        """
        actor = self._actor
        group = actor.group
        now = actor.broker.dispatcher.monotonic_ns()
        self._keep_clocks(found, now)
        if actor.trails is not None:
            actor.trails.watch(group)
        actor.moves.tell(group, found.refused, found.away)
        ends = pauses.ends(now)
        if ends is not None and (self._again is None or not now < self._again.due_ns <= ends):
            if self._again is not None:
                self._again.cancel()
            self._again = actor.desk.remind(ends - now, Look(group.group_id))
        for emergency, qty in found.both_filled:
            if self._both_told.get(emergency, ZERO) < qty:
                self._both_told[emergency] = qty
                first = actor.legs[emergency.removesuffix("~exit")].order.instrument
                actor.desk.both_filled(group, first, emergency, qty)
        self._tell_short(found)
        self._tell_stuck(found, pauses)
        self._keep_at(found.adrift, found)
        if found.aims and self.swaps is None:
            self.swaps = GroupSwaps(actor)
        if self.swaps is not None:
            self.swaps.looked(found)

    def _keep_clocks(self, found: Plan, now: int) -> None:
        """One clock for each holding that is without a stop."""
        actor = self._actor
        group = actor.group
        exposed = dict(found.exposed)
        for emergency in list(self._due):
            if emergency not in exposed or self._due[emergency].due_ns <= now:
                self._due.pop(emergency).cancel()
        for emergency in [one for one in self._withheld if one not in exposed]:
            del self._withheld[emergency]
        for emergency in exposed:
            if emergency not in self._due and emergency not in group.late:
                self._due[emergency] = actor.desk.remind(
                    group.terms.protect_within_ns, ProtectionDue(group.group_id, emergency)
                )

    def is_withheld(self, message: ProtectionDue, naked: Decimal) -> bool:
        """Whether a person lets nothing leave, not even a close: then an alarm is all, once, and
        once more when it is to be closed. A close that waited would leave when all is let go, and
        with it the stop works again.
        """
        actor, emergency = self._actor, message.emergency
        symbol = actor.legs[emergency.removesuffix("~exit")].order.instrument
        if actor.broker.flattening.control.mode_of(symbol) is not TradingMode.NONE:
            return False
        closing = actor.group.closing
        if self._withheld.get(emergency) is not closing:
            actor.broker.turn.effects.append((self._withheld.__setitem__, emergency, closing))
            detail = f"{naked} {symbol} has no working stop, and the trading mode is NONE"
            actor.broker.alarm("unprotected", detail, actor.actor_urn)
        return True

    def _tell_short(self, found: Plan) -> None:
        """A person is told once of exits that wait for what others have; anew when they had all."""
        actor = self._actor
        short = next((one for one in found.holdings if one.is_short), None)
        if short is not None and not self._short_told:
            turn, symbol = actor.broker.turn, short.exits[0].order.instrument
            detail = (
                f"its exits are for {short.mine_qty} {symbol}, of which {short.left_qty} is there:"
                " they wait for the rest; call it off if that is not meant"
            )
            turn.tell(Alarm(turn.time_ns(), "exits_wait", detail, actor.actor_urn))
        self._short_told = short is not None

    def _tell_stuck(self, found: Plan, pauses: Pauses) -> None:
        """A person is told once that the venue refuses to close what is to be closed."""
        actor = self._actor
        for one in found.holdings:
            times, emergency = pauses.times(one.emergency), one.emergency
            if not one.there_qty or times < REFUSALS_MAX:
                self._stuck_told.pop(emergency, None)
            elif emergency not in self._stuck_told:
                self._stuck_told[emergency] = None
                turn, symbol = actor.broker.turn, one.exits[0].order.instrument
                detail = (
                    f"the close of {one.there_qty} {symbol} was refused {times} times:"
                    " it is tried on, more and more rarely"
                )
                turn.tell(Alarm(turn.time_ns(), "close_refused", detail, actor.actor_urn))

    def takes_over(self, found: Plan, message: TakeOver) -> bool:
        """The venue's time is up: whether its exits are still not as they should be; then a person
        is told. While the venue cannot be reached it has as long again.
        """
        actor, emergency = self._actor, message.emergency
        self._adrift.pop(emergency, None)
        is_ready = actor.broker.session.state is SessionState.READY
        if emergency not in found.adrift or not is_ready:
            return False
        detail = f"the exits {emergency} stands for are not kept by the venue as they should be"
        actor.broker.alarm("native_taken_over", detail, actor.actor_urn)
        return True

    def _keep_at(self, adrift: tuple[str, ...], found: Plan) -> None:
        """Give the venue half of the time without protection to have the exits that it keeps as
        they should be; what it says of them, and what was executed, is asked meanwhile.
        """
        actor = self._actor
        for emergency in [one for one in self._adrift if one not in adrift]:
            self._adrift.pop(emergency).cancel()
        for one in found.holdings:
            if one.emergency not in adrift or one.emergency in self._adrift:
                continue
            message = TakeOver(actor.group.group_id, one.emergency)
            within = actor.group.terms.protect_within_ns // 2
            self._adrift[one.emergency] = actor.desk.remind(within, message)
            self._explain(one)

    def _explain(self, holding: Holding) -> None:
        """One of its exits has ended, and none has filled as far as is known: was there a fill?"""
        actor = self._actor
        orders = actor.broker.orders
        slices = dict(actor.group.slices)
        cids = [cid for leg in holding.exits for cid in slices[leg.name]]
        if any(cid not in orders or orders[cid].order.life in TERMINAL for cid in cids):
            actor.broker.link.fetch_executions()
            for cid in cids:
                if cid in orders and orders[cid].order.life not in TERMINAL:
                    actor.broker.calls.ask_after_gap(orders[cid], is_missing=True)

    def stop(self) -> None:
        """Its clocks stop."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        for timer in self._adrift.values():
            timer.cancel()
        self._adrift.clear()
        if self._again is not None:
            self._again.cancel()
        if self._actor.trails is not None:
            self._actor.trails.stop()
        if self.swaps is not None:
            self.swaps.stop()
