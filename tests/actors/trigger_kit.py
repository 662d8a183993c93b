"""A simulated system at a venue that knows market and limit orders only, and a market to move."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from actors.testing import SimulatedSystem
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.messages import ProtectionChanged, SubmitOrder
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault
from engine.values import OrderType
from engine.views import OrderView

from . import bracket_kit
from .bracket_kit import BTC, SECOND, D, alarms, held, market

__all__ = [
    "BARE",
    "BTC",
    "MS",
    "PLAIN",
    "SECOND",
    "D",
    "alarms",
    "begun",
    "facts",
    "held",
    "local",
    "market",
    "placed",
    "protection",
    "view",
]

MS = 1_000_000

#: Knows no trigger, and keeps reduce-only orders from opening.
PLAIN = replace(FULL_CAPABILITIES, order_types=(OrderType.MARKET, OrderType.LIMIT))
#: The same without reduce-only and without amends: a spot venue.
BARE = replace(PLAIN, reduce_only=ReduceOnlyRule.UNSUPPORTED, amend=False)


def begun(
    *faults: Fault, able: Capabilities = PLAIN, seed: int = 1, latency_ms: int = 0
) -> SimulatedSystem:
    """A system at a market of 199 to 201."""
    return bracket_kit.begun(*faults, capabilities=able, seed=seed, latency_ns=latency_ms * MS)


def local(order: SubmitOrder) -> SubmitOrder:
    """The order, to be watched by the engine."""
    return replace(order, local=True)


def view(system: SimulatedSystem, cid: str) -> OrderView:
    """An order as it is."""
    return system.system.order(cid).get(timeout=1)


def placed(system: SimulatedSystem) -> list[tuple[str, str, Decimal | None]]:
    """What was ever placed at the exchange: id, type and quantity."""
    return [
        (terms.client_order_id, terms.order_type.value, terms.order_qty)
        for terms, _ in system.exchange.placed("main")
    ]


def facts(system: SimulatedSystem, cid: str) -> list[str]:
    """The kinds of facts of an order, in order."""
    return [record.kind for record in system.journal.records(entity=cid)]


def protection(system: SimulatedSystem) -> list[tuple[str, Decimal]]:
    """How protection has changed: the state, and what of it is local; each once in a row."""
    told = [
        (event.state, event.local_qty)
        for event in system.heard
        if isinstance(event, ProtectionChanged)
    ]
    return [one for one, before in zip(told, [None, *told], strict=False) if one != before]
