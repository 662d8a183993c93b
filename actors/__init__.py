"""Orderwright running: actors, dispatchers, journals, venues, and the system that composes them.

``from actors import ExecutionSystem`` is where users begin; ``engine`` has the vocabulary they
speak.
"""

from .portfolio import Portfolio, PositionView, Snapshot
from .retention import Retention
from .system import ExecutionSystem
from .tickets import Ticket, Until
from .venues.paper import PaperMarket, PaperVenue

__all__ = [
    "ExecutionSystem",
    "PaperMarket",
    "PaperVenue",
    "Portfolio",
    "PositionView",
    "Retention",
    "Snapshot",
    "Ticket",
    "Until",
]
