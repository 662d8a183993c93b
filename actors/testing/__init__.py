"""The test kit that users share with us: running systems under faults and crashes (public API).

What needs Hypothesis or pytest is imported by its own name: :mod:`actors.testing.machine`,
:mod:`actors.testing.venue_conformance`, :mod:`engine.testing.strategies`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazily import loader

if TYPE_CHECKING:
    from .crash import CrashReport, cut_at, cut_everywhere
    from .crash_files import tear_everywhere
    from .crash_stage import CrashScenario, Stage
    from .exploring import Explored, explore
    from .factories import FaultyVenues, SimulatedSystems
    from .faulty_venue import AdapterError, FaultyVenue
    from .mortal import CrashPoint, Cut
    from .running import Result, run, run_seed
    from .shrinking import shrink
    from .simulated_system import SPOT, SimulatedSystem
    from .truth import Violation
else:
    _HOMES: Final = {
        "SPOT": "simulated_system",
        "AdapterError": "faulty_venue",
        "CrashPoint": "mortal",
        "CrashReport": "crash",
        "CrashScenario": "crash_stage",
        "Cut": "mortal",
        "Explored": "exploring",
        "FaultyVenue": "faulty_venue",
        "FaultyVenues": "factories",
        "Result": "running",
        "SimulatedSystem": "simulated_system",
        "SimulatedSystems": "factories",
        "Stage": "crash_stage",
        "Violation": "truth",
        "cut_at": "crash",
        "cut_everywhere": "crash",
        "explore": "exploring",
        "run": "running",
        "run_seed": "running",
        "shrink": "shrinking",
        "tear_everywhere": "crash_files",
    }
    __getattr__ = loader(__name__, _HOMES)

__all__ = [
    "SPOT",
    "AdapterError",
    "CrashPoint",
    "CrashReport",
    "CrashScenario",
    "Cut",
    "Explored",
    "FaultyVenue",
    "FaultyVenues",
    "Result",
    "SimulatedSystem",
    "SimulatedSystems",
    "Stage",
    "Violation",
    "cut_at",
    "cut_everywhere",
    "explore",
    "run",
    "run_seed",
    "shrink",
    "tear_everywhere",
]
