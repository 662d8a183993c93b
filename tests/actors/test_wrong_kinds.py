"""Values of other kinds at every door: each ends in an error of ours where it is given, names what
was wrong and shows what came; nothing is written, no actor meets it, and the system goes on.

The values are those that scripts, spreadsheets and JSON files hand in. What is meant by one of them
at some door is said there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from actors import ExecutionSystem, Marking, PaperVenue, SignalDesk
from actors.runtime import SimulatedDispatcher
from actors.testing import SPOT
from engine import (
    CorrectionKind,
    CorrectPosition,
    Direction,
    DriftRemedy,
    EntrySignal,
    ExitSignal,
    Instrument,
    InvalidOrder,
    LegRole,
    OrderState,
    PositionSlot,
    RiskLimits,
    Scope,
    SessionLimits,
    SetBaseline,
    Swap,
    TradingMode,
    TriggerSource,
    UserError,
    bracket,
    even_after,
    leg,
    limit,
    oco,
    ouo,
    trail_by,
)
from engine.budget import BudgetRule
from engine.messages import Alarm, BreakEven, Event, GroupTerms, Leg, Trail

D = Decimal
BTC = SPOT.symbol
BAD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, float("nan"), float("inf"), "", "x" * 5000, "\ud800", "1E+9999",
    D("NaN"), D("sNaN"), D("Infinity"), D("1E+5000"), D("1E-5000"), D(-1), 10**30, [], {},
    object(), date(2024, 1, 1), b"x", (1,), [61000], {"a": 1}, {1: "b"}, [None], int,
    (("a", 1),), {("paper", BTC): 1.5}, {("paper", BTC): D("NaN")},
)  # fmt: skip

ENTRY = limit(BTC, "BUY", "1", "90")
GROUP = bracket(ENTRY, stop_px="80", target="110")
SIGNAL: dict[str, Any] = {
    "signal_id": "s", "instrument": BTC, "direction": Direction.LONG, "entry_px": D(90),
    "stop_px": D(80), "ts": 5, "targets": ((D(110), D(1)),),
}  # fmt: skip
RISK: dict[str, Any] = {"currency": "USDT", "risk_amount": D(1)}
AT: dict[str, Any] = {
    "venue": "SIM", "account": "main", "instrument": BTC, "slot": PositionSlot.NET, "ts": 5,
}  # fmt: skip

#: What may stand there, of BAD: nobody has said it, or a number that is as good as any.
NOTHING = (None,)
NO_TEXT = ("",)
FEW = ("1E+9999",)  # as a text


def _make(kind: Callable[..., object], name: str, **rest: Any) -> Callable[[Any], object]:
    return lambda value: kind(**{**rest, name: value})


#: What is made by itself: (name, the maker, what of BAD is meant).
MADE: dict[str, tuple[Callable[[Any], object], tuple[Any, ...]]] = {
    "bracket entry": (lambda v: bracket(v, stop_px=80), ()),
    "bracket targets": (lambda v: bracket(ENTRY, stop_px=80, targets=v), (None, [])),
    "bracket target": (lambda v: bracket(ENTRY, stop_px=80, targets=[v]), ()),
    "bracket trail": (lambda v: bracket(ENTRY, stop_px=80, trail=v), NOTHING),
    "bracket even": (lambda v: bracket(ENTRY, stop_px=80, target=110, break_even=v), NOTHING),
    "trail source": (lambda v: bracket(ENTRY, stop_px=80, trail=trail_by(5, source=v)), NOTHING),
    "trail age": (lambda v: bracket(ENTRY, stop_px=80, trail=trail_by(5, max_age_ns=v)), ()),
    "trail offset": (lambda v: bracket(ENTRY, stop_px=80, trail=Trail(v)), ()),
    "even after": (
        lambda v: bracket(ENTRY, stop_px=80, break_even=BreakEven(v)), (),
    ),
    "even source": (
        lambda v: bracket(ENTRY, stop_px=80, break_even=even_after(5, source=v)), NOTHING,
    ),
    "leg name": (lambda v: leg(v, ENTRY), FEW),
    "leg role": (lambda v: leg("a", ENTRY, v), ()),
    "proportional": (lambda v: ouo(ENTRY, ENTRY, proportional=v), (True,)),
    **{
        f"entry {name}": (_make(EntrySignal, name, **SIGNAL), good)
        for name, good in {
            "signal_id": FEW, "instrument": (*NO_TEXT, *FEW), "direction": (), "ts": (),
            "entry_px": (D(-1), D("1E+5000"), D("1E-5000")), "targets": (),
            "order_type": (), "strength": (D("1E-5000"),), "trail": NOTHING,
            "break_even": NOTHING, "venue": (*NO_TEXT, *FEW), "slot": (), "tags": (),
        }.items()
    },
    **{
        f"exit {name}": (_make(ExitSignal, name, signal_id="s", instrument=BTC, ts=5), good)
        for name, good in {
            "signal_id": FEW, "ts": (), "share": (None, D("1E-5000")),
            "qty": (None, D("1E+5000"), D("1E-5000")), "reason": (*NO_TEXT, *FEW), "slot": (),
        }.items()
    },
    **{
        f"risk {name}": (_make(RiskLimits, name, **RISK), good)
        for name, good in {
            "currency": ("x" * 5000, "\ud800", *FEW), "risk_amount": (10**30,), "fee_rate": (),
            "max_open_positions": NOTHING, "max_daily_loss": ((("a", 1),),),
            "day_offset_ns": (0, -1),
            "day_starts": ((1,),), "max_order_qty": (None, 10**30), "max_leverage": (None, 10**30),
            "max_entries_per_minute": NOTHING, "cooldown_ns": (0,),
            "max_signal_age_ns": NOTHING, "allow_scale_in": (True,), "reverse_within_ns": (),
        }.items()
    },
    "marking sources": (Marking, ()),
    "marking age": (lambda v: Marking((TriggerSource.LAST,), v), (None, 1.5)),
    "budgets": (lambda v: SessionLimits(budgets=v), ()),
    "budget limit": (
        lambda v: BudgetRule.per_window("n", limit=v, window_ns=5, burst=1, reserved=0), (10**30,),
    ),
    "paper name": (lambda v: PaperVenue(v, "main", [SPOT]), FEW),
    "paper account": (lambda v: PaperVenue("paper", v, [SPOT]), FEW),
    "paper instruments": (lambda v: PaperVenue("paper", "main", v), ([],)),
    "paper balances": (lambda v: PaperVenue("paper", "main", [SPOT], v), (None, {})),
    **{
        f"instrument {name}": (_make(Instrument, name, symbol="X", venue="v"), good)
        for name, good in {
            "kind": (), "base": (*NO_TEXT, *FEW), "tick_size": (), "lot_size": (),
            "multiplier": (), "max_qty": NOTHING, "min_notional": NOTHING,
            "allows_negative_price": (True,),
        }.items() if name != "min_qty"
    },
}  # fmt: skip


def _is_good(value: Any, good: tuple[Any, ...]) -> bool:
    return any(type(value) is type(one) and repr(value) == repr(one) for one in good)


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_by_itself_is_refused_where_it_is_made(name: str) -> None:
    """Never a TypeError of Python's, never taken as it came."""
    make, good = MADE[name]
    for value in BAD:
        if _is_good(value, good):
            make(value)
            continue
        with pytest.raises(UserError) as caught:
            make(value)
        assert 0 < len(str(caught.value)) < 700


