"""The kill switch of one account at work.

What is missing is decided in :mod:`engine.flatten`. Here orders, slots and groups become a view of
it, its actions become messages and placements, and the venue is asked. Everything remembered beside
:class:`~engine.control.Control` (pauses, what the venue showed) may be lost: a restart looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from engine.capabilities import ReduceOnlyRule
from engine.control import ControlFact, Switch
from engine.flatten import (
    CallOff,
    CancelIt,
    CloseSlot,
    FlatAction,
    FlatPlan,
    FlatView,
    GroupSeen,
    OrderSeen,
    SlotKey,
    SlotSeen,
    StandAside,
    plan_flatten,
)
from engine.group_tables import GROUP
from engine.messages import (
    CancelGroup,
    FlatProgress,
    LiftFlatten,
    SubmitOrder,
    TradingMode,
)
from engine.order import Order, exposure_qty, has_questions, is_settled
from engine.order_links import never_left
from engine.order_tables import TERMINAL, Life
from engine.position_tables import PositionLife
from engine.session_chart import SessionState
from engine.values import ZERO, OrderType, TimeInForce

from .flat_asking import FlatAsking
from .flat_words import FlatAnswered, FlatLook
from .group_closes import rests
from .group_pauses import pause_ns
from .roles import BrokerRole
from .runtime import Timer
from .shutting import Shutting

if TYPE_CHECKING:
    from .groups import BrokerGroups

__all__ = ["Flattening"]

_TAG: Final = "kill_switch"  # of the orders it places
_LOOK_NS: Final = 1_000_000_000  # between two looks at least, until all is verified
_COST_NS: Final = 10_000  # of a look, for each order: so that many orders do not make it the load
_FEW: Final = 64
_CANCELS_MAX: Final = 256  # of one look; the next one goes on
_UP: Final = (SessionState.READY, SessionState.RECONCILING, SessionState.SUSPECT)


class _Unlook:
    """Undo of a queued look: with its turn the message is discarded too."""

    def __init__(self, flattening: Flattening) -> None:
        self._flattening = flattening

    def restore(self, before: None, extra: None) -> None:
        """Take it back."""
        del before, extra
        self._flattening.looking = False


class Flattening(Shutting):
    """The part of a broker that flattens it. Lives and dies with it, on the same thread.

    Attributes:
        followers: called after every look. looking: a look is queued.
    """

    def __init__(self, broker: BrokerRole, groups: BrokerGroups) -> None:
        super().__init__(broker, groups)
        self.followers: dict[object, Callable[[], object]] = {}
        self._asking = FlatAsking(broker)
        self._linked_ts = 0
        self._changed: dict[str, int] = {}  # when something of an instrument changed last
        self.looking = False
        self._looked_ns = 0
        self._timer: Timer | None = None
        self._base: dict[SlotKey, Decimal] = {}
        #: By order or slot: how often something was asked of it in vain, and until when it rests.
        self._tries: dict[str | SlotKey, tuple[int, int]] = {}
        self._told: dict[str, FlatProgress] = {}
        self.routes: dict[type, Callable[[Any], object]] = {
            FlatLook: self.look,
            FlatAnswered: self.answered,
        }

    def take(self, fact: ControlFact) -> None:
        """Somebody shuts or opens something."""
        super().take(fact)
        self._told.clear()
        if isinstance(fact, LiftFlatten):
            self._queue_look()  # who waits is told

    # --- looking ----------------------------------------------------------------------------------

    def touched(self, instrument: str) -> None:
        """An order or a slot has changed."""
        if self.control.switch_over(instrument) is not None:
            self._changed[instrument] = self.broker.dispatcher.time_ns()
            self._asking.begin_anew()
            self._queue_look()

    def linked(self) -> None:
        """The link stands anew, or something was shut: what the venue showed before counts no
        more.
        """
        if self.control.switches:
            self._linked_ts = self.broker.dispatcher.time_ns()
            self._asking.evidence = None
            self._base.clear()
            self._asking.begin_anew()
            self._queue_look()

    def _queue_look(self) -> None:
        if self.looking:
            return
        dispatcher = self.broker.dispatcher
        count = len(self.broker.orders)
        due_ns = self._looked_ns + (count * _COST_NS if count > _FEW else 0)
        if due_ns > dispatcher.monotonic_ns():
            self._remind(due_ns - dispatcher.monotonic_ns())
            return
        self.looking = True
        self.broker.turn.undo.append((_Unlook(self), None, None))
        dispatcher.post(self.broker, FlatLook())

    def _remind(self, delay_ns: int) -> None:
        dispatcher = self.broker.dispatcher
        due_ns = dispatcher.monotonic_ns() + delay_ns
        timer = self._timer
        if timer is not None and dispatcher.monotonic_ns() < timer.due_ns <= due_ns:
            return
        if timer is not None:
            timer.cancel()
        self._timer = dispatcher.call_later(
            max(delay_ns, 1), lambda: dispatcher.post(self.broker, FlatLook())
        )

    def look(self, _: FlatLook) -> None:
        """Do what is missing now."""
        self.looking = False
        dispatcher = self.broker.dispatcher
        self._looked_ns = dispatcher.monotonic_ns()
        again_ns = 0
        for switch in self.control.switches:
            found = self._plan(switch)
            cancels = 0
            for action in found.actions:
                cancels += isinstance(action, CancelIt)
                if cancels <= _CANCELS_MAX:
                    self._do(action)
            if found.asks:
                again_ns = self._asking.ask(found.ask_ts, found.differs)
            if not found.progress.verified:
                again_ns = min(again_ns or _LOOK_NS, self._rest_ns())
            self._tell(switch.instrument, found.progress)
        if again_ns:
            self.broker.turn.effects.append((self._look_again, again_ns, None))
        for follower in list(self.followers.values()):
            follower()

    def _look_again(self, delay_ns: int, _: None) -> None:
        self._remind(delay_ns)

    def _rest_ns(self) -> int:
        now = self.broker.dispatcher.monotonic_ns()
        rests = [due - now for _, due in self._tries.values() if due > now]
        return min(rests, default=_LOOK_NS)

    def progress(self, instrument: str) -> FlatProgress:
        """How far the switch of an instrument ("": of the account) has come; changes nothing."""
        switch = next((s for s in self.control.switches if s.instrument == instrument), None)
        if switch is None:
            broker = self.broker
            ts = broker.dispatcher.time_ns()
            found = self._plan(Switch(instrument, ts)).progress
            return FlatProgress(
                broker.name, broker.account, instrument, ts, False, found.orders, found.in_doubt,
                found.slots, "the kill switch was lifted",
            )  # fmt: skip
        return self._plan(switch).progress

    def _plan(self, switch: Switch) -> FlatPlan:
        broker = self.broker
        now = broker.dispatcher.monotonic_ns()
        groups = tuple(
            GroupSeen(
                one.group.group_id,
                tuple({leg.order.instrument: None for leg in one.legs.values()}),
                one.group.aside,
                one.group.closing,
            )
            for one in self.groups.groups.values()
            if one.group.state not in GROUP.terminal
        )
        view = FlatView(
            broker.name,
            broker.account,
            switch.instrument,
            switch.slice_share,
            tuple(
                self._seen(actor.order)
                for actor in broker.orders.values()
                if not is_settled(actor.order)
            ),
            self._slots(),
            groups,
            self._asking.evidence,
            max(
                [
                    self._linked_ts,
                    *(ts for of, ts in self._changed.items() if switch.covers(of)),
                ]
            ),
            broker.capabilities.visibility_lag_ns,
            self._withheld(switch.instrument),
            broker.capabilities.reduce_only is not ReduceOnlyRule.UNSUPPORTED,
            [key for key, (_, due_ns) in self._tries.items() if due_ns > now],
            self._tries,
            not broker.capabilities.exits_share_balance,
        )
        return plan_flatten(view, broker.dispatcher.time_ns())

    def _withheld(self, instrument: str) -> str:
        state = self.broker.session.state
        if state not in _UP:
            return f"the venue cannot be reached: its session is {state.value}"
        if self.control.mode_of(instrument) is TradingMode.NONE:
            return "the trading mode is NONE: no close leaves"
        return ""

    def _seen(self, order: Order) -> OrderSeen:
        terms = order.terms
        over = order.life in TERMINAL
        return OrderSeen(
            terms.client_order_id, terms.instrument, terms.slot, terms.side,
            ZERO if never_left(order) else exposure_qty(order), over,
            any(out.is_cancel for out in order.requests), has_questions(order),
            terms.order_type is OrderType.MARKET and any(key == _TAG for key, _ in terms.tags),
            not never_left(order) and rests(order),
        )  # fmt: skip

    def _slots(self) -> tuple[SlotSeen, ...]:
        broker = self.broker
        slots: list[SlotSeen] = []
        for (symbol, where), actor in broker.positions.items():
            held = actor.position
            base = self._base.setdefault((symbol, where), abs(held.qty)) if held.qty else ZERO
            is_flat = held.life is PositionLife.FLAT
            slots.append(SlotSeen(actor.instrument, where, held.qty, is_flat, base))
        told = self._asking.evidence
        for symbol, where in told.positions if told is not None else ():
            if symbol in broker.instruments and (symbol, where) not in broker.positions:
                slots.append(SlotSeen(broker.instruments[symbol], where, ZERO, True))
        return tuple(slots)

    def _tell(self, instrument: str, progress: FlatProgress) -> None:
        before = self._told.get(instrument)
        same = before is not None and (
            (before.verified, before.orders, before.in_doubt, before.slots, before.detail)
            == (progress.verified, progress.orders, progress.in_doubt, progress.slots,
                progress.detail)
        )  # fmt: skip
        if not same:
            self._told[instrument] = progress
            self.broker.turn.events.append(progress)

    # --- doing ------------------------------------------------------------------------------------

    def _do(self, action: FlatAction) -> None:
        if isinstance(action, CancelIt):
            self._try(action.client_order_id)
            self._cancel(action.client_order_id, "flatten")
        elif isinstance(action, CloseSlot):
            self._try((action.instrument, action.slot))
            self._close(action)
        elif isinstance(action, StandAside):
            self.groups.stand_aside(action.group_id)
        else:
            assert isinstance(action, CallOff)
            ts = self.broker.turn.time_ns()
            self.groups.call_off(CancelGroup(action.group_id, ts, True, "flatten"))

    def _try(self, key: str | SlotKey) -> None:
        """The first time nothing has gone wrong yet; the same again has to wait."""
        count = self._tries.get(key, (0, 0))[0] + 1
        self._tries[key] = count, self.broker.dispatcher.monotonic_ns() + pause_ns(count)

    def _close(self, action: CloseSlot) -> None:
        broker = self.broker
        able = broker.capabilities
        immediate = TimeInForce.IOC in able.times_in_force
        terms = SubmitOrder(
            "", broker.name, broker.account, action.instrument, action.side, OrderType.MARKET,
            action.qty, broker.turn.time_ns(),
            time_in_force=TimeInForce.IOC if immediate else TimeInForce.GTC,
            reduce_only=able.reduce_only is not ReduceOnlyRule.UNSUPPORTED, slot=action.slot,
            tags=((_TAG, "close"),), closes=True,
        )  # fmt: skip
        written = broker.groups.new_order(terms)
        self._placing = written.client_order_id
        try:
            broker.groups.place(written)
        finally:
            self._placing = ""

    def stepped(self, order: Order, booked: bool) -> None:
        """An order has changed; where something was booked the next close need not wait."""
        if booked:
            self._tries.pop((order.terms.instrument, order.terms.slot), None)
        if order.life is not Life.DENIED:
            self.touched(order.terms.instrument)

    def forget(self, cid: str) -> None:
        """An order has left memory."""
        self._tries.pop(cid, None)

    def answered(self, message: FlatAnswered) -> None:
        """The venue has shown what there is, or has not."""
        self._asking.answered(message)
        self._queue_look()
