"""Faults in what positions came to and are worth: trips, marks, rates."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["ACCOUNTS"]

_TRIPS: Final = "tests/properties/test_trip_properties.py"
_SAME: Final = f"{_TRIPS}::test_trips_are_what_the_executions_that_stand_come_to"
_HISTORY: Final = "tests/actors/test_history.py"
_WORTH: Final = "tests/actors/test_accounting.py"
_RATES: Final = "tests/engine/test_rates.py"

ACCOUNTS: Final = (
    Mutant(
        "flip-pays-once",
        "The fee of an execution that turns a position is all the old trip's: its P&L is wrong.",
        "engine/trip_steps.py",
        "            part = share(fee, closing, _add(closing, opening))",
        "            part = fee",
        (_SAME, f"{_HISTORY}::test_a_flip_closes_one_and_opens_the_next"),
    ),
    Mutant(
        "bust-leaves-the-trip",
        "A busted close stays in the history: a profit that was taken away is still told.",
        "engine/trip_fold.py",
        "        again = _taken_out(trail, cid, key, ts, instrument)",
        "        again = None",
        (_SAME, f"{_HISTORY}::test_a_bust_takes_a_close_back_and_a_correction_amends_it"),
    ),
    Mutant(
        "correction-comes-last",
        "A corrected execution counts where it was corrected: it closes another trip than it did.",
        "engine/trip_fold.py",
        "        if trail.hole is not None and trail.hole[:2] == (cid, ts):",
        "        if trail.hole is not None and False:",
        (_SAME,),
    ),
    Mutant(
        "realised-twice",
        "What earlier trips have earned counts in each later one again.",
        "engine/trip_steps.py",
        "        self.settled = realized\n",
        "        pass\n",
        (_SAME,),
    ),
    Mutant(
        "best-is-worst",
        "The worst price of a short is the lowest: its drawdown looks like its best moment.",
        "engine/trip_steps.py",
        "        worst, best = (low, high) if trip.side is Exposure.LONG else (high, low)",
        "        worst, best = low, high",
        (f"{_HISTORY}::test_a_short_is_worst_at_the_top",),
    ),
    Mutant(
        "marks-after-the-booking",
        "Prices seen before a reduction are held against what is left: the drawdown looks smaller.",
        "actors/following.py",
        "            self._write_marks(ts)\n            after",
        "            after",
        (f"{_HISTORY}::test_marks_are_extremes_of_the_trip",),
    ),
    Mutant(
        "gone-row-stays",
        "The row of a trip whose close was busted stays: the history tells of it for ever.",
        "actors/following.py",
        "            batch.checkpoints_removed.append(key)\n",
        "",
        (f"{_HISTORY}::test_a_bust_takes_a_close_back_and_a_correction_amends_it",),
    ),
    Mutant(
        "stale-mark",
        "A price of an hour ago values what is held.",
        "engine/marks.py",
        "(max_age_ns is None or age <= max_age_ns)",
        "True",
        (f"{_WORTH}::test_known_prices_value_what_is_held",),
    ),
    Mutant(
        "inverse-as-it-stands",
        "EUR/USD serves for USD/EUR as it is: everything is off by its square.",
        "engine/rates.py",
        "        px, ts = CONTEXT.divide(ONE, back.px), back.ts",
        "        px, ts = back.px, back.ts",
        (f"{_RATES}::test_inverse_and_cross", f"{_WORTH}::test_rates_are_facts"),
    ),
    Mutant(
        "stale-rate",
        "A limit is held against a rate of last week.",
        "engine/rates.py",
        "    return None if max_age_ns is not None and age > max_age_ns else (px, age)",
        "    return (px, age)",
        (f"{_RATES}::test_what_is_too_old_is_missing",),
    ),
    Mutant(
        "missing-is-nothing",
        "An amount without a rate counts as 0: a loss in another currency is not seen.",
        "engine/rates.py",
        "                total = None\n",
        "                pass\n",
        (f"{_RATES}::test_a_total_with_a_missing_rate_is_not_known",),
    ),
    Mutant(
        "history-forgets-the-restart",
        "After a restart an open position is a new trip: its entry and extremes are gone.",
        "actors/starting.py",
        "            brokers[venue, account].following.hold(trail)",
        "            pass",
        (f"{_HISTORY}::test_a_restart_finds_every_trip_as_it_was",),
    ),
)