def _system(**settings: Any) -> ExecutionSystem:
    venue = PaperVenue("SIM", "main", [SPOT])
    return ExecutionSystem([venue], dispatcher=SimulatedDispatcher(), **settings)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("journal", (None, "1E+9999", "x" * 5000, "", "\ud800")),  # names of files: when it starts
        ("durability", ()),
        ("engine_id", ()),
        ("instruments", ([],)),
        ("limits", (None, {})),
        ("call_timeout", (1.5,)),
        ("ack_timeout", (1.5,)),
        ("cross_check", (None, 1.5)),
        ("protect_within", (None, 1.5)),
        ("price_max_age", (1.5,)),
        ("emulate_triggers", (True,)),
        ("history", (True,)),
        ("mark_positions", (True,)),
        ("retention", NOTHING),
        ("gc_policy", ()),
        ("dispatcher", NOTHING),
    ],
)
def test_settings_of_a_system(name: str, good: tuple[Any, ...]) -> None:
    """They are refused before a file is opened; ``durability`` with the journal."""
    for value in BAD:
        if not _is_good(value, good):
            with pytest.raises(UserError):
                if name == "dispatcher":
                    ExecutionSystem([PaperVenue("SIM", "main", [SPOT])], dispatcher=value)
                else:
                    _system(**{name: value}).start()


