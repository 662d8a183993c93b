"""What the judge asks of monitors, and of a venue that has shut us out.

Named promises (``docs/testing.md`` lists them):

* ``a_monitor_fires_once``: for one position, over all lives.
* ``a_monitor_leaves_flat``: when it says that all is closed, nothing is left of what there was.
* ``one_close_at_a_time``: monitors have one close of a slot outstanding, doubtful ones aside.
* ``monitors_arrive``: once all is at rest, none is still closing, and none is overdue.
* ``nothing_leaves_while_barred``: no call leaves for a venue that has shut us out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from engine.fold import Books
from engine.group_tables import GroupState
from engine.journal import decode
from engine.messages import EndMonitor, LinkBarred, LinkUp, MonitorMoved, SetMonitor, TradingMode
from engine.pnl import is_dust
from engine.position_state import Position
from engine.watched import Monitor

from .judge_control import double_closes
from .truth import Violation

if TYPE_CHECKING:
    from ..broker import BrokerActor
    from ..journal import FactRow
    from .simulated_parts import WatchedSystem

__all__ = ["LinkJudge", "MonitorJudge"]

_PREFIX: Final = "monitor:"
_TAG: Final = "monitor"


class MonitorJudge:
    """Watches the monitors of one account, over all lives of its system."""

    def __init__(self, venue: str, account: str) -> None:
        self.of = venue, account
        self._known: dict[str, Monitor] = {}

    def begins(self, books: Books) -> None:
        """A life begins, with what was written before it."""
        watched = books.watched.get(self.of)
        monitors = () if watched is None else watched.monitors
        self._known = {one.terms.monitor_id: one for one in monitors}

    def committed(self, rows: Sequence[FactRow], books: Books) -> Iterator[Violation]:
        """Facts were written and folded; ``books`` are as after them."""
        for _, entity, _, body in rows:
            if entity.startswith(_PREFIX):
                fact = decode(body)
                if isinstance(fact, SetMonitor):
                    self._known[fact.monitor_id] = Monitor(fact)
                elif isinstance(fact, MonitorMoved | EndMonitor):
                    yield from self._moved(fact, books)
        if any(one.fired for one in self._known.values()):
            yield from double_closes(books, _TAG)

    def _moved(self, fact: MonitorMoved | EndMonitor, books: Books) -> Iterator[Violation]:
        name = fact.monitor_id
        before = self._known.pop(name)
        if isinstance(fact, MonitorMoved):
            self._known[name] = Monitor(
                before.terms, fact.side, fact.opened_ts, fact.base, fact.due_ts, fact.peak,
                fact.fired, fact.fired_ts, fact.count,
            )  # fmt: skip
            if fact.count != before.count + bool(fact.fired) or (fact.fired and before.fired):
                text = f"{before.fired!r} {before.count}, then {fact.fired!r} {fact.count}"
                yield Violation("a_monitor_fires_once", text, name)
            if before.fired and not fact.fired:
                yield from self._flat(before, books)
        elif fact.reason.endswith(": closed"):
            yield from self._flat(before, books)

    def _flat(self, monitor: Monitor, books: Books) -> Iterator[Violation]:
        """Nothing is left but what was submitted after it had fired."""
        terms = monitor.terms
        if terms.group_id:
            if books.groups[terms.group_id].state is not GroupState.DONE:
                yield Violation("a_monitor_leaves_flat", "its group goes on", terms.monitor_id)
            return
        for position in self._slots(terms, books):
            instrument = books.instruments[self.of[0], position.instrument]
            if not position.qty or is_dust(position.qty, instrument):
                continue
            if _is_new(position, monitor.fired_ts, books):
                continue
            text = f"{position.qty} of {position.instrument} {position.slot.name} is left"
            yield Violation("a_monitor_leaves_flat", text, terms.monitor_id)

    def _slots(self, terms: SetMonitor, books: Books) -> Iterator[Position]:
        for (*of, symbol, slot), position in books.positions.items():
            if tuple(of) != self.of:
                continue
            currency = books.instruments[self.of[0], symbol].settle_currency
            if terms.instrument:
                is_covered = (symbol, slot) == (terms.instrument, terms.slot)
            else:
                is_covered = currency == terms.currency
            if is_covered:
                yield position

    def at_rest(self, books: Books, broker: BrokerActor) -> Iterator[Violation]:
        """None that has fired is still at work, unless a person has the say; none is overdue."""
        control = broker.flattening.control
        if broker.calls.hand_over() or control.switches:
            return
        if TradingMode.NONE in dict(control.modes).values():
            return
        now_ns = broker.dispatcher.time_ns()
        watched = books.watched.get(self.of)
        for one in () if watched is None else watched.monitors:
            name = one.terms.monitor_id
            if one.fired:
                yield Violation("monitors_arrive", f"{one.fired}, and it still closes", name)
            elif one.side and one.due_ts and one.due_ts < now_ns:
                yield Violation("monitors_arrive", f"it was due at {one.due_ts}", name)


def _is_new(position: Position, since_ts: int, books: Books) -> bool:
    """Whether something of it is of an order that came after ``since_ts``, or of no order."""
    return any(
        order.cum_qty and order.terms.ts > since_ts
        for order in books.orders.values()
        if (order.terms.instrument, order.terms.slot) == (position.instrument, position.slot)
    )


class LinkJudge:
    """Watches that nothing leaves while we are shut out, and nobody knocks who was not asked to.

    ``calls`` are all that were made so far: what was called, and of a ban ``("connect", ...)``.
    """

    system: WatchedSystem  # of the present life

    def __init__(self, calls: Callable[[], Sequence[tuple[str, object, str]]]) -> None:
        self._calls = calls
        #: How many calls there were when we were told last, how many were on their way, and when
        #: the ban ends.
        self._barred: tuple[int, int, int | None] | None = None
        self._knocks = 0  # of this life, at a closed door, up to then

    def begins(self, system: WatchedSystem) -> None:
        """A life begins: it may try."""
        self.system, self._barred, self._knocks = system, None, 0

    def committed(self, rows: Sequence[FactRow], broker: BrokerActor) -> Iterator[Violation]:
        """What is on its way when we are told may still arrive."""
        for _, _, kind, body in rows:
            if kind == LinkUp.__name__:
                self._barred = None
            elif kind == LinkBarred.__name__:
                yield from self.looked(broker)
                self._knocks += self._since()[1]
                fact = decode(body)
                assert isinstance(fact, LinkBarred)
                ends_ts = None if fact.retry_ns is None else fact.ts + fact.retry_ns
                self._barred = len(self._calls()), broker.session.in_flight, ends_ts

    def looked(self, broker: BrokerActor) -> Iterator[Violation]:
        """No call since then; and no more knocks than somebody asked for, or the venue allowed."""
        if self._barred is None:
            return
        _, flying, ends_ts = self._barred
        calls, knocks = self._since()
        is_over = ends_ts is not None and broker.dispatcher.time_ns() >= ends_ts
        allowed = 1 + self.system.reconnects + is_over
        if calls > flying or self._knocks + knocks > allowed:
            text = f"{calls} calls and {knocks} knocks since the venue has shut us out"
            yield Violation("nothing_leaves_while_barred", text, broker.name)

    def _since(self) -> tuple[int, int]:
        """How many calls and knocks there were since we were told last."""
        fresh = self._calls()[self._barred[0] :] if self._barred is not None else ()
        knocks = sum(verb == "connect" for verb, _, _ in fresh)
        return len(fresh) - knocks, knocks
