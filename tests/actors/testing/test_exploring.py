"""Every schedule of a race: all of them, the same number everywhere, each judged."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.testing.exploring import Explored, explore
from actors.testing.exploring_state import state_of
from actors.testing.running import run, simulated, take
from engine.errors import InvalidValue, InvariantViolated
from engine.testing import Fault, FaultKind, When
from engine.testing.races import RACES, Either, Race
from engine.testing.scenario import Cancels, Happens, Injects, Trades, Turns
from engine.values import Side

ROOT = Path(__file__).parents[3]
SECOND = 1_000_000_000
SMALL = "replace-against-fill"
#: Races of thousands of states.
LARGEST = (
    "bust-against-cancel",
    "crash-around-first-fill",
    "crash-around-submit",
    "fill-against-disconnect",
    "oco-siblings",
    "submit-against-disconnect",
)
LARGE = (
    *LARGEST,
    "entry-cancel-against-fill",
    "flatten-against-fill",
    "submit-against-slowness",
)
#: A minute of one core in all; `orderwright explore all` covers them as well.
_MARKS = {name: pytest.mark.nightly if name in LARGEST else pytest.mark.slow for name in LARGE}
#: Both exits filled: it is bought back at once, or (nobody sells) again and again until it is.
BOTH = "b/entry FILLED 0.01, b/stop FILLED 0.01, b/target FILLED 0.01"
AGAIN = ", ".join(f"SIMTEST00000000{n}01 CANCELLED 0" for n in "456789ABCDEFGH")
ENDS = {
    "cancel-against-fill": ("a CANCELLED 0", "a FILLED 0.02"),
    "replace-against-fill": ("a FILLED 0.02", "a PARTIAL 0.02"),
    "replace-against-cancel": ("a CANCELLED 0", "a CANCELLED 0.01"),
    "submit-against-timeout": ("a ACCEPTED 0", "a REJECTED 0"),
    "submit-against-slowness": ("a ACCEPTED 0", "a REJECTED 0"),
    "submit-against-disconnect": ("a ACCEPTED 0", "a REJECTED 0"),
    "fill-against-disconnect": ("a PARTIAL 0.01",),
    "two-partial-fills-against-cancel": ("a CANCELLED 0", "a CANCELLED 0.01", "a FILLED 0.02"),
    "crash-around-submit": ("a ACCEPTED 0", "a REJECTED 0"),
    "bust-against-cancel": ("a CANCELLED 0.00", "a CANCELLED 0.01"),
    "entry-cancel-against-fill": (
        "b/entry CANCELLED 0, b/stop CANCELLED 0",
        "b/entry CANCELLED 0.01, b/stop OCO_LINKED 0",
    ),
    "flatten-against-fill": (
        "a CANCELLED 0",
        "a CANCELLED 0.01, SIMTEST00000000201 FILLED 0.01",
        "a FILLED 0.02, SIMTEST00000000201 FILLED 0.01, SIMTEST00000000301 FILLED 0.01",
    ),
    "crash-around-first-fill": (
        "b/entry FILLED 0.02, b/stop OCO_LINKED 0",
        "b/entry FILLED 0.02, b/stop REJECTED 0, SIMTEST000004ABW01 FILLED 0.02",
    ),
    "oco-siblings": (
        "b/entry FILLED 0.01, b/stop CANCELLED 0, b/target FILLED 0.01",
        "b/entry FILLED 0.01, b/stop FILLED 0.01, b/target CANCELLED 0",
        f"{BOTH}, {AGAIN}, SIMTEST00000000I01 FILLED 0.01",
        f"{BOTH}, SIMTEST00000000401 FILLED 0.01",
    ),
}
COUNT = f"""
from actors.testing.exploring import explore
from engine.testing.races import RACES
done = explore(RACES[{SMALL!r}])
print(done.schedules, done.states, done.runs, len(done.end_states), done.ends)
"""


def _of(name: str, *hands: object) -> Race:
    """A race that begins as a named one does, with other hands."""
    return replace(RACES[name], name="of-a-test", hands=hands)


def _plainly(explored: Explored) -> Explored:
    return replace(explored, seconds=0.0)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=_MARKS[n]) if n in _MARKS else n for n in RACES]
)
def test_every_schedule_keeps_every_promise(name: str) -> None:
    """All are covered, none violates anything, and the race is one: it ends in every way it can."""
    done = explore(RACES[name])
    assert done.complete
    assert () == done.found
    assert 0 == done.broken
    assert ENDS[name] == done.ends
    assert done.schedules > done.runs > 20
    assert done.states > 50


def test_counts_are_the_same_whoever_counts() -> None:
    """Twice here, and in processes in which texts hash otherwise."""
    done = explore(RACES[SMALL])
    assert _plainly(done) == _plainly(explore(RACES[SMALL]))
    said = f"{done.schedules} {done.states} {done.runs} {len(done.end_states)} {done.ends}\n"
    for seed in ("0", "4242"):
        told = subprocess.run(
            [sys.executable, "-c", COUNT],
            capture_output=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            text=True,
            timeout=100,
            check=False,
        )
        assert (said, "") == (told.stdout, told.stderr)


def _fill_and_bust() -> Race:
    """The market takes a lot of an open order, which the venue takes back, if it is there yet."""
    lot = Trades("BTC/USDT", Decimal(200), Decimal("0.01"), Side.SELL)
    return _of("two-partial-fills-against-cancel", (lot,), (Happens(Fault(FaultKind.BUSTED)),))


@pytest.mark.parametrize("race", [RACES[SMALL], _fill_and_bust()], ids=lambda race: race.name)
def test_what_is_left_out_is_nothing_new(race: Race) -> None:
    """Running every single schedule comes to the same number of them, and the same end states, as
    entering each state once.
    """
    reduced, whole = explore(race), explore(race, reduces=False)
    assert whole.complete
    assert whole.schedules == whole.runs == reduced.schedules
    assert whole.end_states == reduced.end_states
    assert whole.ends == reduced.ends
    assert whole.runs > reduced.runs
    assert whole.states > reduced.states


def _lying() -> Race:
    """A venue that breaks its word, but only for a request that leaves after it fell ill."""
    late = Injects(Fault(FaultKind.ARRIVES_LATE, When(verb="place"), delay_ns=30 * SECOND))
    submit = RACES["cancel-against-fill"].hands[0][0]
    return _of("cancel-against-fill", (submit,), (late,))


def test_what_only_some_schedules_show_is_found() -> None:
    """A placement that acts long after the venue's window breaks a promise; the first schedule
    does not show it, and what is found plays again as an ordinary scenario.
    """
    race = _lying()
    done = explore(race)
    assert done.complete
    assert 0 < done.broken < done.schedules
    assert () == run(replace(race.begins, steps=(*race.begins.steps, *race.hands[0]))).violations
    for found in done.found[:3]:
        again = run(found.scenario).violations
        assert found.violation == again[0]


def test_a_search_that_was_cut_short_says_so() -> None:
    """``complete`` is said only of everything."""
    done = explore(RACES["cancel-against-fill"], max_states=30)
    assert not done.complete
    assert 30 <= done.states < 60


def test_a_choice_between_steps_is_explored() -> None:
    """Each of the alternatives is taken in some schedule."""
    lots = [Trades("BTC/USDT", Decimal(200), Decimal(n) / 100, Side.SELL) for n in (1, 2)]
    done = explore(_of("two-partial-fills-against-cancel", (Either(tuple(lots)),)))
    assert ("a FILLED 0.02", "a PARTIAL 0.01") == done.ends


# --- states ---------------------------------------------------------------------------------------


def _first(n: int) -> int:
    del n
    return 0


def test_every_step_is_another_state() -> None:
    """Equal runs are in equal states, step by step, and no step leads back to a state before."""
    begins = RACES["cancel-against-fill"].begins
    host = RACES["cancel-against-fill"].hands[0]
    steps = [*begins.steps, *(step for step in host if not isinstance(step, Either))]
    with simulated(begins, _first) as one, simulated(begins, _first) as two:
        seen: dict[bytes, None] = {}
        while steps or one.dispatcher.has_work():
            step = steps.pop(0) if steps else Turns(1)
            for system in (one, two):
                take(system, step)
            state = state_of(one)
            assert state == state_of(two)
            assert state not in seen
            seen[state] = None
        assert len(seen) > 10
        take(one, Cancels("a"))
        assert state_of(one) != state_of(two)


def test_what_cannot_be_described_is_not_passed_over() -> None:
    """A state that would be known in part is an error: two that look equal would not be."""
    with pytest.raises(InvariantViolated, match="every part of the state"):
        state_of([iter([1, 2])])


def test_only_what_happens_by_itself_can_happen_now() -> None:
    """A fault of a call needs a call; the scenario says so before it runs."""
    refused = Happens(Fault(FaultKind.REFUSED))
    with pytest.raises(InvalidValue, match="use Injects"):
        replace(RACES[SMALL].begins, steps=(refused,))
