"""Hypothesis strategies for what goes wrong, and how long things take.

Import them from :mod:`engine.testing.strategies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from .faults import Fault, FaultKind, FaultPlan, When
from .scenario import Crashes, Moment, Stops

__all__ = ["DURATIONS_NS", "SURVIVABLE", "crashes", "durations", "fault_plans", "faults", "stops"]

_MS: Final = 1_000_000

#: How long things take: a round trip, a timeout, an outage. From short to long.
DURATIONS_NS: Final = tuple(
    ms * _MS for ms in (1, 5, 20, 60, 200, 700, 2_000, 5_000, 8_000, 20_000)
)


def durations(least_ns: int = 0, most_ns: int = DURATIONS_NS[-1]) -> st.SearchStrategy[int]:
    """How long something takes, in nanoseconds: one of :data:`DURATIONS_NS` within bounds."""
    return st.sampled_from([one for one in DURATIONS_NS if least_ns <= one <= most_ns])


#: Kinds that a fully capable venue may show, and a correct engine gets over by itself.
SURVIVABLE: Final = tuple(k for k in FaultKind if k is not FaultKind.LIST_OMITS_TRIGGERS)


@st.composite
def faults(draw: st.DrawFn, *, kinds: Sequence[FaultKind] = SURVIVABLE, nth_max: int = 3) -> Fault:
    """One fault at one of the first ``nth_max`` calls (or reports) where its kind may happen."""
    kind = draw(st.sampled_from(list(kinds)))
    usual = Fault(kind).verbs
    verb = draw(st.just("") | st.sampled_from(usual)) if len(usual) > 1 else ""
    when = When(verb=verb, nth=draw(st.integers(1, nth_max)))
    return Fault(kind, when, count=draw(st.integers(1, 2)))


@st.composite
def fault_plans(
    draw: st.DrawFn,
    *,
    kinds: Sequence[FaultKind] = SURVIVABLE,
    faults_max: int = 6,
    nth_max: int = 6,
    rate_max: int = 0,
) -> FaultPlan:
    """A plan of a few faults at given calls; with ``rate_max`` (per mille) drawn ones as well.

    Faults at given calls shrink better: leave rates to runs from a seed.
    """
    planned = draw(st.lists(faults(kinds=kinds, nth_max=nth_max), max_size=faults_max))
    rates: list[tuple[FaultKind, int]] = []
    if rate_max:
        most = min(rate_max, 1000 // len(FaultKind))
        drawn = draw(st.dictionaries(st.sampled_from(list(kinds)), st.integers(1, most)))
        rates = [(kind, drawn[kind]) for kind in kinds if kind in drawn]
    return FaultPlan(faults=tuple(planned), rates=tuple(rates))


@st.composite
def crashes(draw: st.DrawFn, commits_max: int = 6) -> Crashes:
    """The process dies: now, or around one of the next ``commits_max`` commits."""
    at = draw(st.sampled_from(Moment))
    return Crashes(at, 1 if at is Moment.NOW else draw(st.integers(1, commits_max)))


def stops() -> st.SearchStrategy[Stops]:
    """The host stops the system in order: leaves its open orders, or has them cancelled."""
    return st.builds(Stops, st.booleans())
