"""Signals in the running system: sized, protected, refused with a reason, once over restarts."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from actors import ExecutionSystem, PaperVenue
from actors.signals import Decision, SignalDesk
from actors.testing import SPOT, SimulatedSystem
from actors.testing.running import run_seed
from engine import Direction, EntrySignal, ExitSignal, InvalidValue, OrderType, RiskLimits, limit
from engine.capabilities import ReduceOnlyRule
from engine.errors import JournalUnavailable, SystemStopped
from engine.messages import GroupState
from engine.signals import SignalAccepted, SignalRefused
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES, FeePlan
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.scenario import START_NS, Moment
from engine.values import InstrumentKind, OrderState, PositionSlot, Side

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
PERP = replace(SPOT, kind=InstrumentKind.LINEAR)
ETH = replace(PERP, symbol="ETH/USDT", base="ETH")
S = GroupState


class Desk:
    """A simulated system with a desk, at a market of 199 to 201."""

    def __init__(
        self,
        *faults: Fault,
        seed: int = 3,
        balance: str | None = None,
        reduce_only: ReduceOnlyRule = ReduceOnlyRule.CLAMP,
        **limits: Any,
    ) -> None:
        usual: dict[str, Any] = {"currency": "USDT", "risk_amount": D(20)}
        if "risk_fraction" in limits:
            del usual["risk_amount"]
        self.limits = RiskLimits(**{**usual, **limits})
        self.sim = SimulatedSystem(
            seed=seed,
            plan=FaultPlan(faults=faults),
            config=ExchangeConfig(
                capabilities=replace(FULL_CAPABILITIES, reduce_only=reduce_only),
                last_from_quotes=True,
                fees=FeePlan(taker=D("0.001")),
            ),
            instruments=(PERP, ETH),
            balances=None if balance is None else {"USDT": D(balance)},
            listens=True,
        )
        self.market("199", "201")
        self.quote(ETH.symbol, "199", "201")
        self.desk = self.opened()

    def opened(self) -> SignalDesk:
        """A desk for the present life."""
        return SignalDesk(self.sim.system, self.limits, capital={"USDT": D(10000)})

    def restart(self) -> None:
        """Another life."""
        self.sim.restart()
        self.desk = self.opened()
        self.sim.run(SECOND)

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        """The market moves there."""
        self.sim.quote(symbol, D(bid), D(50), D(ask), D(50))

    def market(self, bid: str, ask: str) -> None:
        """And everybody has heard of it."""
        self.quote(BTC, bid, ask)
        self.sim.run(SECOND)

    def submit(self, signal: EntrySignal | ExitSignal) -> Decision:
        """What is decided within a second."""
        future = self.desk.submit(signal)
        self.sim.run(SECOND)
        return future.get(timeout=1)

    def held(self, symbol: str = BTC) -> Decimal:
        """What the account holds, by the exchange."""
        here = [one.qty for one in self.sim.exchange.positions("main") if one.instrument == symbol]
        return sum(here, D(0))

    def working(self) -> list[Decimal]:
        """What is open at the venue."""
        orders = self.sim.system.orders().get(timeout=1)
        return sorted(one.leaves_qty or D(0) for one in orders if one.state is not OrderState.HELD)

    def state(self, group: str) -> GroupState:
        """How a group stands."""
        return self.sim.system.group_state(group).get(timeout=1)

    def told(self, kind: type[SignalAccepted | SignalRefused]) -> list[str]:
        """The ids of signals that events of a kind were about."""
        return [one.signal_id for one in self.sim.heard if isinstance(one, kind)]


def entry(signal_id: str = "in", **terms: Any) -> EntrySignal:
    """Long at 200, stop at 180, half out at 220 and half at 240; 20 at risk are 1.00."""
    usual: dict[str, Any] = {
        "signal_id": signal_id, "instrument": BTC, "direction": Direction.LONG, "entry_px": D(200),
        "stop_px": D(180), "ts": START_NS, "targets": ((D(220), D("0.5")), (D(240), D("0.5"))),
    }  # fmt: skip
    return EntrySignal(**{**usual, **terms})


def short(signal_id: str = "in", **terms: Any) -> EntrySignal:
    """Short at 200 with the stop at 220."""
    mirrored = {"direction": Direction.SHORT, "stop_px": D(220), "targets": ((D(180), D(1)),)}
    return entry(signal_id, **{**mirrored, **terms})


def leave(signal_id: str = "out", **terms: Any) -> ExitSignal:
    """Out of BTC, all of it."""
    return ExitSignal(**{"signal_id": signal_id, "instrument": BTC, "ts": START_NS + 1, **terms})


AT_MARKET: dict[str, Any] = {"order_type": OrderType.MARKET}


def test_a_long_signal_is_sized_entered_protected_and_scaled_out_at_its_targets() -> None:
    """Accepted with its size and its loss at the stop; both targets fill, nothing is left."""
    desk = Desk()
    found = desk.submit(entry(tags=(("strategy", "trend"),)))
    assert (True, D("1.00"), D("20.00")) == (found.accepted, found.qty, found.loss)
    desk.market("198", "199")
    assert [D("0.50"), D("0.50"), D("1.00")] == desk.working()
    desk.market("220", "222")
    assert (D("0.50"), [D("0.50"), D("0.50")]) == (desk.held(), desk.working())
    desk.market("240", "242")
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())
    assert (["in"], []) == (desk.told(SignalAccepted), desk.told(SignalRefused))
    assert not desk.sim.settle(60 * SECOND)


def test_a_short_signal_at_market_ends_at_its_stop() -> None:
    """Its exits are on the other side; the stop takes the target down."""
    desk = Desk()
    assert D("1.00") == desk.submit(short(**AT_MARKET)).qty
    assert (D("-1.00"), [D("1.00"), D("1.00")]) == (desk.held(), desk.working())
    desk.market("221", "222")
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())
    assert not desk.sim.settle(60 * SECOND)


def test_a_signal_is_carried_out_once() -> None:
    """Twice at once, again while it works, over a restart, and when all of it is over."""
    desk = Desk()
    futures = [desk.desk.submit(entry()) for _ in range(2)]
    desk.sim.run(SECOND)
    assert [True, False] == [one.get(timeout=1).is_new for one in futures]
    desk.market("198", "199")
    desk.sim.crash()
    desk.restart()
    again = desk.submit(entry())
    assert (True, False) == (again.accepted, again.is_new)
    assert again.group is not None
    assert {"entry", "stop", "target-1", "target-2"} == set(again.group.legs)
    desk.market("178", "179")
    desk.sim.crash()
    desk.restart()
    again = desk.submit(entry())
    assert (True, False, None) == (again.accepted, again.is_new, again.group)
    assert (D(0), []) == (desk.held(), desk.working())
    assert "ID_TAKEN" == desk.submit(entry(instrument=ETH.symbol)).reason


@pytest.mark.parametrize("moment", [Moment.BEFORE_WRITE, Moment.AFTER_WRITE])
def test_wherever_the_process_dies_the_signal_again_is_the_same_trade(moment: Moment) -> None:
    """The caller repeats its signals until they are decided: one entry, one exit, nothing held."""
    for nth in range(1, 12):
        desk = Desk()
        desk.sim.crash_at(moment, nth)
        for signal in (entry(**AT_MARKET), leave("half", share=D("0.5")), leave()):
            for _ in range(2):
                if not desk.sim.alive:
                    desk.restart()
                desk.desk.submit(signal)
                desk.sim.run(2 * SECOND)
        if not desk.sim.alive:
            desk.restart()
        desk.sim.run(20 * SECOND)
        assert not desk.sim.settle(60 * SECOND), nth
        assert (nth, D(0), []) == (nth, desk.held(), desk.working())
        placed = [one for one, _ in desk.sim.exchange.placed("main")]
        bought = [one for one in placed if one.side is Side.BUY]
        assert len(bought) <= 1, nth  # none: written, and proven never to have left


def test_signals_against_what_is_held_are_refused() -> None:
    """Another one the same way, and one the other way; also while the entry only works."""
    desk = Desk()
    desk.submit(entry())
    assert "ALREADY_LONG" == desk.submit(entry("more")).reason
    desk.market("198", "199")
    assert "ALREADY_LONG" == desk.submit(entry("more")).reason
    other = desk.submit(short("other"))
    assert ("ALREADY_LONG", False) == (other.reason, other.accepted)
    assert "holds 1," in other.detail
    assert ["more", "more", "other"] == desk.told(SignalRefused)


@pytest.mark.parametrize("seed", range(6))
def test_two_signals_at_once_do_not_pass_the_same_limit(seed: int) -> None:
    """The second is decided on what the first is about to change, whoever runs first."""
    desk = Desk(seed=seed, max_open_positions=1, allow_scale_in=True)
    futures = [desk.desk.submit(entry("a")), desk.desk.submit(entry("b", instrument=ETH.symbol))]
    desk.sim.run(SECOND)
    assert ["", "MAX_OPEN_POSITIONS"] == [one.get(timeout=1).reason for one in futures]
    assert desk.submit(entry("c")).accepted  # scaling in


@pytest.mark.parametrize(
    ("limits", "signal", "reason"),
    [
        ({"risk_amount": D("0.19")}, entry(), "ZERO_SIZE"),
        ({}, entry(stop_px=D(210), targets=()), "STOP_SIDE"),
        ({}, entry(stop_px=D("180.1")), "OFF_TICK"),
        ({}, entry(targets=((D(190), D(1)),)), "TARGET_SIDE"),
        ({}, entry(instrument="DOGE"), "UNKNOWN_INSTRUMENT"),
        ({}, entry(venue="NYSE"), "UNKNOWN_VENUE"),
        ({}, leave(), "NOTHING_HELD"),
        ({"currency": "EUR"}, entry(), "RATE_MISSING"),
        ({"currency": "EUR", "risk_fraction": D("0.01")}, entry(), "EQUITY_UNKNOWN"),
        ({"max_signal_age_ns": SECOND // 2}, entry(), "STALE_SIGNAL"),
        ({}, entry(ts=START_NS + 3600 * SECOND), "SIGNAL_AHEAD"),
    ],
)
def test_what_is_refused_does_nothing_and_says_so(
    limits: dict[str, Any], signal: EntrySignal | ExitSignal, reason: str
) -> None:
    """A decision, an event, and no order."""
    desk = Desk(**limits)
    found = desk.submit(signal)
    assert (False, reason) == (found.accepted, found.reason)
    assert found.detail
    told = [one for one in desk.sim.heard if isinstance(one, SignalRefused)]
    assert [(reason, found.detail)] == [(one.reason, one.detail) for one in told]
    assert () == desk.sim.system.orders().get(timeout=1)


def test_a_rate_makes_another_currency_tradable() -> None:
    """20 EUR at risk are 40 USDT at two to one."""
    desk = Desk(currency="EUR")
    desk.desk.set_rate("USDT", D("0.5"), START_NS)
    found = desk.submit(entry())
    assert (D("2.00"), D(20)) == (found.qty, found.loss)


def test_a_stale_rate_lets_only_reducing_orders_through_over_a_restart() -> None:
    """The system's rates count, across a third currency too, until one of them is too old."""
    desk = Desk(currency="EUR", max_rate_age_ns=30 * SECOND)
    desk.sim.system.set_rate("USD", "USDT", 1)
    desk.sim.system.set_rate("EUR", "USD", 2)
    assert desk.submit(entry(**AT_MARKET)).accepted
    desk.sim.crash()
    desk.restart()
    assert desk.submit(entry("more")).reason == "ALREADY_LONG"
    desk.sim.run(30 * SECOND)
    assert desk.submit(entry("eth", instrument=ETH.symbol)).reason == "RATE_MISSING"
    assert desk.submit(ExitSignal(signal_id="out", instrument=BTC, ts=desk.sim.now_ns())).accepted
    desk.sim.run(SECOND)
    assert desk.held() == 0


