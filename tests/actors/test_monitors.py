"""Rules about what is held: met once, closed through the right door, kept over restarts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from actors.monitoring import MonitorView
from actors.testing import SPOT, SimulatedSystem
from actors.times_of_day import next_time
from engine import (
    DuplicateIntent,
    GroupState,
    InstrumentKind,
    InvalidValue,
    OrderState,
    PositionSlot,
    ReduceOnlyRule,
    Scope,
    bracket,
    limit,
    market,
    stop,
)
from engine.journal import decode
from engine.messages import Alarm, MonitorFired, PnlUnit, SubmitOrder
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES, FeePlan
from engine.testing.faults import Fault, FaultKind, When
from engine.testing.scenario import Moment

SECOND = 1_000_000_000
D = Decimal
PERP = replace(SPOT, kind=InstrumentKind.LINEAR)
ETH = replace(PERP, symbol="ETH/USDT", base="ETH")
BTC = PERP.symbol
NET = PositionSlot.NET


class Desk:
    """A system, its market, and what was told."""

    def __init__(self, *, bounds: bool = True, fee: str = "0", **config: Any) -> None:
        rule = ReduceOnlyRule.CLAMP if bounds else ReduceOnlyRule.UNSUPPORTED
        able = replace(FULL_CAPABILITIES, reduce_only=rule)
        self.sim = SimulatedSystem(
            seed=config.pop("seed", 5),
            config=ExchangeConfig(
                capabilities=able, last_from_quotes=True, fees=FeePlan(taker=D(fee))
            ),
            instruments=(PERP, ETH),
            listens=True,
            **config,
        )
        for symbol in (BTC, ETH.symbol):
            self.quote(200, symbol)

    def quote(self, mid: int, symbol: str = BTC) -> None:
        """The market is there now, wide enough for everybody."""
        self.sim.quote(symbol, D(mid) - 1, D(90), D(mid) + 1, D(90))
        self.sim.run(SECOND)

    def monitor(self, instrument: str = BTC, **rules: Any) -> str:
        """Set a monitor."""
        done = self.sim.system.monitor(instrument, **rules)
        self.sim.run_until_idle()
        return done.get(timeout=0)

    def buy(self, qty: str, symbol: str = BTC) -> None:
        """Buy at the ask."""
        self.sim.submit(market(symbol, "BUY", qty))
        self.sim.run(SECOND)

    def held(self, symbol: str = BTC) -> Decimal:
        """What the account holds, by the exchange."""
        mine = (one for one in self.sim.exchange.positions("main") if one.instrument == symbol)
        return sum((one.qty for one in mine), D(0))

    def working(self) -> int:
        """How many orders are open at the exchange."""
        return len(self.sim.exchange.open_orders("main", self.sim.now_ns()))

    def fired(self) -> list[str]:
        """The rules of which events told."""
        return [one.rule for one in self.sim.heard if isinstance(one, MonitorFired)]

    def all(self) -> tuple[MonitorView, ...]:
        """The monitors there are."""
        found = self.sim.system.monitors()
        self.sim.run_until_idle()
        return found.get(timeout=0)

    def sold(self) -> list[Decimal]:
        """What monitors have closed, by the calls that reached the wire."""
        return [
            request.order.order_qty
            for verb, request, _ in self.sim.venue.calls
            if verb == "place" and dict(request.order.tags).get("monitor")
        ]


@pytest.mark.parametrize(
    ("rules", "path", "rule"),
    [
        ({"take_profit": 20}, [205, 212], "TAKE_PROFIT"),
        ({"stop_loss": 20}, [195, 189], "STOP_LOSS"),
        ({"stop_loss": 5, "unit": PnlUnit.PERCENT}, [195, 189], "STOP_LOSS"),
        ({"take_profit": 5, "unit": PnlUnit.PERCENT}, [205, 212], "TAKE_PROFIT"),
        ({"give_back": 10}, [190], "GIVE_BACK"),
        ({"give_back": 10, "give_back_from": 20}, [190, 205, 215, 205], "GIVE_BACK"),
        ({"give_back": 10, "stop_loss": 10}, [190], "STOP_LOSS"),
    ],
)
def test_a_position_is_closed_when_its_pnl_says_so(
    rules: dict[str, Any], path: list[int], rule: str
) -> None:
    """At the price that meets the rule and not before; once, and the monitor is over."""
    desk = Desk()
    desk.monitor(**rules)
    desk.buy("2")
    for px in path:
        assert (D(2), []) == (desk.held(), desk.fired())
        desk.quote(px)
    desk.sim.run(5 * SECOND)
    assert (D(0), [rule], [D(2)]) == (desk.held(), desk.fired(), desk.sold())
    assert () == desk.all()
    for px in (150, 250):
        desk.quote(px)
    desk.buy("1")
    desk.quote(100)
    assert D(1) == desk.held()
    assert not desk.sim.settle()


def test_what_was_earned_before_does_not_count_and_fees_do() -> None:
    """P&L begins with the position; a partial exit of it is in it, and so are its fees."""
    desk = Desk(fee="0.01")
    desk.buy("2")
    desk.quote(260)
    desk.sim.submit(market(BTC, "SELL", "2"))
    desk.sim.run(SECOND)
    desk.monitor(stop_loss=20)
    desk.buy("2")  # 2 at 261, and 5.22 of fees
    desk.sim.submit(market(BTC, "SELL", "1"))  # at 259, and 2.59 of fees
    desk.sim.run(SECOND)
    (view,) = desk.all()
    assert D(-2) - D(1) - D("5.22") - D("2.59") == view.pnl
    desk.quote(252)
    assert D(1) == desk.held()
    desk.quote(250)
    desk.sim.run(SECOND)
    assert D(0) == desk.held()


def test_the_next_position_is_followed_if_wanted() -> None:
    """``every``: each position fires at most once, short ones too, and a flip begins a new one."""
    desk = Desk()
    name = desk.monitor(stop_loss=15, every=True)
    desk.buy("1")
    desk.quote(180)
    desk.sim.run(2 * SECOND)
    assert (D(0), 1) == (desk.held(), desk.all()[0].count)
    desk.sim.submit(market(BTC, "SELL", "1"))
    desk.sim.run(SECOND)
    desk.quote(190)
    desk.sim.submit(market(BTC, "BUY", "2"))  # the loss of the short one is not the long one's
    desk.sim.run(SECOND)
    assert (D(1), ["STOP_LOSS"]) == (desk.held(), desk.fired())
    desk.quote(170)
    desk.sim.run(2 * SECOND)
    assert (D(0), ["STOP_LOSS"] * 2) == (desk.held(), desk.fired())
    done = desk.sim.system.unmonitor(name)
    desk.sim.run_until_idle()
    done.get(timeout=0)
    assert () == desk.all()
    again = desk.sim.system.unmonitor(name)
    desk.sim.run_until_idle()
    with pytest.raises(InvalidValue, match="no monitor"):
        again.get(timeout=0)


def test_time_closes_what_nobody_prices() -> None:
    """A time limit needs no price; rules about P&L do not fire on an old one, and an alarm says
    that the monitor is blind, once.
    """
    desk = Desk()
    desk.monitor(stop_loss=20, hold=200, max_age=30)
    desk.buy("1")
    broker = desk.sim.system.brokers["SIM", "main"]
    broker.prices.unwatch(BTC, "monitors")  # its feed falls silent
    desk.sim.venue.inner._feeds.clear()
    desk.quote(100)
    desk.sim.run(150 * SECOND)
    alarms = [one.kind for one in desk.sim.heard if isinstance(one, Alarm)]
    assert (1, D(1), True) == (alarms.count("monitor_blind"), desk.held(), desk.all()[0].is_blind)
    desk.sim.run(60 * SECOND)
    assert (D(0), ["HOLD_TIME"]) == (desk.held(), desk.fired())


def test_square_off_at_a_time_of_day() -> None:
    """In the zone of the exchange, on its days; entries that wait are called off with it."""
    desk = Desk()
    start = datetime.fromtimestamp(desk.sim.now_ns() / 1e9, ZoneInfo("Asia/Kolkata"))
    minute = f"{start.hour:02}:{start.minute + 2:02}"
    desk.monitor(close_at=minute, time_zone="Asia/Kolkata", every=True)
    desk.buy("1")
    entry = desk.sim.submit(limit(BTC, "BUY", "1", 150))
    due = desk.all()[0].due_ts
    assert minute == f"{datetime.fromtimestamp(due / 1e9, ZoneInfo('Asia/Kolkata')):%H:%M}"
    desk.sim.run(due - desk.sim.now_ns() - SECOND)
    assert (D(1), 1) == (desk.held(), desk.working())
    desk.sim.run(5 * SECOND)
    assert (D(0), 0, ["TIME_OF_DAY"]) == (desk.held(), desk.working(), desk.fired())
    assert entry.wait(timeout=1).state is OrderState.CANCELLED
    desk.buy("1")
    assert due + 86_400 * SECOND == desk.all()[0].due_ts


def test_a_calendar_that_is_over_is_told_and_set_by_nobody() -> None:
    """The position after its last close is closed by no time, so a person hears of it; the same
    rules again are still the same monitor, and new ones are refused.
    """
    desk = Desk()
    last = desk.sim.now_ns() + 10 * SECOND
    rules: dict[str, Any] = {"close_times": (last,), "every": True, "monitor_id": "session"}
    desk.monitor(**rules)
    desk.buy("1")
    desk.sim.run(15 * SECOND)
    assert (D(0), ["TIME_OF_DAY"]) == (desk.held(), desk.fired())
    assert not [one for one in desk.sim.heard if isinstance(one, Alarm)]
    desk.buy("1")
    desk.sim.run(SECOND)
    (alarm,) = [one for one in desk.sim.heard if isinstance(one, Alarm)]
    assert ("monitor_over", D(1), 0) == (alarm.kind, desk.held(), desk.all()[0].due_ts)
    assert "session" == desk.monitor(**rules)
    with pytest.raises(InvalidValue, match="to come"):
        desk.monitor(close_times=(last,))


@pytest.mark.parametrize(
    ("text", "zone", "days", "after", "expected"),
    [
        ("15:15", "Asia/Kolkata", (), "2024-03-01T09:00", "2024-03-01T09:45"),
        ("15:15", "Asia/Kolkata", (), "2024-03-01T09:45", "2024-03-02T09:45"),
        ("15:15", "Asia/Kolkata", (1, 2), "2024-03-01T09:00", "2024-03-04T09:45"),
        ("16:00", "America/New_York", (), "2024-03-09T22:00", "2024-03-10T20:00"),
        ("02:30", "America/New_York", (), "2024-03-10T00:00", "2024-03-10T07:30"),
        ("01:30:30", "America/New_York", (), "2024-11-03T04:00", "2024-11-03T05:30:30"),
        ("23:30", "UTC", (5,), "2024-03-01T23:30", "2024-03-08T23:30"),
    ],
)
def test_times_of_day_are_those_of_their_zone(
    text: str, zone: str, days: tuple[int, ...], after: str, expected: str
) -> None:
    """Also where clocks change: what is left out comes later, what comes twice is the first."""

    def ts(of: str) -> int:
        return int(datetime.fromisoformat(of).replace(tzinfo=UTC).timestamp()) * SECOND

    assert ts(expected) == next_time(text, zone, days, ts(after))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "needs a rule"),
        ({"stop_loss": -1}, "above 0"),
        ({"take_profit": "NaN"}, "finite"),
        ({"close_at": "25:00", "time_zone": "UTC"}, "time of day"),
        ({"close_at": "15:00", "time_zone": "Mars/Crater"}, "no time zone"),
        ({"close_at": "15:00"}, "its zone"),
        ({"hold": 0}, "above 0"),
        ({"give_back_from": 3, "hold": 1}, "needs a give_back"),
        ({"hold": 1, "close_days": (8,)}, "Monday"),
        ({"hold": 1, "unit": "CENT"}, "cannot be kept"),
        ({"hold": 1, "instrument": "?"}, "not known"),
        ({"hold": 1, "instrument": ""}, "currency of an account"),
        ({"hold": 1, "instrument": "", "group": "?"}, "no group"),
    ],
)
def test_what_cannot_be_meant_is_refused(rules: dict[str, Any], said: str) -> None:
    """With a sentence that says why; nothing is set."""
    desk = Desk()
    with pytest.raises(InvalidValue, match=said):
        desk.monitor(**{"instrument": BTC, **rules})
    assert () == desk.all()


def test_the_same_again_sets_nothing() -> None:
    """With an id of the caller's; other rules under it are refused."""
    desk = Desk()
    assert "mine" == desk.monitor(stop_loss=5, monitor_id="mine")
    assert "mine" == desk.monitor(stop_loss=5, monitor_id="mine")
    with pytest.raises(DuplicateIntent):
        desk.monitor(stop_loss=6, monitor_id="mine")
    assert 1 == len(desk.all())


