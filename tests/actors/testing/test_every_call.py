"""Each way a venue can go wrong, at the first call, at the second, and so on to the last."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import cache

import pytest
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from actors.testing.truth import Violation
from engine.messages import SubmitOrder
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.faults import REPORT
from engine.values import OrderType, Side

D = Decimal
K = FaultKind
MS, SECOND = 1_000_000, 1_000_000_000
SYMBOL = SPOT.symbol
#: Without it nothing would ever be asked about.
UNANSWERED = Fault(K.UNKNOWN_AFTER, When("place", 2))
#: What cannot happen here: our broker sends orders one by one.
NEVER = (K.BATCH_PARTIAL,)


def order(intent: str, side: Side, qty: str, price: str) -> SubmitOrder:
    return SubmitOrder(intent, "", "", SYMBOL, side, OrderType.LIMIT, D(qty), price=D(price))


def story(system: SimulatedSystem) -> list[Violation]:
    """Orders that rest, trade, change, are cancelled and triggered, and a process that dies."""
    system.quote(SYMBOL, D(100), D(5), D(101), D(5))
    system.run(SECOND)
    rests = order("rests", Side.BUY, "2", "99")
    stop = replace(rests, intent_id="stop", side=Side.SELL, order_type=OrderType.STOP, price=None)
    system.submit(rests)
    system.submit(order("crosses", Side.BUY, "2", "101"))
    system.submit(replace(stop, stop_px=D(97)))
    system.run(300 * MS)
    system.amend(system.id_of("rests"), price=D(98), order_qty=D(3))
    system.submit(order("far", Side.SELL, "1", "104"))
    system.run(300 * MS)
    system.trade(SYMBOL, D(98), D(1), Side.SELL)
    system.cancel(system.id_of("far"))
    system.run(20 * MS)
    system.crash()
    system.restart()
    system.submit(rests)
    system.run(300 * MS)
    system.trade(SYMBOL, D(97), D(1), Side.SELL)
    system.run(12 * SECOND)
    return [*system.check(), *system.settle(300 * SECOND)]


def played(*faults: Fault) -> tuple[SimulatedSystem, list[Violation]]:
    """The story, with these faults as well."""
    with SimulatedSystem(plan=FaultPlan(faults=(*faults, UNANSWERED))) as system:
        return system, story(system)


@cache
def events() -> Counter[str]:
    """How many of each call the story makes, and about how many reports it hears."""
    system, found = played()
    assert not found
    counts = Counter(verb for verb, _, _ in system.venue.calls)
    counts[REPORT] = counts["place"] + counts["cancel"] + counts["amend"]
    return counts


@pytest.mark.parametrize("kind", [kind for kind in K if kind not in NEVER], ids=str)
def test_it_may_go_wrong_at_any_call(kind: FaultKind) -> None:
    """Whatever call or report a fault hits: nothing is lost, doubled or left in doubt."""
    happened = 0
    for verb in Fault(kind).verbs:
        for nth in range(1, events()[verb] + 1):
            fault = Fault(kind, When(verb, nth))
            system, found = played(fault)
            assert [] == found, (verb, nth)
            happened += system.injected.get(kind.value, 0)
    assert happened


def test_every_kind_has_its_calls_here() -> None:
    """The story makes every call there is a fault for, but batches."""
    missing = [kind for kind in K if not any(events()[verb] for verb in Fault(kind).verbs)]
    assert NEVER == tuple(missing)
