"""Fault plans: what goes wrong at a venue, and when, as data.

A :class:`FaultPlan` lists faults at given calls ("the third cancel of this order") and per-mille
rates for faults that are drawn. It is plain data: it compares, prints, and goes to JSON and back
(:func:`plan_to_json`, :func:`plan_from_json`), so a failing run can be kept in a file.

:class:`Faults` walks through a plan event by event and says which fault happens now. Every choice
is made by ``choose(n)``, which returns one of ``0 .. n-1``; 0 is always the harmless answer, so a
shrinking test ends at few and small faults. What a fault does is not known here: see
``actors.testing.faulty_venue``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from ..errors import InvalidValue
from ..values import Word

__all__ = [
    "BY_THEMSELVES",
    "CALLS",
    "LISTS",
    "PROFILES",
    "REPORT",
    "Choose",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Faults",
    "When",
    "plan_from_json",
    "plan_to_json",
]

Choose: TypeAlias = Callable[[int], int]

_MS: Final = 1_000_000
_SECOND: Final = 1_000_000_000


class FaultKind(Word):
    """What goes wrong. ``delay_ns`` is the fault's own; 0 means that it is drawn.

    "Acted" means that the exchange did what was asked; that is then the truth, whatever is said.
    """

    # how a call ends
    ANSWER_LOST = "ANSWER_LOST"  # it acted, its answer never comes
    NEVER_ARRIVED = "NEVER_ARRIVED"  # the call got lost on the way, and no answer comes
    ARRIVES_LATE = "ARRIVES_LATE"  # no answer comes, and it acts delay_ns after it was sent
    RAISED_AFTER = "RAISED_AFTER"  # the adapter raises after it acted
    RAISED_BEFORE = "RAISED_BEFORE"  # the adapter raises, and nothing was done
    UNKNOWN_AFTER = "UNKNOWN_AFTER"  # the adapter says Unknown at once, after it acted
    UNKNOWN_BEFORE = "UNKNOWN_BEFORE"  # the adapter says Unknown at once, and nothing was done
    REFUSED = "REFUSED"  # a definite no, and nothing was done
    THROTTLED = "THROTTLED"  # refused by a rate limit; retry_after is delay_ns
    HANG = "HANG"  # it acted; the answer comes delay_ns later, when nobody waits any more
    ANSWER_LATE = "ANSWER_LATE"  # the stream tells first, the answer says the same delay_ns later
    BATCH_PARTIAL = "BATCH_PARTIAL"  # one item of a batch is missing in the answer
    # the stream
    DISCONNECT = "DISCONNECT"  # LinkDown; what is told until LinkUp, delay_ns later, is missed
    DUPLICATED = "DUPLICATED"  # a report comes again, delay_ns later
    DELAYED = "DELAYED"  # a report comes delay_ns late, behind those that were told after it
    STREAM_SILENT = "STREAM_SILENT"  # for delay_ns nothing comes, and the link seems to stand
    # what the venue does
    FILL_FIRST = "FILL_FIRST"  # somebody trades with the order before the call is answered
    FILL_AFTER_CANCEL = "FILL_AFTER_CANCEL"  # ... and it is told delay_ns after the cancel
    CANCELLED_UNASKED = "CANCELLED_UNASKED"  # it cancels an order by itself
    BUSTED = "BUSTED"  # it voids an execution
    CORRECTED = "CORRECTED"  # it replaces an execution by another
    CLOCK_SKEW = "CLOCK_SKEW"  # its clock is off by delay_ns from now on; may be negative
    VENUE_RESTART = "VENUE_RESTART"  # sessions drop for delay_ns, ids begin again where it may
    IDS_REUSED = "IDS_REUSED"  # its order ids begin again
    # what it shows
    LIST_LAGS = "LIST_LAGS"  # a query or list shows what was true delay_ns ago
    LIST_OMITS_TRIGGERS = "LIST_OMITS_TRIGGERS"  # open_orders leaves idle trigger orders out
    MALFORMED = "MALFORMED"  # wrong types, half characters, NaN, or no outcome at all
    LONG_DIGITS = "LONG_DIGITS"  # the right numbers, in far more digits than needed


#: The verbs of :class:`When`.
CALLS: Final = ("place", "cancel", "amend")
LISTS: Final = ("query", "open_orders", "executions", "positions")
REPORT: Final = "report"
_BATCHES: Final = ("place_batch", "cancel_batch")
_ANY: Final = (*CALLS, *LISTS, *_BATCHES, REPORT)

_K = FaultKind
#: At which events a kind may happen, and where it is drawn when no verb is given.
_PLACES: Final[dict[FaultKind, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    **dict.fromkeys(
        (
            _K.ANSWER_LOST,
            _K.NEVER_ARRIVED,
            _K.RAISED_AFTER,
            _K.RAISED_BEFORE,
            _K.UNKNOWN_AFTER,
            _K.UNKNOWN_BEFORE,
            _K.HANG,
            _K.ANSWER_LATE,
        ),
        ((*CALLS, *LISTS), (*CALLS, *LISTS)),
    ),
    **dict.fromkeys((_K.ARRIVES_LATE, _K.REFUSED, _K.THROTTLED, _K.FILL_FIRST), (CALLS, CALLS)),
    **dict.fromkeys((_K.DUPLICATED, _K.DELAYED), ((REPORT,), (REPORT,))),
    **dict.fromkeys(
        (
            _K.CANCELLED_UNASKED,
            _K.BUSTED,
            _K.CORRECTED,
            _K.CLOCK_SKEW,
            _K.VENUE_RESTART,
            _K.IDS_REUSED,
            _K.STREAM_SILENT,
        ),
        (_ANY, CALLS),
    ),
    _K.DISCONNECT: (_ANY, (*CALLS, REPORT)),
    _K.BATCH_PARTIAL: (_BATCHES, _BATCHES),
    _K.FILL_AFTER_CANCEL: (("cancel",), ("cancel",)),
    _K.LIST_LAGS: (LISTS, LISTS),
    _K.LIST_OMITS_TRIGGERS: (("open_orders",), ("open_orders",)),
    _K.MALFORMED: ((*CALLS, *LISTS, REPORT), (*CALLS, *LISTS, REPORT)),
    _K.LONG_DIGITS: ((*CALLS, *LISTS, REPORT), (*CALLS, *LISTS, REPORT)),
}

#: Kinds that need no call or report to happen at.
BY_THEMSELVES: Final = tuple(kind for kind, (verbs, _) in _PLACES.items() if verbs == _ANY)


class When(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which calls or reports a fault is for; an empty text fits all.

    ``nth`` counts the calls (or reports) that fit, from 1; 0 is each of them. An empty ``verb``
    means the places where the kind is usual: a ``DUPLICATED`` is of reports, a ``REFUSED`` of
    calls.
    """

    verb: str = ""
    nth: int = 0
    client_order_id: str = ""
    instrument: str = ""

    def fits(self, client_order_id: str, instrument: str) -> bool:
        """Whether an event about this order is meant."""
        return self.client_order_id in ("", client_order_id) and (
            self.instrument in ("", instrument)
        )