def test_while_the_venue_is_away_or_an_order_in_doubt_nothing_is_entered() -> None:
    """What is held is not known then."""
    desk = Desk(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)), allow_scale_in=True)
    desk.submit(entry())
    desk.sim.run(11 * SECOND)
    assert "INVENTORY_UNKNOWN" == desk.submit(entry("more")).reason
    assert desk.submit(entry("other", instrument=ETH.symbol)).accepted


def test_a_margin_that_the_venue_refuses_is_told() -> None:
    """Nothing is held, the group is over, and the signal is told to have come to nothing."""
    desk = Desk(balance="50")
    assert desk.submit(entry(**AT_MARKET)).accepted
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())
    told = [one for one in desk.sim.heard if isinstance(one, SignalRefused)]
    assert [("in", "REJECTED")] == [(one.signal_id, one.reason) for one in told]
    assert "balance" in told[0].detail.lower() or "fund" in told[0].detail.lower()
    assert desk.submit(entry("again", strength=D("0.1"), **AT_MARKET)).accepted
    assert D("0.10") == desk.held()


def test_a_day_that_lost_too_much_ends_entries_until_the_next_over_a_restart() -> None:
    """23 between 201 and 178, and fees; the next day begins at its boundary, also for the desk of
    another life.
    """
    offset = (START_NS // SECOND + 3600) % 86400 * SECOND
    desk = Desk(max_daily_loss=(("USDT", D("23.2")),), day_offset_ns=offset)
    desk.submit(entry(**AT_MARKET))
    desk.market("178", "179")
    assert "MAX_DAILY_LOSS" == desk.submit(entry("more")).reason
    desk.sim.crash()
    desk.restart()
    assert "MAX_DAILY_LOSS" == desk.submit(entry("more")).reason
    desk.sim.run(3600 * SECOND)
    assert desk.submit(entry("more", entry_px=D(170), stop_px=D(160), targets=())).accepted


def test_after_a_loss_entries_rest_over_a_restart() -> None:
    """A minute without; also counted are those that were taken in the last one."""
    desk = Desk(cooldown_ns=60 * SECOND, max_entries_per_minute=1)
    desk.submit(entry(**AT_MARKET))
    assert "MAX_ENTRIES_PER_MINUTE" == desk.submit(entry("eth", instrument=ETH.symbol)).reason
    desk.sim.run(50 * SECOND)
    desk.market("178", "179")
    desk.sim.crash()
    desk.restart()
    desk.sim.run(10 * SECOND)
    eth = entry("eth", instrument=ETH.symbol)
    assert "COOLDOWN" == desk.submit(eth).reason
    desk.sim.run(60 * SECOND)
    assert desk.submit(eth).accepted


def test_a_loss_is_less_equity_to_take_risks_with() -> None:
    """One percent of what is left."""
    desk = Desk(risk_fraction=D("0.01"))
    assert D("5.00") == desk.submit(entry(**AT_MARKET)).qty
    desk.market("160", "161")
    lost = desk.sim.system.portfolio().get(timeout=1)
    left = 10000 + dict(lost.realized_pnl)["USDT"] - dict(lost.fees)["USDT"]
    found = desk.submit(entry("more", entry_px=D(160), stop_px=D(150), targets=()))
    assert left / 1000 - D("0.01") < found.qty <= left / 1000 < 10


def test_exits_in_parts_shrink_the_brackets_exits_until_all_is_out() -> None:
    """A share, a quantity, and the rest; the same exit again does nothing."""
    desk = Desk()
    desk.submit(entry(**AT_MARKET))
    assert D("0.40") == desk.submit(leave("a", share=D("0.4"), reason="tired")).qty
    assert (D("0.60"), D("0.60")) == (desk.held(), max(desk.working()))
    again = desk.submit(leave("a", share=D("0.4")))
    assert (True, False, D("0.60")) == (again.accepted, again.is_new, desk.held())
    assert D("0.10") == desk.submit(leave("b", qty=D("0.1"))).qty
    assert D("0.50") == max(desk.working())
    assert "EXIT_TOO_LARGE" == desk.submit(leave("c", qty=D("0.51"))).reason
    assert "ZERO_SIZE" == desk.submit(leave("d", share=D("0.001"))).reason
    assert D("0.50") == desk.submit(leave()).qty
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())
    assert ["in", "a", "b", "out"] == desk.told(SignalAccepted)
    assert not desk.sim.settle(60 * SECOND)