@pytest.mark.parametrize("bounds", [True, False])
def test_exits_that_rest_go_before_or_with_the_close(bounds: bool) -> None:
    """Whatever works on the slot is called off; where the venue bounds nothing, first."""
    desk = Desk(bounds=bounds)
    desk.monitor(stop_loss=20)
    desk.buy("2")
    for exit_order in (stop(BTC, "SELL", "2", 150), limit(BTC, "SELL", "2", 300)):
        desk.sim.submit(replace(exit_order, reduce_only=bounds))
    desk.sim.run(SECOND)
    desk.quote(185)
    desk.sim.run(5 * SECOND)
    assert (D(0), 0, [D(2)]) == (desk.held(), desk.working(), desk.sold())
    assert () == desk.all()
    assert not desk.sim.settle()


def test_what_groups_hold_they_close() -> None:
    """The group is called off and closes its part; the rest goes by an order of the monitor."""
    desk = Desk()
    group = desk.sim.system.submit_group(
        bracket(limit(BTC, "BUY", "2", 201), stop_px=100, targets=[(400, "1")])
    )
    desk.sim.run(SECOND)
    desk.buy("1")
    desk.monitor(stop_loss=20)
    desk.quote(180)
    desk.sim.run(5 * SECOND)
    assert (D(0), 0, [D(1)]) == (desk.held(), desk.working(), desk.sold())
    assert group.state().get(timeout=1) is GroupState.DONE
    assert not desk.sim.settle()


