"""The facade's emergency half: trading modes and the kill switch, over any number of accounts."""

from __future__ import annotations

from decimal import Decimal

from engine.control import Control
from engine.errors import InvalidValue
from engine.flatten import FlatReport, Scope
from engine.given import check_text_of
from engine.messages import FlatProgress, Flatten, LiftFlatten, SetMode, TradingMode
from engine.values import ONE, ZERO, decimal_from

from .broker import BrokerActor
from .door import check_words, nanoseconds
from .facade import Facade
from .runtime import Future, Timer

__all__ = ["Halting"]

_EVERYTHING = Scope()
_STAYS = "if it was pulled before, the switch stays on"


class _Waiting:
    """Somebody waits until all of these accounts are flat, or until a deadline."""

    def __init__(
        self, brokers: list[BrokerActor], instrument: str, future: Future[FlatReport]
    ) -> None:
        self.brokers = brokers
        self.instrument = instrument
        self.future = future
        self.timer: Timer | None = None

    def begin(self, deadline_ns: int | None, _: None) -> None:
        """After the commit of what pulled the switch."""
        for broker in self.brokers:
            broker.flattening.followers[self] = self.look
        if deadline_ns is not None:
            self.timer = self.brokers[0].dispatcher.call_later(deadline_ns, self.end)

    def look(self) -> None:
        """After every look of one of the accounts, in its turn."""
        lifted = not any(self._is_on(broker) for broker in self.brokers)
        if lifted or all(self._progress(broker).verified for broker in self.brokers):
            self.end()

    def _is_on(self, broker: BrokerActor) -> bool:
        switches = broker.flattening.control.switches
        return any(one.instrument == self.instrument for one in switches)

    def _progress(self, broker: BrokerActor) -> FlatProgress:
        return broker.flattening.progress(self.instrument)

    def end(self) -> None:
        """Answer with what there is, after this turn."""
        report = FlatReport(tuple(self._progress(broker) for broker in self.brokers))
        self.brokers[0].turn.effects.append((self._answer, report, None))

    def _answer(self, report: FlatReport, _: None) -> None:
        for broker in self.brokers:
            broker.flattening.followers.pop(self, None)
        if self.timer is not None:
            self.timer.cancel()
        if not self.future.done():
            self.future.set(report)


