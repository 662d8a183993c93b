"""Bad input, from the caller and from a venue: a typed refusal, or an exact round trip; nothing
lost, nobody stopped.
"""

from __future__ import annotations

import decimal
import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.venues.port import Done, Refused, Unknown
from engine.errors import EngineError, InvalidOrder, InvalidValue, UnknownOrder, UserError
from engine.flatten import Scope
from engine.messages import (
    Accepted,
    Cancelled,
    CorrectPosition,
    Filled,
    LinkDown,
    OrderSnapshot,
    Rejected,
    SetBaseline,
    VenueStatus,
)
from engine.values import CorrectionKind, OrderState, PositionSlot, Side

from .test_restart import crash, fold_digest, later
from .venues import CAPABLE, SECOND, ScriptedVenue, order, simulated

D = Decimal
TEXTS = {
    "quotes": "a'b\"c`; DROP TABLE facts; --",
    "nul": "a\0b",
    "newlines": "a\nb\r\nc\x85d\u2028e",
    "control": "\x1b[2J\x07\x7f\x9b",
    "bidi": "\u202eevil\u2066\u200f",
    "surrogate": "a\ud800b",
    "pair": "\ud83d\ude00",
    "emoji": "😀\U0010ffff",
    "combining": "e\u0301" * 20,
    "megabyte": "x" * 2**20,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "field", ["intent_id", "client_order_id", "tag", "instrument", "venue", "account"]
)
def test_hostile_text_from_the_caller(name: str, field: str, tmp_path: Path) -> None:
    """Each text field takes a hostile text and gives it back exactly, also after a restart, or
    refuses it, typed.
    """
    text, venue = TEXTS[name], ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    terms: dict[str, Any] = {"tags": ((text, text),)} if field == "tag" else {field: text}
    try:
        ticket = system.submit(order(**terms))
    except UserError as error:
        refusal = str(error)
        system.sim.run_for(SECOND)
        assert 0 == venue.count("place")
        assert refusal.isprintable()
        assert len(refusal) < 600
        system.stop()
        return
    system.sim.run_for(SECOND)
    crash(system)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    view = again.order(ticket.client_order_id).get(timeout=1)
    found = {"tag": view.tags, "intent_id": view.intent_id, "client_order_id": view.client_order_id}
    assert (terms["tags"] if field == "tag" else text) == found[field]
    assert [] == again.journal.verify()
    again.stop()


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_ids_in_questions(name: str) -> None:
    """A hostile id in any question or command is an unknown order or a refusal, and stops
    nobody.
    """
    text = TEXTS[name]
    system = simulated()
    calls: tuple[Callable[[], object], ...] = (
        lambda: system.order(text).get(timeout=1),
        lambda: system.cancel(text, "why").get(timeout=1),
        lambda: system.amend(text, price=D(1)).get(timeout=1),
        lambda: system.watch(text).get(timeout=1),
        lambda: system.settle(text, OrderState.CANCELLED, "why").get(timeout=1),
    )
    for call in calls:
        with pytest.raises((UnknownOrder, InvalidOrder)):
            call()
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    try:
        system.cancel(ticket, text).get(timeout=1)
    except UserError:
        assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    assert [] == system.alarms("broker_failed")
    system.stop()


