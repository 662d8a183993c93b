"""How fast and how much may leave: budgets, windows, holds and halts."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["LIMITS"]

LIMITS: Final = (
    Mutant(
        "budget-ignored",
        "Calls leave faster than the venue allows, and it bans us with positions open.",
        "engine/budget.py",
        "        self._level -= cost",
        "        pass",
        (
            "tests/properties/test_session_properties.py::TestSession",
            "tests/properties/test_session_properties.py::test_no_window_sees_more_calls_than_the_venue_allows",
        ),
    ),
    Mutant(
        "reserve-spent-by-entries",
        "Entries spend the tokens kept for exits: a cancel cannot leave when it is needed.",
        "engine/budget.py",
        "            kept = 0 if is_exit or kind in EXITS else rule.reserved",
        "            kept = 0",
        ("tests/properties/test_session_properties.py::TestSession",),
    ),
    Mutant(
        "refill-too-fast",
        "A rate limit counts twice the time that passed: the venue bans us.",
        "engine/budget.py",
        "            level = self._level + gone * self._rate",
        "            level = self._level + 2 * gone * self._rate",
        (
            "tests/properties/test_session_properties.py::TestSession",
            "tests/properties/test_session_properties.py::test_no_window_sees_more_calls_than_the_venue_allows",
        ),
    ),
    Mutant(
        "throttle-ignored",
        "A venue that says 'slow down' is called again at once, until it bans us.",
        "engine/session.py",
        "        until = now_ns + (retry_after_ns if retry_after_ns > 0 else"
        " self.limits.throttle_pause_ns)",
        "        until = now_ns",
        ("tests/properties/test_session_properties.py::TestSession",),
    ),
    Mutant(
        "window-ignored",
        "Any number of calls is on the wire at once; a serial venue mixes them up.",
        "engine/session.py",
        "wide if k in EXITS else self.limits.window for k in CallKind",
        "1_000 for k in CallKind",
        ("tests/properties/test_session_properties.py::TestSession",),
    ),
    Mutant(
        "exit-slot-for-entries",
        "Entries fill the slot that is kept for cancels, and a cancel waits behind them.",
        "engine/session.py",
        "wide if k in EXITS else self.limits.window for k",
        "wide for k",
        ("tests/properties/test_session_properties.py::TestSession",),
    ),
    Mutant(
        "overdue-entry-leaves",
        "An entry that waited past its send-by time leaves after all, at a price of long ago.",
        "engine/session.py",
        "            if call.send_by_ns is not None and call.send_by_ns <= now_ns:",
        "            if False:",
        ("tests/engine/test_session_limits.py::test_next_does_not_send_an_overdue_entry",),
    ),
    Mutant(
        "held-instrument-trades",
        "Entries of an instrument on hold leave all the same.",
        "engine/session.py",
        "        if instrument in self._held:",
        "        if False:",
        (
            "tests/properties/test_session_properties.py::TestSession",
            "tests/engine/test_session_gates.py::test_a_held_instrument_keeps_its_entries_only",
        ),
    ),
    Mutant(
        "gap-keeps-agreement",
        "After a new gap entries leave on the strength of the last reconciliation.",
        "engine/session.py",
        "            self._agreed.clear()",
        "            pass",
        (
            "tests/engine/test_session_gates.py::test_an_instrument_that_agrees_trades_before_the_gap_is_over",
        ),
    ),
    Mutant(
        "entries-in-a-gap",
        "Entries leave while nobody knows what a gap hid.",
        "engine/session_chart.py",
        "    if mode is TradingMode.ALL and state is SessionState.READY:",
        "    if mode is TradingMode.ALL and state in _LINK_STANDS:",
        ("tests/engine/test_session_gates.py::test_what_leaves_in_each_state",),
    ),
    Mutant(
        "halt-ignored",
        "An account that is halted goes on sending reducing orders.",
        "engine/session_chart.py",
        "CallKind.REDUCE: Gate.SHUT if mode is TradingMode.NONE else up",
        "CallKind.REDUCE: up",
        ("tests/properties/test_session_properties.py::TestSession",),
    ),
)
