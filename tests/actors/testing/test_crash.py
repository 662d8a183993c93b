"""The process dies at every moment of a scenario: nothing is lost, nothing doubled.

And the harness itself: it sees what a broken venue or a broken restart would do.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

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
from engine.messages import Cancel, Filled, Place
from engine.simulator import ExchangeConfig

from .crash_kit import BTC, BUY, FAR, drawn, quote, run, story, submit

D = Decimal


def assert_unharmed(report: CrashReport) -> None:
    """Nothing was broken by any crash; the first that did is shown."""
    assert not report.violations, f"{len(report.violations)}, first {report.violations[0]}"


@pytest.mark.parametrize("turn_messages", [1, 32])
@pytest.mark.parametrize("config", [ExchangeConfig(), FAR], ids=["near", "far"])
def test_it_may_die_at_any_moment(config: ExchangeConfig, turn_messages: int) -> None:
    """Killed at every commit and every call of a story, near the venue and far from it."""
    report = cut_everywhere(story(config=config, turn_messages=turn_messages))
    assert_unharmed(report)
    assert report.cuts == 2 * report.commits + 2 * report.calls > 80
    assert report.orders >= 12
    assert report.fills >= 8


def test_recovery_survives_itself() -> None:
    """Killed again right before or after the first commits of the life that recovers."""
    report = cut_everywhere(story(config=FAR), again=3, every=4)
    assert_unharmed(report)
    assert report.cuts > 100


@pytest.mark.parametrize("seed", range(6))
def test_drawn_scenarios_survive_too(seed: int) -> None:
    """Scenarios nobody thought of, with orders of every kind and two accounts."""
    report = cut_everywhere(drawn(seed), again=seed % 2, every=3)
    assert_unharmed(report)
    assert report.cuts > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
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


class _Deaf(PaperVenue):
    """Confirms cancels that it does not make."""

    async def cancel(self, request: Cancel) -> Outcome:
        there = self.market.exchange.order(self.account, request.client_order_id, None, 0)
        done = await super().cancel(request)
        if there is not None and isinstance(done, Done):
            self.market.exchange.place(
                _again(request, there.order_qty or D(1)), self.market.time_ns()
            )
        return done


def _again(request: Cancel, qty: Decimal):  # type: ignore[no-untyped-def]
    raise NotImplementedError