@pytest.mark.parametrize("value", ["x", b"x", (1,), [None], {"a": 1}, [SPOT]])
def test_venues_of_a_system(value: Any) -> None:
    """A list of venues, and nothing else."""
    with pytest.raises(UserError):
        ExecutionSystem(value)


@pytest.fixture
def system() -> Iterator[ExecutionSystem]:
    """A running one that keeps its history and its alarms."""
    running = _system(history=True, mark_positions=True)
    with running:
        yield running


Call = Callable[[ExecutionSystem, Any], Any]


def _funding(name: str) -> Call:
    paid = {**AT, "kind": CorrectionKind.FUNDING, "amount": D(1), "currency": "USDT"}
    return lambda s, v: s.state_position(CorrectPosition(**{**paid, name: v}))


def _monitor(name: str) -> Call:
    return lambda s, v: s.monitor(BTC, **{"hold": 5, name: v})


#: Questions and commands: what is called with a value of BAD, and which of them is meant.
ASKED: dict[str, tuple[Call, tuple[Any, ...]]] = {
    "submit": (lambda s, v: s.submit(v), ()),
    "submit instrument": (lambda s, v: s.submit(replace(ENTRY, instrument=v)), ()),
    "submit venue": (lambda s, v: s.submit(replace(ENTRY, venue=v)), NO_TEXT),
    "submit tags": (lambda s, v: s.submit(replace(ENTRY, tags=v)), ()),
    "submit attempt": (lambda s, v: s.submit(replace(ENTRY, attempt=v)), ()),
    "submit group_id": (lambda s, v: s.submit(replace(ENTRY, group_id=v)), NO_TEXT),
    "submit post_only": (lambda s, v: s.submit(replace(ENTRY, post_only=v)), (True,)),
    "submit expire_ts": (lambda s, v: s.submit(replace(ENTRY, expire_ts=v)), NOTHING),
    "group": (lambda s, v: s.submit_group(v), ()),
    "group member": (lambda s, v: s.submit_group(oco(v, ENTRY)), ()),
    "group members": (
        lambda s, v: s.submit_group(GroupTerms(GROUP.contingency, v)), (),
    ),
    "group kind": (lambda s, v: s.submit_group(GroupTerms(v, GROUP.members)), ()),
    "group role": (lambda s, v: s.submit_group(oco(Leg("a", v, ENTRY), ENTRY)), ()),
    "group leg": (
        lambda s, v: s.submit_group(oco(Leg(v, LegRole.ENTRY, ENTRY), ENTRY)), (*FEW, ""),
    ),
    "group order": (lambda s, v: s.submit_group(oco(Leg("a", LegRole.ENTRY, v), ENTRY)), ()),
    "group intent": (lambda s, v: s.submit_group(GROUP, intent_id=v), (*NO_TEXT, *FEW)),
    "group venue": (lambda s, v: s.submit_group(GROUP, venue=v), NO_TEXT),
    "group tags": (lambda s, v: s.submit_group(GROUP, tags=v), (None, {})),
    "group swap": (lambda s, v: s.submit_group(GROUP, swap=v), ()),
    "group swap near": (lambda s, v: s.submit_group(GROUP, swap=Swap(near=v)), (D("1E-5000"),)),
    "group swap fresh": (lambda s, v: s.submit_group(GROUP, swap=Swap(fresh_ns=v)), ()),
    "cancel": (lambda s, v: s.cancel(v), ()),
    "cancel reason": (lambda s, v: s.cancel("c", v), ()),
    "amend": (lambda s, v: s.amend("c", price=v), ()),
    "settle": (lambda s, v: s.settle("c", v, "x"), ()),
    "settle statement": (lambda s, v: s.settle("c", OrderState.CANCELLED, v), ()),
    "watch": (lambda s, v: s.watch("c", v), ()),
    "watch order": (lambda s, v: s.watch(v), ()),
    "watch group": (lambda s, v: s.watch_group(v), ()),
    "group state": (lambda s, v: s.group_state(v), ()),
    "cancel group": (lambda s, v: s.cancel_group(v), ()),
    "cancel group close": (lambda s, v: s.cancel_group("g", close=v), ()),
    "baseline": (lambda s, v: s.set_baseline(BTC, v, D(5)), (D(-1),)),
    "baseline instrument": (lambda s, v: s.set_baseline(v, D(1), D(5)), ()),
    "baseline price": (lambda s, v: s.set_baseline(BTC, D(1), v), NOTHING),
    "baseline slot": (lambda s, v: s.set_baseline(BTC, D(1), D(5), slot=v), ()),
    "baseline executions": (
        lambda s, v: s.state_position(SetBaseline(**AT, qty=D(1), avg_px=None, exec_ids=v)), (),
    ),
    "statement": (lambda s, v: s.state_position(v), ()),
    **{
        f"funding {name}": (_funding(name), good)
        for name, good in {
            "kind": (), "amount": (D(-1),), "currency": FEW, "ts": (0,), "px": NOTHING,
            "ratio": NOTHING, "statement": (*NO_TEXT, *FEW),
        }.items()
    },
    "report": (lambda s, v: s.report("SIM", "main", v), ()),
    "report venue": (lambda s, v: s.report(v, "main", object()), ()),  # type: ignore[arg-type]
    "call_soon": (lambda s, v: s.call_soon(v), (int,)),
    "order": (lambda s, v: s.order(v), ()),
    "subscribe": (lambda s, v: s.subscribe(v), (int,)),
    "events kind": (lambda s, v: s.events(v), ()),
    "events capacity": (lambda s, v: s.events(capacity=v), ()),
    "events overflow": (lambda s, v: s.events(overflow=v), ()),
    "portfolio": (lambda s, v: s.portfolio(v), (None, {})),
    "pnl": (lambda s, v: s.pnl(v), FEW),
    "pnl max_age": (lambda s, v: s.pnl("EUR", max_age=v), (None, 1.5)),
    "pnl marks": (lambda s, v: s.pnl("EUR", marks=v), (None, {})),
    "set_rate": (lambda s, v: s.set_rate("EUR", "USDT", v), (10**30,)),
    "set_rate base": (lambda s, v: s.set_rate(v, "USDT", "1"), FEW),
    "set_rate ts": (lambda s, v: s.set_rate("EUR", "USDT", "1", ts=v), (None, 0)),
    "set_rate source": (lambda s, v: s.set_rate("EUR", "USDT", "1", source=v), (*NO_TEXT, *FEW)),
    "rate": (lambda s, v: s.rate(v, "USDT"), FEW),
    "rate max_age": (lambda s, v: s.rate("EUR", "USDT", max_age=v), (None, 1.5)),
    "follow_rate": (lambda s, v: s.follow_rate(v), ()),
    "follow_rate every": (lambda s, v: s.follow_rate(BTC, every=v), (1.5,)),
    "history": (lambda s, v: s.history(v), NO_TEXT),
    "history venue": (lambda s, v: s.history(venue=v), NO_TEXT),
    "history tags": (lambda s, v: s.history(tags=v), (None, {})),
    "history text": (lambda s, v: s.history(tags="a"), ()),  # type: ignore[arg-type]
    "history since": (lambda s, v: s.history(since=v), (None, 0)),
    "history slot": (lambda s, v: s.history(slot=v), NOTHING),
    "history limit": (lambda s, v: s.history(limit=v), (None, 0)),
    **{
        f"monitor {name}": (_monitor(name), good)
        for name, good in {
            "take_profit": (10**30,), "stop_loss": (10**30,), "give_back": (10**30,), "unit": (),
            "slot": (), "group": NO_TEXT, "currency": NO_TEXT, "tags": (None, {}), "hold": (1.5,),
            "max_age": (1.5,), "every": (True,), "price_source": (), "close_days": ([], (1,)),
            "close_times": ([],), "close_at": NO_TEXT, "time_zone": NO_TEXT, "stop_los": (),
            "monitor_id": (*NO_TEXT, *FEW), "venue": NO_TEXT,
        }.items()
    },
    "monitor of": (lambda s, v: s.monitor(v, hold=5), ()),
    "unmonitor": (lambda s, v: s.unmonitor(v), ()),
    "drift": (lambda s, v: s.settle_drift(v, DriftRemedy.WAIT, "x"), ()),
    "drift how": (lambda s, v: s.settle_drift(BTC, v, "x"), ()),
    "drift slot": (lambda s, v: s.settle_drift(BTC, DriftRemedy.WAIT, "x", slot=v), ()),
    "drift window": (lambda s, v: s.settle_drift(BTC, DriftRemedy.WAIT, "x", window=v), ()),
    "flatten": (lambda s, v: s.flatten(v), ()),
    "flatten scope": (lambda s, v: s.flatten(Scope(instrument=v)), NO_TEXT),
    "flatten share": (lambda s, v: s.flatten(slice_share=v), (D("1E-5000"),)),
    "flatten statement": (lambda s, v: s.flatten(statement=v), (*NO_TEXT, *FEW)),
    "lift": (lambda s, v: s.lift(v, "x"), ()),
    "set_mode": (lambda s, v: s.set_mode(v, Scope(), "x"), ()),
    "set_mode statement": (lambda s, v: s.set_mode(TradingMode.ALL, Scope(), v), FEW),
    "trading_mode": (lambda s, v: s.trading_mode(v), ()),
    "on_price": (lambda s, v: s.on_price(BTC, last=v), (10**30,)),
    "on_price of": (lambda s, v: s.on_price(v, last=5), ()),
    "on_price ts": (lambda s, v: s.on_price(BTC, last=5, ts=v), (None, 0)),
    "price": (lambda s, v: s.price(v), ()),
    "terms_of_intent": (lambda s, v: s.terms_of_intent(v), FEW),
    "wait": (lambda s, v: s.protection().get(timeout=v), (None, 0, -1, 1.5)),
    "stop": (lambda s, v: s.stop(open_orders=v), ()),
    "stop timeout": (lambda s, v: s.stop(timeout=v), (0, 1.5)),
    "desk": (lambda s, v: SignalDesk(v, RiskLimits(**RISK)), ()),
    "desk limits": (SignalDesk, ()),
    "desk capital": (lambda s, v: SignalDesk(s, RiskLimits(**RISK), capital=v), (None, {})),
    "desk name": (lambda s, v: SignalDesk(s, RiskLimits(**RISK), name=v), FEW),
    "desk protects": (lambda s, v: SignalDesk(s, RiskLimits(**RISK), protect_within=v), (1.5,)),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_of_a_system(system: ExecutionSystem, name: str) -> None:
    """Refused at the call or in its future; no actor fails, and what it had is what it has."""
    alarms: list[Event] = []
    system.subscribe(alarms.append, Alarm)
    call, good = ASKED[name]
    facts, dispatcher = system.snapshot().get(timeout=1).facts, system.dispatcher
    assert isinstance(dispatcher, SimulatedDispatcher)
    for value in BAD:
        if _is_good(value, good):
            continue
        with pytest.raises(UserError) as caught:
            answer = call(system, value)
            dispatcher.run_ready()
            answer.get(timeout=0)
        assert 0 < len(str(caught.value)) < 1000
        dispatcher.run_ready()
    after = system.snapshot().get(timeout=1)
    assert (facts, 0, []) == (after.facts, after.dead_letters, alarms)


def test_a_statement_says_only_what_its_kind_uses(system: ExecutionSystem) -> None:
    """Somebody would believe that the rest was booked; a ratio of 0 stopped the account once."""
    for odd in (
        {"kind": CorrectionKind.FUNDING, "amount": D(1), "currency": "USDT", "ratio": D(0)},
        {"kind": CorrectionKind.FUNDING, "amount": D(1), "currency": "USDT", "qty": D(1)},
        {"kind": CorrectionKind.SPLIT, "ratio": D(2), "qty": D(1)},
        {"kind": CorrectionKind.OPERATOR, "qty": D(1), "amount": D(5)},
        {"kind": CorrectionKind.LIQUIDATION, "qty": D(1), "px": D(-5)},
    ):
        with pytest.raises(UserError):
            system.state_position(CorrectPosition(**AT, **odd))  # type: ignore[arg-type]
    worthless = CorrectPosition(**AT, kind=CorrectionKind.EXPIRY, qty=D(1), px=D(0))
    system.state_position(worthless).get(timeout=1)


def test_times_of_a_calendar_that_have_passed(system: ExecutionSystem) -> None:
    """A monitor whose every time is over would watch nothing."""
    now = system.dispatcher.time_ns()
    with pytest.raises(UserError, match="to come"):
        system.monitor(BTC, close_times=(now - 2, now - 1)).get(timeout=1)
    assert system.monitor(BTC, close_times=(now - 1, now + 1)).get(timeout=1)


def test_an_unknown_instrument_names_those_there_are(system: ExecutionSystem) -> None:
    """Of a price too: that nobody told one yet is another answer."""
    with pytest.raises(InvalidOrder, match="known are: BTC/USDT"):
        system.price("BTCUSDT")


#: What a host tells of a paper market, and what of BAD is meant.
TOLD: dict[str, tuple[Callable[[Any, Any], object], tuple[Any, ...]]] = {
    "symbol": (lambda m, v: m.on_quote(v, D(1), D(5), D(2), D(5)), ()),
    "quote price": (lambda m, v: m.on_quote(BTC, v, D(5), None, None), (None, D(-1))),
    "quote qty": (lambda m, v: m.on_quote(BTC, D(1), v, None, None), NOTHING),
    "quote time": (lambda m, v: m.on_quote(BTC, D(1), D(5), None, None, v), (None, 0)),
    "trade price": (lambda m, v: m.on_trade(BTC, v, D(1)), (D(-1),)),
    "trade qty": (lambda m, v: m.on_trade(BTC, D(1), v), ()),
    "aggressor": (lambda m, v: m.on_trade(BTC, D(1), D(1), v), NOTHING),
    "mark": (lambda m, v: m.on_mark(BTC, v), (D(-1),)),
    "book": (lambda m, v: m.set_book(BTC, v, []), ([],)),
    "level": (lambda m, v: m.set_book(BTC, [v], []), ()),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told_of_a_paper_market(name: str) -> None:
    """Floats first of all; what it said before stands."""
    tell, good = TOLD[name]
    market = PaperVenue("SIM", "main", [SPOT]).market
    for value in BAD:
        if not _is_good(value, good):
            with pytest.raises(UserError):
                tell(market, value)
