"""Triggers that the engine watches in the running system: elected once, live or told as blind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from actors import ExecutionSystem, PaperVenue
from actors.runtime import SimulatedDispatcher
from actors.sights import Sight
from actors.testing import SPOT, SimulatedSystem
from engine import leg, limit, oco, stop, stop_limit, take_profit, trailing_stop
from engine.errors import InvalidOrder, InvalidValue, UserError
from engine.messages import Alarm, Event, LinkDown, SubmitOrder, TradingMode
from engine.simulator import Exchange, ExchangeConfig
from engine.trigger_tables import Trigger
from engine.values import OrderState, TriggerSource
from engine.views import OrderView

from .trigger_kit import (
    BARE,
    BTC,
    PLAIN,
    SECOND,
    D,
    alarms,
    begun,
    facts,
    held,
    market,
    placed,
    protection,
    view,
)

MS = 1_000_000


def long_one(system: SimulatedSystem) -> None:
    """Hold one."""
    system.submit(limit(BTC, "BUY", "1", 201))
    system.run(SECOND // 10)


def stopped(system: SimulatedSystem, stop_px: int = 180, **terms: object) -> str:
    """A stop for one that the engine watches; its id."""
    order = stop(BTC, "SELL", "1", stop_px, local=True, reduce_only=True, **terms)  # type: ignore[arg-type]
    ticket = system.submit(order)
    system.run(SECOND // 10)
    return ticket.client_order_id


# --- the way of one order -------------------------------------------------------------------------


def test_a_stop_waits_here_and_leaves_as_a_market_order() -> None:
    """Nothing of it at the venue before its price; then one order, under the same id."""
    system = begun()
    long_one(system)
    cid = stopped(system)
    seen = view(system, cid)
    assert (OrderState.HELD, Trigger.WATCHED, True) == (seen.state, seen.trigger, seen.is_local)
    market(system, "181", "182")
    assert 1 == len(placed(system))
    market(system, "178", "179")
    assert (OrderState.FILLED, D(0)) == (view(system, cid).state, held(system))
    assert (cid, "MARKET", D(1)) == placed(system)[-1]
    assert ["SubmitOrder", "LocalTriggered", "LocalReleased", "Accepted", "Filled"] == facts(
        system, cid
    )
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize(
    ("order", "path", "child"),
    [
        (stop_limit(BTC, "SELL", "1", 180, 170, local=True), ("178", "179"), "LIMIT"),
        (take_profit(BTC, "SELL", "1", 220, local=True), ("221", "222"), "MARKET"),
        (trailing_stop(BTC, "SELL", "1", 15, local=True), ("184", "185"), "MARKET"),
    ],
    ids=["stop_limit", "take_profit", "trailing_stop"],
)
def test_every_kind_has_what_it_becomes(order: object, path: tuple[str, str], child: str) -> None:
    """A limit stays one, the others take the market."""
    system = begun()
    long_one(system)
    ticket = system.submit(order)  # type: ignore[arg-type]
    system.run(SECOND)
    market(system, *path)
    assert OrderState.FILLED is view(system, ticket.client_order_id).state
    assert child == placed(system)[-1][1]


def test_an_entry_that_waits_for_a_touch_opens_when_it_comes() -> None:
    """If-touched below the market: nothing is held before."""
    system = begun()
    ticket = system.submit(take_profit(BTC, "BUY", "2", 190, local=True))
    market(system, "195", "196")
    assert D(0) == held(system)
    market(system, "188", "189")
    assert (D(2), OrderState.FILLED) == (held(system), view(system, ticket.client_order_id).state)


def test_a_price_that_is_there_already_elects_at_once() -> None:
    """As at a venue that takes such an order."""
    system = begun()
    long_one(system)
    cid = stopped(system, 205)
    assert OrderState.FILLED is view(system, cid).state


@pytest.mark.parametrize("source", list(TriggerSource))
def test_each_source_elects_by_its_own_price(source: TriggerSource) -> None:
    """The last trade, the mark and the middle say different things; one of them counts."""
    system = begun()
    system.mark(BTC, D(200))
    long_one(system)
    cid = stopped(system, 180, trigger_source=source)
    moves: dict[TriggerSource, Callable[[], None]] = {
        TriggerSource.LAST: lambda: system.trade(BTC, D(179), D(1)),
        TriggerSource.MARK: lambda: system.mark(BTC, D(179)),
        TriggerSource.MID: lambda: system.quote(BTC, D(150), D(50), D(208), D(50)),
    }
    for other, move in moves.items():
        if other is not source:
            move()
            system.run(SECOND)
    assert Trigger.WATCHED is view(system, cid).trigger
    moves[source]()
    system.run(SECOND)
    assert (Trigger.RELEASED, 2) == (view(system, cid).trigger, len(placed(system)))


def test_amends_and_cancels_need_no_venue() -> None:
    """They are facts at once, at a venue that amends nothing, with the session down."""
    system = begun(able=BARE)
    ticket = system.submit(stop(BTC, "SELL", "1", 180, local=True))
    system.run(SECOND)
    answer = system.amend(ticket, stop_px=D(150), order_qty=D(2))
    system.run_until_idle()
    amended = answer.get(timeout=1)
    assert (D(150), D(2), ()) == (amended.stop_px, amended.order_qty, amended.requests)
    market(system, "170", "171")
    assert OrderState.HELD is view(system, ticket.client_order_id).state
    system.cancel(ticket)
    system.run_until_idle()
    assert OrderState.CANCELLED is view(system, ticket.client_order_id).state
    assert ["SubmitOrder", "AmendOrder", "CancelOrder"] == facts(system, ticket.client_order_id)
    assert [] == placed(system)
    assert () == system.system.triggers().get(timeout=1)


def test_a_cancel_while_nothing_can_be_written_asks_no_venue() -> None:
    """It has nothing there: it ends when the journal works again."""
    system = begun()
    cid = stopped(system)
    system.fail_journal(2)
    system.submit(limit(BTC, "BUY", "1", 190))
    system.run(SECOND // 100)
    system.cancel(cid)
    system.run(2 * SECOND)
    assert OrderState.CANCELLED is view(system, cid).state
    assert "unjournalled" not in alarms(system)


def test_an_amend_through_the_market_elects() -> None:
    """A stop that is moved beyond the price goes at once."""
    system = begun()
    long_one(system)
    cid = stopped(system)
    system.amend(cid, stop_px=D(205))
    system.run(SECOND // 10)
    assert OrderState.FILLED is view(system, cid).state


# --- who may --------------------------------------------------------------------------------------


def _real(able: object = PLAIN, **settings: object) -> tuple[ExecutionSystem, PaperVenue]:
    """A system as a host makes it, on virtual time."""
    exchange = Exchange(ExchangeConfig(capabilities=able, last_from_quotes=True), [SPOT])  # type: ignore[arg-type]
    venue = PaperVenue("SIM", "main", exchange)
    system = ExecutionSystem([venue], dispatcher=SimulatedDispatcher(seed=1), **settings)  # type: ignore[arg-type]
    system.start()
    return system, venue


def _sent(system: ExecutionSystem, order: SubmitOrder) -> OrderView:
    """The order once it has been taken in."""
    ticket = system.submit(order)
    assert isinstance(system.dispatcher, SimulatedDispatcher)
    system.dispatcher.run_until_idle()
    return system.order(ticket).get(timeout=1)


def test_nobody_gets_a_local_stop_without_having_asked() -> None:
    """Refused with the name of the option; taken with it, or order by order."""
    system, _ = _real()
    with pytest.raises(InvalidOrder, match="emulate_triggers=True"):
        system.submit(stop(BTC, "SELL", "1", 180))
    system.submit(stop(BTC, "SELL", "1", 180, local=True))
    system.stop()
    system, _ = _real(emulate_triggers=True)
    assert _sent(system, stop(BTC, "SELL", "1", 180)).is_local
    system.stop()


@pytest.mark.parametrize("word", ["local", "held", "closes"])
@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_a_flag_is_true_or_false(word: str, value: object) -> None:
    """Anything else could not be read back from the journal."""
    system, _ = _real()
    with pytest.raises(InvalidOrder, match=f"{word} must be bool"):
        system.submit(replace(limit(BTC, "BUY", "1", 200), **{word: value}))
    system.stop()


def test_a_venue_that_knows_the_type_watches_itself() -> None:
    """The option is for what a venue lacks; one order may still be kept from its eyes."""
    able = ExchangeConfig().capabilities
    system, _ = _real(able, emulate_triggers=True)
    assert not _sent(system, stop(BTC, "SELL", "1", 180)).is_local
    assert _sent(system, stop(BTC, "SELL", "1", 180, local=True)).is_local
    system.stop()


def test_the_same_intent_again_is_the_same_order_in_any_stage() -> None:
    """Waiting, elected, filled: idempotent over a restart, too."""
    system = begun()
    long_one(system)
    order = stop(BTC, "SELL", "1", 180, local=True, reduce_only=True, intent_id="s")
    first = system.submit(order).client_order_id
    assert first == system.submit(order).client_order_id
    market(system, "178", "179")
    assert first == system.submit(order).client_order_id
    system.crash()
    system.restart()
    system.run(SECOND)
    assert first == system.submit(order).client_order_id
    assert 2 == len(placed(system))


def test_a_stop_of_the_system_says_that_nobody_watches_any_more() -> None:
    """An alarm with the orders' names; a system without any says nothing."""
    for waiting in (True, False):
        system, _ = _real()
        told: list[Event] = []
        system.subscribe(told.append, Alarm)
        if waiting:
            system.submit(stop(BTC, "SELL", "1", 180, local=True))
        system.stop()
        assert waiting is any(
            isinstance(one, Alarm) and one.kind == "triggers_unwatched" for one in told
        )


