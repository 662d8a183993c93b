"""A journal that waits for the disk, in a host's loop: the loop goes on, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from pathlib import Path

from actors import ExecutionSystem, PaperVenue
from actors.journal import Batch, MemoryJournal, SqliteJournal
from actors.venues.port import Done
from engine.messages import Accepted
from engine.order_tables import Life
from engine.session import SessionLimits
from engine.values import OrderState

from .venues import HANG, SECOND, ScriptedVenue, btc, order, simulated

D = Decimal


class _Watched(SqliteJournal):
    """A real journal that remembers which threads commit, and can make them wait."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "power")
        self.threads: dict[str, None] = {}
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def append(self, batch: Batch) -> int:
        self.threads[threading.current_thread().name] = None
        assert self.may_go_on.wait(timeout=60)
        return super().append(batch)


def test_a_hosts_loop_goes_on_while_an_order_is_written(tmp_path: Path) -> None:
    """With durability `power` inside a loop commits are made on a thread of their own; until one is
    on the disk its order has not left, and the host's own tasks run.
    """

    async def story() -> None:
        venue = PaperVenue("paper", "main", [btc("paper")])
        journal = _Watched(tmp_path / "j")
        async with ExecutionSystem([venue], journal=journal) as system:
            venue.market.on_quote("BTC/USDT", D(100), D(5), D(101), D(5))
            assert (await system.submit(order(price="101", qty="2"))).state is OrderState.FILLED
            journal.may_go_on.clear()
            ticket = system.submit(order(price="101", qty="1"))
            for _ in range(50):
                await asyncio.sleep(0)  # the host's own business
            assert venue.market.exchange.positions("main")[0].qty == 2
            journal.may_go_on.set()
            assert (await ticket).state is OrderState.FILLED
            assert venue.market.exchange.positions("main")[0].qty == 3
        assert all(name.endswith("-commits_0") for name in list(journal.threads)[:1])

    asyncio.run(story())
    with SqliteJournal(tmp_path / "j", read_only=True) as written:
        assert written.verify() == []


def test_what_leaves_meanwhile_is_not_taken_back() -> None:
    """A call that ends while a turn is in flight lets the next one leave only when that turn has
    ended: if its commit fails, an order in it that has left is still known to have left.
    """
    journal, venue = MemoryJournal(), ScriptedVenue()
    limits = SessionLimits(window=1, exit_slots=0)
    system = simulated(venue, journal=journal, limits=limits, commits_aside=True)
    venue.script("place", HANG, HANG)
    first = system.submit(order())
    second = system.submit(order(price="91"))
    system.sim.run_for(SECOND // 10)
    assert venue.count("place") == 1
    system.amend(second, price=D(92))
    while not system.sim.in_flight:
        assert system.sim.step_ready()
    journal.unavailable = "has a full disk"
    accepted = Accepted(first.client_order_id, venue.now(), "v-1")
    venue.hanging[0][2].set(Done((accepted,)))
    system.sim.run_ready()

    assert venue.count("place") == 2
    actor = system.brokers["v", "main"].orders[second.client_order_id]
    assert actor.order.life is Life.SUBMITTED
    journal.unavailable = ""
    system.sim.run_for(SECOND)
    assert actor.order.life is Life.SUBMITTED
    assert [one.price for one in actor.order.requests] == [D(92)]
    system.stop()
