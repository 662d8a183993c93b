"""An order whose trigger the engine watches: no venue has it before its price has come."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.fold import Books, digest, revive, tombstone
from engine.group import slice_of
from engine.invariants import check_order, check_step
from engine.messages import (
    Accepted,
    AmendOrder,
    CancelOrder,
    Filled,
    LinkOrder,
    LinkTrigger,
    LocalReleased,
    LocalTrailed,
    LocalTriggered,
    Message,
    NeverArrived,
    OrderTriggered,
    OutcomeUnknown,
)
from engine.order import Ledger, Order, Step, is_waiting, leaves_qty
from engine.order_events import events_of
from engine.order_links import is_held, never_left
from engine.order_steps import begin, mark_sent, step
from engine.order_tables import Life
from engine.protection import part_of
from engine.statechart import Verdict
from engine.trigger_tables import TRIGGER, Trigger
from engine.values import ZERO, OrderState, OrderType, Side, TriggerSource
from engine.views import view_order

from ..order_kit import terms

D = Decimal
CID = "C1"
STOP = replace(terms(kind=OrderType.STOP, price=None, stop_px="90"), side=Side.SELL, local=True)
ELECT = LocalTriggered(CID, 5, TriggerSource.LAST, D(89), D(90))
RELEASE = LocalReleased(CID, 5)


def after(order: Order, *messages: Message) -> Order:
    """The order after these, every rule judged."""
    for message in messages:
        order = taken(order, message).order
    return order


def taken(order: Order, message: Message) -> Step:
    """One step."""
    out = step(order, Ledger(), message)
    check_step(order, out)
    check_order(out.order)
    return out


def test_the_table_is_the_machine() -> None:
    """On every cell."""
    assert [] == TRIGGER.differences()


def test_it_waits_and_shows_that_no_venue_has_it() -> None:
    """HELD, not PENDING and not ACCEPTED; it covers nothing by itself."""
    order = begin(STOP)
    assert (Life.PENDING, Trigger.WATCHED) == (order.life, order.trigger)
    view = view_order(order)
    assert (OrderState.HELD, True, False) == (view.state, view.is_local, view.is_in_flight)
    assert (ZERO, D(10)) == part_of(order)
    assert never_left(order)
    assert not is_held(order)


def test_elected_and_released_it_is_an_order_like_any_other() -> None:
    """Two facts, then it is sent, accepted and filled under the same id."""
    elected = after(begin(STOP), ELECT)
    assert (Trigger.ELECTED, True) == (elected.trigger, is_waiting(elected))
    released = after(elected, RELEASE)
    assert (OrderState.PENDING, False) == (released.state, is_waiting(released))
    filled = after(mark_sent(released), Accepted(CID, 6, "v"), Filled(CID, 7, "x", D(10), D(89)))
    assert (OrderState.FILLED, Trigger.RELEASED) == (filled.state, filled.trigger)
    assert not view_order(filled).is_local


def test_said_twice_nothing_moves_and_out_of_turn_it_is_kept() -> None:
    """A second election adds nothing; one of an order that is the venue's is a contradiction."""
    elected = after(begin(STOP), ELECT)
    assert not taken(elected, ELECT).changed
    assert not taken(after(elected, RELEASE), RELEASE).changed
    assert Verdict.QUARANTINE is taken(begin(STOP), RELEASE).verdict
    native = begin(replace(STOP, local=False))
    for message in (ELECT, RELEASE, LocalTrailed(CID, 5, D(91))):
        assert Verdict.QUARANTINE is taken(native, message).verdict


def test_a_cancel_while_it_waits_is_ours_to_settle() -> None:
    """At once and without a request; elected and not gone yet, too."""
    for order in (begin(STOP), after(begin(STOP), ELECT)):
        out = taken(order, CancelOrder(CID, "r1", 6, "enough"))
        assert (Life.CANCELLED, None) == (out.order.life, out.request)
    asked = taken(after(begin(STOP), ELECT, RELEASE), CancelOrder(CID, "r1", 6))
    assert asked.request is not None


