"""The process dies at every moment of a scenario: nothing is lost, nothing doubled.

And the harness itself: it sees what a broken venue or a broken restart would do.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.testing.crash import (
    CrashPoint,
    CrashReport,
    CrashScenario,
    Cut,
    NotReached,
    cut_at,
    cut_everywhere,
)
from actors.testing.crash_files import tear_everywhere
from actors.testing.crash_stage import Stage
from actors.venues.paper import PaperMarket, PaperVenue
from actors.venues.port import Answer, Done, Outcome, Venue
from engine.errors import InvalidValue
from engine.messages import Filled, Place
from engine.simulator import ExchangeConfig

from .crash_kit import BUY, FAR, at_a_faulty_venue, drawn, quote, run, story, submit


def assert_unharmed(report: CrashReport) -> None:
    """Nothing was broken by any crash; the first that did is shown."""
    assert not report.violations, f"{len(report.violations)}, first {report.violations[0]}"


@pytest.mark.parametrize("turn_messages", [1, 32])
@pytest.mark.parametrize("config", [ExchangeConfig(), FAR], ids=["near", "far"])
def test_it_may_die_at_any_moment(config: ExchangeConfig, turn_messages: int) -> None:
    """Killed at every commit and every call of a story, near the venue and far from it."""
    report = cut_everywhere(story(config=config, turn_messages=turn_messages))
    assert_unharmed(report)
    assert report.cuts == 2 * report.commits + 2 * report.calls >= 60
    assert report.orders >= 12
    assert report.fills >= 6


def test_recovery_survives_itself() -> None:
    """Killed again right before or after the first commits of the life that recovers."""
    report = cut_everywhere(story(config=FAR), again=3, every=6)
    assert_unharmed(report)
    assert report.cuts > 60


@pytest.mark.parametrize("seed", range(6))
def test_drawn_scenarios_survive_too(seed: int) -> None:
    """Scenarios nobody thought of, with orders of every kind and two accounts."""
    report = cut_everywhere(drawn(seed), again=seed % 2, every=3)
    assert_unharmed(report)
    assert report.cuts > 10


@pytest.mark.parametrize(("profile", "seed"), [("rough", 0), ("hell", 3)])
def test_crashes_and_a_faulty_venue_are_survived_together(profile: str, seed: int) -> None:
    """The process dies at any moment while answers are lost, late and wrong anyway."""
    report = cut_everywhere(at_a_faulty_venue(drawn(seed), profile, seed), every=4)
    assert_unharmed(report)
    assert report.cuts > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed",
    [*range(100, 106), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(106, 140))],
)
def test_many_drawn_scenarios_survive(seed: int) -> None:
    """As above, at every commit and call."""
    assert_unharmed(cut_everywhere(drawn(seed), again=1))


def test_a_torn_commit_vanishes_whole() -> None:
    """The log is cut inside the bytes of a commit, on disk: what was before it stands, the rest is
    asked for.
    """
    report = tear_everywhere(story(), every=7)
    assert_unharmed(report)
    assert report.cuts >= 12


@pytest.mark.slow
@pytest.mark.nightly
def test_every_commit_may_be_torn() -> None:
    """As above, in every commit, near and far."""
    for config in (ExchangeConfig(), FAR):
        assert_unharmed(tear_everywhere(story(config=config)))


# --- the harness sees what is broken --------------------------------------------------------------


class _Forgetful(PaperVenue):
    """Tells only once of what it executed: who was not listening never hears of it."""

    async def executions(self, since_ts: int) -> Answer[Filled]:
        return Answer((), True, self.market.time_ns())


class _Twice(PaperVenue):
    """Answers with an execution that the venue never made."""

    async def place(self, request: Place) -> Outcome:
        outcome = await super().place(request)
        if not isinstance(outcome, Done):
            return outcome
        fills = [report for report in outcome.reports if isinstance(report, Filled)]
        made_up = tuple(
            Filled(
                fill.client_order_id, fill.ts, f"{fill.exec_id}-bis", fill.last_qty, fill.last_px
            )
            for fill in fills
        )
        return Done((*outcome.reports, *made_up))


def _short(venue: Callable[[PaperMarket, str], Venue]) -> CrashScenario:
    """Three orders: one trades at once, one while the process may be down, one stays."""
    steps = (
        quote("99", "5", "101", "5"),
        submit("now", BUY, "1", "101"),
        submit("later", BUY, "1", "96"),
        submit("never", BUY, "1", "90"),
        run(10),
    )
    return story(steps=steps, venue=venue)


def test_a_venue_that_forgets_executions_is_noticed() -> None:
    """What such a venue executes while the process is down is missing, and the report says so."""
    report = cut_everywhere(_short(lambda market, account: _Forgetful("SIM", account, market)))
    broken = {found.violation.invariant for found in report.violations}
    assert {"no_fill_lost", "positions_agree"} <= broken
    first = report.violations[0]
    assert first.violation in cut_at(
        _short(lambda market, account: _Forgetful("SIM", account, market)), Cut.read(first.cut)
    )
    assert first.cut in str(first)


def test_a_venue_that_makes_up_executions_is_noticed() -> None:
    """An execution that the exchange does not know is reported, without any crash too."""
    report = cut_everywhere(_short(lambda market, account: _Twice("SIM", account, market)))
    found = [one for one in report.violations if not one.cut]
    assert "no_fill_invented" in {one.violation.invariant for one in found}
    assert "without a crash" in str(found[0])


def test_a_cut_is_reproduced_by_its_text() -> None:
    """What a report says of a cut can be read back; anything else is refused."""
    cut = Cut(CrashPoint.AFTER_SEND, 7, (Cut(CrashPoint.BEFORE_WRITE, 1),))
    assert cut == Cut.read(str(cut))
    assert "AFTER_SEND:7 then BEFORE_WRITE:1" == str(cut)
    for text in ("", "AFTER_SEND", "AFTER_SEND:x", "NOWHERE:1", "AFTER_SEND:1 then"):
        with pytest.raises(InvalidValue, match="POINT:NUMBER"):
            Cut.read(text)


def test_a_cut_behind_the_end_is_an_error() -> None:
    """A scenario that ends before its cut was not cut, and must not count as having survived."""
    with pytest.raises(NotReached, match="AFTER_SEND:999"):
        cut_at(story(), Cut(CrashPoint.AFTER_SEND, 999))


def test_a_scenario_that_changes_is_an_error() -> None:
    """One that does less the second time cannot be cut where it was cut before."""
    plays: list[int] = []

    def only_once(stage: Stage) -> None:
        if not plays:
            plays.append(1)
            submit("once", BUY, "1", "96")(stage)

    with pytest.raises(NotReached):
        cut_everywhere(story(steps=(quote("99", "5", "101", "5"), only_once, run(10))))


def test_progress_is_told() -> None:
    """Whoever waits is told how many cuts were tried, of how many."""
    told: list[tuple[int, int]] = []
    report = cut_everywhere(
        story(), points=(CrashPoint.AFTER_SEND,), every=5, progress=lambda *pair: told.append(pair)
    )
    assert [(n, report.cuts) for n in range(1, report.cuts + 1)] == told
