"""A simulated system at a venue that knows market and limit orders only, and a market to move."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.messages import Alarm, ProtectionChanged, SubmitOrder
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultPlan
from engine.values import OrderType
from engine.views import OrderView

SECOND = 1_000_000_000
MS = 1_000_000
BTC = SPOT.symbol
D = Decimal

#: Knows no trigger, and keeps reduce-only orders from opening.
PLAIN = replace(FULL_CAPABILITIES, order_types=(OrderType.MARKET, OrderType.LIMIT))
#: The same without reduce-only and without amends: a spot venue.
BARE = replace(PLAIN, reduce_only=ReduceOnlyRule.UNSUPPORTED, amend=False)


def begun(
    *faults: Fault, able: Capabilities = PLAIN, seed: int = 1, latency_ms: int = 0
) -> SimulatedSystem:
    """A system at a market of 199 to 201."""
    latency = latency_ms * MS
    system = SimulatedSystem(
        seed=seed,
        plan=FaultPlan(faults=faults),
        config=ExchangeConfig(
            capabilities=able, last_from_quotes=True,
            latency_out_ns=latency, latency_in_ns=latency,
        ),
        listens=True,
    )  # fmt: skip
    market(system, "199", "201")
    return system


def market(system: SimulatedSystem, bid: str, ask: str, run_ns: int = SECOND) -> None:
    """The market moves there, and time passes."""
    system.quote(BTC, D(bid), D(50), D(ask), D(50))
    system.run(run_ns)


def local(order: SubmitOrder) -> SubmitOrder:
    """The order, to be watched by the engine."""
    return replace(order, local=True)


def view(system: SimulatedSystem, cid: str) -> OrderView:
    """An order as it is."""
    return system.system.order(cid).get(timeout=1)


def held(system: SimulatedSystem) -> Decimal:
    """What the account holds, by the exchange."""
    return sum((one.qty for one in system.exchange.positions("main")), D(0))


def placed(system: SimulatedSystem) -> list[tuple[str, str, Decimal | None]]:
    """What was ever placed at the exchange: id, type and quantity."""
    return [
        (terms.client_order_id, terms.order_type.value, terms.order_qty)
        for terms, _ in system.exchange.placed("main")
    ]


def alarms(system: SimulatedSystem) -> list[str]:
    """The kinds of alarms so far."""
    return [event.kind for event in system.heard if isinstance(event, Alarm)]


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