def test_a_monitor_of_a_group_closes_only_that() -> None:
    """By the P&L of its own executions and fees; what others hold in the slot stays."""
    desk = Desk(fee="0.01")
    desk.buy("5")
    group = desk.sim.system.submit_group(
        bracket(limit(BTC, "BUY", "2", 201), stop_px=100, targets=[(400, "1")])
    )
    desk.sim.run(SECOND)
    desk.monitor("", group=group, stop_loss=20)
    desk.quote(195)
    assert D(7) == desk.held()
    (view,) = desk.all()
    assert D(-12) - D("4.02") == view.pnl
    desk.quote(189)
    desk.sim.run(5 * SECOND)
    assert (D(5), []) == (desk.held(), desk.sold())
    assert (["STOP_LOSS"], ()) == (desk.fired(), desk.all())
    assert not desk.sim.settle()


def test_a_portfolio_is_one_number() -> None:
    """All slots of a currency together: a gain here makes up for a loss there."""
    desk = Desk()
    desk.buy("1")
    desk.buy("1", ETH.symbol)
    desk.monitor("", currency="USDT", stop_loss=40)
    desk.quote(230, ETH.symbol)
    desk.quote(150)
    assert (D(1), D(1)) == (desk.held(), desk.held(ETH.symbol))
    desk.quote(205, ETH.symbol)
    desk.sim.run(5 * SECOND)
    assert (D(0), D(0)) == (desk.held(), desk.held(ETH.symbol))
    assert (["STOP_LOSS"], ()) == (desk.fired(), desk.all())
    assert not desk.sim.settle()