def test_an_amend_while_it_waits_is_ours_to_settle() -> None:
    """Quantity and trigger change at once; once the trigger was reached it is history."""
    out = taken(begin(STOP), AmendOrder(CID, "r1", 6, D(4), stop_px=D(95)))
    assert (D(4), D(95), (), None) == (
        out.order.order_qty, out.order.stop_px, out.order.requests, out.request,
    )  # fmt: skip
    elected = after(begin(STOP), ELECT)
    assert D(3) == taken(elected, AmendOrder(CID, "r1", 6, D(3))).order.order_qty
    for order in (elected, after(elected, RELEASE)):
        assert "reached" in taken(order, AmendOrder(CID, "r1", 6, stop_px=D(95))).refused


def test_a_stop_price_follows_only_while_it_waits() -> None:
    """A price that came after the election changes nothing."""
    trailing = replace(STOP, order_type=OrderType.TRAILING_STOP, stop_px=None, trail_offset=D(10))
    order = after(begin(trailing), LocalTrailed(CID, 3, D(90)), LocalTrailed(CID, 4, D(92)))
    assert D(92) == order.stop_px
    assert not taken(order, LocalTrailed(CID, 5, D(92))).changed
    assert not taken(after(order, ELECT), LocalTrailed(CID, 6, D(99))).changed


def test_proven_never_to_have_arrived_it_waits_to_leave_again() -> None:
    """Elected it stays: with what was asked of it meanwhile, and nothing outstanding."""
    doubted = after(begin(STOP), ELECT, RELEASE, OutcomeUnknown(CID, 6, None, "restart"))
    assert Life.IN_DOUBT is doubted.life
    back = after(doubted, AmendOrder(CID, "r1", 7, D(4)), NeverArrived(CID, 8, "proof"))
    assert (Trigger.ELECTED, D(4), ()) == (back.trigger, back.order_qty, back.requests)
    assert (True, False, None) == (is_waiting(back), back.unverified, back.end)
    assert Trigger.RELEASED is after(back, RELEASE).trigger


def test_one_that_somebody_wants_gone_does_not_come_back() -> None:
    """Never arrived and called off: it has ended, as any other order."""
    doubted = after(begin(STOP), ELECT, RELEASE, OutcomeUnknown(CID, 6, None, "restart"))
    ended = after(doubted, CancelOrder(CID, "r1", 7), NeverArrived(CID, 8, "proof"))
    assert (Life.REJECTED, ZERO) == (ended.life, leaves_qty(ended))


def test_election_is_told_once() -> None:
    """As an OrderTriggered whose reason says who watched."""
    before = begin(STOP)
    out = taken(before, ELECT)
    (event,) = events_of(before, out, ELECT)
    assert isinstance(event, OrderTriggered)
    assert ("local", OrderState.HELD) == (event.reason, event.state)


def test_a_group_sees_a_live_one_as_confirmed_and_a_blind_one_not() -> None:
    """It works nowhere, and does what a working one does while prices come."""
    order = begin(replace(STOP, group_id="g", held=True, closes=True))
    assert (True, False) == (slice_of(order, ZERO).is_held, slice_of(order, ZERO).is_confirmed)
    order = after(order, LinkOrder(CID, 2, LinkTrigger.ARM, D(3)))
    live, blind = slice_of(order, ZERO, is_live=True), slice_of(order, ZERO)
    assert (True, True, D(3)) == (live.is_confirmed, live.is_local, live.leaves_qty)
    assert (False, True, False) == (blind.is_confirmed, blind.is_local, blind.is_elected)
    sent = slice_of(after(order, ELECT, RELEASE), ZERO)
    assert (False, True) == (sent.is_local, sent.is_elected)


def test_its_facts_fold_to_it_and_its_tombstone_keeps_it() -> None:
    """A checkpoint in any stage is the order; others' are written as before."""
    order = begin(STOP)
    books = Books().apply_all([(CID, STOP)])
    for message in (ELECT, RELEASE):
        order = after(order, message)
        books.apply(CID, message)
        assert order == books.orders[CID] == revive(tombstone(order, None))[0]
    assert digest([(CID, tombstone(order, None))], ()) == digest(
        [(CID, tombstone(books.orders[CID], None))], ()
    )
    assert b"trigger" not in tombstone(begin(terms()), None).replace(b"trigger_source", b"")
