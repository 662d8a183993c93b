"""A total that a venue stated and its executions do not come to: it ends, or a person is told."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.venues.port import Answer
from engine.messages import (
    Filled,
    OrderSnapshot,
    QueryOrder,
    TradeBusted,
    VenueStatus,
)
from engine.order import exposure_qty
from engine.values import Source

from .test_restart import fold_digest
from .venues import CAPABLE, SECOND, ScriptedVenue, System, order, simulated

D = Decimal
S = VenueStatus


class Terse(ScriptedVenue):
    """Answers by id with a status and, where ``total`` is said, a total; lists what is
    published.
    """

    status = S.WORKING
    total: Decimal | None = None

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        self.calls.append(("query", request))
        seen = OrderSnapshot(
            request.client_order_id, self.now(), self.status, cum_qty=self.total,
            sent_ts=self.now(), source=Source.QUERY,
        )  # fmt: skip
        return Answer((seen,), True, self.now())

    async def executions(self, since_ts: int) -> Answer[Filled]:
        shown = tuple(fill for fill in self.fills if fill.ts >= since_ts)
        return Answer(shown, self.capabilities.executions_complete, self.now())


def claimed(venue: Terse) -> tuple[System, str]:
    """10 were bought and busted, and what was asked before the bust is told after it."""
    system = simulated(venue)
    cid = system.submit(order(qty="10")).client_order_id
    system.sim.run_for(SECOND)
    asked = venue.now()
    system.sim.run_for(SECOND)
    venue.push(venue.fill(cid, "x1", "10"))
    system.sim.run_for(SECOND)
    venue.push(TradeBusted(cid, venue.now(), "x1"))
    system.sim.run_for(SECOND)
    stale = OrderSnapshot(
        cid, venue.now(), S.FILLED, cum_qty=D(10), sent_ts=asked, source=Source.LIST
    )
    venue.push(stale)
    return system, cid


def claim_of(system: System, cid: str) -> Decimal:
    """What the venue is believed to have filled."""
    return system.brokers["v", "main"].orders[cid].order.claim_qty


@pytest.mark.parametrize(
    ("status", "total", "ends"),
    [
        (S.WORKING, None, True),
        (S.CANCELLED, None, True),
        (S.UNKNOWN, None, True),
        (S.WORKING, "0", True),  # the answer by id takes it back by itself
        (S.FILLED, None, False),  # asked again and again, it says that all is filled
        (S.WORKING, "10", False),
    ],
)
def test_a_claim_from_before_a_bust_ends_unless_the_venue_insists(
    status: VenueStatus, total: str | None, ends: bool
) -> None:
    """Complete executions end it; where answers by id go on stating it a person is told."""
    venue = Terse()
    venue.status, venue.total = status, None if total is None else D(total)
    system, cid = claimed(venue)
    venue.fills = []
    system.sim.run_for(1)
    assert D(10) == claim_of(system, cid)  # it counts at once
    system.sim.run_for(120 * SECOND)
    broker = system.brokers["v", "main"]
    if ends:
        assert cid not in broker.orders or D(0) == claim_of(system, cid)
        assert (total is None) == bool(system.alarms("claim_disproven"))
    else:
        assert D(10) == exposure_qty(broker.orders[cid].order) == claim_of(system, cid)
        assert (cid,) == system.snapshot().get(timeout=1).hand_over
        assert not system.alarms("claim_disproven")
    system.stop()


@pytest.mark.parametrize("shown", [True, False])
def test_a_claim_that_nothing_can_disprove_is_told_to_a_person(shown: bool) -> None:
    """The list still shows what was busted, or need not show all: neither disproves anything."""
    able = msgspec.structs.replace(CAPABLE, executions_complete=shown)
    venue = Terse(capabilities=able)
    system, cid = claimed(venue)
    if not shown:
        venue.fills = []
    system.sim.run_for(120 * SECOND)
    assert D(10) == claim_of(system, cid)
    assert (cid,) == system.snapshot().get(timeout=1).hand_over
    assert 1 == len(system.alarms("unresolved"))
    assert not system.alarms("claim_disproven")
    system.stop()


def test_a_claim_taken_back_is_so_in_the_journal_too() -> None:
    """It is a fact like any other: the journal folds to it."""
    venue = Terse()
    system, cid = claimed(venue)
    venue.fills = []
    system.sim.run_for(120 * SECOND)
    assert D(0) == claim_of(system, cid)
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_a_claim_is_explained_by_an_execution_long_past() -> None:
    """Missed long before the time that lists are usually read from, it is still found."""
    venue = Terse()
    system = simulated(venue)
    one, other = (system.submit(order(qty="10")).client_order_id for _ in range(2))
    system.sim.run_for(SECOND)
    missed = venue.fill(one, "x1", "3")
    venue.fills, venue.orders[one].cum = [], D(0)  # nothing shows it
    system.sim.run_for(3_000 * SECOND)
    venue.push(venue.fill(other, "x2", "1"))
    venue.drop()  # what is read after the gap is not read again
    system.sim.run_for(10 * SECOND)
    assert D(1) == system.qty()
    venue.fills.append(missed)
    venue.push(OrderSnapshot(one, venue.now(), S.WORKING, cum_qty=D(3), sent_ts=venue.now()))
    system.sim.run_for(60 * SECOND)
    assert D(4) == system.qty()
    assert not system.alarms("claim_disproven")
    system.stop()