@pytest.mark.parametrize("bounds", [True, False])
@pytest.mark.parametrize(
    "kind", [FaultKind.ANSWER_LOST, FaultKind.NEVER_ARRIVED, FaultKind.REFUSED, FaultKind.HANG]
)
def test_a_close_that_comes_to_nothing_is_tried_again(kind: FaultKind, bounds: bool) -> None:
    """Through doubt, without ever selling more than is held."""
    desk = Desk(bounds=bounds)
    desk.monitor(stop_loss=20)
    desk.buy("2")
    desk.sim.inject(Fault(kind, When("place", 1), count=2))
    desk.quote(180)
    lowest = desk.held()
    for _ in range(60):
        desk.sim.run(SECOND)
        lowest = min(lowest, desk.held())
    assert not desk.sim.settle()
    assert (D(0), D(0), ["STOP_LOSS"], ()) == (desk.held(), lowest, desk.fired(), desk.all())


@pytest.mark.parametrize("at", range(12))
def test_a_restart_neither_forgets_nor_fires_twice(at: int) -> None:
    """The process dies at each commit from the setting of the rule to the last fill."""
    desk = Desk()
    sim = desk.sim
    sim.crash_at(Moment.AFTER_WRITE if at % 2 else Moment.BEFORE_WRITE, at + 1)
    done = sim.system.monitor(BTC, stop_loss=20, monitor_id="mine")
    sim.run(SECOND)
    for step in range(4):
        if not sim.alive:
            sim.restart()
            sim.run(5 * SECOND)
            if not done.done() or step == 0:
                sim.system.monitor(BTC, stop_loss=20, monitor_id="mine")
                sim.run(SECOND)
        if step == 0:
            sim.submit(market(BTC, "BUY", "2", intent_id="entry"))
            sim.run(5 * SECOND)
        if sim.alive:
            desk.quote((200, 199, 180, 181)[step])
    assert not sim.settle()
    if any(one.rule for one in sim.heard if isinstance(one, MonitorFired)):
        assert D(0) == desk.held()
        assert 1 >= len(desk.fired())
        assert () == desk.all()