def test_what_an_exit_is_closing_already_is_not_closed_by_another() -> None:
    """The first one's order is still under way: only the rest is free."""
    desk = Desk()
    desk.submit(entry(**AT_MARKET))
    desk.sim.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    desk.submit(leave("a", share=D("0.5")))
    found = desk.submit(leave("b", qty=D("0.6")))
    assert "EXIT_TOO_LARGE" == found.reason
    assert "0.5" in found.detail


def test_an_exit_calls_an_entry_off_that_still_works() -> None:
    """Half of it filled: that is closed, and the rest never fills."""
    desk = Desk()
    desk.submit(entry())
    desk.sim.trade(BTC, D("199.5"), D("0.5"))
    desk.sim.run(SECOND)
    assert D("0.5") == desk.submit(leave()).qty
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())


def test_an_exit_takes_nothing_that_was_opened_by_a_later_signal() -> None:
    """Repeated after a restart, an old exit does not close a new trade."""
    desk = Desk()
    desk.submit(entry(**AT_MARKET))
    desk.submit(leave())
    desk.submit(entry("next", ts=START_NS + 2, **AT_MARKET))
    desk.sim.crash()
    desk.restart()
    found = desk.submit(leave())
    assert (False, D("1.00")) == (found.accepted, desk.held())


