"""Orderwright running: actors, dispatchers, journals, venues, and the system that composes them.

``from actors import ExecutionSystem`` is where users begin; ``engine`` has the vocabulary they
speak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .lazily import loader

if TYPE_CHECKING:
    from .following import Marking
    from .hub import Overflow, Subscription
    from .monitoring import MonitorRules, MonitorView
    from .pnl import PnlLine, PnlReport
    from .portfolio import Portfolio, PositionView, Snapshot
    from .protection import ProtectionReport
    from .retention import Retention
    from .runtime import Future
    from .sights import Sight
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
        "Future": "runtime",
        "GroupTicket": "submitting",
        "Marking": "following",
        "MonitorRules": "monitoring",
        "MonitorView": "monitoring",
        "Overflow": "hub",
        "PaperMarket": "venues.paper",
        "PaperVenue": "venues.paper",
        "PnlLine": "pnl",
        "PnlReport": "pnl",
        "Portfolio": "portfolio",
        "PositionView": "portfolio",
        "ProtectionReport": "protection",
        "Retention": "retention",
        "Sight": "sights",
        "SignalDesk": "signals",
        "Snapshot": "portfolio",
        "Subscription": "hub",
        "Ticket": "tickets",
        "TriggerView": "triggering",
        "Until": "tickets",
    }
    __getattr__ = loader(__name__, _HOMES)

__all__ = [
    "Decision",
    "ExecutionSystem",
    "Future",
    "GroupTicket",
    "Marking",
    "MonitorRules",
    "MonitorView",
    "Overflow",
    "PaperMarket",
    "PaperVenue",
    "PnlLine",
    "PnlReport",
    "Portfolio",
    "PositionView",
    "ProtectionReport",
    "Retention",
    "Sight",
    "SignalDesk",
    "Snapshot",
    "Subscription",
    "Ticket",
    "TriggerView",
    "Until",
]