class Halting(Facade):
    """What a person reaches for in trouble. Everything public may be called from any thread."""

    def flatten(
        self,
        scope: Scope = _EVERYTHING,
        deadline: float | None = 30.0,
        *,
        statement: str = "",
        slice_share: Decimal = ONE,
    ) -> Future[FlatReport]:
        """Pull the kill switch: no entry, no order, no position in this scope, from now on.

        Journalled, so it outlives restarts and disconnects, and works on by itself until a person
        lifts it (:meth:`lift`). The future is the report once every account of the scope is
        *verified* flat: its venue, asked after the last close ended, shows no position and no
        open order. At the ``deadline`` (seconds; None: wait for ever) it is the report of what is
        left, and the switch goes on. ``slice_share`` (0 < share <= 1) of what a slot holds is
        closed at once at most, and never more than the instrument's ``max_qty``. It is pulled also
        while the journal cannot be written, and then acts when it can again.

        Raises:
            InvalidValue: nothing here is in the scope, or another argument cannot be meant; nothing
                was shut.
            SystemStopped: the system is not running; or, in the future, it has stopped meanwhile
                (the switch stays on).
        """
        self._check_accepting()
        brokers = self._in_scope(scope)
        if statement != "":
            check_words(statement)
        deadline_ns = None if deadline is None else nanoseconds("deadline (or None)", deadline)
        share = decimal_from(slice_share, "slice_share")
        if not ZERO < share <= 1:
            raise InvalidValue(f"slice_share must be above 0 and at most 1, was {share}")
        future: Future[FlatReport] = self.promises.keep(Future(self.dispatcher), _STAYS)
        ts = self.dispatcher.time_ns()

        def pull() -> None:
            waiting = _Waiting(brokers, scope.instrument, future)
            for broker in brokers:
                of = broker.name, broker.account, scope.instrument
                broker.flattening.take(Flatten(*of, ts, statement, share))
            self.turn.effects.append((waiting.begin, deadline_ns, None))

        self.dispatcher.call_soon(pull)
        return future

    def lift(self, scope: Scope, statement: str) -> Future[None]:
        """A person lifts the kill switch of a scope and of all instruments in it; entries go on as
        far as the trading modes let them.

        What was not closed yet is left as it is, without the stops that were cancelled. A switch
        of a wider scope stays on.

        Raises:
            InvalidValue: no statement; or, in the future, no switch of this scope is on. Nothing
                has changed.
            SystemStopped: the system is not running.
        """
        self._check_accepting()
        brokers = self._in_scope(scope)
        check_words(statement)

        def lift() -> None:
            lifted = [one for one in brokers if _is_on(one.flattening.control, scope.instrument)]
            if not lifted:
                raise InvalidValue(f"no kill switch of {scope} is on; on are: {_on(brokers)}")
            for broker in lifted:
                of = broker.name, broker.account, scope.instrument
                broker.flattening.take(LiftFlatten(*of, self.dispatcher.time_ns(), statement))

        return self._asked(lift)

    def set_mode(
        self, mode: TradingMode, scope: Scope = _EVERYTHING, statement: str = ""
    ) -> Future[None]:
        """Say what may leave of a scope from now on: ALL, REDUCE_ONLY (no entries) or NONE (cancels
        only). Journalled, so it outlives restarts.

        Of the modes that apply to an instrument the strictest counts. An entry that is submitted
        while it may not leave is DENIED, and one that waits to leave is withdrawn; orders at the
        venue stay. NONE also keeps the exits of groups and of a kill switch back.

        Raises:
            InvalidValue: it is no mode, no statement, or nothing is in the scope; nothing changed.
            SystemStopped: the system is not running.
        """
        self._check_accepting()
        brokers = self._in_scope(scope)
        check_words(statement)
        if not isinstance(mode, TradingMode):
            raise InvalidValue(f"mode must be a TradingMode, was {mode!r:.80}")

        def shut() -> None:
            ts = self.dispatcher.time_ns()
            for broker in brokers:
                of = broker.name, broker.account, scope.instrument
                broker.flattening.take(SetMode(*of, mode, ts, statement))
                self.turn.effects.append((_pump, broker, None))

        return self._asked(shut)

    def trading_mode(self, scope: Scope = _EVERYTHING) -> Future[TradingMode]:
        """What may leave of a scope, kill switches counted: the strictest of its accounts."""
        brokers = self._in_scope(scope)

        def look() -> TradingMode:
            modes = [one.flattening.control.mode_of(scope.instrument) for one in brokers]
            return max(modes, key=list(TradingMode).index)

        return self._asked(look)

    def _in_scope(self, scope: Scope) -> list[BrokerActor]:
        if not isinstance(scope, Scope):
            raise InvalidValue(f"scope must be a Scope, was {scope!r:.80}")
        for name in ("venue", "account", "instrument"):
            check_text_of(f"the {name} of a scope", getattr(scope, name))
        found = [
            broker
            for (venue, account), broker in self.brokers.items()
            if scope.venue in ("", venue)
            and scope.account in ("", account)
            and (not scope.instrument or scope.instrument in broker.instruments)
        ]
        if not found:
            have = ", ".join(f"{venue}/{account}" for venue, account in self.brokers)
            raise InvalidValue(f"nothing here is in {scope}; there are {have}")
        return found


def _is_on(control: Control, instrument: str) -> bool:
    return any(not instrument or one.instrument == instrument for one in control.switches)


def _on(brokers: list[BrokerActor]) -> str:
    """The switches of these accounts, for a person."""
    scopes = [
        Scope(broker.name, broker.account, switch.instrument)
        for broker in brokers
        for switch in broker.flattening.control.switches
    ]
    return ", ".join(map(str, scopes)) or "none"


def _pump(broker: BrokerActor, _: None) -> None:
    broker.lane.pump()
