"""An order's whole life: submit, accepted, two fills, position booked; against the floor programs.

In: decoding each intent and each of the venue's three messages from the bytes they come in;
validation, ids, the order, position and broker actors, the session that decides what leaves, the
lane, invariants after each step, supervision, the SQLite journal on disk at durability `process`,
the closing of the order with its tombstone, and a subscriber that takes every event. Orders are
submitted from the host as fast as they are taken; the engine runs on its default, a thread of its
own, or inside the host's asyncio loop. Up to {LAG} orders are open at a time.

Out: starting and stopping, and the venue itself: the scripted one answers at once, from bytes made
before. The floors commit as many facts at a time as the engine did in the same run.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from actors.system import ExecutionSystem
from actors.venues.port import Answer, BookTop, Clock, Done, Outcome, Sink
from engine.capabilities import Capabilities
from engine.messages import Accepted, Event, Filled, LinkUp, Place, SubmitOrder
from engine.values import Instrument
