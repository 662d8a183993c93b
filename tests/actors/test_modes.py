"""Trading modes: what may leave is a decision of a person, written down, and kept to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from actors.tickets import Ticket
from actors.verifying import verify
from engine import SessionLimits, limit, market
from engine.budget import BudgetRule
from engine.capabilities import ReduceOnlyRule
from engine.contingent import bracket
from engine.errors import InvalidValue, UserError
from engine.flatten import Scope
from engine.messages import ModeChanged, TradingMode
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, When
from engine.values import OrderState

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
ALL, REDUCE, NONE = TradingMode.ALL, TradingMode.REDUCE_ONLY, TradingMode.NONE


def begun(*, weak: bool = False, limits: SessionLimits | None = None) -> SimulatedSystem:
    """A system that holds two, at a market of 199 to 201; ``weak``: exits are not flagged."""
    rule = ReduceOnlyRule.UNSUPPORTED if weak else ReduceOnlyRule.CLAMP
    able = replace(FULL_CAPABILITIES, reduce_only=rule)
    config = ExchangeConfig(capabilities=able, last_from_quotes=True)
    system = SimulatedSystem(seed=1, config=config, listens=True, limits=limits)
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.run(SECOND)
    system.submit(market(BTC, "BUY", "2"))
    system.run(SECOND)
    return system


def state(system: SimulatedSystem, ticket: Ticket) -> OrderState:
    """How an order stands, a second later."""
    system.run(SECOND)
    return system.system.order(ticket).get(timeout=1).state


def mode(system: SimulatedSystem, scope: Scope | None = None) -> TradingMode:
    """What is in force."""
    return system.system.trading_mode(scope or Scope()).get(timeout=1)


def denied(system: SimulatedSystem, ticket: Ticket) -> bool:
    """Whether the order was denied for its mode, and never reached the wire."""
    denied = state(system, ticket) is OrderState.DENIED
    calls = [request for verb, request, _ in system.venue.calls if verb == "place"]
    return denied and all(one.client_order_id != ticket.client_order_id for one in calls)


@pytest.mark.parametrize("scope", [Scope(), Scope(venue="SIM"), Scope(instrument=BTC)])
def test_reduce_only_denies_entries_and_lets_exits_go(scope: Scope) -> None:
    """It is an event, and survives a crash; only a person opens it again."""
    system = begun()
    system.system.set_mode(REDUCE, scope, "me: enough for today").get(timeout=1)
    for _ in range(2):
        assert REDUCE is mode(system, scope)
        assert denied(system, system.submit(limit(BTC, "BUY", "1", 150)))
        close = replace(limit(BTC, "SELL", "0.5", 190), reduce_only=True)
        assert OrderState.FILLED is state(system, system.submit(close))
        assert OrderState.ACCEPTED is state(system, system.submit(limit(BTC, "SELL", "0.5", 250)))
        assert denied(system, system.submit(limit(BTC, "SELL", "1.2", 250)))
        system.crash()
        system.restart()
        for order in system.system.orders().get(timeout=1):
            system.cancel(order.client_order_id)
        system.run(SECOND)
    changed = [event for event in system.heard if isinstance(event, ModeChanged)]
    assert [(REDUCE, "me: enough for today")] == [(one.mode, one.statement) for one in changed]
    system.system.set_mode(ALL, scope, "me: go on").get(timeout=1)
    assert OrderState.ACCEPTED is state(system, system.submit(limit(BTC, "BUY", "1", 150)))
    assert not system.settle(60 * SECOND)


def test_none_lets_cancels_go_and_nothing_else() -> None:
    """Not even an exit."""
    system = begun()
    resting = system.submit(limit(BTC, "BUY", "1", 150))
    system.run(SECOND)
    system.system.set_mode(NONE, Scope(), "me").get(timeout=1)
    close = replace(limit(BTC, "SELL", "0.5", 190), reduce_only=True)
    assert denied(system, system.submit(close))
    system.cancel(resting)
    assert OrderState.CANCELLED is state(system, resting)
    done = system.system.flatten(Scope(), 5)
    system.run(6 * SECOND)
    assert "NONE" in done.get(timeout=0).accounts[0].detail
    system.system.set_mode(ALL, Scope(), "me").get(timeout=1)
    system.run(10 * SECOND)
    assert [D(0)] == [one.qty for one in system.exchange.positions("main")]
    assert not system.settle(60 * SECOND)


def test_the_strictest_counts() -> None:
    """Of an instrument's mode, its account's, and a kill switch."""
    system = begun()
    of_btc = Scope(instrument=BTC)
    system.system.set_mode(NONE, of_btc, "me").get(timeout=1)
    system.system.set_mode(REDUCE, Scope(), "me").get(timeout=1)
    assert (NONE, REDUCE) == (mode(system, of_btc), mode(system))
    system.system.set_mode(ALL, of_btc, "me").get(timeout=1)
    assert REDUCE is mode(system, of_btc)
    system.system.set_mode(ALL, Scope(), "me").get(timeout=1)
    assert ALL is mode(system, of_btc)
    system.system.flatten(of_btc, 5)
    system.run(SECOND)
    assert (REDUCE, ALL) == (mode(system, of_btc), mode(system))


def test_what_waits_to_leave_never_does() -> None:
    """An entry that had no token yet is withdrawn when entries are shut, not sent later."""
    rule = BudgetRule(name="o", capacity=2, refill=1, refill_ns=20 * SECOND, reserved=1, place=1)
    slow = SessionLimits(budgets=(rule,))
    system = begun(limits=slow)
    first = system.submit(limit(BTC, "BUY", "1", 150))
    system.run(SECOND // 10)
    system.system.set_mode(REDUCE, Scope(), "me").get(timeout=1)
    assert OrderState.CANCELLED is state(system, first)
    system.system.set_mode(ALL, Scope(), "me").get(timeout=1)
    system.run(60 * SECOND)
    assert [] == list(system.exchange.open_orders("main", system.now_ns()))


def test_an_entry_at_the_venue_stays_and_does_not_grow() -> None:
    """Its amends are refused with a reason, those of exits are not."""
    system = begun(weak=True)
    terms = bracket(limit(BTC, "BUY", "1", 200), stop_px=180)
    ticket = system.system.submit_group(terms)
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    system.system.set_mode(REDUCE, Scope(), "me").get(timeout=1)
    with pytest.raises(UserError, match="shut"):
        system.system.amend(ticket.legs["entry"], order_qty=D(2)).get(timeout=1)
    system.system.amend(ticket.legs["stop"], stop_px=D(185)).get(timeout=1)
    system.trade(BTC, D("199.5"), D("0.6"))
    system.run(SECOND)
    view = system.system.order(ticket.legs["stop"]).get(timeout=1)
    assert (D(1), D(185)) == (view.order_qty, view.stop_px)


def test_an_amend_that_waits_to_leave_never_does() -> None:
    """Of an entry, when entries are shut: refused, and the order settles when it is cancelled."""
    rule = BudgetRule(
        name="o",
        capacity=4,
        refill=1,
        refill_ns=20 * SECOND,
        reserved=2,
        amend=2,
        query=0,
    )
    system = begun(limits=SessionLimits(budgets=(rule,)))
    system.run(60 * SECOND)
    first = system.submit(limit(BTC, "BUY", "1", 150))
    system.run(SECOND // 10)
    system.system.amend(first, price=D(151)).get(timeout=1)
    system.system.set_mode(REDUCE, Scope(), "me").get(timeout=1)
    assert OrderState.ACCEPTED is state(system, first)
    system.system.set_mode(ALL, Scope(), "me").get(timeout=1)
    system.run(60 * SECOND)
    (left,) = system.exchange.open_orders("main", system.now_ns())
    assert D(150) == left.price
    system.cancel(first)
    assert OrderState.CANCELLED is state(system, first)
    assert first.client_order_id not in system.system.brokers["SIM", "main"].orders


def test_an_amend_behind_the_end_of_its_order_is_over() -> None:
    """The cancel was faster, and entries were shut: nothing waits for ever."""
    system = begun()
    first = system.submit(limit(BTC, "BUY", "1", 150))
    system.run(SECOND)
    system.system.amend(first, price=D(151))
    system.cancel(first)
    system.system.flatten(Scope(), 60)
    system.run(30 * SECOND)
    assert 0 == system.system.brokers["SIM", "main"].session.queued
    assert first.client_order_id not in system.system.brokers["SIM", "main"].orders
    assert not system.settle(60 * SECOND)


def test_what_is_shut_is_in_checkpoints() -> None:
    """And gone from them when it is opened; the journal agrees with itself throughout."""
    system = begun()
    for to in (REDUCE, ALL, NONE):
        system.system.set_mode(to, Scope(instrument=BTC), "me").get(timeout=1)
        system.system.flatten(Scope(), 1)
        system.run(2 * SECOND)
        if to is ALL:
            system.system.lift(Scope(), "me").get(timeout=1)
        system.stop()
        assert verify(system.journal).is_whole
        system.restart()
        system.run(SECOND)
        assert 0 == system.system.recovered.facts_folded
        assert to is mode(system, Scope(instrument=BTC)) or to is REDUCE
        switched = bool(system.system.brokers["SIM", "main"].flattening.control.switches)
        assert switched is (to is not ALL)
    assert not system.settle(60 * SECOND)


def test_a_broker_that_fails_shuts_its_entries_for_good() -> None:
    """Until a person has looked: a restart does not open them again."""
    system = begun()
    broker = system.system.brokers["SIM", "main"]
    system.dispatcher.post(broker, object())  # no message of ours: its handling fails
    system.run(SECOND)
    assert REDUCE is mode(system)
    system.crash()
    system.restart()
    assert denied(system, system.submit(limit(BTC, "BUY", "1", 150)))
    system.system.set_mode(ALL, Scope(), "me: understood").get(timeout=1)
    assert OrderState.ACCEPTED is state(system, system.submit(limit(BTC, "BUY", "1", 150)))


def test_a_mode_needs_a_scope_that_is_there_and_a_statement() -> None:
    """Else nothing is shut."""
    system = begun()
    for scope, statement in ((Scope(account="x"), "me"), (Scope(), ""), (Scope(), "x" * 1001)):
        with pytest.raises(InvalidValue):
            system.system.set_mode(NONE, scope, statement)
    assert ALL is mode(system)
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=SECOND))
    system.run(5 * SECOND)
    assert OrderState.ACCEPTED is state(system, system.submit(limit(BTC, "BUY", "1", 150)))


def test_an_entry_that_its_group_moves_stays_where_it_is_until_entries_are_open_again() -> None:
    """The move was asked for before they were shut: nothing of it is under way meanwhile."""
    system = begun()
    group = system.system.submit_group(bracket(limit(BTC, "BUY", "1", 190), stop_px=180))
    system.run(SECOND)
    moved = system.system.amend_group(group, "entry", price=194)
    shut = system.system.set_mode(REDUCE, Scope(), "me")
    system.inject(Fault(FaultKind.REFUSED, When(verb="amend")))
    system.run(120 * SECOND)
    assert moved.done()
    assert shut.done()
    entry = system.system.order(group.legs["entry"]).get(timeout=1)
    assert (D(190), OrderState.ACCEPTED) == (entry.price, entry.state)
    assert not system.settle(60 * SECOND)
    system.system.set_mode(ALL, Scope(), "me").get(timeout=1)
    system.run(SECOND)
    assert D(194) == system.system.order(group.legs["entry"]).get(timeout=1).price
    assert not system.settle(60 * SECOND)