VALUES: list[Any] = [
    "1",
    1,
    1.5,
    float("nan"),
    D("NaN"),
    D("sNaN"),
    D("Infinity"),
    D("-1"),
    D(0),
    D("0.0001"),
    D("1E+400"),
    D("1E-400"),
    True,
    b"1",
    [],
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("field", ["order_qty", "price"])
def test_impossible_numbers_are_refused(field: str, value: object) -> None:
    """A quantity or price that is no positive Decimal on its grid is an InvalidOrder; nothing was
    written.
    """
    system = simulated()
    before = system.journal.last_seq
    with pytest.raises(UserError):
        system.submit(replace(order(), **{field: value}))
    system.sim.run_for(SECOND)
    assert before == system.journal.last_seq
    system.stop()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", "BUY"),
        ("side", None),
        ("order_type", "LIMIT"),
        ("time_in_force", "GTC"),
        ("slot", "NET"),
        ("tags", {"a": "b"}),
        ("tags", (("a", 1),)),
        ("tags", "ab"),
        ("post_only", "yes"),
        ("attempt", "1"),
        ("attempt", 10**9),
        ("attempt", -1),
        ("expire_ts", 2**70),
        ("expire_ts", "tomorrow"),
        ("ts", 2**64),
        ("ts", 1.5),
        ("intent_id", 7),
        ("client_order_id", b"x"),
        ("instrument", "NO/SUCH"),
    ],
)
def test_terms_of_the_wrong_type_are_refused(field: str, value: object) -> None:
    """A term of another type than it says is an InvalidOrder; a "BUY" that is no Side must not
    sell.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    with pytest.raises(UserError):
        system.submit(replace(order(), **{field: value}))
    system.sim.run_for(SECOND)
    assert 0 == venue.count("place")
    assert [] == system.alarms("broker_failed")
    system.stop()


def test_a_60_character_id_is_refused() -> None:
    """An id longer than any venue takes is refused with its length."""
    system = simulated()
    with pytest.raises(InvalidOrder, match="60"):
        system.submit(order(client_order_id="X" * 60))
    system.stop()


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text_from_a_venue(name: str, tmp_path: Path) -> None:
    """Reasons, execution ids and venue ids of any text kill nobody, and the facts they come with
    count.
    """
    text, venue = TEXTS[name], ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    one, two, three = (system.submit(order(qty="2", price=str(90 + n))) for n in range(3))
    system.sim.run_for(SECOND)
    cid = one.client_order_id
    venue.push(Accepted(cid, venue.now(), text))
    venue.push(Filled(cid, venue.now(), text, D(1), D(90), fee=D(1), fee_currency=text))
    venue.push(Filled("", venue.now(), text + "2", D(1), D(90), venue_order_id=text))
    venue.orders[two.client_order_id].status = VenueStatus.CANCELLED
    venue.orders[three.client_order_id].status = VenueStatus.REJECTED
    venue.push(Cancelled(two.client_order_id, venue.now(), None, text))
    venue.push(Rejected(three.client_order_id, venue.now(), text, text))
    venue.push(
        OrderSnapshot(
            text, venue.now(), VenueStatus.WORKING, text + "3", "BTC/USDT", Side.BUY, None, D(5)
        )
    )
    venue.push(Rejected(text + "unknown", venue.now(), text))
    venue.script("place", Refused(text, text, text), Unknown(text))
    four, five = system.submit(order()), system.submit(order())
    venue.push(LinkDown(venue.now(), text))
    system.sim.run_for(30 * SECOND)
    states = [system.order(t).get(timeout=1).state.value for t in (one, two, three, four)]
    assert ["FILLED", "CANCELLED", "REJECTED", "REJECTED"] == states
    assert D(2) == system.qty()
    assert "OrderInDoubt" in system.kinds(five.client_order_id)
    assert [] == system.alarms("broker_failed") + system.alarms("malformed_report")
    assert [] == system.journal.verify()
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    crash(system)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert D(2) == again.qty()
    again.stop(timeout=0.5)


def test_sloppy_types_from_a_venue_are_repaired() -> None:
    """Numbers where texts belong, and floats where decimals belong, lose no fact and poison no
    journal.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    cid = ticket.client_order_id
    venue.push(Accepted(cid, venue.now(), 12345))  # type: ignore[arg-type]
    venue.push(Filled(cid, float(venue.now()), 77, 0.5, "100.25"))  # type: ignore[arg-type]
    price: Any = 100
    number: Any = 12345
    venue.push(Filled("", venue.now(), "78", D(1), price, venue_order_id=number))
    system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (D("1.5"), D("1.5")) == (view.cum_qty, system.qty())
    assert [] == system.alarms("malformed_report")
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    system.stop()


