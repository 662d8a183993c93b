"""Protection, trading modes, and the kill switch."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["PROTECTING"]

_FLAT: Final = "tests/actors/test_flatten.py"
_ROUGH: Final = "simulate rough 0:200"

PROTECTING: Final = (
    Mutant(
        "stop-counts-before-its-ack",
        "A stop that was sent counts as protection: it was refused, and we believe we are safe.",
        "engine/protection.py",
        "_WORKS = frozenset({Life.ACCEPTED, Life.TRIGGERED})",
        "_WORKS = frozenset({Life.SUBMITTED, Life.ACCEPTED, Life.TRIGGERED})",
        (
            "tests/engine/test_protection.py::test_only_what_a_confirmed_stop_covers_is_protected",
            _ROUGH,
        ),
    ),
    Mutant(
        "armed-before-its-ack",
        "A group calls itself linked with a stop that the venue has not confirmed: its clock stops,"
        " and no emergency exit comes.",
        "engine/protection.py",
        "_WORKS = frozenset({Life.ACCEPTED, Life.TRIGGERED})",
        "_WORKS = frozenset({Life.SUBMITTED, Life.ACCEPTED, Life.TRIGGERED})",
        (
            "tests/actors/test_groups.py::test_without_a_confirmed_stop_in_time_what_is_held_is_closed",
            _ROUGH,
        ),
    ),
    Mutant(
        "target-counts-as-stop",
        "A target is counted as protection: the market falls, and nothing sells.",
        "engine/protection.py",
        "STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})",
        "STOPS = frozenset(OrderType)",
        (
            "tests/engine/test_protection.py::test_only_what_a_confirmed_stop_covers_is_protected",
            _ROUGH,
        ),
    ),
    Mutant(
        "stop-counted-again",
        "A stop that changes is counted once more: half a stop is called enough.",
        "actors/protection.py",
        "            covered, coming, local = covered - before[0], coming - before[1],"
        " local - before[2]\n",
        "            pass\n",
        ("tests/actors/test_protection.py::test_sums_are_what_a_fresh_look_finds", _ROUGH),
    ),
    Mutant(
        "protection-clock-restarts",
        "Every look starts the clock anew: something that changes often is naked for ever.",
        "actors/group_watch.py",
        "            if emergency not in exposed or self._due[emergency].due_ns <= now:",
        "            if True:",
        ("tests/actors/test_groups.py::test_a_clock_is_not_started_anew_by_what_changes",),
    ),
    Mutant(
        "protection-clock-rings-once",
        "The venue was away when the deadline came, and nobody asks again: naked for ever.",
        "actors/group_watch.py",
        "emergency not in exposed or self._due[emergency].due_ns <= now:",
        "emergency not in exposed:",
        ("tests/actors/test_groups.py::test_after_the_venue_was_away_the_clock_begins_anew",),
    ),
    Mutant(
        "no-emergency-after-refusals",
        "A venue that refuses every stop is asked no more, and what is held stays naked.",
        "engine/group_steps.py",
        "            self._has_failed(leg) and not self._is_armed(leg.name",
        "            False and not self._is_armed(leg.name",
        (
            "tests/engine/test_group.py::test_a_stop_that_is_refused_again_and_again_is_replaced_by_an_exit",
        ),
    ),
    Mutant(
        "emergency-beside-a-live-stop",
        "Where the venue bounds nothing, the emergency exit leaves beside a stop that may still"
        " fill: both do, and we are short.",
        "engine/group_steps.py",
        "        if others and (holding.is_locked or not self.rules.bounds_exits):",
        "        if False:",
        (
            "tests/engine/test_group.py::test_where_nothing_bounds_exits_the_emergency_waits_for_the_end_of_the_others",
        ),
    ),
    Mutant(
        "mode-lets-entries-pass",
        "Reduce-only was decided, and entries leave.",
        "actors/shutting.py",
        "        if mode is TradingMode.NONE or (mode is TradingMode.REDUCE_ONLY and not reduces):",
        "        if mode is TradingMode.NONE:",
        ("tests/actors/test_modes.py::test_reduce_only_denies_entries_and_lets_exits_go", _ROUGH),
    ),
    Mutant(
        "switch-lets-entries-pass",
        "The kill switch is on, and a strategy buys.",
        "actors/shutting.py",
        "        if switch is not None:",
        "        if False:",
        (f"{_FLAT}::test_it_goes_on_after_a_crash_at_any_record", _ROUGH),
    ),
    Mutant(
        "switch-leaves-the-queue",
        "An entry that waited for its turn leaves after the kill switch was pulled.",
        "actors/shutting.py",
        "            self._withdraw_entries(fact.instrument)\n",
        "",
        ("tests/actors/test_modes.py::test_what_waits_to_leave_never_does",),
    ),
    Mutant(
        "switch-gone-after-restart",
        "The process restarts, the kill switch is forgotten, and trading goes on.",
        "actors/starting.py",
        "            brokers[key].flattening.take_over(control)",
        "            pass",
        (f"{_FLAT}::test_it_goes_on_after_a_crash_at_any_record", _ROUGH),
    ),
    Mutant(
        "switch-not-in-checkpoints",
        "A checkpoint forgets what is shut: the restart after it trades.",
        "actors/recovery.py",
        "        books.controls[control.venue, control.account] = control\n",
        "        pass\n",
        ("tests/actors/test_modes.py::test_what_is_shut_is_in_checkpoints", _ROUGH),
    ),
    Mutant(
        "switch-lifts-itself",
        "Once all is flat the switch is off by itself, and the strategy that went wrong goes on.",
        "actors/flattening.py",
        "        self._told.clear()\n",
        "        self._told.clear()\n"
        "        self.control = controlled(self.control, LiftFlatten(fact.venue, fact.account,"
        " fact.instrument, fact.ts, ''))\n",
        (f"{_FLAT}::test_a_person_lifts_it_and_nobody_else", _ROUGH),
    ),
    Mutant(
        "flat-without-asking",
        "Verified flat is said without having asked the venue after the last close.",
        "engine/flatten.py",
        "        if not detail and told is None:",
        "        if False:",
        ("tests/engine/test_flatten.py::test_only_what_was_shown_after_the_last_change_counts",),
    ),
    Mutant(
        "flat-by-an-old-answer",
        "What the venue showed before the last change proves it flat: a late fill is missed.",
        "engine/flatten.py",
        "told is not None and told.sent_ts > self.fresh_ts else None",
        "told is not None else None",
        ("tests/engine/test_flatten.py::test_only_what_was_shown_after_the_last_change_counts",),
    ),
    Mutant(
        "flatten-forgets-triggers",
        "Stops stay at the venue after the position is closed: the next one opens a short.",
        "actors/flattening.py",
        "                if not is_settled(actor.order)\n",
        "                if not is_settled(actor.order)\n"
        "                and not actor.order.terms.order_type.has_trigger\n",
        (f"{_FLAT}::test_everything_goes_and_the_venue_confirms_it", _ROUGH),
    ),
    Mutant(
        "two-closes-of-one-slot",
        "A second close leaves while the first works: both fill, and we are short.",
        "engine/flatten.py",
        "            return  # one at a time, also where the slot has turned round meanwhile",
        "            pass",
        (f"{_FLAT}::test_a_thin_market_is_asked_until_all_is_sold", _ROUGH),
    ),
    Mutant(
        "close-beside-a-live-stop",
        "Where the venue bounds nothing, all is sold beside a stop that is only being cancelled:"
        " it fills, and we are short.",
        "engine/flatten.py",
        "        if is_locked or not self.view.bounds_exits:\n            for one in here:",
        "        if False:\n            for one in here:",
        (
            "tests/engine/test_flatten.py::test_where_nothing_bounds_a_close_it_is_what_nothing_else_may_close",
        ),
    ),
    Mutant(
        "close-larger-than-allowed",
        "A close above the instrument's largest order is refused again and again: nothing is sold.",
        "engine/flatten.py",
        "            most = min(most, rules.max_qty)",
        "            pass",
        (f"{_FLAT}::test_a_close_is_no_larger_than_the_instrument_allows",),
    ),
    Mutant(
        "group-places-beside-the-switch",
        "A group places its stop again while the switch closes what it held.",
        "engine/group_steps.py",
        "        if self.group.aside:\n            return self._aside()\n",
        "",
        (f"{_FLAT}::test_a_bracket_stands_aside_with_its_stop_and_its_held_legs", _ROUGH),
    ),
    Mutant(
        "flatten-gives-up",
        "A close that the venue refused is not tried again: the position stays open.",
        "actors/flattening.py",
        "        self._tries[key] = count, self.broker.dispatcher.monotonic_ns() + pause_ns(count)",
        "        self._tries[key] = count, self.broker.dispatcher.monotonic_ns() + (1 << 62)",
        (f"{_FLAT}::test_trouble_at_a_call_delays_it_and_doubles_nothing", _ROUGH),
    ),
)
