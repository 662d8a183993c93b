"""A process that dies at any commit around a trigger: never two orders for it, never none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.submitting import local_legs
from actors.testing import SimulatedSystem
from engine import bracket, limit, stop, take_profit, trailing_stop
from engine.capabilities import Capabilities
from engine.messages import GroupTerms, SubmitOrder
from engine.testing.scenario import Moment
from engine.values import OrderState

from .trigger_kit import BARE, BTC, PLAIN, SECOND, D, alarms, begun, held, market, placed

MS = 1_000_000
AROUND = (Moment.BEFORE_WRITE, Moment.AFTER_WRITE)
STOP = stop(BTC, "SELL", "1", 180, local=True, reduce_only=True, intent_id="exit")
TRAIL = trailing_stop(BTC, "SELL", "1", 12, local=True, reduce_only=True, intent_id="exit")
SPOT_STOP = replace(STOP, reduce_only=False)
TOUCH = take_profit(BTC, "SELL", "1", 220, local=True, reduce_only=True, intent_id="exit")

Play = Callable[[SimulatedSystem], None]


def exits(order: SubmitOrder, *path: tuple[str, str]) -> Play:
    """Wait with this for what is held, and have the market go there; after a crash the host submits
    it again.
    """

    def play(system: SimulatedSystem) -> None:
        again(system, lambda: system.submit(order))
        system.run(200 * MS)
        for step in path:
            again(system, lambda: system.submit(order))
            market(system, *step, 300 * MS)

    return play


def brackets(root: GroupTerms, *path: tuple[str, str]) -> Play:
    """The same with a bracket, from its entry on."""

    def play(system: SimulatedSystem) -> None:
        again(system, lambda: system.system.submit_group(root, intent_id="b"))
        system.run(200 * MS)
        for step in path:
            again(system, lambda: system.system.submit_group(root, intent_id="b"))
            market(system, *step, 300 * MS)

    return play


def again(system: SimulatedSystem, ask: Callable[[], object]) -> None:
    """What a host does on a system that may have died: start another, and say it again."""
    assert not system.check()
    system.restart()
    ask()


def a_bracket(able: Capabilities) -> GroupTerms:
    """Buy one at 202, stop at 180, target at 220."""
    return local_legs(bracket(limit(BTC, "BUY", "1", 202), stop_px=180, target=220), able)


DOWN = (("190", "191"), ("178", "179"), ("177", "178"))
CASES: dict[str, tuple[Capabilities, Play]] = {
    "stop": (PLAIN, exits(STOP, *DOWN)),
    "spot stop": (BARE, exits(SPOT_STOP, *DOWN)),
    "trailing": (PLAIN, exits(TRAIL, ("209", "210"), ("197", "198"), ("180", "181"))),
    "touch": (PLAIN, exits(TOUCH, ("210", "211"), ("221", "222"), ("222", "223"))),
    "bracket, stopped": (PLAIN, brackets(a_bracket(PLAIN), *DOWN)),
    "spot bracket, stopped": (BARE, brackets(a_bracket(BARE), *DOWN)),
    "spot bracket, target": (BARE, brackets(a_bracket(BARE), ("219", "220"), ("221", "222"))),
}


@pytest.mark.parametrize("name", CASES)
def test_it_leaves_once_wherever_the_process_dies(name: str) -> None:
    """Before or after each commit: flat at the end, one order for it, nothing wrong."""
    able, play = CASES[name]
    nth, died = 0, True
    while died:
        nth += 1
        for moment in AROUND:
            system = begun(able=able)
            if "bracket" not in name:
                system.submit(limit(BTC, "BUY", "1", 202))
                system.run(200 * MS)
            system.crash_at(moment, nth)
            play(system)
            died = bool(system.crashes)
            bad = system.settle(120 * SECOND)
            where = f"{name}, {moment.value} {nth}"
            assert not bad, (where, bad)
            assert D(0) == held(system), where
            sold = [one for one in placed(system) if one[1] == "MARKET"]
            assert len(sold) <= 1, (where, placed(system))
            if "bracket" not in name:
                assert [system.id_of("exit")] == [cid for cid, _, _ in sold], where
            assert not {"order_failed", "group_failed"} & {*alarms(system)}, where
    assert nth > 3, "it never died"


@pytest.mark.parametrize("moment", AROUND)
def test_a_death_in_the_life_that_finds_it_elected_changes_nothing(moment: Moment) -> None:
    """Dead after the election was written, and again at each commit of the life that takes
    it up.
    """
    for second in range(1, 9):
        system = begun()
        system.submit(limit(BTC, "BUY", "1", 202))
        system.run(200 * MS)
        ticket = system.submit(STOP)
        system.run(200 * MS)
        system.crash_at(Moment.AFTER_WRITE, 1)
        market(system, "178", "179", 100 * MS)
        assert 1 == system.crashes
        system.restart()
        system.crash_at(moment, second)
        system.run(2 * SECOND)
        bad = system.settle(120 * SECOND)
        assert not bad, (second, bad)
        seen = system.system.order(ticket.client_order_id).get(timeout=1)
        assert (D(0), OrderState.FILLED) == (held(system), seen.state), second
        assert 1 == sum(cid == ticket.client_order_id for cid, _, _ in placed(system))


def test_nothing_leaves_before_its_election_is_written() -> None:
    """On a full disk the stop waits; with room again it leaves, once."""
    system = begun()
    system.submit(limit(BTC, "BUY", "1", 202))
    system.run(200 * MS)
    ticket = system.submit(STOP)
    system.run(200 * MS)
    system.fail_journal(3)
    market(system, "178", "179", 100 * MS)
    assert 1 == len(placed(system))
    assert OrderState.HELD is system.system.order(ticket).get(timeout=1).state
    system.run(5 * SECOND)
    assert (D(0), 2) == (held(system), len(placed(system)))
    assert not system.settle(60 * SECOND)


def test_an_elected_entry_that_never_arrived_is_too_late() -> None:
    """Its send-by time counts from its trigger on: nobody buys for the price of yesterday."""
    system = begun()
    ticket = system.submit(take_profit(BTC, "BUY", "1", 190, local=True))
    system.run(SECOND)
    system.crash_at(Moment.AFTER_WRITE, 1)
    market(system, "188", "189", 100 * MS)
    assert 1 == system.crashes
    bad = system.settle(120 * SECOND)
    assert not bad
    seen = system.system.order(ticket.client_order_id).get(timeout=1)
    assert (OrderState.EXPIRED, Decimal(0)) == (seen.state, held(system))
    assert [] == placed(system)
