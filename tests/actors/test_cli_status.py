"""`orderwright status`, and `explain` of an account: what is held, open, and shut."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.journal import open_journal
from actors.testing import SPOT, SimulatedSystem
from engine import InstrumentKind, limit, market
from engine.contingent import bracket
from engine.flatten import Scope
from engine.messages import DriftRemedy, TradingMode
from engine.values import PositionSlot

from .replay_kit import run

SECOND = 1_000_000_000
BTC = SPOT.symbol
PERP = replace(SPOT, kind=InstrumentKind.LINEAR)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A switch was pulled and lifted; something is held and works; a mode and a switch are on."""
    with SimulatedSystem(seed=1) as system:
        system.quote(BTC, Decimal(199), Decimal(50), Decimal(201), Decimal(50))
        real, everything = system.system, Scope()
        real.flatten(Scope(instrument=BTC), 1, statement="ops: wrong")
        system.run(SECOND)
        real.lift(Scope(instrument=BTC), "ops: never mind").get(timeout=1)
        system.submit(market(BTC, "BUY", 1))
        real.submit_group(bracket(limit(BTC, "BUY", 1, 150), stop_px=140), intent_id="b")
        system.run(SECOND)
        real.set_mode(TradingMode.NONE, everything, "ops: a drill").get(timeout=1)
        real.flatten(everything, 1, statement="ops: out", slice_share=Decimal("0.5"))
        system.turns(1)
        system.save_journal(tmp_path / "a.db")
    return tmp_path / "a.db"


def test_status_says_what_is_held_open_and_shut(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """For machines, and for people."""
    told = run(capsys, "status", journal, "--json").json
    (account,) = told["accounts"]
    assert ("SIM", "main", {"": "NONE"}) == tuple(account[k] for k in ("venue", "account", "modes"))
    (switch,) = account["kill_switches"]
    assert ("", "ops: out", "0.5") == tuple(
        switch[key] for key in ("instrument", "statement", "slice_share")
    )
    assert [{"instrument": BTC, "slot": "NET", "qty": "1"}] == account["positions"]
    assert ["b"] == list(account["groups"])
    assert (1, 0) == (account["open_orders"], account["held_orders"])
    text = run(capsys, "status", journal)
    assert text.code == 0
    for word in ("Account SIM/main", "mode NONE of everything", "in slices of 0.5", "ops: out"):
        assert word in text.out


def test_status_of_a_journal_in_which_nothing_is_shut(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An empty one, and one with a bracket that waits."""
    open_journal(tmp_path / "empty.db").close()
    assert "holds no account" in run(capsys, "status", tmp_path / "empty.db").out
    with SimulatedSystem(seed=1) as system:
        system.system.submit_group(bracket(limit(BTC, "BUY", 1, 100), stop_px=90))
        system.run(SECOND)
        system.save_journal(tmp_path / "a.db")
    text = run(capsys, "status", tmp_path / "a.db").out
    assert "nothing is shut" in text
    assert "1 orders open, 1 held by their groups, 0 not settled" in text


def test_explain_tells_who_has_shut_an_account_and_opened_it(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """Every fact in order, with what was in force behind it."""
    told = run(capsys, "explain", "SIM/main", "--journal", journal, "--json").json
    assert [
        ("Flatten", BTC, "ops: wrong", [f"kill switch of {BTC}"]),
        ("LiftFlatten", BTC, "ops: never mind", []),
        ("SetMode", "", "ops: a drill", ["mode NONE of everything"]),
    ] == [
        (one["fact"], one["instrument"], one["statement"], one["in_force"])
        for one in told["facts"] if one["in_force"] is not None
    ][:3]  # fmt: skip
    text = run(capsys, "explain", "SIM/main", "--journal", journal)
    assert text.code == 0
    for word in ("Account SIM/main", "ops: wrong", "End: mode NONE of everything"):
        assert word in text.out


def test_explain_tells_what_befell_an_account(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Sessions, drifts and how they were settled, rules that fired, statements; not what followed
    from them in orders. Nothing was shut, and it says so.
    """
    with SimulatedSystem(seed=3, instruments=(PERP,)) as system:
        system.quote(BTC, Decimal(199), Decimal(50), Decimal(201), Decimal(50))
        system.run(SECOND)
        system.submit(market(BTC, "BUY", 3))
        system.system.monitor(BTC, hold=100, monitor_id="rule")
        system.run(SECOND)
        system.exchange.move("main", BTC, PositionSlot.NET, Decimal(-1), None, system.now_ns())
        system.run(90 * SECOND)
        system.system.settle_drift(BTC, DriftRemedy.ADOPT, "desk: a transfer")
        system.run(60 * SECOND)
        system.save_journal(tmp_path / "a.db")
    told = run(capsys, "explain", "SIM/main", "--journal", tmp_path / "a.db", "--json").json
    assert [
        ("LinkUp", "", None, None),
        ("SetMonitor", BTC, "rule", None),
        ("SetDrift", BTC, "the venue has 2, our books 3", None),
        ("CorrectPosition", BTC, "OPERATOR -1", "desk: a transfer"),
        ("SettleDrift", BTC, "ADOPT", "desk: a transfer"),
        ("MonitorMoved", "", "rule has fired: HOLD_TIME", None),
        ("EndMonitor", "", "rule", "HOLD_TIME: closed"),
        ("SetDrift", BTC, "the venue and our books agree on 0 again", None),
    ] == [(one["fact"], one["instrument"], one["what"], one["statement"]) for one in told["facts"]]
    text = run(capsys, "explain", "SIM/main", "--journal", tmp_path / "a.db").out
    for word in ("LinkUp", "rule has fired", "desk: a transfer", "End: nothing is shut"):
        assert word in text


def test_an_account_that_is_not_there_is_no_order(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """It says so as of any id."""
    told = run(capsys, "explain", "SIM/other", "--journal", journal)
    assert (2, "") == (told.code, told.out)


def test_status_names_monitors_and_drifted_slots(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What acts or stops entries at the next start is not kept from who reads the journal."""
    with SimulatedSystem(seed=3) as system:
        system.quote(BTC, Decimal(199), Decimal(50), Decimal(201), Decimal(50))
        system.run(SECOND)
        system.submit(market(BTC, "BUY", 3))
        system.system.monitor(BTC, monitor_id="guard", stop_loss=500)
        system.run(SECOND)
        system.exchange.move("main", BTC, PositionSlot.NET, Decimal(2), None, system.now_ns())
        system.run(120 * SECOND)
        system.save_journal(tmp_path / "a.db")

    (account,) = run(capsys, "status", tmp_path / "a.db", "--json").json["accounts"]
    assert {"guard": {"of": f"{BTC} NET", "fired": None}} == account["monitors"]
    (drift,) = account["drifts"]
    assert (BTC, "3", "5") == tuple(drift[key] for key in ("instrument", "qty", "venue_qty"))
    text = run(capsys, "status", tmp_path / "a.db").out
    assert "entries of it are denied" in text
    assert "guard" in text
