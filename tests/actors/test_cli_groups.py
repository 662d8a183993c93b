"""`orderwright explain` of groups and their orders, and the diagram of a group."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from actors.testing import SPOT, SimulatedSystem
from engine import limit
from engine.contingent import bracket
from engine.group_tables import GROUP

from .replay_kit import run

SECOND = 1_000_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A bracket of which a part has filled; its exits work."""
    system = SimulatedSystem(seed=1)
    system.quote(SPOT.symbol, Decimal(199), Decimal(50), Decimal(201), Decimal(50))
    entry = limit(SPOT.symbol, "BUY", 1, 200)
    targets = [(220, "0.5"), (240, "0.5")]
    system.system.submit_group(bracket(entry, stop_px=180, targets=targets), intent_id="b")
    system.run(SECOND)
    system.trade(SPOT.symbol, Decimal("199.5"), Decimal("0.4"))
    system.run(SECOND)
    system.save_journal(tmp_path / "a.db")
    return tmp_path / "a.db"


def test_an_order_shows_its_group_its_parent_and_its_siblings(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """Each with its state at the end of the journal; of the parent they are children."""
    told = run(capsys, "explain", "b/stop", "--journal", journal, "--json").json
    assert told["group"] == "b"
    assert [
        ("parent", "entry", "PARTIAL", "0.4"),
        ("sibling", "target-1", "OCO_LINKED", "0"),
        ("sibling", "target-2", "OCO_LINKED", "0"),
    ] == [(kin["kind"], kin["leg"], kin["state"], kin["cum_qty"]) for kin in told["kin"]]
    told = run(capsys, "explain", "b/entry", "--journal", journal, "--json").json
    assert ["child"] * 3 == [kin["kind"] for kin in told["kin"]]
    text = run(capsys, "explain", "b/entry", "--journal", journal)
    assert text.code == 0
    for word in ("  group    b", "target-2", "OCO_LINKED"):
        assert word in text.out


def test_a_group_shows_its_chain(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    """What was submitted, every look that changed it, and its orders."""
    told = run(capsys, "explain", "b", "--journal", journal, "--json").json
    assert (told["group"], told["state"]) == ("b", "LINKED")
    assert ["PENDING", "WORKING", "ARMING", "LINKED"] == [one["state"] for one in told["facts"]]
    assert told["tree"][0] == "OTO"
    assert "    target-1: TARGET SELL BTC/USDT LIMIT at 220 for 0.5 of it" in told["tree"]
    text = run(capsys, "explain", "b", "--journal", journal)
    assert text.code == 0
    for word in ("Group b: LINKED", "-> ARMING", "stop: STOP SELL BTC/USDT STOP stop 180"):
        assert word in text.out


def test_the_diagram_of_a_group_is_the_table_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed from it."""
    told = run(capsys, "diagram", "group")
    assert (told.code, told.out) == (0, GROUP.mermaid())
