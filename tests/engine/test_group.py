"""Groups: what every leg comes to after every fill, and that nothing is forgotten."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.errors import InvalidOrder
from engine.group import begin_group
from engine.group_tables import GroupState
from engine.messages import Contingency, GroupTerms, LegRole, SubmitGroup
from engine.order_tables import Link
from engine.values import OrderState, Side
from tests.group_kit import LOT, D, GroupDesk, bracket, leg

S = GroupState


def at_venue(desk: GroupDesk) -> dict[str, Decimal]:
    """What the venue has, by leg."""
    return dict(desk.at_venue)


def test_the_exits_of_a_bracket_wait_for_its_entry() -> None:
    """Held orders have never left."""
    desk = GroupDesk(bracket())
    assert {"e": D(10)} == at_venue(desk)
    assert [OrderState.HELD] * 2 == [desk.orders[cid].state for cid in ("s", "t")]
    desk.ack("e")
    assert S.WORKING is desk.group.state


def test_exits_follow_what_has_filled() -> None:
    """A partial entry arms stop and target for its quantity, and each further fill grows them."""
    desk = GroupDesk(bracket())
    desk.ack("e")
    desk.fill("e", "4")
    assert {"e": D(6), "s": D(4), "t": D(4)} == at_venue(desk)
    assert (S.ARMING, Link.ARMING) == (desk.group.state, desk.orders["s"].link)
    desk.ack("s")
    desk.ack("t")
    assert (S.LINKED, OrderState.OCO_LINKED) == (desk.group.state, desk.orders["t"].state)
    desk.fill("e", "6")
    assert S.ARMING is desk.group.state  # by two lots and a half of them it is naked
    desk.answer("s")
    desk.answer("t")
    assert ({"s": D(10), "t": D(10)}, S.LINKED) == (at_venue(desk), desk.group.state)


def test_a_partial_exit_shrinks_the_other_and_the_last_takes_it_down() -> None:
    """The group is done only when the sibling's end is confirmed."""
    desk = GroupDesk(bracket())
    desk.fill("e", "10")
    for cid in ("s", "t"):
        desk.ack(cid)
    desk.fill("t", "3")
    desk.answer("s")
    assert {"s": D(7), "t": D(7)} == at_venue(desk)
    desk.fill("t", "7")
    assert (S.STANDING_DOWN, Link.STANDING_DOWN) == (desk.group.state, desk.orders["s"].link)
    assert OrderState.PENDING_CANCEL is desk.orders["s"].state
    desk.answer("s")
    assert (S.DONE, {}) == (desk.group.state, at_venue(desk))


def test_where_a_venue_does_not_amend_a_stop_grows_by_a_second_order() -> None:
    """Never a moment without one."""
    desk = GroupDesk(bracket(), amends=False)
    desk.fill("e", "4")
    desk.ack("s")
    desk.fill("e", "6")
    assert D(10) == desk.open_exits("s")
    assert D(4) == desk.at_venue["s"]


def test_parts_of_targets_come_to_the_whole() -> None:
    """Rounding down leaves nothing over: the last part takes the rest; the stop covers all."""
    desk = GroupDesk(bracket("10", "0.33", "0.33", "0.34"))
    desk.fill("e", "10")
    assert {"s": D(10), "t0": D(3), "t1": D(3), "t2": D(4)} == at_venue(desk)
    for cid in ("s", "t0", "t1", "t2"):
        desk.ack(cid)
    desk.fill("t0", "3")
    desk.answer("s")
    assert D(7) == desk.at_venue["s"]
    desk.fill("s", "5")  # two are left, and targets never sell more than that
    for cid in ("t1", "t2"):
        desk.answer(cid)
    assert D(2) >= sum(desk.at_venue.get(cid, D(0)) for cid in ("t1", "t2"))


def test_both_exits_filling_is_flattened() -> None:
    """Where the venue bounds nothing a sibling may fill meanwhile: the excess is bought back."""
    desk = GroupDesk(bracket(), bounds=False)
    desk.fill("e", "10")
    for cid in ("s", "t"):
        desk.ack(cid)
    desk.fill("t", "10")
    desk.fill("s", "10")
    assert (S.FLATTENING, D(-10)) == (desk.group.state, desk.held())
    assert desk.last is not None
    assert (("s~exit", D(10)),) == desk.last.both_filled
    (back,) = [cid for cid in desk.at_venue if "back" in cid]
    desk.fill(back, "10")
    desk.answer("s")  # the cancel came too late, and has to be answered all the same
    assert (S.DONE, D(0)) == (desk.group.state, desk.held())


def test_a_stop_that_is_refused_again_and_again_is_replaced_by_an_exit() -> None:
    """Three times, then what is held is closed at market and the target goes."""
    desk = GroupDesk(bracket())
    desk.fill("e", "10")
    desk.ack("t")
    for _ in range(3):
        (stop,) = [cid for cid in desk.at_venue if cid.startswith("s")]
        desk.end(stop, refuse=True)
    assert S.EXITING is desk.group.state
    (market,) = [cid for cid in desk.at_venue if "exit" in cid]
    desk.answer("t")
    desk.fill(market, "10")
    assert (S.DONE, D(0), {}) == (desk.group.state, desk.held(), at_venue(desk))