def test_an_exit_takes_what_was_bought_beside_groups_too() -> None:
    """The bracket closes its own, an order the rest."""
    desk = Desk()
    desk.submit(entry(**AT_MARKET))
    desk.sim.submit(limit(BTC, "BUY", "0.30", "201"))
    desk.sim.run(SECOND)
    assert D("1.30") == desk.submit(leave()).qty
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())
    assert not desk.sim.settle(60 * SECOND)


@pytest.mark.parametrize("terms", [{}, {"share": D("0.5")}])
def test_an_exit_while_the_stop_is_filling_never_closes_too_much(terms: dict[str, Any]) -> None:
    """The stop has half of what it needs when the exit comes: in the end all is flat, no short."""
    desk = Desk()
    desk.submit(entry(**AT_MARKET))
    desk.sim.quote(BTC, D(179), D("0.5"), D(180), D(50))
    out = desk.desk.submit(leave(**terms))
    desk.sim.run(SECOND)
    desk.market("178", "179")
    desk.sim.run(20 * SECOND)  # without liquidity it was refused some times, and rests in between
    assert out.done()
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())
    assert not desk.sim.settle(60 * SECOND)


def test_a_reverse_closes_first_and_opens_after_the_close_has_ended() -> None:
    """From long to short; the signals again, and another one meanwhile, change nothing."""
    desk = Desk(allow_reverse=True)
    desk.submit(entry(**AT_MARKET))
    futures = [desk.desk.submit(one) for one in (short("r", **AT_MARKET), short("other"))]
    futures.append(desk.desk.submit(short("r", **AT_MARKET)))
    desk.sim.run(SECOND)
    first, other, again = (one.get(timeout=1) for one in futures)
    assert (True, D("1.00"), "REVERSING") == (first.accepted, first.qty, other.reason)
    assert first.group is not None
    assert again.accepted
    assert (S.DONE, D("-1.00")) == (desk.state("in"), desk.held())
    assert [D("1.00"), D("1.00")] == desk.working()
    assert not desk.sim.settle(60 * SECOND)


