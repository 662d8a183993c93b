"""Protection: only what a confirmed stop covers is protected."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.messages import Accepted, CancelOrder, Filled, Message, OutcomeUnknown, Triggered
from engine.order import Order
from engine.order_tables import Link
from engine.position_state import new_position
from engine.protection import PROTECTION, ProtectionState, ProtectionTrigger, look
from engine.values import Instrument, OrderType, PositionSlot, Side
from tests.order_kit import CID, D, Held, terms

T = ProtectionTrigger
X = Instrument(symbol="X", venue="V", base="X", quote="USD", lot_size=Decimal("0.1"))


def stop(qty: str, *messages: Message, side: Side = Side.SELL) -> Order:
    """A stop of ``qty`` that was sent, after ``messages``."""
    asked = replace(terms(qty, kind=OrderType.STOP, price=None, stop_px="90"), side=side)
    held = Held(asked)
    held.take(*messages)
    return held.order


ACK = Accepted(CID, 2, "v1")


@pytest.mark.parametrize(
    ("qty", "stops", "trigger", "covered"),
    [
        ("0", [], T.EMPTY, "0"),
        ("0.05", [], T.EMPTY, "0"),  # dust
        ("10", [], T.NAKED, "0"),
        ("10", [stop("10")], T.PARTLY, "0"),  # sent, not confirmed
        ("10", [stop("10", ACK)], T.COVERED, "10"),
        ("10", [stop("4", ACK)], T.PARTLY, "4"),
        ("10", [stop("4", ACK), stop("6", ACK)], T.COVERED, "10"),
        ("10.05", [stop("10", ACK)], T.COVERED, "10"),  # what is left over is dust
        ("10", [stop("10", ACK, CancelOrder(CID, "c", 3))], T.PARTLY, "0"),
        ("10", [stop("10", OutcomeUnknown(CID, 2))], T.PARTLY, "0"),
        ("10", [stop("10", ACK, Triggered(CID, 3))], T.COVERED, "10"),
        ("6", [stop("10", ACK, Filled(CID, 3, "E", D(4), D(90)))], T.COVERED, "6"),
        ("10", [stop("10", ACK, side=Side.BUY)], T.NAKED, "0"),  # it would add to it
        ("-10", [stop("10", ACK, side=Side.BUY)], T.COVERED, "10"),
    ],
)
def test_only_what_a_confirmed_stop_covers_is_protected(
    qty: str, stops: list[Order], trigger: T, covered: str
) -> None:
    """On its way, in doubt, being cancelled, on the wrong side: none of it counts."""
    position = replace(new_position("V", "A", X, PositionSlot.NET), qty=D(qty))
    found = look(position, X, stops)
    assert (trigger, D(covered)) == (found.trigger, found.covered_qty)


def test_a_stop_that_was_never_sent_is_not_even_on_its_way() -> None:
    """A leg that its group holds back."""
    asked = replace(terms("5", kind=OrderType.STOP, price=None, stop_px="9"), side=Side.SELL)
    waiting = replace(Held(asked, sent=False).order, link=Link.HELD)
    position = replace(new_position("V", "A", X, PositionSlot.NET), qty=D(5))
    assert T.NAKED is look(position, X, [waiting]).trigger


def test_every_look_leads_somewhere() -> None:
    """The chart is total, and what a look finds does not depend on what was found before."""
    ends = {
        T.EMPTY: ProtectionState.FLAT,
        T.NAKED: ProtectionState.UNPROTECTED,
        T.PARTLY: ProtectionState.PROTECTING,
        T.COVERED: ProtectionState.PROTECTED,
    }
    for state in ProtectionState:
        for trigger, end in ends.items():
            assert end is PROTECTION.table[state, trigger].target
