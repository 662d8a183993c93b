"""Signals: what is allowed, how much of it, and only once."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["SIGNALLING"]

_SIGNALS: Final = "tests/actors/test_signals.py"

SIGNALLING: Final = (
    Mutant(
        "signal-again-after-restart",
        "A strategy repeats its signal after a restart, and buys a second time.",
        "actors/signals.py",
        "            plan.root, intent_id=signal.signal_id, venue=",
        '            plan.root, intent_id=f"{signal.signal_id}-{ts}", venue=',
        (f"{_SIGNALS}::test_a_signal_is_carried_out_once",),
    ),
    Mutant(
        "signal-against-what-is-held",
        "A short signal while long is carried out: the stop of the long trade protects nothing.",
        "engine/policies/risk.py",
        " or (against and not limits.allow_reverse):",
        ":",
        (f"{_SIGNALS}::test_signals_against_what_is_held_are_refused",),
    ),
    Mutant(
        "signal-in-doubt-taken",
        "An entry is sized while nobody knows what is held.",
        "engine/policies/risk.py",
        "    if state.in_doubt:\n",
        "    if False:\n",
        (f"{_SIGNALS}::test_while_the_venue_is_away_or_an_order_in_doubt_nothing_is_entered",),
    ),
    Mutant(
        "signal-coming-not-counted",
        "Two signals at once pass the same limit: twice the risk.",
        "actors/signal_looks.py",
        "        for key, one in self._coming.values():",
        "        for key, one in ():",
        (f"{_SIGNALS}::test_two_signals_at_once_do_not_pass_the_same_limit",),
    ),
    Mutant(
        "sizing-rounds-up",
        "A size is rounded up to the lot: the stop costs more than was to be risked.",
        "engine/policies/sizing.py",
        "    qty = round_down(qty, instrument.lot_size)\n"
        "    while qty > ZERO and loss(qty) > risk:  # a quotient may have been rounded up\n"
        "        qty -= instrument.lot_size\n",
        "    qty = round_down(qty, instrument.lot_size) + instrument.lot_size\n",
        ("tests/engine/test_sizing.py::test_the_stop_never_costs_more_than_the_risk",),
    ),
    Mutant(
        "sizing-forgets-fees",
        "Fees are not part of the loss: a day of stops loses more than its limit.",
        "engine/policies/sizing.py",
        "        lost = loss_at_stop(instrument, side, qty, entry_px, stop_px, fee_rate)",
        "        lost = loss_at_stop(instrument, side, qty, entry_px, stop_px, ZERO)",
        ("tests/engine/test_sizing.py::test_fees_of_both_ways_are_part_of_the_loss",),
    ),
    Mutant(
        "daily-loss-forgotten",
        "After a restart the day's losses are forgotten, and the limit begins anew.",
        "actors/signal_looks.py",
        "        self._found = self._read()\n",
        "        self._found = None\n",
        (f"{_SIGNALS}::test_a_day_that_lost_too_much_ends_entries_until_the_next_over_a_restart",),
    ),
    Mutant(
        "reverse-opens-at-once",
        "A reverse opens while its close still works: both fill in part, nobody knows the slot.",
        "actors/signals.py",
        "            if not scene.is_clear or not self._waited(signal, future):",
        "            if not self._waited(signal, future):",
        (f"{_SIGNALS}::test_a_reverse_closes_first_and_opens_after_the_close_has_ended",),
    ),
    Mutant(
        "exit-closes-twice",
        "A second exit does not count what the first is closing: together they open a short.",
        "actors/signal_exits.py",
        " - slot.closing_qty, ZERO)",
        ", ZERO)",
        (f"{_SIGNALS}::test_what_an_exit_is_closing_already_is_not_closed_by_another",),
    ),
    Mutant(
        "old-exit-takes-a-new-trade",
        "An exit that is repeated after a restart closes a trade that was opened since.",
        "actors/signal_exits.py",
        "if signal is not None and g.ts > signal.ts]",
        "if False]",
        (f"{_SIGNALS}::test_an_exit_takes_nothing_that_was_opened_by_a_later_signal",),
    ),
    Mutant(
        "exit-leaves-the-entry",
        "An exit closes what is held and leaves the entry working: it fills afterwards.",
        "actors/signal_exits.py",
        "        return Exit(groups=tuple(g.group_id for g in groups), order=order, qty=free)",
        "        return Exit(groups=(), order=order, qty=free)",
        (f"{_SIGNALS}::test_an_exit_calls_an_entry_off_that_still_works",),
    ),
)