def test_a_kill_switch_has_the_say() -> None:
    """While one is on, it closes, and the monitor places nothing beside it."""
    desk = Desk()
    desk.monitor(stop_loss=20)
    desk.buy("2")
    desk.sim.system.flatten(Scope(), None)
    desk.quote(150)
    desk.sim.run(10 * SECOND)
    assert (D(0), []) == (desk.held(), desk.sold())
    written = [decode(record.body) for record in desk.sim.journal.records()]
    orders = [fact for fact in written if isinstance(fact, SubmitOrder)]
    assert not any("monitor" in dict(order.tags) for order in orders)
    assert not desk.sim.settle()


def test_an_entry_that_fills_while_it_is_called_off_is_closed_by_its_group() -> None:
    """And not by the monitor too, which hears of the fill before the group has looked."""
    desk = Desk(bounds=False)
    entry = limit(BTC, "BUY", "1", 150)
    group = desk.sim.system.submit_group(bracket(entry, stop_px=100, targets=[(400, "1")]))
    desk.buy("2")
    desk.monitor(stop_loss=20)
    desk.sim.inject(Fault(FaultKind.FILL_FIRST, When("cancel", 1)))
    desk.quote(180)
    lowest = desk.held()
    for _ in range(40):
        desk.sim.run(SECOND // 4)
        lowest = min(lowest, desk.held())
    assert (D(0), D(0)) == (desk.held(), lowest)
    assert group.state().get(timeout=1) is GroupState.DONE
    assert "FILL_FIRST" in desk.sim.injected
    assert not desk.sim.settle()


def test_a_rule_that_is_met_when_the_venue_is_back_needs_no_new_price() -> None:
    """What its price came to while the venue was away is seen once our books are whole."""
    desk = Desk()
    desk.monitor(stop_loss=20)
    desk.buy("2")
    desk.sim.happen(Fault(FaultKind.DISCONNECT, delay_ns=5 * SECOND))
    desk.quote(180)
    assert (D(2), []) == (desk.held(), desk.fired())
    desk.sim.run(10 * SECOND)
    assert (D(0), ["STOP_LOSS"]) == (desk.held(), desk.fired())
