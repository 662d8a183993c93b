"""Late and out-of-order delivery of recorded facts changes nothing in the result."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from actors.replay_io import open_recording
from engine.messages import (
    Accepted,
    Cancelled,
    Command,
    Filled,
    OrderSnapshot,
    Rejected,
    Report,
    SubmitOrder,
)
from engine.recordings import FinalOrder
from engine.values import exact
from tests.conftest import shared_path

from .core import Core
from .test_shared import AAPL_50, BITMEX, BITSTAMP, CME, HYPERLIQUID, KUCOIN_LOG, SHANGHAI

#: Facts that speak for themselves. A restatement or an amend replaces terms: its place counts.
UNORDERED = (SubmitOrder, Accepted, Cancelled, Filled, OrderSnapshot, Rejected)
ORDERS_MAX = 3_000


def lives(file: str) -> tuple[Core, list[list[Command | Report]]]:
    """The messages of each order that has several and whose terms never change."""
    core = Core(open_recording([shared_path("data", *file.split("/"))]))
    found: dict[str, list[Command | Report] | None] = {}
    for account, step in core.recording.steps():
        message = step.message
        oid: str = getattr(message, "client_order_id", "")
        if not oid:
            list(core.take(account, message))  # a baseline or a correction
        elif not isinstance(message, UNORDERED):
            found[oid] = None
        elif (facts := found.setdefault(oid, [])) is not None:
            facts.append(message)
    several = [facts for facts in found.values() if facts is not None and len(facts) > 2]
    return core, several[:: max(1, len(several) // ORDERS_MAX)]


def result(core: Core, facts: list[Command | Report]) -> FinalOrder:
    """What these facts come to."""
    core.live.clear()
    account = core.recording.accounts[0]
    for fact in facts:
        list(core.take(account, fact))
    (final,) = core.orders()
    return final


def shuffles(
    facts: list[Command | Report], draw: random.Random
) -> Iterator[list[Command | Report]]:
    """Other orders of delivery, one fact twice; what introduces the order stays first."""
    introduction = next(
        fact for fact in facts if isinstance(fact, SubmitOrder | Filled | OrderSnapshot)
    )
    rest = [fact for fact in facts if fact is not introduction]
    for _ in range(3):
        other = [*rest, draw.choice(rest)]
        draw.shuffle(other)
        yield [introduction, *other]


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