BROKEN: list[dict[str, Any]] = [
    {"last_qty": None},
    {"last_qty": "many"},
    {"last_qty": float("nan")},
    {"last_qty": D("NaN")},
    {"last_qty": D("sNaN")},
    {"last_qty": D("Infinity")},
    {"last_qty": D("-1")},
    {"last_qty": D(0)},
    {"last_px": D("NaN")},
    {"last_px": D("1E+6100")},
    {"last_qty": D("1E+6100"), "last_px": D("1E+6100")},
    {"last_qty": D("1E-6170")},
    {"cum_qty": D("NaN")},
    {"cum_qty": D("sNaN")},
    {"fee": D("NaN"), "fee_currency": "USDT"},
    {"fee": D("1E+6140"), "fee_currency": "USDT"},
    {"ts": None},
    {"ts": 2**70},
    {"ts": -(2**70)},
    {"side": "BUY"},
    {"exec_id": None},
    {"client_order_id": None},
    {"feeds": 3},
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_broken_fill_touches_nothing_else(broken: dict[str, Any]) -> None:
    """A fill that cannot be right is kept or shown, other orders go on, and live state equals the
    fold.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    sick, well = system.submit(order(qty="2")), system.submit(order(qty="2", price="99"))
    system.sim.run_for(SECOND)
    made = Filled(sick.client_order_id, venue.now(), "b1", D(1), D(100))
    for _ in range(2):
        venue.push(replace(made, **broken))
    venue.push(venue.fill(well.client_order_id, "w1", "2", "99"))
    system.sim.run_for(20 * SECOND)
    assert OrderState.FILLED is well.wait(1).state
    system.cancel(sick)
    system.sim.run_for(20 * SECOND)
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    again = system.submit(order(price="98"))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(again).get(timeout=1).state
    assert system.sim.is_accepting()
    system.stop(timeout=0.5)


def test_statements_that_cannot_be_written_are_refused() -> None:
    """A baseline or correction with impossible fields is an InvalidValue, and nothing was
    written.
    """
    system = simulated()
    before = system.journal.last_seq
    good = SetBaseline("v", "main", "BTC/USDT", PositionSlot.NET, D(1), D(100), 1)
    for wrong in (
        replace(good, ts=2**63),
        replace(good, ts=2**70),
        replace(good, qty="1.5.1"),
        replace(good, slot="SIDEWAYS"),
        replace(good, exec_ids=("\ud800",)),
        replace(good, instrument="NO/SUCH"),
        replace(good, qty=D("NaN")),
        CorrectPosition("v", "main", "BTC/USDT", PositionSlot.NET, CorrectionKind.SPLIT, 1),
        CorrectPosition(
            "v",
            "main",
            "BTC/USDT",
            PositionSlot.NET,
            CorrectionKind.OPERATOR,
            1,
            D(1),
            statement="\ud800",
        ),
    ):
        with pytest.raises(EngineError):
            system.state_position(wrong).get(timeout=1)
    assert before == system.journal.last_seq
    system.state_position(good).get(timeout=1)
    assert D(1) == system.qty()
    system.stop()


def test_reports_handed_in_are_checked() -> None:
    """What the host hands in as a report must be one; a good one is booked."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    nothing: Any = None
    unsized = Filled(ticket.client_order_id, 1, "x", nothing, D(1))
    for wrong in (None, 7, order(), "Filled", unsized):
        with pytest.raises(InvalidValue):
            system.report("v", "main", wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidOrder):
        system.report("nowhere", "main", Filled(ticket.client_order_id, 1, "x", D(1), D(1)))
    system.report("v", "main", Filled(ticket.client_order_id, venue.now(), "x", D(1), D(100)))
    system.sim.run_for(SECOND)
    assert D(1) == system.qty()
    system.stop()


def test_the_hosts_decimal_context_changes_nothing() -> None:
    """With an ambient precision of 6 digits, fills, averages and P&L have all their digits."""
    venue = ScriptedVenue()
    before = decimal.getcontext().copy()
    decimal.getcontext().prec = 6
    try:
        system = simulated(venue)
        bought = system.submit(order(qty="1234567.891", price="98765.43"))
        system.sim.run_for(SECOND)
        venue.push(venue.fill(bought.client_order_id, "x1", "1234567.001", "98765.43"))
        venue.push(venue.fill(bought.client_order_id, "x2", "0.89", "98765.42"))
        system.sim.run_for(SECOND)
        view = bought.wait(1)
        held = system.portfolio({("v", "BTC/USDT"): D("98765.44")}).get(timeout=1)
        digest = system.state_digest().get(timeout=1)
        assert fold_digest(system.journal) == digest
        system.stop()
    finally:
        decimal.setcontext(before)
    assert D("1234567.891") == view.cum_qty
    assert (("USDT", D("12345.68781")),) == held.unrealized_pnl


def test_a_venues_secret_stays_out_of_everything(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An API key in an adapter's exception appears in no record, event, log line or repr."""
    key = "sk_live_51SECRET"

    class Url(Exception):
        """An error as HTTP libraries raise them."""

    def error() -> Url:
        return Url(f"GET https://x/?apiKey={key}&signature=zz")

    class Venue(ScriptedVenue):
        """Its parts beside orders say no more, and no less."""

        async def positions(self) -> Any:
            raise error()

        async def place_batch(self, requests: Any) -> Any:
            raise error()

        async def cancel_batch(self, requests: Any) -> Any:
            raise error()

        def watch_prices(self, instrument: str, tell: Any) -> None:
            raise error()

    caplog.set_level(logging.DEBUG)
    able = replace(CAPABLE, place_batch=5, cancel_batch=5)
    venue = Venue(capabilities=able)
    venue.script("instruments", error())
    venue.script("connect", error())
    system = simulated(venue, instruments=venue.known, cross_check=5.0)
    system.sim.run_for(10 * SECOND)
    prices = system.brokers["v", "main"].prices
    system.call_soon(lambda: prices.watch("BTC/USDT", "me", print))
    for ticket in [system.submit(order()) for _ in range(9)]:
        system.cancel(ticket)
    system.sim.run_for(10 * SECOND)
    system.flatten(deadline=1.0)
    system.sim.run_for(10 * SECOND)
    system.lift(Scope(), "go on")
    system.sim.run_for(SECOND)
    for call in ("place", "cancel", "amend", "query", "open_orders", "executions", "close"):
        venue.script(call, error())
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.amend(ticket, price=D(99))
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    venue.script("place", {"url": key}, (Done((key,)), False))  # type: ignore[arg-type]
    system.submit(order())
    system.submit(order())
    venue.drop()
    system.sim.run_for(60 * SECOND)
    records = [record.body.decode() for record in system.journal.records()]
    snapshot = system.stop(timeout=0.5)
    out = capfd.readouterr()
    shown = [*records, *map(repr, system.seen), repr(snapshot), caplog.text, out.out, out.err]
    shown += map(repr, (system, ticket, *system.brokers.values(), system.dispatcher))
    assert [] == [text for text in shown if key in text]
    assert "price_feed" in [getattr(event, "kind", "") for event in system.seen]
