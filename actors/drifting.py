"""Holds the venue's list of positions against ours, and stops entries where it is not the same.

When lists are read: after every gap, with each slow cross-check (:mod:`actors.broker_watch`), and
from time to time while something has drifted. They are queries of the lane, so everything else goes
first. What a difference comes to is decided in :mod:`engine.drift`; what is remembered here between
two looks may be lost, and is found again.

One look after another: a list is *asked* for, its answer lies for the patience (what the stream was
about to tell comes meanwhile), then it is *judged*. What is not clear then is looked at again at
once, a few times; the next gap or cross-check goes on with it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from engine.calls import FetchExecutions, QueryPositions
from engine.drift import Case, Shown, SlotKey, compared, is_comparable, judged
from engine.errors import InvalidValue
from engine.messages import (
    CorrectPosition,
    DriftRemedy,
    Filled,
    PositionDrifted,
    SetBaseline,
    SetDrift,
    SettleDrift,
    SubmitOrder,
)
from engine.order import has_questions
from engine.order_links import is_held
from engine.order_tables import TERMINAL, Life
from engine.position_state import Position
from engine.session_chart import SessionState
from engine.values import ZERO, CorrectionKind, OrderType
from engine.watched import Drift, slot_urn

from .flat_words import read_positions
from .roles import BrokerRole
from .runtime import Timer
from .venues.port import Answer

__all__ = ["Drifting", "Settle"]

_SECOND: Final = 1_000_000_000
#: How far back executions are read again when something does not fit.
FETCH_NS: Final = 24 * 3_600 * _SECOND
_AT_ONCE: Final = 256  # executions booked in one turn
_ROUNDS: Final = 8  # looks in a row at what is not clear
_AGAIN_NS: Final = 30 * _SECOND  # between two looks at something that has drifted
_UNANSWERED: Final = (Life.PENDING, Life.SUBMITTED)


class Settle(NamedTuple):
    """A person's decision: ``px`` values what is adopted, ``window_ns`` is how far back executions
    are read.
    """

    command: SettleDrift
    px: Decimal | None
    window_ns: int


class Drifting:
    """The part of a broker that compares positions. Lives and dies with it, on the same thread."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self._cases: dict[SlotKey, Case] = {}
        self._shown: dict[SlotKey, Shown] = {}
        self._is_busy = False
        self._rounds = 0
        self._window_ns = 0  # executions are to be read again so far back; 0: they were
        self._wanted_ns = 0  # ... and because a person wants it
        self._unread: list[Filled] = []
        #: The slots as they were when the last list was asked for, and the one before it.
        self._noted: dict[SlotKey, Position] = {}
        self._before: dict[SlotKey, Position] | None = None
        self._timer: Timer | None = None

    # --- asking -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Look at all slots, unless that is under way; as an effect."""
        if not self._is_busy:
            self._rounds, self._before, self._window_ns = 0, None, FETCH_NS
            self._ask()

    def _ask(self) -> None:
        broker = self.broker
        able = broker.capabilities
        if self._timer is not None:
            self._timer.cancel()
        self._is_busy = (
            not broker.link.closing
            and broker.session.state is SessionState.READY
            and any(is_comparable(one, able) for one in broker.instruments.values())
        )
        if self._is_busy:
            self._rounds += 1
            self._noted = {key: slot.position for key, slot in broker.positions.items()}
            broker.lane.send(QueryPositions(), False)

    def answered(
        self, request: QueryPositions | FetchExecutions, answer: Answer[Any] | None
    ) -> None:
        """A list came, or (None) did not. One that is not complete is no evidence."""
        broker = self.broker
        if isinstance(request, FetchExecutions):
            came = answer is not None
            self._unread = list(broker.link.admitted(answer.items)) if answer is not None else []
            self._book(came)
            return
        shown, whole = ({}, False) if answer is None else _read(answer)
        if answer is None or not whole or not answer.complete:
            broker.turn.effects.append((self._rest, None, None))
            return
        broker.turn.effects.append((self._keep, shown, None))

    def _keep(self, shown: dict[SlotKey, Shown], _: None) -> None:
        """An answer lies for the patience, unless all is well."""
        self._shown = shown
        if self._cases or self.broker.watched.drifts or any(self._compared().values()):
            self.broker.dispatcher.call_later(self.broker.watch.patience_ns, self._judge)
        else:
            self._rest(None, None)

    def _compared(self) -> dict[SlotKey, Decimal]:
        broker = self.broker
        ours = {key: slot.position.qty for key, slot in broker.positions.items()}
        return compared(ours, self._shown, broker.instruments, broker.capabilities)

    def _book(self, came: bool) -> None:
        """Book what is not booked, a piece at a time: a long list must not hold up the turn."""
        broker = self.broker
        piece, rest = self._unread[:_AT_ONCE], self._unread[_AT_ONCE:]
        for fill in piece:
            side = "" if fill.side is None else fill.side.text
            key = (broker.name, broker.account, fill.instrument, side, fill.exec_id)
            if not (fill.instrument and side and broker.executions.is_claimed(key)):
                broker.report(fill)
        broker.turn.effects.append((self._booked, came, rest))

    def _booked(self, came: bool, rest: list[Filled]) -> None:
        self._unread = rest
        if rest:
            self.broker.dispatcher.call_soon(lambda: self._book(came))
            return
        if came:
            self._window_ns = 0
        self._go_on()

    def _fetch(self, window_ns: int) -> None:
        self._is_busy = True
        now = self.broker.dispatcher.time_ns()
        self.broker.lane.send(FetchExecutions(max(now - window_ns, 0)), False)

    def _go_on(self) -> None:
        """The next look, or rest."""
        if self._rounds >= _ROUNDS:
            self._rest(None, None)
            return
        self._before = self._noted
        self._ask()

    def _rest(self, _: None, __: None) -> None:
        self._is_busy = False
        broker = self.broker
        if self._wanted_ns and broker.session.state is SessionState.READY:
            self._fetch_now()
        elif broker.watched.drifts and not broker.link.closing:
            self._timer = broker.dispatcher.watch_later(_AGAIN_NS, self._ring)

    def _ring(self) -> None:
        self.broker.turn.effects.append((self._begin_again, None, None))

    def _begin_again(self, _: None, __: None) -> None:
        self.begin()

    # --- judging ----------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Timer: what differs still is no report under way."""
        cases: dict[SlotKey, Case] = {}
        drifts = self.broker.watched.drifts
        in_flight = self._in_flight()
        for key, difference in self._compared().items():
            if not difference and key not in drifts:
                continue
            counts = key not in in_flight and self._stood_still(key)
            case = judged(self._cases.get(key), difference, counts=counts)
            known = drifts.get(key)
            if known is not None and known.difference == difference and not known.adopted:
                continue  # told already
            unread = difference and self._window_ns and self._rounds < _ROUNDS
            if case.is_proven and not unread:
                self._tell(key, difference)
            else:
                cases[key] = case
        self.broker.turn.effects.append((self._judged, cases, None))

    def _judged(self, cases: dict[SlotKey, Case], _: None) -> None:
        self._cases = cases
        if not cases:
            self._rest(None, None)
        elif self._window_ns and any(case.looks and case.difference for case in cases.values()):
            # The commonest cause is an execution nobody told us: the venue is asked for it first.
            self._fetch(self._window_ns)
        else:
            self._go_on()

    def _stood_still(self, key: SlotKey) -> bool:
        """Whether nothing was booked there since before the list before this one was asked for."""
        if self._before is None or self.broker.session.state is not SessionState.READY:
            return False
        slot = self.broker.positions.get(key)
        now = None if slot is None else slot.position
        return self._before.get(key) is now and self._noted.get(key) is now

    def _in_flight(self) -> dict[SlotKey, None]:
        """Slots with an order that is not answered, in doubt, or about to fill."""
        found: dict[SlotKey, None] = {}
        for actor in self.broker.orders.values():
            order = actor.order
            life, terms = order.life, order.terms
            is_waiting = life in _UNANSWERED and not is_held(order)
            trades = terms.order_type is OrderType.MARKET and order.order_qty is not None
            fills = trades and life not in TERMINAL
            if is_waiting or fills or order.requests or has_questions(order):
                found[terms.instrument, terms.slot] = None
        return found

    def _tell(self, key: SlotKey, difference: Decimal) -> None:
        """What is proven becomes a fact, an event and an alarm."""
        broker, (symbol, where) = self.broker, key
        ts = broker.turn.time_ns()
        slot = broker.positions.get(key)
        ours = ZERO if slot is None else slot.position.qty
        shown = self._shown.get(key, Shown(ZERO))
        at = (broker.name, broker.account, symbol, where, ts, ours, shown.qty, difference)
        broker.watched.take(SetDrift(*at, shown.avg_px))
        if PositionDrifted in broker.turn.hub.wanted:
            broker.turn.events.append(PositionDrifted(*at))
        detail = (
            f"the venue has {shown.qty:f} {symbol} and our books {ours:f}: entries of it stop until"
            " that is settled; drift() says what can be done"
            if difference
            else f"the venue and our books agree on {ours:f} {symbol} again"
        )
        broker.alarm("position_drifted", detail, slot_urn(broker.name, broker.account, *key))

    # --- what follows -----------------------------------------------------------------------------

    def refusal(self, order: SubmitOrder) -> tuple[str, str] | None:
        """Why an entry may not be taken now, or None."""
        for drift in self.broker.watched.drifts.values():
            if drift.instrument == order.instrument:
                size = f"{drift.difference:+f} {drift.instrument}"
                why = f"the venue has {size} against our books: entries of it stop"
                return "position_drifted", why
        return None

    def settle(self, decided: Settle) -> Drift:
        """Carry out what a person decided; the drift as it was.

        Raises:
            InvalidValue: nothing has drifted there, or the difference was adopted already; nothing
            has changed.
        """
        broker, command = self.broker, decided.command
        key = command.instrument, command.slot
        drift = broker.watched.drifts.get(key)
        if drift is None:
            raise InvalidValue(
                f"{command.instrument!r} {command.slot.value} has not drifted at"
                f" {broker.name}/{broker.account}"
            )
        slot = broker.slot(*key)
        if command.how is DriftRemedy.ADOPT and drift.adopted:
            raise InvalidValue(
                f"{command.instrument!r} {command.slot.value}: the difference was adopted already;"
                " entries go on when two looks agree, and what differs then is told anew"
            )
        if command.how is DriftRemedy.ADOPT:
            stated = _adoption(drift, command, slot.position, decided.px)
            slot.on_receive(stated)
            broker.turn.record(stated.ts, slot.actor_urn, stated)
            broker.flattening.touched(command.instrument)
        broker.watched.take(command)
        broker.turn.effects.append((self._settled, decided, None))
        return drift

    def _settled(self, decided: Settle, _: None) -> None:
        """After the commit: read what is asked for, and look again."""
        if decided.command.how is DriftRemedy.FETCH:
            self._wanted_ns = max(self._wanted_ns, decided.window_ns)
        if self._is_busy:
            return  # what is under way comes to an end, and to this
        if self._wanted_ns and self.broker.session.state is SessionState.READY:
            self._fetch_now()
        else:
            self.begin()

    def _fetch_now(self) -> None:
        window_ns, self._wanted_ns, self._rounds = self._wanted_ns, 0, 0
        self._fetch(window_ns)


def is_untouched(position: Position) -> bool:
    """Whether nothing was ever booked or stated there: then a baseline can be."""
    return position.baseline_qty is None and not (position.qty or position.cash or position.fees)


def _adoption(
    drift: Drift, command: SettleDrift, position: Position, px: Decimal | None
) -> SetBaseline | CorrectPosition:
    """What takes the venue's count over. By the difference, which stands whatever filled since."""
    at = (command.venue, command.account, command.instrument, command.slot)
    if px is None and not position.qty:
        px = drift.venue_avg_px
    if is_untouched(position):
        return SetBaseline(*at, drift.difference, px, command.ts)
    kind, ts = CorrectionKind.OPERATOR, command.ts
    return CorrectPosition(*at, kind, ts, drift.difference, px, statement=command.statement)


def _read(answer: Answer[Any]) -> tuple[dict[SlotKey, Shown], bool]:
    """What a list shows, and whether all of it could be read."""
    held, whole = read_positions(answer.items)
    prices = {
        (one.instrument, one.slot): one.avg_px
        for one in answer.items
        if isinstance(getattr(one, "avg_px", None), Decimal) and one.avg_px.is_finite()
    }
    return {key: Shown(qty, prices.get(key)) for key, qty in held.items()}, whole
