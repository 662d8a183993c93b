"""Replays of journals with groups and kill switches: these are followed, and decide nothing."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from actors.replay import Interrupted, replay
from actors.replay_feed import _ReplaySystem
from actors.runtime import SimulatedDispatcher
from actors.testing import SPOT
from actors.testing.running import play, simulated
from actors.venues.recorded import RecordedVenue
from engine import limit
from engine.contingent import bracket
from engine.messages import (
    AdoptOrder,
    DefineInstrument,
    Fact,
    LinkDown,
    LinkUp,
    OrderReport,
    ReviveOrder,
    TradingMode,
)
from engine.testing import PROFILES
from engine.testing.drawing import scenario
from engine.testing.scenario import (
    CancelsGroup,
    Crashes,
    Flattens,
    Lifts,
    Quotes,
    Restarts,
    Scenario,
    SetsMode,
    Step,
    SubmitsGroup,
    Trades,
    Waits,
)
from engine.trip_books import MONEY_FACTS
from engine.values import Side

from .replay_kit import run

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
TERMS = bracket(limit(BTC, "BUY", 1, 200), stop_px=180, targets=[(220, "0.5"), (240, "0.5")])
STORY: tuple[Step, ...] = (
    Quotes(BTC, D(199), D(50), D(201), D(50)), Waits(SECOND),
    SubmitsGroup("g", TERMS), SubmitsGroup("h", TERMS), Waits(SECOND),
    Trades(BTC, D("199.5"), D("0.4"), Side.SELL), Waits(SECOND), Crashes(), Restarts(),
    Waits(SECOND), CancelsGroup("g", close=True), Waits(20 * SECOND),
    SetsMode(TradingMode.REDUCE_ONLY), Flattens(), Waits(20 * SECOND), Lifts(), Waits(SECOND),
)  # fmt: skip


def kept(told: Scenario, path: Path) -> str:
    """The journal of a scenario in a file; the digest that it folds to."""
    with simulated(told) as system:
        assert () == play(system, told).violations
        system.save_journal(path)
        assert system.judge.books.groups
        return system.system.state_digest().get(timeout=60)


def test_a_journal_with_groups_and_a_switch_replays_to_the_same_digest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Over the command line, judged by the fold of its own facts; and verified."""
    digest = kept(Scenario(seed=1, instruments=(SPOT,), steps=STORY), tmp_path / "a.db")
    told = run(capsys, "replay", tmp_path / "a.db", "--json")
    assert told.code == 0
    assert (digest, "journal") == (told.json["digest"], told.json["format"])
    names = [check["name"] for check in told.json["checks"]]
    assert {"orders_as_folded", "digest_as_folded"} <= set(names)
    assert run(capsys, "verify", tmp_path / "a.db", "--json").json["digest"] == digest


@pytest.mark.parametrize("profile", ["rough", "hell"])
def test_whatever_happened_replays(tmp_path: Path, profile: str) -> None:
    """Groups, signals, switches, crashes and lies of the venue: nothing is decided once more."""
    done = 0
    for seed in range(60):
        told = scenario(seed, profile)
        if not any(isinstance(step, SubmitsGroup) for step in told.steps) or done > 12:
            continue
        path = tmp_path / f"{seed}.db"
        with simulated(told) as system:
            play(system, told)
            digest = system.system.state_digest().get(timeout=60)
            system.save_journal(path)
        report = replay([path])
        assert (seed, digest, 0) == (seed, report.digest, report.failed)
        done += 1
    assert done > 12


def _named(step: Step, number: int) -> Step:
    """The same step of another group."""
    if isinstance(step, SubmitsGroup | CancelsGroup):
        return replace(step, intent=f"{step.intent}{number}")
    return step


def test_a_replay_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    """Into a journal of its own, killed after each batch: what groups held is taken up, and left
    alone.
    """
    steps = tuple(_named(step, number) for number, step in enumerate(STORY * 4))
    told = Scenario(seed=1, instruments=(SPOT,), plan=PROFILES["rough"], steps=steps)
    digest = kept(told, tmp_path / "a.db")
    report = None
    for _ in range(20):
        with contextlib.suppress(Interrupted):
            report = replay([tmp_path / "a.db"], journal=tmp_path / "b.db", stop=lambda: True)
    assert report is not None
    assert (digest, 0) == (report.digest, report.failed)
    assert report.resumed_at > 0


def test_every_fact_has_somewhere_to_go_in_a_replay() -> None:
    """What may stand in a journal is read over on purpose, goes to the books, to its order, or to a
    part of the broker that follows it: a fact without a place would fail the account.
    """
    clock = SimulatedDispatcher()
    system = _ReplaySystem([RecordedVenue("v", "a")], dispatcher=clock)
    system.start()
    (broker,) = system.brokers.values()
    known = (AdoptOrder, ReviveOrder, LinkUp, LinkDown, DefineInstrument, *MONEY_FACTS)
    homeless = [
        kind.__name__
        for kind in (*get_args(Fact), *get_args(OrderReport))
        if isinstance(kind, type)
        and not issubclass(kind, known)
        and kind not in broker._routes
        and "client_order_id" not in getattr(kind, "__struct_fields__", ())
    ]
    assert [] == homeless
    system.stop()