def test_where_nothing_bounds_exits_the_emergency_waits_for_the_end_of_the_others() -> None:
    """The stop may fill while it is being cancelled: both would, and we would be short."""
    desk = GroupDesk(bracket(), bounds=False)
    desk.fill("e", "10")
    for cid in ("s", "t"):
        desk.ack(cid)
    desk.group = replace(desk.group, called_off=True, closing=True)
    desk.look()
    assert {"s": D(10), "t": D(10)} == at_venue(desk)
    desk.answer("t")
    assert {"s": D(10)} == at_venue(desk)
    desk.answer("s")
    (market,) = desk.at_venue
    assert D(10) == desk.at_venue[market]
    desk.fill(market, "10")
    assert (S.DONE, D(0)) == (desk.group.state, desk.held())


def test_an_entry_that_ends_unfilled_ends_its_group() -> None:
    """What was held back never leaves."""
    desk = GroupDesk(bracket())
    desk.ack("e")
    desk.end("e")
    assert S.DONE is desk.group.state
    assert [OrderState.CANCELLED] * 2 == [desk.orders[cid].state for cid in ("s", "t")]


def test_of_two_entries_the_first_fill_wins() -> None:
    """The other stands down; where the winner ends short, one that still works goes on."""
    root = GroupTerms(Contingency.OCO, tuple(
        leg(name, LegRole.ENTRY, "10", price=px) for name, px in (("a", "90"), ("b", "110"))
    ))  # fmt: skip
    desk = GroupDesk(root)
    desk.ack("a")
    desk.ack("b")
    assert (S.LINKED, OrderState.OCO_LINKED) == (desk.group.state, desk.orders["a"].state)
    desk.fill("b", "4")
    assert OrderState.PENDING_CANCEL is desk.orders["a"].state
    desk.answer("a", refused=True)
    desk.end("b")
    desk.look()
    assert D(6) == desk.at_venue["a"] or desk.orders["a"].requests


def test_the_loser_goes_on_for_what_the_winner_left() -> None:
    """Its cancel was refused and the winner ended short: it is shrunk, and linked again by name."""
    root = GroupTerms(Contingency.OCO, tuple(
        leg(name, LegRole.ENTRY, "10", price=px) for name, px in (("a", "90"), ("b", "110"))
    ))  # fmt: skip
    desk = GroupDesk(root)
    for cid in ("a", "b"):
        desk.ack(cid)
    desk.fill("b", "4")
    assert [Link.STANDING_DOWN] == [one.link for one in desk.orders.values()][:1]
    desk.end("b")  # the venue ended it, while the cancel of the other is on its way
    desk.answer("a", refused=True)
    assert Link.STANDING_DOWN is not desk.orders["a"].link
    desk.answer("a")
    assert {"a": D(6)} == at_venue(desk)
    desk.fill("a", "6")
    assert (S.DONE, D(10)) == (desk.group.state, desk.held())


def test_the_winner_stays_the_winner() -> None:
    """The loser fills as well before its cancel arrives: the one that was first has still won."""
    root = GroupTerms(Contingency.OCO, tuple(
        leg(name, LegRole.ENTRY, "10", price=px) for name, px in (("a", "90"), ("b", "110"))
    ))  # fmt: skip
    desk = GroupDesk(root)
    for cid in ("a", "b"):
        desk.ack(cid)
    desk.fill("b", "4")
    desk.fill("a", "1")
    assert (("", 1),) == desk.group.winners
    assert OrderState.PENDING_CANCEL is desk.orders["a"].state
    assert OrderState.PENDING_CANCEL is not desk.orders["b"].state


def test_a_leg_is_resized_once_at_a_time() -> None:
    """What fills meanwhile is asked for when the venue has answered: the newest total, once."""
    desk = GroupDesk(bracket())
    desk.fill("e", "4")
    desk.ack("s")
    for _ in range(3):
        desk.fill("e", "1")
        assert [D(5)] == [out.order_qty for out in desk.orders["s"].requests]
    desk.answer("s")
    assert [D(7)] == [out.order_qty for out in desk.orders["s"].requests]


def test_what_is_below_the_least_order_is_not_chased() -> None:
    """Ten lots are held, seven are sold, and no order for three is possible: it is over."""
    desk = GroupDesk(bracket("10"), instrument=replace(LOT, min_qty=D(5)))
    desk.fill("e", "10")
    for cid in ("s", "t"):
        desk.ack(cid)
    desk.fill("t", "7")
    desk.answer("s")
    desk.answer("t")
    assert (S.DONE, {}, D(3)) == (desk.group.state, at_venue(desk), desk.held())


