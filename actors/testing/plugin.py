"""The pytest plugin of the kit (entry point ``orderwright``; needs ``orderwright[testing]``).

* ``simulated_system``: a factory of :class:`~actors.testing.simulated_system.SimulatedSystem`; at
  the end of the test each one is healed, comes to rest and is judged.
* ``faulty_venue``: a factory of :class:`~actors.testing.faulty_venue.FaultyVenue`, for systems of
  your own.
* ``--orderwright-seeds N``: a test that asks for ``orderwright_seed`` runs with seeds 0 to N-1.
* Hypothesis profiles ``dev``, ``ci`` and ``nightly`` (:mod:`actors.testing.profiles`).

pytest loads it in every project that has the kit installed, so what it needs is imported where it
is used: a run that uses nothing of it imports nothing of it.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from .factories import FaultyVenues, SimulatedSystems

_SEEDS: Final = 20
_SEED: Final = "orderwright_seed"
_PROFILE: Final = "--hypothesis-profile"


@pytest.fixture
def simulated_system() -> Iterator[SimulatedSystems]:
    """A factory of simulated systems: ``simulated_system(seed=7, plan=...)``."""
    from .factories import SimulatedSystems  # noqa: PLC0415

    systems = SimulatedSystems()
    yield systems
    found = systems.end()
    if found:
        lines = [f"{one.invariant}: {one.message} {one.entity}".rstrip() for one in found]
        pytest.fail("\n".join(lines), pytrace=False)


@pytest.fixture
def faulty_venue() -> FaultyVenues:
    """A factory of venues that fail as planned: ``faulty_venue(plan, seed=7)``."""
    from .factories import FaultyVenues  # noqa: PLC0415

    return FaultyVenues()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("orderwright").addoption(
        "--orderwright-seeds",
        metavar="N",
        type=_count,
        default=_SEEDS,
        help=f"run tests that ask for `{_SEED}` with seeds 0 to N-1 (default: {_SEEDS})",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the profiles, if one is asked for, before Hypothesis' own plugin loads it."""
    if config.getoption(_PROFILE, None):
        from .profiles import register_profiles  # noqa: PLC0415

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
