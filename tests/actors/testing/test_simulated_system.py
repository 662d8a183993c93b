"""The simulated system and its judge: what it survives, and that nothing wrong passes it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.runtime import Future
from actors.testing import SPOT, SimulatedSystem
from actors.testing.kept_journal import KeptJournal
from actors.testing.running import run_seed
from engine.errors import InvalidValue, SystemStopped
from engine.messages import Filled, SubmitOrder, VenueStatus
from engine.order import Order
from engine.simulator import ExchangeConfig
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.scenario import Moment
from engine.values import OrderState, OrderType, PositionSlot, Side

D = Decimal
K = FaultKind
SECOND = 1_000_000_000
SYMBOL = SPOT.symbol


def order(intent: str, side: Side = Side.BUY, qty: str = "2", price: str = "101") -> SubmitOrder:
    return SubmitOrder(intent, "", "", SYMBOL, side, OrderType.LIMIT, D(qty), price=D(price))


def started(**options: object) -> SimulatedSystem:
    """A system whose market shows 5 at 100 and 5 at 101."""
    system = SimulatedSystem(**options)  # type: ignore[arg-type]
    system.run(3 * SECOND)
    system.quote(SYMBOL, D(100), D(5), D(101), D(5))
    return system


def traded(**options: object) -> SimulatedSystem:
    """... and that has bought 2 of 2 and offers 1 more."""
    system = started(**options)
    system.submit(order("bought"))
    system.submit(order("offered", Side.SELL, "1", "103"))
    system.run(SECOND)
    assert [] == system.check()
    return system


def hit(system: SimulatedSystem, qty: str = "9") -> None:
    """Others buy through our offer."""
    system.trade(SYMBOL, D(104), D(qty), Side.BUY)


def names(system: SimulatedSystem) -> list[str]:
    """Which invariants do not hold at rest, or did not before."""
    return sorted({bad.invariant for bad in system.settle(120 * SECOND)})


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "first"), [("calm", 0), ("rough", 0), ("rough", 40), ("hell", 0), ("hell", 40)]
)
def test_seeds_hold(profile: str, first: int) -> None:
    """A few dozen seeds of each profile: nothing lost, nothing doubled, nothing left in doubt."""
    results = [run_seed(seed, profile) for seed in range(first, first + 40)]
    assert [] == [(one.name, bad) for one in results for bad in one.violations]
    assert sum(one.fills for one in results) > 40
    assert (profile == "calm") is not any(one.faults for one in results)
    assert (profile == "calm") is not any(one.crashes for one in results)


def test_commands_market_and_time() -> None:
    """Submit, fill, amend, cancel: the system is the real one, only time waits for us."""
    with traded() as system:
        assert (
            D(2)
            == system.system.brokers["SIM", "main"].positions[SYMBOL, PositionSlot.NET].position.qty
        )
        amended = system.amend(system.id_of("offered"), price=D(104))
        system.run(SECOND)
        assert D(104) == system.system.order(system.id_of("offered")).get().price
        cancelled = system.cancel(system.id_of("offered"))
        unknown = system.cancel("nobody")
        system.run(SECOND)
        assert [True] * 3 == [answer.done() for answer in (amended, cancelled, unknown)]
        assert OrderState.CANCELLED is system.system.order(system.id_of("offered")).get().state
        assert [] == names(system)


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("nth", [1, 2])
def test_a_crash_at_any_moment_is_survived(moment: Moment, nth: int) -> None:
    """Dead between turns, before a commit or after it: what the venue has is what we have."""
    with started() as system:
        system.crash_at(moment, nth)
        if system.alive:
            system.submit(order("a"))
            system.run(SECOND)
        assert (False, 1) == (system.alive, system.crashes)
        with pytest.raises(SystemStopped):
            system.submit(order("b"))
        system.trade(SYMBOL, D(100), D(1))
        system.run(SECOND)
        system.restart()
        system.submit(order("a"))
        system.run(SECOND)
        assert [] == names(system)
        assert len(system.exchange.placed("main")) == (moment is not Moment.AFTER_WRITE or nth > 1)


def test_what_was_on_its_way_at_a_crash_arrives_when_it_should() -> None:
    """The next life reaches its venue later than the order of the last one does."""
    with started(config=ExchangeConfig(latency_out_ns=SECOND)) as system:
        system.submit(order("a", price="99"))
        system.run(SECOND // 2)
        assert system.happen(Fault(K.DISCONNECT, delay_ns=60 * SECOND))
        system.crash()
        system.restart()
        system.run(2 * SECOND)
        assert [VenueStatus.WORKING] == [seen.status for _, seen in system.exchange.placed("main")]


@pytest.mark.parametrize("cancels", [False, True])
def test_an_orderly_stop_leaves_what_was_asked_for(cancels: bool) -> None:
    """Open orders are left or cancelled, every command is answered, and the next life goes on."""
    with traded() as system:
        asked = system.amend(system.id_of("offered"), price=D(102))
        system.stop(cancel=cancels)
        assert (False, 0, True) == (system.alive, system.crashes, asked.done())
        assert [] == system.check()
        assert cancels is not bool(system.exchange.open_orders("main", system.now_ns()))
        hit(system)
        system.stop()  # nothing runs: nothing happens
        system.restart()
        assert [] == names(system)
        held = sum(one.qty for one in system.judge.books.positions.values())
        assert held == (D(2) if cancels else D(1))


def test_a_process_may_die_while_it_stops() -> None:
    """A stop that was cut short is a crash like any other."""
    with traded() as system:
        system.crash_at(Moment.BEFORE_WRITE)
        system.stop(cancel=True)
        assert (False, 1) == (system.alive, system.crashes)
        assert [] == names(system)


@pytest.mark.parametrize("every", [4, 16])
def test_checkpoints_are_written_every_so_many_facts(every: int) -> None:
    """In small pieces, and a restart begins with the last whole one."""
    with traded(checkpoint_facts=every) as system:
        for price in range(20):
            system.amend(system.id_of("offered"), price=D(103 + price))
            system.run(SECOND)
        assert isinstance(system.journal, KeptJournal)
        assert sum(bool(batch.checkpoints) for batch in system.journal.batches) > 20 // every
        system.crash()
        assert [] == names(system)


def test_a_journal_that_fails_for_a_while_delays_and_loses_nothing() -> None:
    """Refused commits are made again."""
    with traded() as system:
        system.fail_journal(3)
        hit(system)
        system.run(5 * SECOND)
        assert [] == names(system)
        assert D(1) == sum(held.qty for held in system.judge.books.positions.values())


def test_a_journal_may_be_cut_at_every_record() -> None:
    """However much a disk lost of it: orders, fills and positions are read from the venue again."""
    with traded() as system:
        hit(system, "0.5")
        system.run(SECOND)
        last = system.journal.last_seq
    for seq in range(last + 1):
        with traded() as system:
            hit(system, "0.5")
            system.run(SECOND)
            system.crash(at_seq=seq)
            assert seq >= system.journal.last_seq
            system.restart()
            assert [] == names(system), seq
            assert 2 == len(system.judge.books.orders)


def test_only_the_kits_own_journal_can_be_cut() -> None:
    """Any journal can be given; what only ours can do is refused for others."""
    from actors.journal import MemoryJournal  # noqa: PLC0415

    with traded(journal=MemoryJournal(engine_id="SIM", incarnation="TEST")) as system:
        with pytest.raises(InvalidValue, match="kit's own journal"):
            system.crash_at(Moment.AFTER_WRITE)
        with pytest.raises(InvalidValue, match="kit's own journal"):
            system.fail_journal()
        with pytest.raises(InvalidValue, match="kit's own journal"):
            system.save_journal("somewhere.db")
        with pytest.raises(InvalidValue, match="kit's own journal"):
            system.crash(at_seq=2)


def test_a_system_that_crashed_can_settle() -> None:
    """To settle heals: a dead system is started again."""
    with traded() as system:
        system.crash()
        assert [] == names(system)
        assert system.alive


# --- nothing wrong passes -------------------------------------------------------------------------


def test_a_lost_fill_is_found() -> None:
    """The stream loses a fill and nothing says so and nobody looks."""
    with traded() as system:
        system.system.brokers["SIM", "main"].watch.stop()
        system.inject(Fault(K.STREAM_SILENT, When("cancel", 1), delay_ns=SECOND))
        system.submit(order("far", price="90"))
        system.run(SECOND)
        system.cancel(system.id_of("far"))
        system.run(1)
        hit(system)
        system.run(2 * SECOND)
        assert {"no_fill_lost", "positions_agree", "orders_agree"} <= set(names(system))


def test_a_doubled_fill_is_found_at_once() -> None:
    """One execution told under two numbers: booked twice, and the venue has it once."""
    with traded() as system:
        cid = system.id_of("offered")
        again = Filled(cid, system.now_ns(), "made-up", D("0.5"), D(103))
        system.system.report("SIM", "main", again)
        system.run(SECOND)
        assert ["no_fill_invented"] == [bad.invariant for bad in system.check()]
        assert "positions_agree" in names(system)


def test_a_fill_of_other_numbers_than_the_venues_is_found() -> None:
    """The execution is real, its price is not."""
    with traded() as system:
        system.inject(Fault(K.STREAM_SILENT, When("cancel", 1), delay_ns=SECOND))
        system.submit(order("far", price="90"))
        system.run(SECOND)
        system.cancel(system.id_of("far"))
        system.run(1)
        hit(system)
        (real,) = [f for f in system.exchange.executions("main", 0)[0] if f.side is Side.SELL]
        system.system.report("SIM", "main", replace(real, last_px=D(102)))
        system.run(2 * SECOND)
        assert ["fills_agree"] == [bad.invariant for bad in system.check()]


def test_a_second_placement_of_an_intent_is_found() -> None:
    """Under the same client id or another one; and an order that was never written down."""
    with traded() as system:
        terms, _ = system.exchange.placed("main")[0]
        system.exchange.place(replace(terms, client_order_id="SIMTEST99"), system.now_ns())
        found = {bad.invariant for bad in system.check()}
        assert {"nothing_placed_twice", "written_before_sent"} == found


def test_an_order_we_call_ended_may_not_work_at_the_venue() -> None:
    """A confirmed cancel that never was."""
    with traded() as system:
        cid = system.id_of("offered")
        system.system.settle(cid, OrderState.CANCELLED, "somebody on the phone")
        system.run(SECOND)
        assert ["ended_is_ended", "exposure_covers"] == [b.invariant for b in system.check()]


def test_doubt_that_stays_is_found() -> None:
    """A venue that answers no query leaves an order of unknown outcome as it is."""
    plan = FaultPlan(faults=(Fault(K.UNKNOWN_AFTER, When("place", 1)),))
    with started(plan=plan) as system:
        system.venue.heal = lambda: None  # type: ignore[method-assign]
        system.inject(Fault(K.UNKNOWN_BEFORE, When("query")))
        system.submit(order("a", price="90"))
        system.run(SECOND)
        assert "nothing_unsettled" in names(system)


def _more(held: Order) -> Order:
    return replace(held, claim_qty=D(9))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda actor: setattr(actor, "order", _more(actor.order)),
        lambda actor: setattr(actor, "frozen", True),
    ],
    ids=["order", "frozen"],
)
def test_state_that_is_not_the_fold_is_found(spoil: Callable[[object], None]) -> None:
    """An order that somebody changed outside of the journal."""
    with traded() as system:
        cid = system.id_of("offered")
        spoil(system.system.brokers["SIM", "main"].orders[cid])
        assert ["live_is_the_fold"] == [bad.invariant for bad in system.check()]


def test_a_position_that_is_not_the_fold_is_found() -> None:
    """Somebody changed a slot outside of the journal."""
    with traded() as system:
        held = system.system.brokers["SIM", "main"].positions[SYMBOL, PositionSlot.NET]
        held.position = replace(held.position, qty=D(3))
        assert ["positions_are_the_fold"] == [bad.invariant for bad in system.check()]
        assert [] == system.check()  # said once


def test_an_answer_that_never_comes_is_found() -> None:
    """Liveness: each command of a life is answered."""
    with traded() as system:
        broker = system.system.brokers["SIM", "main"]
        asked = system.cancel(system.id_of("offered"))
        waiting = system.dispatcher._boxes.pop(id(broker))
        system.dispatcher._runnable.remove(waiting)
        system.dispatcher._waiting -= len(waiting.items)
        assert (["commands_are_answered"], False) == (names(system), asked.done())


def test_a_command_without_an_answer_at_a_stop_is_found() -> None:
    """Who stops in order leaves nobody waiting."""
    with traded() as system:
        system.asked.append(Future())
        system.stop()
        assert ["commands_are_answered"] == [bad.invariant for bad in system.check()]


def test_a_failure_of_ours_is_found() -> None:
    """Whatever a venue does, no actor fails."""
    with traded() as system:
        broker = system.system.brokers["SIM", "main"]
        system.dispatcher.post(broker, "no message at all")
        system.run(SECOND)
        assert "nothing_failed" in [bad.invariant for bad in system.check()]


def test_an_exception_out_of_the_system_is_a_violation_of_the_run() -> None:
    """The run ends there and says where."""
    from actors.testing.running import play, simulated  # noqa: PLC0415
    from engine.testing.drawing import scenario  # noqa: PLC0415

    drawn = scenario(3, "calm")
    with simulated(drawn) as system:
        system.market.on_quote = None  # type: ignore[method-assign, assignment]
        (bad,) = play(system, drawn).violations
    assert "nothing_failed" == bad.invariant
    assert "TypeError" in bad.message
    assert "simulated_system.py" in bad.message
