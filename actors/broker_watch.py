"""Whether a stream that says nothing has nothing to say: running silently is a gap.

A link can stand while nothing comes over it any more. Two things tell:

* *What had to come.* Where a venue's stream tells the effect of each call, something must be heard
  after an answered call; where it is the stream alone that tells an effect, that effect must.
* *A slow cross-check.* While orders are open or positions held, open orders and executions are read
  from time to time, behind everything else that wants to leave, and compared. What differs may be
  under way; what still differs after :attr:`BrokerWatch.patience_ns` was not told. An order that
  does not show where lists need not show all is asked about by itself.

Either makes the session SUSPECT: everything is read and reconciled as after a reconnect, exits and
cancels go on, entries wait. A difference is a gap once: what reconciling does not remove (an
execution that cannot be booked) is an alarm of its own, and not another gap each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.calls import FetchExecutions, QueryExecutions, QueryOpenOrders, QueryPositions
from engine.messages import LinkSilent, OrderSnapshot
from engine.session_chart import SessionState

from .comparing import Comparison, Difference, Key
from .venues.port import Answer, Sink, StreamReport

if TYPE_CHECKING:
    from .runtime import Timer

from .roles import BrokerRole

__all__ = ["BrokerWatch"]

#: Compared in one turn; also how many differences are looked at again.
_AT_ONCE = 256
#: Looks at an account where nothing is open or held any more: what came last may show late.
_LAST_LOOKS = 2
#: So many looks in a row that came to nothing are told to a person.
_FAILURES_TOLD = 3


class BrokerWatch:
    """The part of a broker that listens for silence. Lives and dies with it, on the same thread.

    Attributes:
        armed: whether a look is due some time, or none ever will be. patience_ns: how long the
        stream may take to tell what a list shows or a call did.
    """

    def __init__(self, broker: BrokerRole, cross_check_ns: int | None, ack_timeout_ns: int) -> None:
        self.broker = broker
        self.armed = cross_check_ns is None
        self.patience_ns = max(ack_timeout_ns, broker.capabilities.visibility_lag_ns)
        period_ns = cross_check_ns or 0
        # So that what the stream keeps to itself is known within the period, patience included.
        self._wait_ns = max(period_ns - self.patience_ns, period_ns // 2)
        self._timer: Timer | None = None
        self._idle_looks = 0
        self._failures = 0
        self._open_orders: Answer[OrderSnapshot] = Answer((), False, 0)
        self._comparison: Comparison | None = None
        self._asked = 0  # of the orders that lists do not show; all have their turn
        self._doubtful: list[Difference] = []
        self._seen: dict[Key, None] = {}  # differences that were a gap before
        self._heard_ts = 0
        self._expects: tuple[int, int] | None = None  # heard after, until when (monotonic)
        self._listening = False

    # --- what had to come -------------------------------------------------------------------------

    @property
    def sink(self) -> Sink:
        """Where the venue's stream goes."""
        return self._hear if self.broker.capabilities.stream_echoes else self.broker.link.sink

    def _hear(self, report: StreamReport) -> None:
        self._heard_ts = self.broker.dispatcher.time_ns()
        self.broker.link.sink(report)

    def expect(self, sent_ts: int) -> None:
        """A call sent at ``sent_ts`` was answered; this stream tells effects too."""
        if self._heard_ts >= sent_ts:
            return
        if self._expects is None or self._heard_ts >= self._expects[0]:  # else an older call waits
            now = self.broker.dispatcher.monotonic_ns()
            self._expects = sent_ts, now + self.patience_ns
        if not self._listening:
            self.broker.turn.effects.append((self._listen, None, None))

    def _listen(self, _: None, __: None) -> None:
        expected = self._expects
        if expected is not None and not self._listening:
            self._listening = True
            clock = self.broker.dispatcher
            clock.call_later(expected[1] - clock.monotonic_ns(), self._listened)

    def _listened(self) -> None:
        """Timer: was anything heard?"""
        expected = after = self._expects
        if expected is not None and self._heard_ts >= expected[0]:
            after = None
        elif expected is not None and self.broker.dispatcher.monotonic_ns() >= expected[1]:
            after = None
            self.unheard("nothing was heard after a call that was answered")
        self.broker.turn.effects.append((self._listen_on, expected, after))

    def _listen_on(self, expected: tuple[int, int] | None, after: tuple[int, int] | None) -> None:
        self._listening = False
        if self._expects is expected:  # else there is a new one since
            self._expects = after
        self._listen(None, None)

    def unheard(self, what: str) -> None:
        """Something that had to come over the stream did not come in time."""
        detail = f"{what}, within {self.patience_ns / 1e9:g} s"
        self.broker.link.link_silent(LinkSilent(self.broker.dispatcher.time_ns(), detail))

    # --- the cross-check --------------------------------------------------------------------------

    def arm(self) -> None:
        """Something is open or held from now on: look from time to time. Inside a turn, or before
        the first.
        """
        self.armed = True
        self.broker.turn.undo.append((self, False, None))
        self._arm(None, None)

    def restore(self, before: bool, extra: None) -> None:
        """Take :meth:`arm` back; its turn was discarded."""
        del extra
        self.armed = before
        if self._timer is not None:
            self._timer.cancel()

    def stop(self) -> None:
        """The session closes: no look any more."""
        self.armed = True
        if self._timer is not None:
            self._timer.cancel()

    def _is_busy(self) -> bool:
        broker = self.broker
        held = any(slot.position.qty for slot in broker.positions.values())
        return bool(broker.orders) or held or bool(broker.watched.drifts)

    def _arm(self, _: None, __: None) -> None:
        if not self.broker.link.closing:
            self._timer = self.broker.dispatcher.watch_later(self._wait_ns, self._ring)

    def _ring(self) -> None:
        broker = self.broker
        idle = 0 if self._is_busy() else self._idle_looks + 1
        if idle > _LAST_LOOKS:
            broker.turn.effects.append((self._rest, None, None))
        elif broker.session.state is SessionState.READY:
            broker.turn.effects.append((self._look, idle, None))
        else:  # there is no link, or everything is being read already
            broker.turn.effects.append((self._arm, None, None))

    def _rest(self, _: None, __: None) -> None:
        self._idle_looks = 0
        if self._is_busy():  # since a moment ago
            self._arm(None, None)
        else:
            self.armed = False

    def _look(self, idle: int, _: None) -> None:
        self._idle_looks = idle
        self.broker.lane.send(QueryOpenOrders(), False)

    def answered(
        self,
        request: QueryOpenOrders | QueryExecutions | QueryPositions | FetchExecutions,
        outcome: Answer[Any] | None,
    ) -> None:
        """A list came, or (None) did not."""
        broker = self.broker
        if isinstance(request, QueryPositions | FetchExecutions):
            broker.drifting.answered(request, outcome)
        elif outcome is None:
            broker.turn.effects.append((self._failed, None, None))
        elif isinstance(request, QueryOpenOrders):
            self._open_orders = outcome
            overlap_ns = self._wait_ns + self.patience_ns
            since = QueryExecutions(max(broker.link.executions_ts - overlap_ns, 0))
            broker.turn.effects.append((broker.lane.send, since, False))
        else:
            self._comparison = Comparison(broker, self._open_orders, outcome)
            self._compare()

    def _compare(self) -> None:
        """A piece of the comparison: a long list must not hold up the turn."""
        comparison = self._comparison
        assert comparison is not None
        if not comparison.go_on(_AT_ONCE):
            self.broker.dispatcher.call_soon(self._compare)
            return
        first = self._asked if self._asked < len(comparison.unshown) else 0
        for cid in comparison.unshown[first : first + _AT_ONCE]:
            actor = self.broker.orders.get(cid)
            if actor is not None:
                self.broker.calls.ask_after_gap(actor, is_missing=True)
        self.broker.turn.effects.append((self._compared, comparison, first + _AT_ONCE))

    def _compared(self, comparison: Comparison, asked: int) -> None:
        self._asked = asked
        found, self._comparison = comparison.found, None
        self._open_orders = Answer((), False, 0)
        self._failures = 0
        new = [one for key, one in found.items() if key not in self._seen]
        self._seen = {key: None for key in self._seen if key in found}
        self._doubtful = new[:_AT_ONCE]
        if new:
            self.broker.dispatcher.call_later(self.patience_ns, self._judge)
            return
        link, complete = self.broker.link, comparison.is_whole
        link.saw_executions(comparison.latest_ts, complete=complete)
        self.broker.drifting.begin()
        self._arm(None, None)

    def _judge(self) -> None:
        """Timer: what differs still was not told; the rest was under way."""
        told = next((one for one in self._doubtful if one.still()), None)
        if told is not None:
            self.unheard(f"the venue shows what the stream did not tell: {told.text}")
        self.broker.turn.effects.append((self._judged, None, None))

    def _judged(self, _: None, __: None) -> None:
        self._seen.update((one.key, None) for one in self._doubtful)
        self._doubtful = []
        self._arm(None, None)

    def _failed(self, _: None, __: None) -> None:
        self._failures += 1
        if self._failures == _FAILURES_TOLD:
            name = self.broker.name
            self.broker.alarm("cross_check", f"{name}: open orders and executions cannot be read")
        self._arm(None, None)
