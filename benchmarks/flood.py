"""A flood of intents into a venue with rules, and what came of it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from actors.runtime import SimulatedDispatcher
from actors.system import ExecutionSystem
from engine.budget import BudgetRule, SessionLimits
from engine.calls import CallKind
from engine.messages import SubmitOrder
from engine.values import Instrument, OrderType, Side

from .limited_venue import ACCOUNT, VENUE, LimitedVenue, VenueCall, VenueRules

__all__ = ["INSTRUMENTS", "Flood", "Observed", "in_real_time", "in_virtual_time", "part_of"]

_SECOND: Final = 1_000_000_000
_ROUND_TRIP_NS: Final = 50_000_000
_MARGIN: Final = 0.01  # what leaves evenly arrives less so: the system is told so much less
_BURST: Final = 20  # calls that may leave at once; the rest of a second's calls trickles in
_RESERVED: Final = 5  # of those, for cancels
_SEND_BY_NS: Final = 3_600 * _SECOND  # nothing of the flood is given up
_BUSY: Final = 0.9  # of the intents are for the first instrument
_CANCELLING: Final = 0.95  # of the intents have left when the last cancel is asked for
_GOLDEN: Final = 0.618  # its multiples spread evenly, so that cancels meet calls at every moment
_PATIENCE_NS: Final = 60 * _SECOND
_LOOK_NS: Final = 1_000_000

INSTRUMENTS: Final = tuple(
    Instrument(symbol=f"{name}USDT", venue=VENUE, base=name, quote="USDT")
    for name in ("BUSY", *(f"QUIET{number}" for number in range(1, 10)))
)
_QUIET: Final = tuple(instrument.symbol for instrument in INSTRUMENTS[1:])


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue bears, and how often an order is cancelled meanwhile."""

    case: str
    window: int
    exit_slots: int
    calls_max: int  # a second
    cancel_every_ns: int

    def rules(self) -> VenueRules:
        """What the venue demands."""
        return VenueRules(
            round_trip_ns=_ROUND_TRIP_NS,
            at_once_max=self.window + self.exit_slots,
            calls_max=self.calls_max,
            window_ns=_SECOND,
        )

    def limits(self) -> SessionLimits:
        """The same, as a careful user tells it the system."""
        budget = BudgetRule.per_window(
            "calls",
            limit=round(self.calls_max * (1 - _MARGIN)),
            window_ns=_SECOND,
            burst=_BURST,
            reserved=_RESERVED,
        )
        return SessionLimits(
            window=self.window,
            exit_slots=self.exit_slots,
            entry_send_by_ns=_SEND_BY_NS,
            budgets=(budget,),
        )

    def intents(self, count: int) -> list[SubmitOrder]:
        """The busy instrument's orders, and behind them the quiet ones' in turn."""
        busy = round(count * _BUSY)
        symbols = [INSTRUMENTS[0].symbol] * busy
        symbols += [_QUIET[number % len(_QUIET)] for number in range(count - busy)]
        return [
            SubmitOrder(
                "",
                VENUE,
                ACCOUNT,
                symbol,
                Side.BUY,
                OrderType.LIMIT,
                Decimal(1),
                price=Decimal(100),
            )
            for symbol in symbols
        ]

    def allowed_per_s(self, run: Observed) -> float:
        """Calls a second that the venue allows: by its rule, or one after the other."""
        if self.window + self.exit_slots > 1:
            return float(self.calls_max)
        return _SECOND / statistics.median(call.ended_ns - call.began_ns for call in run.calls)


class Observed:
    """One run, as the venue and the host's clock saw it."""

    def __init__(
        self,
        calls: Sequence[VenueCall],
        refused: int,
        submitted_ns: int,
        cancelled_ns: dict[str, int],
    ) -> None:
        self.calls = sorted(calls, key=lambda call: call.began_ns)
        self._places = [call for call in self.calls if call.kind is CallKind.NEW]
        self._submitted_ns = submitted_ns
        self.refused = refused
        #: From cancel() to the venue's call, each.
        self.cancel_waits_ns = [
            call.began_ns - cancelled_ns[call.client_order_id]
            for call in self.calls
            if call.kind is CallKind.CANCEL
        ]

    def calls_per_s(self) -> float:
        """Over the time in which placements left."""
        last_ns = self._places[-1].began_ns
        count = sum(1 for call in self.calls if call.began_ns <= last_ns)
        return (count - 1) * _SECOND / (last_ns - self.calls[0].began_ns)

    def quiet_turn_ns(self, part: float) -> float:
        """When the quiet instruments' orders would leave, were placements shared equally."""
        placed = Counter(call.instrument for call in self._places)
        turns = [number for symbol in _QUIET for number in range(1, placed[symbol] + 1)]
        last_ns = max(call.began_ns for call in self._places if call.instrument in _QUIET)
        meanwhile = sum(1 for call in self._places if call.began_ns <= last_ns)
        each_ns = (last_ns - self._submitted_ns) / meanwhile
        return part_of(turns, part) * len(INSTRUMENTS) * each_ns

    def longest_call_ns(self) -> int:
        """What one call took at most."""
        return max(call.ended_ns - call.began_ns for call in self.calls)

    def shares(self) -> dict[str, float]:
        """Each instrument's part of the placements while all of them had orders waiting."""
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for call in self._places:
            first.setdefault(call.instrument, call.began_ns)
            last[call.instrument] = call.began_ns
        begin_ns, end_ns = max(first.values()), min(last.values())
        counts = Counter(
            call.instrument for call in self._places if begin_ns <= call.began_ns <= end_ns
        )
        return {symbol: counts[symbol] / counts.total() for symbol in first}

    def quiet_wait_ns(self, part: float) -> float:
        """How long orders of the quiet instruments waited from the beginning of the flood."""
        waits = [
            call.began_ns - self._submitted_ns for call in self._places if call.instrument in _QUIET
        ]
        return part_of(waits, part)


