"""A simulated system to trade brackets in: one market to move, and what has come of it."""

from __future__ import annotations

from decimal import Decimal

from actors.submitting import GroupTicket
from actors.testing import SPOT, SimulatedSystem
from engine import SessionLimits
from engine.capabilities import Capabilities
from engine.messages import Alarm, GroupState
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES, SelfTradeRule
from engine.testing import Fault, FaultPlan

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
S = GroupState


def begun(
    *faults: Fault,
    capabilities: Capabilities = FULL_CAPABILITIES,
    seed: int = 1,
    latency_ns: int = 0,
    self_trade: SelfTradeRule = SelfTradeRule.ALLOW,
    balances: dict[str, Decimal] | None = None,
    limits: SessionLimits | None = None,
) -> SimulatedSystem:
    """A system at a market of 199 to 201."""
    config = ExchangeConfig(
        capabilities=capabilities,
        last_from_quotes=True,
        self_trade=self_trade,
        latency_out_ns=latency_ns,
        latency_in_ns=latency_ns,
    )
    system = SimulatedSystem(
        seed=seed,
        plan=FaultPlan(faults=faults),
        config=config,
        balances=balances,
        limits=limits,
        listens=True,
    )
    market(system, 199)
    return system


def market(
    system: SimulatedSystem, bid: str | int, ask: str | int | None = None, run_ns: int = SECOND
) -> None:
    """The market moves there (its ask two above, if it is not said), and everybody has heard of it
    when so much time has passed.
    """
    system.quote(BTC, D(bid), D(50), D(bid) + 2 if ask is None else D(ask), D(50))
    system.run(run_ns)


def state(system: SimulatedSystem, group: GroupTicket | str = "b") -> GroupState:
    """How a group stands, by its ticket or its intent."""
    name = group if isinstance(group, str) else group.group_id
    return system.system.group_state(name).get(timeout=1)


def held(system: SimulatedSystem) -> Decimal:
    """What the account holds, by the exchange."""
    return sum((one.qty for one in system.exchange.positions("main")), D(0))


def resting(system: SimulatedSystem) -> dict[str, Decimal]:
    """What is open at the exchange, by the kind of order, and how much."""
    found: dict[str, Decimal] = {}
    for one in system.exchange.open_orders("main", 0):
        assert one.order_type is not None
        assert one.order_qty is not None
        name = f"{one.order_type.value} {one.price or one.stop_px}"
        found[name] = found.get(name, D(0)) + one.order_qty - (one.cum_qty or D(0))
    return found


def alarms(system: SimulatedSystem) -> list[str]:
    """The kinds of alarms so far."""
    return [event.kind for event in system.heard if isinstance(event, Alarm)]