def test_a_reverse_whose_close_does_not_end_gives_up() -> None:
    """The position and its close go on; the entry does not leave late."""
    desk = Desk(allow_reverse=True, reverse_within_ns=3 * SECOND)
    desk.submit(entry(**AT_MARKET))
    desk.sim.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    future = desk.desk.submit(short("r"))
    desk.sim.run(2 * SECOND)
    assert not future.done()
    desk.sim.run(2 * SECOND)
    assert "NOT_CLOSED" == future.get(timeout=1).reason
    desk.sim.run(120 * SECOND)
    assert D(0) == desk.held()
    assert ["in"] == desk.told(SignalAccepted)


def test_a_reverse_that_was_refused_may_wait_anew() -> None:
    """The same signal is handed in while the first still waits, and decided when that was just
    refused: what was still to be looked at for the first takes nothing from the second.
    """
    assert () == run_seed(700108, "rough").violations


def test_a_reverse_that_a_crash_cut_short_goes_on_when_it_is_submitted_again() -> None:
    """At every commit on its way; never two entries. Sometimes none in the end: the entry was
    proven never to have left, or its stop was in doubt for too long; that takes a new signal.
    """
    ends: list[Decimal] = []
    for nth in range(1, 10):
        desk = Desk(allow_reverse=True)
        desk.submit(entry(**AT_MARKET))
        desk.sim.crash_at(Moment.AFTER_WRITE, nth)
        for _ in range(4):  # until what the crash left in doubt is known
            if not desk.sim.alive:
                desk.restart()
            desk.desk.submit(short("r", **AT_MARKET))
            desk.sim.run(30 * SECOND)
        ends.append(desk.held())
        assert not desk.sim.settle(60 * SECOND), nth
    assert {D(-1), D(0)} == set(ends)
    assert 3 >= ends.count(D(0))


