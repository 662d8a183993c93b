"""Groups: what exits come to, who stands down, when a group is over."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["CONTINGENT"]

_PROPERTIES: Final = "tests/properties/test_group_properties.py"
_PROPERTY: Final = f"{_PROPERTIES}::test_whatever_happens_what_is_held_ends_protected_or_closed"
_BESIDE: Final = "tests/actors/test_groups_beside_others.py"
_SHARED: Final = "test_when_a_slot_has_enough_again_every_group_that_had_less_protects_its_own"
_ROUGH: Final = "simulate rough 0:200"

CONTINGENT: Final = (
    Mutant(
        "exit-sized-to-asked",
        "Stop and target are as large as the order that was asked for: a stop after"
        " a partial entry opens a short.",
        "engine/group_wants.py",
        "            self.facts.in_hand(parent),\n            filled,",
        "            parent.order.order_qty or filled,\n            filled,",
        ("tests/engine/test_group.py::test_exits_follow_what_has_filled", _PROPERTY),
    ),
    Mutant(
        "base-fee-not-taken-off",
        "The fee was taken in the coin that was bought: the exit sells more than there is.",
        "engine/group_wants.py",
        "(one.net_qty + (one.claim_qty - one.cum_qty) for one",
        "(one.claim_qty for one",
        ("tests/engine/test_group.py::test_base_fees_and_dust_are_no_quantity_to_protect",),
    ),
    Mutant(
        "late-fee-not-told",
        "A fee in the coin becomes known after its fill, and the exits stay as large as before.",
        "engine/order_fills.py",
        "        return (Booking(_FEE, told, key),)\n",
        "        return ()\n",
        (f"{_BESIDE}::test_a_fee_that_is_told_later_makes_the_exits_smaller",),
    ),
    Mutant(
        "exit-rounded-up",
        "An exit of a fraction of a lot is rounded up: it sells what is not there.",
        "engine/group_wants.py",
        "        rounded = round_down(leaves, instrument.lot_size) if leaves > ZERO else ZERO",
        "        rounded = round_down(leaves + instrument.lot_size, instrument.lot_size)",
        (_PROPERTY,),
    ),
    Mutant(
        "dust-chased",
        "A rest that no order can close is chased for ever: the group never ends.",
        "engine/group_wants.py",
        "        if rounded and is_dust(rounded, instrument, ",
        "        if False and is_dust(rounded, instrument, ",
        ("tests/engine/test_group.py::test_what_is_below_the_least_order_is_not_chased",),
    ),
    Mutant(
        "child-released-early",
        "The second order of a pair leaves before the first has filled: it opens the other side.",
        "engine/group_wants.py",
        "CONTEXT.multiply(whole, min(grant.filled, grant.asked))",
        "CONTEXT.multiply(whole, grant.asked)",
        ("tests/engine/test_group.py::test_one_order_triggers_another_in_proportion",),
    ),
    Mutant(
        "oco-both-entered",
        "Two entries of which one was wanted both fill: twice the position, twice the risk.",
        "engine/group_wants.py",
        "            if winner is not None and number != winner:",
        "            if False:",
        ("tests/engine/test_group.py::test_of_two_entries_the_first_fill_wins", _ROUGH),
    ),
    Mutant(
        "oco-winner-forgotten",
        "After a look the winner is chosen anew: both entries stand down, or change places.",
        "engine/group_wants.py",
        "                self.winners[path] = winner\n",
        "                pass\n",
        ("tests/engine/test_group.py::test_the_winner_stays_the_winner",),
    ),
    Mutant(
        "loser-not-taken-up",
        "The winner ends with half of it, and the other order, still working, is cancelled:"
        " half the trade is missing.",
        "engine/group_wants.py",
        "self._set(leg, rest if short and self._works(leg) else ZERO, waits=False)",
        "self._set(leg, ZERO, waits=False)",
        ("tests/engine/test_group.py::test_the_loser_goes_on_for_what_the_winner_left",),
    ),
    Mutant(
        "done-before-the-cancel",
        "The group is over when the sibling's cancel was asked for: the sibling fills, and nobody"
        " looks.",
        "engine/group_steps.py",
        "        if not due and not waiting:\n"
        "            over = all(one.is_settled for one in everything)",
        "        if not due and not waiting:\n            over = True",
        (_PROPERTY, _ROUGH),
    ),
    Mutant(
        "sibling-not-shrunk",
        "A target fills in part and the stop stays whole: together they sell more than there is.",
        "engine/group_steps.py",
        "            self._shrink(leg, live, standing - want.leaves_qty)\n\n    def _root",
        "            pass\n\n    def _root",
        (
            "tests/engine/test_group.py::test_a_partial_exit_shrinks_the_other_and_the_last_takes_it_down",
            _PROPERTY,
        ),
    ),
    Mutant(
        "sibling-cancelled-for-a-part",
        "A target fills in part and the whole stop is cancelled: the rest is naked.",
        "engine/group_steps.py",
        "            if opened <= by:\n",
        "            if True:\n",
        (
            "tests/engine/test_group.py::test_a_partial_exit_shrinks_the_other_and_the_last_takes_it_down",
        ),
    ),
    Mutant(
        "growth-asked-twice",
        "What was asked for and is not answered does not count: the stop grows again and again.",
        "engine/group_legs.py",
        "        if one.is_amending or one.is_doubtful or one.is_asked_about:",
        "        if one.is_doubtful or one.is_asked_about:",
        ("tests/engine/test_group.py::test_a_leg_is_resized_once_at_a_time",),
    ),
    Mutant(
        "link-not-restored",
        "An order that is wanted again is still called standing down: nobody counts on it.",
        "engine/group_ties.py",
        "    if link is Link.STANDING_DOWN:\n",
        "    if False:\n",
        ("tests/engine/test_group.py::test_the_loser_goes_on_for_what_the_winner_left",),
    ),
    Mutant(
        "cancelled-leg-comes-back",
        "A person cancels a target, and the group places it again.",
        "engine/group_steps.py",
        "            gone = name in group.dropped or (",
        "            gone = (",
        ("tests/actors/test_groups.py::test_a_leg_that_a_person_cancels_is_not_placed_again",),
    ),
    Mutant(
        "called-off-drops-its-stop",
        "A group is called off and its stop goes as well, while something is held: naked.",
        "engine/group_steps.py",
        "                group.called_off and self.legs[name].role is not LegRole.STOP",
        "                group.called_off",
        ("tests/actors/test_groups.py::test_a_group_called_off_keeps_its_stop_or_is_closed",),
    ),
    Mutant(
        "both-filled-stays-short",
        "Stop and target both filled, and nobody buys the excess back: we are short.",
        "engine/group_steps.py",
        "        if buying or holding.excess_qty > ZERO:",
        "        if False:",
        ("tests/engine/test_group.py::test_both_exits_filling_is_flattened", _ROUGH),
    ),
    Mutant(
        "both-filled-not-told",
        "Stop and target both filled, and nobody is told of it.",
        "actors/group_watch.py",
        "            if self._both_told.get(emergency, ZERO) < qty:",
        "            if False:",
        (
            "tests/actors/test_groups.py::test_both_exits_filling_is_an_event_and_is_bought_back",
            _ROUGH,
        ),
    ),
    Mutant(
        "worst-case-unchecked",
        "Each of two groups has exits for all that their slot holds: both filled, it is short.",
        "actors/group_slots.py",
        "            left -= one.holds.get(key, ZERO)\n",
        "            pass\n",
        (f"{_BESIDE}::{_SHARED}",),
    ),
    Mutant(
        "others-closes-unseen",
        "A person closes what a bracket holds, and its stop stays: it opens a short later.",
        "actors/group_slots.py",
        "            for group_id in members if is_short else self._closers.get(key, ()):",
        "            for group_id in self._closers.get(key, ()):",
        (f"{_BESIDE}::{_SHARED}",),
    ),
    Mutant(
        "restart-forgets-groups",
        "After a restart an entry fills, and nobody places its stop.",
        "actors/starting.py",
        "            at.groups.hold(group)",
        "            pass",
        (_ROUGH,),
    ),
    Mutant(
        "restart-looks-at-no-group",
        "What filled while we were down is protected when something else happens, or never.",
        "actors/broker_books.py",
        "        self.groups.look_all()\n",
        "",
        (_ROUGH, "simulate hell 0:100"),
    ),
    Mutant(
        "slices-forgotten",
        "A second stop that was placed to cover more is not known after a restart.",
        "engine/group.py",
        "        m.state,\n        m.slices,",
        "        m.state,\n        group.slices,",
        (_ROUGH,),
    ),
)
