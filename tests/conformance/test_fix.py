"""The order-state sequences of FIX and ours, through the real order code.

And the runner shown to be able to fail.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.testing.conformance import Mismatch, SequenceError, run_sequence, run_sequences
from tests.conftest import shared_path

FIELDS = ("state", "working_state", "order_qty", "cum_qty", "leaves_qty", "avg_px")


def sequences() -> list[Any]:
    """All of them, read anew."""
    found: list[Any] = json.loads(
        shared_path("conformance", "fix_order_states.json").read_bytes(), parse_float=str
    )
    return found


def small(**step: Any) -> dict[str, Any]:
    """A sequence of one submit and one further step."""
    submit = {
        "step": 1, "order": "X", "event": "submit", "params": {"qty": "10"},
        "expect": {"state": "SUBMITTED"},
    }  # fmt: skip
    last = {"step": 2, "order": "X", "event": "accept", "params": {}} | step
    return {"id": "S", "steps": [submit, {"expect": {"state": "ACCEPTED"}} | last]}


def test_every_field_of_every_step_of_every_sequence_holds() -> None:
    """FIX 4.4 and 5.0 SP2, and the cases FIX does not tabulate."""
    all_of_them = sequences()
    assert 67 == len(all_of_them)
    assert 398 == sum(len(one["steps"]) for one in all_of_them)
    assert [] == run_sequences(all_of_them)


@pytest.mark.parametrize("field", FIELDS)
def test_a_wrong_expectation_is_caught_at_every_single_step(field: str) -> None:
    """Each binding field is falsified at each step in turn.

    The runner names that step and that field.
    """
    for sequence in sequences():
        for at, step in enumerate(sequence["steps"]):
            if field == "avg_px" and step["expect"][field] is None:
                continue  # not stated there
            changed = copy.deepcopy(sequence)
            expect = changed["steps"][at]["expect"]
            expect[field] = _other(field, expect[field])
            found = run_sequence(changed)
            assert [(sequence["id"], step["step"], field)] == [
                (bad.id, bad.step, bad.field) for bad in found
            ]


def _other(field: str, value: str | None) -> str:
    if field in ("state", "working_state"):
        return "EXPIRED" if value != "EXPIRED" else "REJECTED"
    return "1" if value is None else str(Decimal(value) + 1)


def test_a_lost_event_is_noticed() -> None:
    """Without its executions no sequence that has any passes."""
    with_fills = [s for s in sequences() if any(x["event"] == "fill" for x in s["steps"])]
    assert with_fills
    for sequence in with_fills:
        for step in sequence["steps"]:
            if step["event"] == "fill":
                step["event"], step["params"] = "info", {}
        assert run_sequence(sequence)


def test_fills_told_twice_change_no_sequence() -> None:
    """Every execution delivered again at once: a duplicate adds nothing anywhere."""
    for sequence in sequences():
        doubled = []
        for step in sequence["steps"]:
            doubled.append(step)
            if step["event"] in ("fill", "accept", "cancel_ack", "reject", "expire", "bust"):
                doubled.append(copy.deepcopy(step))
        assert [] == run_sequence({"id": sequence["id"], "steps": doubled})


def test_a_mismatch_shows_what_was_expected_and_what_was_there() -> None:
    """A person reads it without a debugger."""
    assert [Mismatch("S", 2, "state", "FILLED", "ACCEPTED")] == run_sequence(
        small(expect={"state": "FILLED"})
    )


def fill_of(qty: Any) -> dict[str, Any]:
    """A sequence whose last step is a fill of ``qty``."""
    return small(event="fill", params={"qty": qty, "px": "1", "trade_id": "T"})


def wants(cum_qty: Any) -> dict[str, Any]:
    """A sequence that expects ``cum_qty``."""
    return small(expect={"state": "ACCEPTED", "cum_qty": cum_qty})


NO_QTY = small(event="replace_ack", params={"req_id": "a", "qty": None})
TEXT_FLAG = small(event="done_for_day", params={"final": "false"})
NO_SUCH_TIF = small(order="Y", event="submit", params={"qty": "1", "tif": "?"})

BAD: list[tuple[str, Any, str]] = [
    ("not an object", [], "must be an object"),
    ("no id", {"steps": [{}]}, "`id` must be a string"),
    ("id of another type", {"id": 7, "steps": [{}]}, "`id` must be a string"),
    ("no steps", {"id": "S"}, "`steps`"),
    ("empty steps", {"id": "S", "steps": []}, "`steps`"),
    ("a step that is text", {"id": "S", "steps": ["fill"]}, "must be an object"),
    ("no order", {"id": "S", "steps": [{"event": "accept"}]}, "`order`"),
    ("no expectation", {"id": "S", "steps": [{"order": "X", "event": "info"}]}, "`expect`"),
    ("an expectation of nothing", small(expect={"cum_qty": "0"}), "must state `state`"),
    ("an unknown event", small(event="explode"), "unknown event 'explode'"),
    ("a missing parameter", small(event="fill", params={"qty": "1"}), "trade_id"),
    ("a quantity that is null", NO_QTY, "qty"),
    ("a number that is none", fill_of("x"), "fill"),
    ("NaN", fill_of("NaN"), "finite"),
    ("a float", fill_of(1.5), "decimal strings"),
    ("a flag that is text", TEXT_FLAG, "true or false"),
    ("params that are a list", small(params=[]), "`params`"),
    ("an expectation that is no number", wants("x"), "expect"),
    ("an expectation that is a list", wants([]), "expect"),
    ("a second submit", small(event="submit", params={"qty": "10"}), "exists already"),
    ("an unknown time in force", NO_SUCH_TIF, "submit"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "sequence", "word"), BAD, ids=[bad[0] for bad in BAD])
def test_a_malformed_sequence_is_an_error_of_the_file(what: str, sequence: Any, word: str) -> None:
    """Nothing is passed over: the sentence names the sequence, the step and the value."""
    del what
    with pytest.raises(SequenceError, match=word):
        run_sequences([sequence])


@pytest.mark.parametrize("wrap", [lambda s: {"sequences": s}, lambda s: [s], lambda s: [1, *s]])
def test_a_file_of_another_shape_is_refused(wrap: Callable[[list[Any]], Any]) -> None:
    """An object, a nested list, a stray number."""
    with pytest.raises(SequenceError):
        run_sequences(wrap([small()]))
