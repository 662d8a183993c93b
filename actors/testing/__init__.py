"""The test kit that users share with us: running systems under faults and crashes (public API).

What needs Hypothesis or pytest is imported by its own name: :mod:`actors.testing.machine`,
:mod:`actors.testing.venue_conformance`, :mod:`engine.testing.strategies`.
"""

from .crash import CrashReport, cut_at, cut_everywhere
from .crash_files import tear_everywhere
from .crash_stage import CrashScenario, Stage
from .faulty_venue import AdapterError, FaultyVenue
from .mortal import CrashPoint, Cut
from .running import Result, run, run_seed
from .simulated_system import SPOT, SimulatedSystem
from .truth import Violation

__all__ = [
    "SPOT",
    "AdapterError",
    "CrashPoint",
    "CrashReport",
    "CrashScenario",
    "Cut",
    "FaultyVenue",
    "Result",
    "SimulatedSystem",
    "Stage",
    "Violation",
    "cut_at",
    "cut_everywhere",
    "run",
    "run_seed",
    "tear_everywhere",
]