def part_of(values: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of the values do not exceed; 1.0: the largest."""
    ranked = sorted(values)
    return ranked[max(0, -int(-part * len(ranked) // 1) - 1)]


class _Host:
    """Submits everything, then cancels now and then, until enough has left."""

    def __init__(
        self, flood: Flood, system: ExecutionSystem, venue: LimitedVenue, now_ns: Callable[[], int]
    ) -> None:
        self._every_ns = flood.cancel_every_ns
        self._system = system
        self._venue = venue
        self._now_ns = now_ns
        self._cancelled_ns: dict[str, int] = {}
        self._submitted_ns = now_ns()
        self.next_ns = self._submitted_ns + self._every_ns

    def submit(self, intents: Sequence[SubmitOrder]) -> None:
        """All at once; in real time this takes a while, and cancels do not wait for its end."""
        self._expected = len(intents)
        for intent in intents:
            self._system.submit(intent)
            self.cancel_one()

    def cancel_one(self) -> None:
        """Cancel the order that has stood at the venue for longest, if it is time to."""
        now_ns = self._now_ns()
        working = self._venue.working
        if now_ns < self.next_ns or not working:
            return
        cid = working.popleft()
        self._cancelled_ns[cid] = self._now_ns()
        self._system.cancel(cid)
        spread = 0.5 + len(self._cancelled_ns) * _GOLDEN % 1.0
        self.next_ns = now_ns + round(self._every_ns * spread)

    def is_full(self) -> bool:
        """Whether most of the intents still wait."""
        return len(self._venue.calls) < self._expected * _CANCELLING

    def is_over(self, *, whole: bool) -> bool:
        """Whether all cancels were made, and with ``whole`` all placements too."""
        calls = list(self._venue.calls)
        cancels = sum(1 for call in calls if call.kind is CallKind.CANCEL)
        left = self._expected - len(calls) + cancels
        return cancels == len(self._cancelled_ns) and not (whole and left)

    def observed(self) -> Observed:
        """What there is to see; at the end."""
        venue, cancelled = self._venue, self._cancelled_ns
        assert not venue.too_many_at_once, f"{venue.too_many_at_once} calls beyond the window"
        seen = Observed(list(venue.calls), venue.too_fast, self._submitted_ns, cancelled)
        assert len(cancelled) == len(seen.cancel_waits_ns) > 0, "cancels are missing"
        return seen


def in_real_time(flood: Flood, count: int, watched_ns: int | None = None) -> Observed:
    """On a thread of its own, with a journal on disk; watched to the end, or for so long."""
    clock = time.monotonic_ns
    venue = LimitedVenue(flood.rules(), INSTRUMENTS, clock)
    with tempfile.TemporaryDirectory(prefix="broker-") as folder:
        journal = Path(folder) / "orders.journal"
        with ExecutionSystem(
            [venue], journal=journal, limits=flood.limits(), cross_check=None
        ) as system:  # this venue has no lists to compare with
            host = _Host(flood, system, venue, clock)
            until_ns = clock() + (_PATIENCE_NS if watched_ns is None else watched_ns)
            host.submit(flood.intents(count))
            while host.is_full() and clock() < until_ns:
                time.sleep(max(host.next_ns - clock(), _LOOK_NS) / _SECOND)
                host.cancel_one()
            until_ns = clock() + _PATIENCE_NS
            while not host.is_over(whole=watched_ns is None):
                assert clock() < until_ns, "the venue's calls do not come to an end"
                time.sleep(_LOOK_NS / _SECOND)
    return host.observed()


def in_virtual_time(flood: Flood, count: int) -> Observed:
    """On the simulated dispatcher, with a journal in memory; to the end."""
    dispatcher = SimulatedDispatcher(fifo=True)
    clock = dispatcher.monotonic_ns
    venue = LimitedVenue(flood.rules(), INSTRUMENTS, clock)
    with ExecutionSystem(
        [venue], dispatcher=dispatcher, limits=flood.limits(), cross_check=None
    ) as system:
        host = _Host(flood, system, venue, clock)
        host.submit(flood.intents(count))
        while host.is_full():
            dispatcher.run_for(max(host.next_ns - clock(), _LOOK_NS))
            host.cancel_one()
        while not host.is_over(whole=True):
            dispatcher.run_for(_ROUND_TRIP_NS)
    assert not venue.too_fast, f"{venue.too_fast} calls beyond the rate"
    return host.observed()