def test_a_journal_that_fails_for_a_while_loses_and_doubles_nothing() -> None:
    """Decided once it is written; what comes meanwhile is not accepted."""
    desk = Desk()
    desk.sim.run(SECOND)
    desk.sim.fail_journal(3)
    future = desk.desk.submit(entry(**AT_MARKET))
    desk.sim.run(10 * SECOND)
    assert (True, D("1.00")) == (future.get(timeout=1).accepted, desk.held())
    desk.sim.fail_journal(1000)
    desk.desk.submit(leave(share=D("0.5")))
    desk.sim.run(SECOND)
    with pytest.raises(JournalUnavailable):
        desk.desk.submit(leave("more"))
    assert not desk.sim.settle(60 * SECOND)
    assert D("0.50") == desk.held()


def test_hedge_slots_are_held_apart() -> None:
    """Long in one and short in the other, of one instrument; an exit takes its own."""
    desk = Desk()
    assert desk.submit(entry("l", slot=PositionSlot.LONG, **AT_MARKET)).accepted
    assert desk.submit(short("s", slot=PositionSlot.SHORT, **AT_MARKET)).accepted
    assert "ALREADY_SHORT" == desk.submit(short("t", slot=PositionSlot.SHORT)).reason
    assert "NOTHING_HELD" == desk.submit(leave()).reason
    assert desk.submit(leave(slot=PositionSlot.SHORT)).accepted
    assert (D("1.00"), S.DONE, S.LINKED) == (desk.held(), desk.state("s"), desk.state("l"))