def test_base_fees_and_dust_are_no_quantity_to_protect() -> None:
    """Ten bought with a tenth of a percent fee in kind leave 9.99, of which 9 lots can be sold."""
    desk = GroupDesk(bracket(), fee_rate=D("0.001"))
    desk.fill("e", "10")
    assert {"s": D(9), "t": D(9)} == at_venue(desk)


@pytest.mark.parametrize(
    ("root", "word"),
    [
        (GroupTerms(Contingency.OCO, (leg("a", LegRole.ENTRY, "1"),)), "two members"),
        (
            GroupTerms(Contingency.OCO, (leg("a", LegRole.ENTRY, "1"),) * 2),
            "two legs are called 'a'",
        ),
        (bracket("10", "0.7", "0.7"), "come to 1.4"),
        (bracket("10", "0.7", "-0.7"), "above 0"),
    ],
)
def test_a_group_that_cannot_be_meant_is_refused(root: GroupTerms, word: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(InvalidOrder, match=word):
        begin_group(SubmitGroup("g", "i", "V", "A", root))


def test_one_order_triggers_another_in_proportion() -> None:
    """A child that closes nothing gets the fraction of its own quantity that the parent filled."""
    root = GroupTerms(Contingency.OTO, (
        leg("e", LegRole.ENTRY, "10", price="100"),
        leg("hedge", LegRole.ENTRY, "5", side=Side.SELL, price="101"),
    ))  # fmt: skip
    desk = GroupDesk(root)
    desk.ack("e")
    assert {"e": D(10)} == at_venue(desk)
    desk.fill("e", "4")
    assert {"e": D(6), "hedge": D(2)} == at_venue(desk)
    desk.fill("e", "6")
    desk.ack("hedge")
    desk.answer("hedge")
    assert {"hedge": D(5)} == at_venue(desk)


def test_where_coins_are_locked_the_target_is_held_back() -> None:
    """Stop and target of the same coins cannot both rest: the stop does, the target has never
    left, and the group is linked.
    """
    desk = GroupDesk(bracket(), locks=True)
    desk.fill("e", "10")
    desk.ack("s")
    assert ({"s": D(10)}, S.LINKED) == (at_venue(desk), desk.group.state)
    assert OrderState.HELD is desk.orders["t"].state


def test_a_target_comes_when_the_end_of_the_stop_is_confirmed_and_for_what_it_left() -> None:
    """Until then nothing else is offered; what is without both is naked, and counted."""
    desk = GroupDesk(bracket(), locks=True)
    desk.fill("e", "10")
    desk.ack("s")
    desk.swap("t")
    assert ({"s": D(10)}, OrderState.PENDING_CANCEL) == (at_venue(desk), desk.orders["s"].state)
    desk.fill("s", "3")
    desk.answer("s")
    assert {"t": D(7)} == at_venue(desk)
    assert desk.last is not None
    assert (("s~exit", D(7)),) == desk.last.exposed
    desk.ack("t")
    assert not desk.look().exposed
    assert S.LINKED is desk.group.state


def test_a_cancel_that_is_refused_leaves_the_stop_where_it_is() -> None:
    """And when the price has turned meanwhile nothing more is asked."""
    desk = GroupDesk(bracket(), locks=True)
    desk.fill("e", "10")
    desk.ack("s")
    desk.swap("t")
    desk.swap()
    desk.answer("s", refused=True)
    assert ({"s": D(10)}, OrderState.OCO_LINKED) == (at_venue(desk), desk.orders["s"].state)
    assert OrderState.HELD is desk.orders["t"].state


@pytest.mark.parametrize("amends", [True, False])
def test_one_of_several_targets_takes_its_part_and_the_stop_keeps_the_rest(amends: bool) -> None:
    """By a smaller quantity where the venue amends, else by another order."""
    desk = GroupDesk(bracket("10", "0.4", "0.6"), locks=True, amends=amends)
    desk.fill("e", "10")
    desk.ack("s")
    desk.swap("t0")
    assert {"s": D(10)} == at_venue(desk)
    desk.answer("s")
    assert (D(6), D(4)) == (desk.open_exits("s"), desk.open_exits("t0"))
    desk.fill("t0", "4")
    assert (D(6), D(0)) == (desk.open_exits("s"), desk.open_exits("t"))


def test_a_target_that_is_refused_gives_the_stop_its_place() -> None:
    """It is not tried again where it is refused for good."""
    desk = GroupDesk(bracket(), locks=True)
    desk.fill("e", "10")
    for _ in range(3):
        (stop,) = desk.at_venue
        desk.ack(stop)
        desk.swap("t")
        desk.answer(stop)
        (target,) = desk.at_venue
        desk.end(target, refuse=True)
        desk.swap()
    (stop,) = desk.at_venue
    desk.ack(stop)
    desk.swap("t")
    assert ((), {stop: D(10)}) == (desk.group.live, at_venue(desk))