def test_a_group_is_checked_as_ever() -> None:
    """What is no group, or has no type, is refused by name with the option on as well."""
    system, _ = _real(emulate_triggers=True)
    entry = limit(BTC, "BUY", "1", 200)
    with pytest.raises(InvalidOrder, match="is alone"):
        system.submit_group(leg("a", entry))  # type: ignore[arg-type]
    with pytest.raises(InvalidOrder, match="order_type"):
        system.submit_group(oco(entry, replace(entry, order_type="STOP")))
    system.stop()


def test_settings_are_checked() -> None:
    """An age of nothing would make every price too old."""
    with pytest.raises(InvalidValue, match="price_max_age"):
        _real(price_max_age=0)


# --- prices that do not come ----------------------------------------------------------------------


def test_a_stop_protects_while_its_prices_are_live() -> None:
    """PROTECTED and said to be local; UNPROTECTED and an alarm once they are old; then again."""
    system = begun()
    long_one(system)
    stopped(system)
    assert ("PROTECTED", D(1)) == protection(system)[-1]
    told = system.system.protection().get(timeout=1)
    assert ((("SIM", "main", BTC, "NET"), "1"),) == told.local
    system.run(6 * SECOND)
    assert ("UNPROTECTED", D(0)) == protection(system)[-1]
    assert ["price_blind"] == alarms(system)
    (waiting,) = system.system.triggers().get(timeout=1)
    assert Sight.BLIND is waiting.sight
    market(system, "198", "199")
    assert ("PROTECTED", D(1)) == protection(system)[-1]
    (waiting,) = system.system.triggers().get(timeout=1)
    assert (Sight.LIVE, D(199), D(180)) == (waiting.sight, waiting.px, waiting.stop_px)


