"""What takes a stated total back, and what does not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.capabilities import Capabilities
from engine.claims import READS_NEEDED, Claimed, disproven, is_claiming, restates
from engine.messages import OrderSnapshot, VenueStatus
from engine.order import exposure_qty
from engine.values import Source
from tests.order_kit import CID, D, Held, at_venue, bust, fill, seen

S = VenueStatus
ABLE = Capabilities(executions_complete=True, request_window_ns=100, visibility_lag_ns=10)


def busted() -> Held:
    """10 filled at 10 and busted at 20; then a look from 15, before the bust, says 10."""
    held = at_venue(None, fill("E1", "10", ts=10), bust("E1", ts=20))
    held.take(seen(S.FILLED, 15, cum="10"))
    assert D(10) == held.order.claim_qty == exposure_qty(held.order)
    return held


@pytest.mark.parametrize(
    ("look", "claim"),
    [
        # by id, and newer than the bust
        (seen(S.WORKING, 25, cum="0"), "0"),
        (seen(S.WORKING, 25, cum="4"), "4"),
        (seen(S.CANCELLED, 25, cum="0"), "0"),
        (seen(S.FILLED, 25, cum="4", qty="4"), "4"),
        # silent about the total, or it says the same again
        (seen(S.WORKING, 25), "10"),
        (seen(S.CANCELLED, 25), "10"),
        (seen(S.FILLED, 25), "10"),
        (seen(S.FILLED, 25, cum="10"), "10"),
        # as old as the bust or older, or a list
        (seen(S.WORKING, 20, cum="0"), "10"),
        (seen(S.WORKING, 12, cum="0"), "10"),
        (seen(S.WORKING, 25, cum="0", source=Source.LIST), "10"),
        # what complete executions come to
        (seen(S.UNKNOWN, 25, cum="0", source=Source.INFERENCE), "0"),
        (seen(S.UNKNOWN, 20, cum="0", source=Source.INFERENCE), "10"),
        (seen(S.UNKNOWN, 25, cum="4", source=Source.INFERENCE), "10"),
    ],
)
def test_what_takes_a_claim_back_after_a_bust(look: OrderSnapshot, claim: str) -> None:
    """Newer words by id that state less, and executions; nothing old, and no silence."""
    held = busted()
    assert D(claim) == held.take(look).claim_qty


def test_executions_take_back_a_total_that_no_bust_explains() -> None:
    """A venue that overstated it: a lower total is believed of executions, of no slow list."""
    held = at_venue(None, fill("E1", "4", ts=10), seen(S.WORKING, 11, cum="7"))
    held.take(seen(S.WORKING, 30, cum="4"))
    assert is_claiming(held.order)
    held.take(seen(S.UNKNOWN, 40, cum="4", source=Source.INFERENCE))
    assert (D(4), D(4)) == (held.order.claim_qty, held.order.cum_qty)
    before = held.order
    assert before is held.take(seen(S.UNKNOWN, 50, cum="3", source=Source.INFERENCE))


def test_a_claim_is_disproven_by_lists_of_after_everything() -> None:
    """So many in a row, asked for after the last fact and after window and lag of the claim."""
    order = busted().order
    claimed = Claimed(D(10), 1_000)
    claimed.reads = READS_NEEDED - 1
    assert disproven(order, ABLE, claimed, 1_111)
    assert not disproven(order, ABLE, claimed, 1_110)
    assert not disproven(replace(order, ts=1_101), ABLE, claimed, 1_111)
    assert not disproven(replace(order, ended_ts=1_101), ABLE, claimed, 1_111)
    assert not disproven(order, replace(ABLE, executions_complete=False), claimed, 1_111)
    assert not disproven(order, ABLE, Claimed(D(9), 1_000), 1_111)
    claimed.reads -= 1
    assert not disproven(order, ABLE, claimed, 1_111)


@pytest.mark.parametrize(
    ("look", "says"),
    [
        (seen(S.WORKING, 9, cum="10"), True),
        (seen(S.WORKING, 9, cum="9"), False),
        (seen(S.FILLED, 9, cum="9"), False),
        (seen(S.FILLED, 9), True),
        (seen(S.FILLED, 9, qty="9"), False),
        (seen(S.CANCELLED, 9), False),
        (seen(S.UNKNOWN, 9), False),
    ],
)
def test_filled_without_a_total_states_all(look: OrderSnapshot, says: bool) -> None:
    """Of every other status only a total says how much has filled."""
    assert says is restates(busted().order, look, Decimal(10))
    assert CID == look.client_order_id
