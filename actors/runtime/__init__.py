"""The runtime: Pykka's actors on shared dispatchers. The only folder that imports pykka.

Start with :class:`Actor` and one of the three dispatchers; ``turn_loop.py`` explains how they run.
"""

from __future__ import annotations

import logging

from pykka import ActorDeadError

from .actor import Actor, ActorRef, ActorStart, ActorStop
from .asyncio_dispatchers import LoopDispatcher, ThreadDispatcher
from .dead_letters import DeadLetter, DeadLetters
from .dispatcher import Dispatcher
from .future import Future, ReplyTimeout, Task
from .hand_driven import SimulationStuck
from .simulated import SimulatedDispatcher
from .supervision import (
    DECISIONS,
    Decision,
    Escalation,
    Failure,
    FailureKind,
    FailureWindow,
    StopFailedActor,
    Supervisor,
    TableSupervisor,
)
from .timers import Timer
from .turns import Input, PlainTurn, TurnDiscarded, TurnHooks

__all__ = [
    "DECISIONS",
    "Actor",
    "ActorDeadError",
    "ActorRef",
    "ActorStart",
    "ActorStop",
    "DeadLetter",
    "DeadLetters",
    "Decision",
    "Dispatcher",
    "Escalation",
    "Failure",
    "FailureKind",
    "FailureWindow",
    "Future",
    "Input",
    "LoopDispatcher",
    "PlainTurn",
    "ReplyTimeout",
    "SimulatedDispatcher",
    "SimulationStuck",
    "StopFailedActor",
    "Supervisor",
    "TableSupervisor",
    "Task",
    "ThreadDispatcher",
    "Timer",
    "TurnDiscarded",
    "TurnHooks",
]

logging.getLogger("actors.runtime").addHandler(logging.NullHandler())