def test_prices_that_never_come_are_told_as_well() -> None:
    """A stop by a mark that the venue does not publish."""
    system = begun()
    long_one(system)
    stopped(system, trigger_source=TriggerSource.MARK)
    assert ("PROTECTING", D(0)) == protection(system)[-1]
    for _ in range(6):
        market(system, "199", "201")
        market(system, "199", "202")
    assert ("UNPROTECTED", D(0)) == protection(system)[-1]
    assert ["price_blind"] == alarms(system)


def test_a_stop_that_comes_after_the_prices_have_ended_protects_nothing() -> None:
    """That they were live for another one says nothing."""
    system = begun()
    long_one(system)
    system.cancel(stopped(system))
    system.run(20 * SECOND)
    stopped(system)
    assert ("PROTECTING", D(0)) == protection(system)[-1]
    market(system, "198", "199")
    assert ("PROTECTED", D(1)) == protection(system)[-1]


def test_the_first_price_after_a_blind_time_elects() -> None:
    """A gap that has passed the trigger is no excuse."""
    system = begun()
    long_one(system)
    cid = stopped(system)
    system.run(10 * SECOND)
    market(system, "150", "151")
    assert OrderState.FILLED is view(system, cid).state


def test_a_price_that_is_too_old_elects_nobody() -> None:
    """What the market did a while ago is no reason to sell now."""
    system = begun()
    long_one(system)
    stopped(system, 100)  # the feed is asked for
    market(system, "178", "179")
    system.run(10 * SECOND)
    cid = stopped(system)
    assert Trigger.WATCHED is view(system, cid).trigger
    market(system, "178", "179.5")
    assert OrderState.FILLED is view(system, cid).state


# --- trailing -------------------------------------------------------------------------------------


