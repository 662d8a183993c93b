"""Whatever a host has asked for when its system ends: it is answered, or told that it will not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from actors import ExecutionSystem, PaperVenue, Until
from actors.runtime import Future, SimulatedDispatcher
from actors.signals import SignalDesk
from actors.testing import SPOT
from engine import Direction, EntrySignal, ExitSignal, OrderType, RiskLimits, SubmitOrder, limit
from engine.contingent import bracket
from engine.errors import SystemStopped, UserError
from engine.flatten import Scope
from engine.messages import DriftRemedy, SetBaseline, TradingMode
from engine.testing.drawing import draws
from engine.values import InstrumentKind, OrderState, PositionSlot, Side

D = Decimal
PERP = replace(SPOT, kind=InstrumentKind.LINEAR)
BTC = PERP.symbol
#: What gives no future, or gives one to whoever ends the system.
_NO_QUESTIONS = {"astop", "in_turn"}


def a_system(dispatcher: SimulatedDispatcher | None = None) -> ExecutionSystem:
    """With everything on that may be asked for, and a market of 199 to 201."""
    venue = PaperVenue("SIM", "main", (PERP,))
    return ExecutionSystem([venue], dispatcher=dispatcher, history=True)


def an_order() -> SubmitOrder:
    """One that rests."""
    return limit(BTC, Side.BUY, 1, 150)


def signals(ts: int) -> Iterator[EntrySignal | ExitSignal]:
    """More than a desk decides at once, some of them twice."""
    for number in range(300):
        yield EntrySignal(
            signal_id=f"s{number % 200}", instrument=BTC, direction=Direction.LONG,
            entry_px=D(201), stop_px=D(190), ts=ts, order_type=OrderType.MARKET,
        )  # fmt: skip
    yield ExitSignal(signal_id="x", instrument=BTC, ts=ts)


def asked(system: ExecutionSystem, desk: SignalDesk) -> Iterator[tuple[str, Future[Any]]]:
    """Ask for everything there is, by the name of the method."""
    ts = system.dispatcher.time_ns()
    ticket = system.submit(an_order())
    group = system.submit_group(bracket(an_order(), stop_px=D(140)))
    yield from (("watch", ticket.until(until)) for until in Until)
    yield from (("submit", desk.submit(signal)) for signal in signals(ts))
    yield "ready", desk.ready()
    yield "ready", system.ready()
    yield "history", system.history()
    yield "flatten", system.flatten(Scope(instrument=BTC), None)
    yield "flatten", system.flatten(Scope(), 60)
    yield "lift", system.lift(Scope(), "done")
    yield "set_mode", system.set_mode(TradingMode.REDUCE_ONLY, statement="enough")
    yield "trading_mode", system.trading_mode()
    yield "watch_group", system.watch_group(group.group_id)
    yield "watch_group", group.done()
    yield "group_state", system.group_state(group.group_id)
    yield "amend_group", system.amend_group(group, stop_px=D(141))
    yield "cancel_group", system.cancel_group(group)
    yield "cancel", system.cancel(ticket)
    yield "amend", system.amend(ticket, price=D(151))
    yield "settle", system.settle(ticket, OrderState.CANCELLED, "seen by eye")
    yield "order", system.order(ticket)
    yield "orders", system.orders()
    yield "snapshot", system.snapshot()
    yield "state_digest", system.state_digest()
    yield "set_baseline", system.set_baseline(BTC, D(1), D(100))
    baseline = SetBaseline("SIM", "main", BTC, PositionSlot.NET, D(1), D(100), ts)
    yield "state_position", system.state_position(baseline)
    yield "protection", system.protection()
    yield "portfolio", system.portfolio()
    yield "pnl", system.pnl("USDT")
    yield "set_rate", system.set_rate("BTC", "USDT", 200)
    yield "rate", system.rate("BTC", "USDT")
    yield "open_trips", system.open_trips()
    yield "price", system.price(BTC)
    yield "triggers", system.triggers()
    yield "reconnect", system.reconnect()
    yield "monitor", system.monitor(BTC, stop_loss=10, monitor_id="m")
    yield "unmonitor", system.unmonitor("m")
    yield "monitors", system.monitors()
    yield "drift", system.drift()
    yield "settle_drift", system.settle_drift(BTC, DriftRemedy.WAIT, "seen by eye")


def test_everything_that_gives_a_future_is_asked_below() -> None:
    """A new method with a future of its own is asked by these tests too."""
    owners = [one for one in ExecutionSystem.__mro__ if one.__module__.startswith("actors")]
    giving = {
        name
        for owner in owners
        for name, one in vars(owner).items()
        if str(getattr(one, "__annotations__", {}).get("return", "")).startswith("Future[")
    }
    with a_system(SimulatedDispatcher(seed=1)) as system:
        names = {name for name, _ in asked(system, a_desk(system))}
    wanted = {name for name in giving if not name.startswith("_")} - _NO_QUESTIONS
    assert wanted - names == set()


def a_desk(system: ExecutionSystem) -> SignalDesk:
    """A desk that risks little."""
    return SignalDesk(system, RiskLimits(currency="USDT", risk_amount=D(20)))


def check_told(futures: list[tuple[str, Future[Any]]]) -> None:
    """All are done, with a value or with an error of ours."""
    assert [] == [name for name, one in futures if not one.done()]
    for name, one in futures:
        try:
            one.get(timeout=0)
        except UserError:
            pass
        except Exception as error:
            raise AssertionError(f"{name} raised {error!r}") from error


@pytest.mark.parametrize("open_orders", ["leave", "cancel"])
def test_on_its_own_thread_everything_is_answered_at_a_stop(open_orders: str) -> None:
    """Asked, and stopped at once."""
    system = a_system()
    system.start()
    futures = list(asked(system, a_desk(system)))
    system.stop(open_orders=open_orders)
    check_told(futures)


def test_in_a_hosts_loop_everything_is_answered_at_a_stop() -> None:
    """Asked, and stopped at once, before the loop has run anything of it."""

    async def story() -> list[tuple[str, Future[Any]]]:
        system = await a_system().__aenter__()
        futures = list(asked(system, a_desk(system)))
        await system.astop()
        return futures

    check_told(asyncio.run(story()))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("aside", [False, True])
def test_simulated_everything_is_answered_at_a_stop(seed: int, aside: bool) -> None:
    """Messages of different actors may change places, and a commit may be under way."""
    dispatcher = SimulatedDispatcher(choose=draws(seed), commits_aside=aside)
    system = a_system(dispatcher)
    system.start()
    futures = list(asked(system, a_desk(system)))
    for _ in range(seed):
        dispatcher.step_ready()
    system.stop()
    check_told(futures)


@pytest.mark.parametrize("turns", range(6))
def test_what_is_asked_during_a_stop_is_answered_too(turns: int) -> None:
    """What is taken then is answered, what is not taken says so at once."""

    async def story() -> list[tuple[str, Future[Any]]]:
        system = await a_system().__aenter__()
        desk, futures = a_desk(system), list[tuple[str, Future[Any]]]()
        stopping = asyncio.ensure_future(system.astop())
        for _ in range(turns):
            await asyncio.sleep(0)
        questions: dict[str, Callable[[], Future[Any]]] = {
            "ready": system.ready,
            "history": system.history,
            "flatten": system.flatten,
            "watch_group": lambda: system.watch_group("none"),
            "cancel": lambda: system.cancel("none"),
            "signal": lambda: desk.submit(next(signals(1))),
        }
        for name, ask in questions.items():
            with contextlib.suppress(SystemStopped):
                futures.append((name, ask()))
        await stopping
        return futures

    check_told(asyncio.run(story()))


@pytest.mark.parametrize("turns", [0, 1, 4])
@pytest.mark.parametrize("first", range(0, 345, 23))
def test_everything_is_answered_when_the_system_ends_by_itself(first: int, turns: int) -> None:
    """What ends it comes out of a call, before or behind any of what was asked, in a turn of its
    own or in that of others; the desk is closed afterwards.
    """
    dispatcher = SimulatedDispatcher(seed=first, turn_messages=1 + 30 * turns)
    system = a_system(dispatcher)
    system.start()
    desk, futures = a_desk(system), list[tuple[str, Future[Any]]]()

    def interrupted() -> None:
        raise KeyboardInterrupt

    for number, one in enumerate(asked(system, desk)):
        if number == first:
            system.call_soon(interrupted)
        futures.append(one)
    with pytest.raises(KeyboardInterrupt):
        dispatcher.run_ready()
    check_told(futures)
    desk.close()
