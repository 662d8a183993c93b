"""Shrinks a scenario that fails to one that is read at a glance.

Steps, faults and everything unusual are left out, one after the other, as long as the same promise
stays broken. What is left fails for the same reason as far as its name tells, and nothing more can
be left out alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from engine.errors import InvalidValue
from engine.simulator import ExchangeConfig
from engine.testing.faults import FaultPlan
from engine.testing.scenario import Scenario

from .running import run

__all__ = ["breaks", "shrink"]

_SECOND: Final = 1_000_000_000
#: How long rest may take, at first: most failures show soon, and waiting costs most of a run.
_SOON_NS: Final = 120 * _SECOND
_LATE_NS: Final = 1_800 * _SECOND


def breaks(scenario: Scenario, invariant: str, limit_ns: int = _LATE_NS) -> bool:
    """Whether a run breaks the promise; ``limit_ns``: how long rest may take, in virtual time."""
    return any(one.invariant == invariant for one in run(scenario, limit_ns).violations)


def shrink(scenario: Scenario, invariant: str, runs_max: int = 600) -> Scenario:
    """The smallest scenario that is found to break the same promise within ``runs_max`` runs.

    One that does not break it is given back as it is.
    """
    for limit_ns in (_SOON_NS, _LATE_NS):
        found = _Search(scenario, invariant, limit_ns, runs_max).smallest()
        if found is not scenario and breaks(found, invariant):
            return found
    return scenario


class _Search:
    """One search, with one patience."""

    def __init__(self, scenario: Scenario, invariant: str, limit_ns: int, runs_max: int) -> None:
        self.best = scenario
        self.invariant = invariant
        self.limit_ns = limit_ns
        self.runs_left = runs_max

    def smallest(self) -> Scenario:
        if not breaks(self.best, self.invariant, self.limit_ns):
            return self.best
        before = None
        while before is not self.best and self.runs_left > 0:
            before = self.best
            self._plainer()
            self._shorter()
        return self.best

    def _take(self, smaller: Scenario) -> bool:
        """Go on with a smaller one, if it breaks the same."""
        if self.runs_left <= 0 or smaller == self.best:
            return False
        self.runs_left -= 1
        if not breaks(smaller, self.invariant, self.limit_ns):
            return False
        self.best = smaller
        return True

    def _shorter(self) -> None:
        """Leave out runs of steps, from long ones to single ones, from the end."""
        size = len(self.best.steps)
        while size:
            at = len(self.best.steps)
            while at > 0:
                at = max(at - size, 0)
                steps = self.best.steps
                self._take(replace(self.best, steps=steps[:at] + steps[at + size :]))
            size //= 2

    def _plainer(self) -> None:
        for plainer in _plainer(self.best):
            self._take(plainer(self.best))


class _Without:
    """A change that makes a scenario plainer."""

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def __call__(self, scenario: Scenario) -> Scenario:
        try:
            return replace(scenario, **self._fields)
        except InvalidValue:  # its steps need what would be left out
            return scenario


def _plainer(scenario: Scenario) -> Iterator[_Without]:
    """Everything unusual that may be left out by itself."""
    usual = Scenario(seed=0, instruments=scenario.instruments)
    yield _Without(plan=FaultPlan())
    for at in range(len(scenario.plan.faults)):
        faults = scenario.plan.faults
        yield _Without(plan=replace(scenario.plan, faults=faults[:at] + faults[at + 1 :]))
    yield _Without(choices=(), seed=0)
    yield _Without(config=ExchangeConfig(capabilities=scenario.config.capabilities))
    for name in Scenario.__struct_fields__:
        if name not in ("seed", "choices", "instruments", "steps", "plan", "name"):
            yield _Without(**{name: getattr(usual, name)})
    for one in scenario.instruments:
        rest = tuple(other for other in scenario.instruments if other is not one)
        if rest:
            yield _Without(instruments=rest)