def test_where_the_venue_knows_no_reduce_only_an_exit_is_a_plain_order() -> None:
    """Spot: what is held is sold, and the stop is gone with it."""
    desk = Desk(reduce_only=ReduceOnlyRule.UNSUPPORTED)
    desk.submit(entry(targets=(), **AT_MARKET))
    assert desk.submit(leave("half", share=D("0.5"))).accepted
    assert (D("0.50"), [D("0.50")]) == (desk.held(), desk.working())
    assert desk.submit(leave()).accepted
    assert (S.DONE, D(0), []) == (desk.state("in"), desk.held(), desk.working())


def test_a_desk_that_is_closed_tells_those_who_wait() -> None:
    """Waiting reverses are told; what is no signal is refused at the door."""
    desk = Desk(allow_reverse=True)
    desk.submit(entry(**AT_MARKET))
    desk.sim.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    future = desk.desk.submit(short("r"))
    desk.sim.run(SECOND)
    desk.desk.close()
    assert "DESK_CLOSED" == future.get(timeout=1).reason
    with pytest.raises(InvalidValue, match="a signal is"):
        desk.desk.submit("BUY")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue):
        desk.desk.set_rate("USDT", D(0), START_NS)
    with pytest.raises(InvalidValue):
        desk.desk.set_capital("USDT", 1.5)  # type: ignore[arg-type]


def test_what_a_desk_has_not_decided_when_it_is_closed_is_refused() -> None:
    """The system goes on, and nothing comes of it: neither of an entry nor of an exit."""
    desk = Desk(allow_reverse=True)
    desk.submit(entry(**AT_MARKET))
    asked = [desk.desk.submit(one) for one in (short("r"), leave(), entry("more"))]
    desk.desk.close()
    desk.sim.run(SECOND)
    assert ["DESK_CLOSED"] * 3 == [one.get(timeout=0).reason for one in asked]
    assert D("1.00") == desk.held()


def test_who_waits_for_a_reverse_is_told_that_the_system_has_stopped() -> None:
    """And so is who asked for the same again; nothing was decided, so it is submitted again."""
    desk = Desk(allow_reverse=True)
    desk.submit(entry(**AT_MARKET))
    desk.sim.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    waiting = [desk.desk.submit(short("r")), desk.desk.submit(short("r"))]
    desk.sim.run(SECOND)
    desk.sim.stop()
    for future in waiting:
        with pytest.raises(SystemStopped):
            future.get(timeout=0)
    assert [] == desk.sim.check()


def test_a_desk_serves_threads_and_loops() -> None:
    """The same signal from many threads is one trade; `await` and `get` give the same decision."""
    venue = PaperVenue("SIM", "main", [PERP])
    with pytest.raises(SystemStopped):
        SignalDesk(ExecutionSystem([venue]), RiskLimits(currency="USDT", risk_amount=D(1)))
    with ExecutionSystem([venue]) as system:
        system.call_soon(lambda: venue.market.on_quote(BTC, D(199), D(50), D(201), D(50)))
        limits = RiskLimits(currency="USDT", risk_fraction=D("0.01"))
        desk = SignalDesk(system, limits, capital={"USDT": D(10000)})
        desk.ready().get(timeout=5)
        with ThreadPoolExecutor(8) as pool:
            futures = list(pool.map(lambda _: desk.submit(entry(**AT_MARKET)), range(16)))
        found = [one.get(timeout=5) for one in futures]
        assert 1 == sum(one.is_new for one in found)
        assert {True} == {one.accepted for one in found}

        async def leaves() -> Decision:
            return await desk.submit(leave(ts=START_NS + 1))

        first = next(one.group for one in found if one.is_new)
        assert first is not None
        assert OrderState.FILLED is first.legs["entry"].wait(timeout=5).state
        assert D("5.00") == asyncio.run(leaves()).qty
        first.legs["stop"].wait(timeout=5)
    with pytest.raises(SystemStopped):
        desk.submit(entry())
