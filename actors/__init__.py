"""Orderwright running: actors, dispatchers, journals, venues, and the system that composes them.

``from actors import ExecutionSystem`` is where users begin; ``engine`` has the vocabulary they
speak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .lazily import loader

if TYPE_CHECKING:
    from .following import Marking
    from .monitoring import MonitorView
    from .pnl import PnlReport
    from .portfolio import Portfolio, PositionView, Snapshot
    from .retention import Retention
    from .signals import Decision, SignalDesk
    from .submitting import GroupTicket
    from .system import ExecutionSystem
    from .tickets import Ticket, Until
    from .triggering import TriggerView
    from .venues.paper import PaperMarket, PaperVenue
else:
    _HOMES: Final = {
        "Decision": "signals",
        "ExecutionSystem": "system",
        "GroupTicket": "submitting",
        "Marking": "following",
        "MonitorView": "monitoring",
        "PaperMarket": "venues.paper",
        "PaperVenue": "venues.paper",
        "PnlReport": "pnl",
        "Portfolio": "portfolio",
        "PositionView": "portfolio",
        "Retention": "retention",
        "SignalDesk": "signals",
        "Snapshot": "portfolio",
        "Ticket": "tickets",
        "TriggerView": "triggering",
        "Until": "tickets",
    }
    __getattr__ = loader(__name__, _HOMES)

__all__ = [
    "Decision",
    "ExecutionSystem",
    "GroupTicket",
    "Marking",
    "MonitorView",
    "PaperMarket",
    "PaperVenue",
    "PnlReport",
    "Portfolio",
    "PositionView",
    "Retention",
    "SignalDesk",
    "Snapshot",
    "Ticket",
    "TriggerView",
    "Until",
]
