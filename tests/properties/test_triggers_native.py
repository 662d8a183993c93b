"""The same orders on the same prices, watched by a venue and watched by the engine."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.testing import SimulatedSystem
from engine import stop, stop_limit, take_profit, take_profit_limit, trailing_stop
from engine.messages import SubmitOrder
from engine.order import Order
from engine.order_tables import TERMINAL, Life
from engine.simulator.config import FULL_CAPABILITIES
from engine.trigger_tables import Trigger
from engine.values import Side, TriggerSource
from tests.actors.trigger_kit import BTC, PLAIN, D, begun

MS = 1_000_000


@st.composite
def orders(draw: st.DrawFn) -> SubmitOrder:
    """Any order with a trigger, around a market of 200."""
    side = draw(st.sampled_from(tuple(Side)))
    source = draw(st.sampled_from((TriggerSource.LAST, TriggerSource.MARK, TriggerSource.MID)))
    level = draw(st.integers(190, 210))
    kind = draw(st.integers(0, 4))
    made: tuple[SubmitOrder, ...] = (
        stop(BTC, side, "1", level, trigger_source=source),
        stop_limit(BTC, side, "1", level, level, trigger_source=source),
        take_profit(BTC, side, "1", level, trigger_source=source),
        take_profit_limit(BTC, side, "1", level, level, trigger_source=source),
        trailing_stop(BTC, side, "1", draw(st.integers(2, 8)), trigger_source=source),
    )
    return made[kind]


def elected(order: Order) -> bool:
    """Whether its trigger was reached, whoever watched it."""
    if order.terms.local:
        return order.trigger is Trigger.RELEASED
    return order.life is Life.TRIGGERED or order.life in TERMINAL


def played(system: SimulatedSystem, wanted: list[SubmitOrder], path: list[int]) -> list[list[str]]:
    """Which orders had been elected after each price."""
    broker = system.system.brokers["SIM", "main"]
    found: list[list[str]] = []
    system.mark(BTC, D(200))
    for number, order in enumerate(wanted):
        system.submit(replace(order, intent_id=f"o{number}"))
        system.run(10 * MS)
    for px in path:
        system.quote(BTC, D(px - 1), D(50), D(px + 1), D(50))
        system.mark(BTC, D(px))
        system.run(10 * MS)
        closed = [broker.find_order(system.id_of(f"o{n}")) for n in range(len(wanted))]
        found.append([f"o{n}" for n, one in enumerate(closed) if one and elected(one)])
    return found


@settings(max_examples=60)
@given(st.lists(orders(), min_size=1, max_size=4), st.lists(st.integers(188, 212), max_size=12))
def test_emulated_and_native_triggers_go_at_the_same_step(
    wanted: list[SubmitOrder], path: list[int]
) -> None:
    """At a venue that knows every type and at one that knows none of them."""
    native = played(begun(able=FULL_CAPABILITIES), wanted, path)
    watched = played(begun(able=PLAIN), [replace(one, local=True) for one in wanted], path)
    assert native == watched
