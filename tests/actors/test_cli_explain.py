"""`orderwright explain`: the chain of one order, found by any of its ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.replay import replay

from .replay_kit import HOSTILE, Run, kucoin, lobster, run


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a small market's replay."""
    path = tmp_path / "a.db"
    replay([lobster(tmp_path)], journal=path)
    return path


def test_the_chain_has_every_fact_with_its_evidence(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """Intent, checks, each fact with time and raw fields, the state after it, fills, the end."""
    told = run(capsys, "explain", "8", "--journal", journal, "--json").json

    assert [
        ("SubmitOrder", "PENDING", "0"),
        ("Accepted", "ACCEPTED", "0"),
        ("Filled", "PARTIAL", "5"),
        ("Cancelled", "CANCELLED", "5"),
    ] == [(fact["fact"], fact["state"], fact["cum_qty"]) for fact in told["facts"]]
    filled = told["facts"][2]
    assert (filled["source"], filled["evidence"]["last_px"]) == ("STREAM", "585.3400")
    assert (filled["position_before"], filled["position_after"]) == ("10", "5")
    assert filled["realized_pnl"] == "0.0500"
    assert filled["time"].endswith("Z")
    assert told["terms"] == "SELL 20 XYZ LIMIT at 585.3400 GTC"
    assert [fill["qty"] for fill in told["fills"]] == ["5"]
    assert (told["state"], told["end"], told["order_qty"]) == ("CANCELLED", "CANCELLED", "20")


def test_the_text_for_people_has_the_same(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """Each fact with its moment in nanoseconds and what it led to."""
    told = run(capsys, "explain", "8", "--journal", journal)

    assert told.code == 0
    for word in (
        "Order 8: CANCELLED", "SELL 20 XYZ LIMIT at 585.3400 GTC", "-> PARTIAL",
        "5 filled, 15 left",
        "STREAM: ", "position 10 -> 5, P&L 0.05 USD",
        "End: CANCELLED; filled 5 of 20 at 585.34",
    ):  # fmt: skip
        assert word in told.out


def test_an_adopted_order_says_so(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    """First seen mid-life: who introduced it and why, and that it is still open."""
    told = run(capsys, "explain", "11", "--journal", journal, "--json").json

    assert told["introduced"].startswith("adopted")
    assert told["order_qty"] is None
    assert told["end"].startswith("still open")


@pytest.mark.parametrize("wanted", ["order-10", "Vorder-10", "order-10-a", "Vorder-10-"])
def test_any_id_or_a_unique_beginning_finds_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, wanted: str
) -> None:
    """Client, intent and venue ids; an exact id wins over longer ones that begin alike."""
    journal = tmp_path / "a.db"
    replay([kucoin(tmp_path, ["order-10", "order-10-ab", "order-2"])], journal=journal)
    told = run(capsys, "explain", wanted, "--journal", journal, "--json")

    assert told.code == 0
    assert told.json["order"] == ("order-10" if wanted.endswith("10") else "order-10-ab")


def unknown(capsys: pytest.CaptureFixture[str], tmp_path: Path, wanted: str) -> Run:
    """Ask for an order that is not there."""
    journal = tmp_path / "a.db"
    replay([kucoin(tmp_path, ["order-10", "order-20"])], journal=journal)
    return run(capsys, "explain", wanted, "--journal", journal)


def test_an_unknown_id_is_exit_code_2_with_what_is_near(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A mistyped id names what was perhaps meant."""
    told = unknown(capsys, tmp_path, "ordre-10")

    assert (told.code, told.out) == (2, "")
    assert "'order-10'" in told.err


def test_an_ambiguous_beginning_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Several orders begin like that: they are named."""
    told = unknown(capsys, tmp_path, "order-")

    assert told.code == 2
    assert "fits 2 orders" in told.err


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_orders_are_explained_safely(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    """Found by their id as it is, shown escaped."""
    if "\0" in name:
        name = "nul"  # no caller can pass NUL; a unique beginning will do
    journal = tmp_path / "a.db"
    replay([kucoin(tmp_path, HOSTILE)], journal=journal)
    told = run(capsys, "explain", name[:1_000], "--journal", journal)

    assert told.code == 0
    assert [one for one in told.out if not one.isprintable() and one != "\n"] == []
    assert told.out.startswith("Order ")
