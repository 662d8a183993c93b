"""Late and out-of-order delivery of recorded facts changes nothing in the result."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import pytest

from actors.replay_io import open_recording
from engine.messages import Accepted, Cancelled, Filled, OrderSnapshot, Rejected, Report
from engine.recordings import FinalOrder
from engine.values import exact
from tests.conftest import shared_path

from .core import Core
from .test_shared import AAPL_50, BITMEX, BITSTAMP, CME, HYPERLIQUID, KUCOIN_LOG, SHANGHAI

#: Facts that say something of themselves. A restatement or an amend replaces terms, so its place counts.
UNORDERED = (Accepted, Cancelled, Filled, OrderSnapshot, Rejected)
ORDERS_MAX = 3_000


@cache
def lives(file: str) -> tuple[Core, list[list[Report]]]:
    """The reports of orders with more than one, for orders whose terms never change."""
    core = Core(open_recording([shared_path("data", *file.split("/"))]))
    found: dict[str, list[Report] | None] = {}
    for account, step in core.recording.steps():
        message = step.message
        if not isinstance(message, Report):
            if not hasattr(message, "client_order_id"):
                list(core.take(account, message))
            else:
                found.setdefault(message.client_order_id, []).append(message)  # type: ignore[union-attr,arg-type]
            continue
        oid: str = message.client_order_id  # type: ignore[attr-defined]
        if found.get(oid, ()) is None:
            continue
        if isinstance(message, UNORDERED):
            found.setdefault(oid, []).append(message)  # type: ignore[union-attr]
        else:
            found[oid] = None
    several = [facts for facts in found.values() if facts is not None and len(facts) > 2]
    return core, several[:: max(1, len(several) // ORDERS_MAX)]


def result(core: Core, facts: list[Report]) -> FinalOrder:
    """What these facts come to."""
    core.live.clear()
    account = core.recording.accounts[0]
    oid: str = facts[0].client_order_id  # type: ignore[attr-defined]
    for fact in facts:
        list(core.take(account, fact))
    final = core.order(oid)
    assert final is not None
    return final


def shuffles(facts: list[Report], draw: random.Random) -> Iterator[list[Report]]:
    """Other orders of delivery, each with one fact delivered twice; the introduction stays first."""
    first, rest = facts[:1], facts[1:]
    if isinstance(facts[0], UNORDERED):  # adopted: by whatever can introduce it
        first = [next(fact for fact in facts if isinstance(fact, Filled | OrderSnapshot))]
        rest = [fact for fact in facts if fact is not first[0]]
    for _ in range(3):
        other = [*rest, draw.choice(rest)]
        draw.shuffle(other)
        yield [*first, *other]


@pytest.mark.slow
@pytest.mark.parametrize(
    "file", [KUCOIN_LOG, BITMEX, HYPERLIQUID, AAPL_50, BITSTAMP, CME, SHANGHAI]
)
def test_an_orders_own_facts_may_arrive_in_any_order_and_twice(file: str) -> None:
    """Shuffled and repeated deliveries end in the same state, quantities, cost and fills."""
    core, several = lives(file)
    draw = random.Random(20221107)

    assert several

    with exact():
        for facts in several:
            want = result(core, facts)
            for other in shuffles(facts, draw):
                assert result(core, other) == want
