"""What the fixtures of the pytest plugin give: makers of simulated systems and of faulty venues.

They need neither pytest nor Hypothesis, and may be used without the fixtures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.simulator import Exchange, ExchangeConfig
from engine.testing.drawing import draws
from engine.testing.faults import FaultPlan
from engine.testing.scenario import ACCOUNT, VENUE
from engine.values import Instrument

from ..venues.paper import PaperVenue
from .faulty_venue import FaultyVenue
from .simulated_parts import TimedMarket
from .simulated_system import SPOT, SimulatedSystem
from .truth import Violation

__all__ = ["FaultyVenues", "SimulatedSystems"]


class SimulatedSystems:
    """Makes simulated systems for one test, and judges them at its end."""

    def __init__(self) -> None:
        self._judged: list[SimulatedSystem] = []
        self._made: list[SimulatedSystem] = []

    def __call__(self, *, judged: bool = True, **options: Any) -> SimulatedSystem:
        """A running system; ``options`` are those of :class:`SimulatedSystem`.

        ``judged``: whether it has to end well.
        """
        system = SimulatedSystem(**options)
        self._made.append(system)
        if judged:
            self._judged.append(system)
        return system

    def end(self) -> list[Violation]:
        """Heal those that are to be judged, let them come to rest, and give what is wrong with
        them; all are closed.
        """
        try:
            found = [
                one for system in self._judged for one in [*system.settle(), *system.judge.found]
            ]
        finally:
            for system in self._made:
                system.close()
        return list(dict.fromkeys(found))


class FaultyVenues:
    """Makes faulty venues, each with an exchange of its own."""

    def __call__(
        self,
        plan: FaultPlan | None = None,
        *,
        seed: int = 0,
        config: ExchangeConfig | None = None,
        instruments: Sequence[Instrument] = (SPOT,),
        name: str = VENUE,
        account: str = ACCOUNT,
    ) -> FaultyVenue:
        """A venue under ``plan``; ``seed`` decides about faults that are drawn."""
        market = TimedMarket(Exchange(config or ExchangeConfig(), instruments))
        return FaultyVenue(PaperVenue(name, account, market), plan, draws(seed))
