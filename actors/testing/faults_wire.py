"""The stream of a faulty venue: what is told, when, how often, and what an outage swallows.

Reports go through :meth:`Wire.heard` to the sink of the last :meth:`Wire.open`. A report vanishes
only while the link is down, which :class:`~engine.messages.LinkDown` has said, or while the stream
is silent, which is a fault of its own. Whatever waits belongs to the world, not to the engine: it
is not bound to a turn, and it outlives an engine that crashed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from typing import Any, Protocol, runtime_checkable

from engine.messages import LinkBarred, LinkDown, LinkUp, OrderReport
from engine.testing.faults import REPORT, Fault, FaultKind, Faults

from ..venues.port import Clock, Sink, StreamReport
from .faults_shapes import malformed_report, with_long_digits

__all__ = ["Wire"]

_SECOND = 1_000_000_000
_LATE_NS = 5 * _SECOND  # drawn delays of reports go up to this


@runtime_checkable
class Spawner(Protocol):
    """A clock that can also run coroutines, as a dispatcher is."""

    def spawn(self, coro: Coroutine[Any, Any, Any], /) -> object: ...


class Wire:
    """See the module's text. ``injected`` is shared with the venue that owns it."""

    def __init__(
        self,
        faults: Faults,
        injected: dict[FaultKind, int],
        interfere: Callable[[Fault, str], bool],
    ) -> None:
        """``interfere`` has the venue do what a report sets off; False: it could not."""
        self.faults = faults
        self._interfere = interfere
        self.injected = injected
        self.is_up = False
        self.down_until_ns = 0
        self.missed = 0  # reports that an outage or a silence swallowed
        self.clock: Clock | None = None
        self._sink: Sink | None = None
        self._silent_until_ns = 0
        self._shut_until_ns: int | None = 0  # the account is barred; None: until it is let in
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []  # a heap
        self._held: dict[int, OrderReport] = {}  # reports under way, by number
        self._count = 0
        self._instead: Callable[[OrderReport], object] | None = None

    # --- sessions ---------------------------------------------------------------------------------

    def attach(self, sink: Sink, clock: Clock) -> None:
        """A session is being opened; what an older one had under way is lost with it."""
        is_new = clock is not self.clock
        self._sink, self.clock, self.is_up = sink, clock, False
        self._held.clear()
        if is_new:  # nobody wakes for what was due by the old clock
            for due_ns, _, _ in self._agenda:
                self._wake_at(due_ns)

    def detach(self) -> None:
        """Nobody listens any more: the session was closed, or the engine died."""
        self.is_up, self._sink = False, None
        self._held.clear()

    def now_ns(self) -> int:
        """The time, or 0 before the first session."""
        return 0 if self.clock is None else self.clock.time_ns()

    def disconnect(self, outage_ns: int, detail: str, come_back: Callable[[], object]) -> None:
        """The link goes down and comes back by itself, unless the engine connects first."""
        now = self.now_ns()
        self.down_until_ns = max(self.down_until_ns, now + outage_ns)
        self.missed += len(self._held)
        self._held.clear()
        if self.is_up:
            self.is_up = False
            self._tell(LinkDown(now, detail))
        self.later(self.down_until_ns - now, come_back)

    def bar(self, retry_ns: int | None) -> None:
        """The account is shut out: for so long, as is told, or (None) until :meth:`let_in`."""
        self._shut_until_ns = None if retry_ns is None else self.now_ns() + retry_ns
        self.missed += len(self._held)
        self._held.clear()
        self.turn_away()

    def let_in(self) -> None:
        """What the account was barred for is mended; the engine has to connect by itself."""
        self._shut_until_ns = 0

    @property
    def is_barred(self) -> bool:
        """Whether the account is shut out now."""
        until_ns = self._shut_until_ns
        return until_ns is None or self.now_ns() < until_ns

    def turn_away(self) -> None:
        """Say that the account is barred; the link is gone, and does not come back by itself."""
        self.is_up, now, until_ns = False, self.now_ns(), self._shut_until_ns
        retry_ns = None if until_ns is None else max(until_ns - now, 0)
        self._tell(LinkBarred(now, "the key was revoked", retry_ns))

    def fall_silent(self, duration_ns: int) -> None:
        """Nothing is told for a while, and nothing says so."""
        self._silent_until_ns = self.now_ns() + duration_ns

    def be_heard(self) -> None:
        """The silence is over."""
        self._silent_until_ns = 0

    @property
    def is_attached(self) -> bool:
        """Whether a session was opened and not closed."""
        return self._sink is not None

    # --- reports ----------------------------------------------------------------------------------

    def heard(self, report: StreamReport) -> None:
        """Take what the venue behind us pushed, and let it pass, late, twice, broken or not."""
        if isinstance(report, LinkUp | LinkDown):
            self.is_up = isinstance(report, LinkUp)
            self._tell(report)
            return
        if self._instead is not None:
            self._instead(report)
            return
        if self._is_lost():
            self.missed += 1
            return
        fault = self.faults.at(REPORT, report.client_order_id, getattr(report, "instrument", ""))
        if fault is None:
            self._tell(report)
        else:
            self._spoil(fault, report)

    def pass_on(self, reports: tuple[OrderReport, ...]) -> None:
        """Tell reports by the stream that an answer would have held; no further fault."""
        for report in reports:
            if self._is_lost():
                self.missed += 1
            else:
                self._tell(report)

    def divert(self, instead: Callable[[OrderReport], object] | None) -> None:
        """Give what is heard to somebody else, until it is called with None."""
        self._instead = instead

    def hold(self, report: OrderReport, delay_ns: int) -> None:
        """Tell a report later, unless the link breaks before."""
        self._count += 1
        number = self._count
        self._held[number] = report

        def release() -> None:
            waiting = self._held.pop(number, None)
            if waiting is not None:
                self.pass_on((waiting,))

        self.later(delay_ns, release)

    def _is_lost(self) -> bool:
        return not self.is_up or self._sink is None or self.now_ns() < self._silent_until_ns

    def _spoil(self, fault: Fault, report: OrderReport) -> None:
        faults, kind = self.faults, fault.kind
        if kind is FaultKind.DELAYED:
            self.hold(report, faults.duration(fault, _LATE_NS))
        elif kind is FaultKind.DUPLICATED:
            self._tell(report)
            self.hold(report, faults.duration(fault, _LATE_NS))
        elif kind is FaultKind.MALFORMED:
            for told in malformed_report(report, faults.one_of):
                self._tell(told)
        elif kind is FaultKind.LONG_DIGITS:
            self._tell(with_long_digits(report, faults.one_of))
        elif kind is FaultKind.DISCONNECT:
            self._interfere(fault, report.client_order_id)  # it counts for itself
            self.pass_on((report,))
            return
        else:
            self._tell(report)
            cid = report.client_order_id
            self.later(0, lambda: self._interfere(fault, cid))
            return
        self.note(kind)

    def note(self, kind: FaultKind) -> None:
        """Count a fault that really happened."""
        self.injected[kind] = self.injected.get(kind, 0) + 1

    def _tell(self, report: Any) -> None:
        if self._sink is not None:
            self._sink(report)

    # --- time -------------------------------------------------------------------------------------

    def later(self, delay_ns: int, what: Callable[[], object]) -> None:
        """Have something happen in the world, whatever becomes of the engine."""
        self._count += 1
        due_ns = self.now_ns() + max(delay_ns, 0)
        heappush(self._agenda, (due_ns, self._count, what))
        self._wake_at(due_ns)

    def pump(self) -> None:
        """Do what is due."""
        now = self.now_ns()
        while self._agenda and self._agenda[0][0] <= now:
            heappop(self._agenda)[2]()

    def flush(self) -> None:
        """Do now whatever was to happen, in the order of its time."""
        while self._agenda:
            heappop(self._agenda)[2]()

    def _wake_at(self, due_ns: int) -> None:
        clock: object = self.clock
        if isinstance(clock, Spawner):
            clock.spawn(self._sleep(clock, due_ns))

    async def _sleep(self, clock: Any, due_ns: int) -> None:
        """A coroutine, not a timer: what a timer does is undone with the turn it runs in."""
        await clock.sleep_ns(max(due_ns - clock.time_ns(), 0))
        if clock is self.clock:
            self.pump()