class Fault(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that goes wrong, ``count`` times in a row from the ``nth`` on (each: always).

    Raises:
        InvalidValue: it could never happen as stated.
    """

    kind: FaultKind
    when: When = When()
    delay_ns: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        verbs = _PLACES[self.kind][0]
        if self.when.verb and self.when.verb not in verbs:
            raise InvalidValue(
                f"{self.kind.value} happens at {', '.join(verbs)}, not at {self.when.verb!r}"
            )
        if self.when.nth < 0 or self.count < 1:
            raise InvalidValue(
                f"nth counts from 1 (0: each) and count is at least 1, were {self.when.nth}"
                f" and {self.count}"
            )
        if self.delay_ns < 0 and self.kind is not FaultKind.CLOCK_SKEW:
            raise InvalidValue(f"delay_ns must be >= 0, was {self.delay_ns}")

    @property
    def verbs(self) -> tuple[str, ...]:
        """At which events it may happen."""
        return (self.when.verb,) if self.when.verb else _PLACES[self.kind][1]


class FaultPlan(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True
):
    """Faults at given events, and rates per mille of all events at which a kind is usual.

    The last three say what the venue declares or what its faults keep to: drawn lags and delays of
    requests stay within them, so a correct engine can always converge; a fault that states a longer
    ``delay_ns`` makes the venue lie. ``hang_ns`` should be longer than the engine's call timeout.

    Raises:
        InvalidValue: a rate is negative, or those of one event exceed 1000.
    """

    faults: tuple[Fault, ...] = ()
    rates: tuple[tuple[FaultKind, int], ...] = ()
    visibility_lag_ns: int = _SECOND
    request_window_ns: int = 2 * _SECOND
    hang_ns: int = 15 * _SECOND

    def __post_init__(self) -> None:
        for kind, rate in self.rates:
            if rate < 0:
                raise InvalidValue(f"the rate of {kind.value} must be >= 0, was {rate}")
        for verb in _ANY:
            total = sum(rate for kind, rate in self.rates if verb in _PLACES[kind][1])
            if total > 1000:
                raise InvalidValue(f"rates are per mille; those at {verb!r} come to {total}")
        if min(self.visibility_lag_ns, self.request_window_ns, self.hang_ns) < 0:
            raise InvalidValue("durations must be >= 0")

    def kinds(self) -> tuple[FaultKind, ...]:
        """The kinds that can happen under it, each once."""
        named = [fault.kind for fault in self.faults]
        return tuple(dict.fromkeys([*named, *(kind for kind, rate in self.rates if rate)]))


def plan_to_json(plan: FaultPlan) -> bytes:
    """The plan as JSON; :func:`plan_from_json` gives the same plan again."""
    return msgspec.json.encode(plan)


def plan_from_json(text: bytes | str) -> FaultPlan:
    """A plan from JSON.

    Raises:
        InvalidValue: it is no plan; the message says where.
    """
    try:
        return msgspec.json.decode(text, type=FaultPlan)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidValue(f"not a fault plan: {error}") from None


#: Drawn durations: a few in the range of a round trip, a few in that of an outage.
_LADDER: Final = tuple(ms * _MS for ms in (1, 7, 40, 150, 400, 900, 2_000, 4_500, 9_000, 20_000))


class Faults:
    """Says, event by event, which fault happens now; counts for itself."""

    def __init__(self, plan: FaultPlan, choose: Choose) -> None:
        self.choose = choose
        self._planned: list[tuple[Fault, list[int]]] = [(fault, [0]) for fault in plan.faults]
        self._drawn: dict[str, tuple[tuple[FaultKind, int], ...]] = {}
        self._rate(plan.rates)

    def add(self, fault: Fault) -> None:
        """One more fault; it counts from now on."""
        self._planned.append((fault, [0]))

    def stop(self) -> None:
        """Nothing goes wrong any more."""
        self._planned.clear()
        self._drawn.clear()

    def leave_out(self, kind: FaultKind) -> None:
        """Draw a kind no more: the venue at hand has no right to it."""
        self._rate(
            tuple(
                dict.fromkeys(
                    (one, rate)
                    for rates in self._drawn.values()
                    for one, rate in rates
                    if one is not kind
                )
            )
        )

    def at(self, verb: str, client_order_id: str = "", instrument: str = "") -> Fault | None:
        """What goes wrong at this call or report, if anything; planned faults come first."""
        found: Fault | None = None
        for fault, seen in self._planned:
            if verb not in fault.verbs or not fault.when.fits(client_order_id, instrument):
                continue
            seen[0] += 1
            nth = fault.when.nth
            if found is None and (not nth or nth <= seen[0] < nth + fault.count):
                found = fault
        if found is not None:
            return found
        rates = self._drawn.get(verb)
        if not rates:
            return None
        roll = self.choose(1000)
        for kind, rate in rates:
            if roll >= 1000 - rate:
                return Fault(kind)
            roll += rate
        return None

    def duration(self, fault: Fault, limit_ns: int) -> int:
        """How long it takes: as stated, or else drawn from 1 ms up to ``limit_ns``."""
        if fault.delay_ns:
            return fault.delay_ns
        steps = [step for step in _LADDER if step < limit_ns]
        steps.append(limit_ns)
        return steps[self.choose(len(steps)) if len(steps) > 1 else 0]

    def one_of(self, n: int) -> int:
        """One of ``0 .. n-1``; not asked where there is no choice."""
        return self.choose(n) if n > 1 else 0

    def _rate(self, rates: tuple[tuple[FaultKind, int], ...]) -> None:
        self._drawn = {}
        for verb in _ANY:
            here = tuple((kind, rate) for kind, rate in rates if rate and verb in _PLACES[kind][1])
            if here:
                self._drawn[verb] = here


#: Ready-made plans by name. ``rough`` gives a few faults in a run of twenty orders, ``hell`` many.
PROFILES: Final[dict[str, FaultPlan]] = {
    "calm": FaultPlan(),
    "rough": FaultPlan(
        rates=(
            (_K.ANSWER_LOST, 12),
            (_K.NEVER_ARRIVED, 12),
            (_K.RAISED_AFTER, 8),
            (_K.UNKNOWN_BEFORE, 8),
            (_K.REFUSED, 8),
            (_K.THROTTLED, 12),
            (_K.HANG, 8),
            (_K.ANSWER_LATE, 16),
            (_K.BATCH_PARTIAL, 60),
            (_K.DISCONNECT, 12),
            (_K.DUPLICATED, 25),
            (_K.DELAYED, 25),
            (_K.STREAM_SILENT, 4),
            (_K.FILL_FIRST, 20),
            (_K.FILL_AFTER_CANCEL, 60),
            (_K.CANCELLED_UNASKED, 10),
            (_K.LIST_LAGS, 40),
        )
    ),
    "hell": FaultPlan(
        rates=(
            (_K.ANSWER_LOST, 35),
            (_K.NEVER_ARRIVED, 35),
            (_K.ARRIVES_LATE, 35),
            (_K.RAISED_AFTER, 20),
            (_K.RAISED_BEFORE, 20),
            (_K.UNKNOWN_AFTER, 20),
            (_K.UNKNOWN_BEFORE, 20),
            (_K.REFUSED, 20),
            (_K.THROTTLED, 45),
            (_K.HANG, 30),
            (_K.ANSWER_LATE, 60),
            (_K.BATCH_PARTIAL, 150),
            (_K.DISCONNECT, 30),
            (_K.DUPLICATED, 200),
            (_K.DELAYED, 200),
            (_K.STREAM_SILENT, 12),
            (_K.FILL_FIRST, 150),
            (_K.FILL_AFTER_CANCEL, 180),
            (_K.CANCELLED_UNASKED, 60),
            (_K.BUSTED, 40),
            (_K.CORRECTED, 40),
            (_K.CLOCK_SKEW, 15),
            (_K.VENUE_RESTART, 12),
            (_K.IDS_REUSED, 15),
            (_K.LIST_LAGS, 220),
            (_K.MALFORMED, 45),
            (_K.LONG_DIGITS, 60),
        )
    ),
}