def test_a_trailing_stop_is_written_when_it_moves_and_at_most_once_a_second() -> None:
    """Its stop price in the journal is behind by what the market moved since, never ahead."""
    system = begun()
    long_one(system)
    ticket = system.submit(trailing_stop(BTC, "SELL", "1", 10, local=True, reduce_only=True))
    system.run(SECOND // 10)
    cid = ticket.client_order_id
    for step in range(1, 41):  # one tick each 50 ms, for two seconds
        px = D(201) + step * D("0.5")
        market(system, str(px - 1), str(px + 1), 50 * MS)
    system.run(SECOND)
    (waiting,) = system.system.triggers().get(timeout=1)
    assert D(210) == waiting.stop_px == view(system, cid).stop_px
    assert facts(system, cid).count("LocalTrailed") in (3, 4)
    market(system, "219.5", "220", 50 * MS)
    market(system, "208", "209", SECOND)
    assert OrderState.FILLED is view(system, cid).state


def test_a_trailing_stop_goes_on_from_what_was_written() -> None:
    """After a crash it is armed at that price; what the market did meanwhile it has not seen."""
    system = begun()
    long_one(system)
    ticket = system.submit(trailing_stop(BTC, "SELL", "1", 10, local=True, reduce_only=True))
    system.run(SECOND)
    market(system, "229", "230")
    system.crash()
    system.quote(BTC, D(249), D(50), D(250), D(50))
    system.quote(BTC, D(221), D(50), D(222), D(50))
    system.restart()
    system.run(SECOND)
    (waiting,) = system.system.triggers().get(timeout=1)
    assert D(219) == waiting.stop_px
    market(system, "218", "218.5")
    assert OrderState.FILLED is view(system, ticket.client_order_id).state


# --- when it may not leave ------------------------------------------------------------------------


def test_an_exit_leaves_when_the_link_stands_again() -> None:
    """Elected while the session was down, by a price of the host: written, and sent later."""
    system = begun()
    long_one(system)
    cid = stopped(system)
    system.system.report("SIM", "main", LinkDown(system.now_ns()))
    system.system.on_price(BTC, last=179)
    system.run(SECOND // 10)
    assert (OrderState.PENDING, D(1)) == (view(system, cid).state, held(system))
    assert "LocalReleased" == facts(system, cid)[-1]
    system.run(SECOND)
    assert (OrderState.FILLED, D(0)) == (view(system, cid).state, held(system))


def test_a_shut_account_keeps_exits_waiting_and_denies_entries() -> None:
    """In mode NONE a stop that was reached stays elected, and leaves when a person lifts it."""
    system = begun()
    long_one(system)
    cid = stopped(system)
    entry = system.submit(take_profit(BTC, "BUY", "1", 185, local=True)).client_order_id
    system.run(SECOND)
    system.system.set_mode(TradingMode.NONE, statement="lunch")
    system.run(SECOND)
    assert ("PROTECTING", D(0)) == protection(system)[-1]
    market(system, "178", "179")
    assert (OrderState.HELD, Trigger.ELECTED) == (
        view(system, cid).state,
        view(system, cid).trigger,
    )
    assert OrderState.DENIED is view(system, entry).state
    assert ["trigger_withheld"] == alarms(system)
    system.system.set_mode(TradingMode.REDUCE_ONLY, statement="back")
    system.run(SECOND)
    assert (OrderState.FILLED, D(0)) == (view(system, cid).state, held(system))


def test_an_entry_is_judged_again_at_its_trigger() -> None:
    """Taken in good times, refused when its price comes in bad ones."""
    system = begun()
    ticket = system.submit(take_profit(BTC, "BUY", "1", 190, local=True))
    system.run(SECOND)
    system.system.set_mode(TradingMode.REDUCE_ONLY, statement="no more")
    system.run(SECOND)
    assert OrderState.HELD is view(system, ticket.client_order_id).state
    market(system, "188", "189")
    assert OrderState.DENIED is view(system, ticket.client_order_id).state
    assert 0 == len(placed(system))


def test_a_stop_that_is_not_flagged_still_counts_as_an_exit() -> None:
    """At a venue without reduce-only: it lowers what is held, so REDUCE_ONLY lets it leave."""
    system = begun(able=BARE)
    long_one(system)
    ticket = system.submit(stop(BTC, "SELL", "1", 180, local=True))
    system.run(SECOND)
    system.system.set_mode(TradingMode.REDUCE_ONLY, statement="careful")
    market(system, "178", "179")
    assert (OrderState.FILLED, D(0)) == (view(system, ticket.client_order_id).state, held(system))


def test_the_kill_switch_takes_those_that_wait() -> None:
    """They end at once, without a word to the venue."""
    system = begun()
    long_one(system)
    cid = stopped(system)
    system.system.flatten()
    system.run(5 * SECOND)
    assert (OrderState.CANCELLED, D(0)) == (view(system, cid).state, held(system))
    assert cid not in [one for one, _, _ in placed(system)]


def test_amends_of_what_has_left_are_the_venues_again() -> None:
    """Its limit price may still change, its trigger not."""
    system = begun()
    long_one(system)
    order = stop_limit(BTC, "SELL", "1", 180, 190, local=True, reduce_only=True)
    ticket = system.submit(order)
    market(system, "178", "179")
    assert OrderState.ACCEPTED is view(system, ticket.client_order_id).state
    answer = system.amend(ticket, stop_px=D(170))
    system.run(SECOND)
    with pytest.raises(UserError, match="its trigger was reached"):
        answer.get(timeout=1)
    system.amend(ticket, price=D(170))
    system.run(SECOND)
    assert OrderState.FILLED is view(system, ticket.client_order_id).state
