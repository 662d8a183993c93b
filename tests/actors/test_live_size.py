"""What a live order occupies, counted by Python itself: the same on every machine."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.live_host import Host

ORDERS = 2_000


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path, instruments=1)
    yield host
    host.close()


def test_a_live_order_is_small_and_so_is_each_further_fill(host: Host) -> None:
    """At most 3 KiB with one fill, 200 bytes for each further one, and one object to collect.

    Everything that the running system keeps of it is in: actor, order, ledger, every index.
    """
    host.open(ORDERS // 4)  # what is made once, by the first of them, is made
    order_bytes, tracked, fill_bytes = host.trace(ORDERS)
    assert order_bytes <= 3 * 1024
    assert fill_bytes <= 200
    assert tracked < 1.1


def test_orders_that_ended_leave_memory(host: Host) -> None:
    """Of an order that is filled and settled nothing is kept but two bytes for its intent's id."""
    host.live(ORDERS)
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    host.live(ORDERS)
    gc.collect()
    left = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert left / ORDERS < 10
