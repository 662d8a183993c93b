"""The test kit that users share with us: running systems under faults and crashes (public API).

What needs Hypothesis or pytest is imported by its own name: :mod:`actors.testing.machine`,
:mod:`actors.testing.venue_conformance`, :mod:`engine.testing.strategies`.
"""

from .faulty_venue import AdapterError, FaultyVenue
from .running import Result, run, run_seed
from .simulated_system import SPOT, SimulatedSystem
from .truth import Violation

__all__ = [
    "SPOT",
    "AdapterError",
    "FaultyVenue",
    "Result",
    "SimulatedSystem",
    "Violation",
    "run",
    "run_seed",
]
