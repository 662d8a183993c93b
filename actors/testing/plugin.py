"""The pytest plugin of the kit (entry point ``orderwright``; needs ``orderwright[testing]``).

* ``simulated_system``: a factory of :class:`~actors.testing.simulated_system.SimulatedSystem`; at
  the end of the test each one is healed, comes to rest and is judged.
* ``faulty_venue``: a factory of :class:`~actors.testing.faulty_venue.FaultyVenue`, for systems of
  your own.
* ``--orderwright-seeds N``: a test that asks for ``orderwright_seed`` runs with seeds 0 to N-1.
* Hypothesis profiles ``dev``, ``ci`` and ``nightly`` (:mod:`actors.testing.profiles`).
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final

import pytest

from engine.simulator import Exchange, ExchangeConfig
from engine.testing.drawing import draws
from engine.testing.faults import FaultPlan
from engine.testing.scenario import ACCOUNT, VENUE
from engine.values import Instrument

from ..venues.paper import PaperVenue
from .faulty_venue import FaultyVenue
from .simulated_parts import TimedMarket
from .simulated_system import SPOT, SimulatedSystem

__all__ = ["FaultyVenues", "SimulatedSystems"]

_SEEDS: Final = 20
_SEED: Final = "orderwright_seed"


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

    def end(self) -> None:
        """Settle and judge those that are to be judged; close all."""
        try:
            bad = [
                f"{one.invariant}: {one.message} {one.entity}".rstrip()
                for system in self._judged
                for one in [*system.settle(), *system.judge.found]
            ]
        finally:
            for system in self._made:
                system.close()
        if bad:
            pytest.fail("\n".join(dict.fromkeys(bad)), pytrace=False)


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


@pytest.fixture
def simulated_system() -> Iterator[SimulatedSystems]:
    """A factory of simulated systems: ``simulated_system(seed=7, plan=...)``."""
    systems = SimulatedSystems()
    yield systems
    systems.end()


@pytest.fixture
def faulty_venue() -> FaultyVenues:
    """A factory of venues that fail as planned: ``faulty_venue(plan, seed=7)``."""
    return FaultyVenues()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; register the profiles now, so that a ``conftest.py`` may load one."""
    parser.getgroup("orderwright").addoption(
        "--orderwright-seeds",
        metavar="N",
        type=_count,
        default=_SEEDS,
        help=f"run tests that ask for `{_SEED}` with seeds 0 to N-1 (default: {_SEEDS})",
    )
    if find_spec("hypothesis") is not None:
        from .profiles import register_profiles  # noqa: PLC0415  # not everybody has it

        register_profiles()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a seed with each of them."""
    if _SEED in metafunc.fixturenames:
        metafunc.parametrize(_SEED, range(metafunc.config.getoption("--orderwright-seeds")))


def _count(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if count < 1:
        raise ArgumentTypeError(f"a number of seeds, at least 1, was {text!r}")
    return count
