"""What a person sees of a trigger that the engine watched: explain, verify, diagram."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.submitting import local_legs
from engine import bracket, limit, stop
from engine.trigger_tables import TRIGGER

from .replay_kit import run
from .trigger_kit import BARE, BTC, SECOND, begun, market


@pytest.fixture
def journal(tmp_path: Path) -> tuple[Path, str]:
    """The journal of a bracket that was stopped out at a spot venue, and the id of its stop."""
    system = begun(able=BARE)
    root = local_legs(bracket(limit(BTC, "BUY", "1", 202), stop_px=180, target=220), BARE)
    ticket = system.system.submit_group(root, intent_id="g")
    system.run(SECOND)
    market(system, "178", "179")
    system.stop()
    path = tmp_path / "a.db"
    system.save_journal(path)
    return path, ticket.legs["stop"].client_order_id


def test_the_chain_of_a_local_stop_names_price_source_and_who_watched(
    capsys: pytest.CaptureFixture[str], journal: tuple[Path, str]
) -> None:
    """HELD until its price came; which price that was; then the market order it became."""
    path, cid = journal
    told = run(capsys, "explain", cid, "--journal", path, "--json").json
    facts = {fact["fact"]: fact for fact in told["facts"]}
    assert "HELD" == facts["LocalTriggered"]["state"]
    assert {"trigger_source": "LAST", "px": "179", "stop_px": "180"} == (
        {"trigger_source": "LAST"} | facts["LocalTriggered"]["evidence"]
    )
    assert "PENDING" == facts["LocalReleased"]["state"]
    assert told["terms"].endswith("trigger watched by the engine")
    assert "FILLED" == told["state"]


def test_the_chain_of_a_group_says_which_legs_are_local(
    capsys: pytest.CaptureFixture[str], journal: tuple[Path, str]
) -> None:
    """The tree of its legs."""
    told = run(capsys, "explain", "g", "--journal", journal[0])
    (line,) = [line for line in told.out.splitlines() if "stop: STOP" in line]
    assert "watched by the engine" in line


def test_a_journal_with_triggers_verifies(
    capsys: pytest.CaptureFixture[str], journal: tuple[Path, str]
) -> None:
    """Every check holds."""
    assert 0 == run(capsys, "verify", journal[0]).code


def test_a_replay_comes_to_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What was elected then is elected by its fact, with no prices there."""
    system = begun()
    system.submit(limit(BTC, "BUY", "1", 202))
    system.submit(stop(BTC, "SELL", "1", 180, local=True, reduce_only=True))
    system.run(SECOND)
    market(system, "178", "179")
    system.stop()
    system.save_journal(tmp_path / "b.db")
    told = run(capsys, "replay", tmp_path / "b.db")
    assert (0, True) == (told.code, "all checks hold" in told.out + told.err)


def test_the_trigger_diagram_is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """`orderwright diagram trigger`."""
    told = run(capsys, "diagram", "trigger")
    assert (0, TRIGGER.mermaid()) == (told.code, told.out)
