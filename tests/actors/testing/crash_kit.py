"""Scenarios for crash tests: one story told by hand, and as many as wanted drawn from seeds."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from actors.testing import FaultyVenue
from actors.testing.crash import CrashScenario
from actors.testing.crash_stage import Stage, Step
from actors.venues.paper import PaperMarket, PaperVenue
from engine.errors import InvalidOrder
from engine.messages import SubmitOrder
from engine.simulator import FULL_CAPABILITIES, ExchangeConfig
from engine.testing import PROFILES
from engine.testing.drawing import draws
from engine.values import Instrument, OrderType, Side, TimeInForce

D = Decimal
MS = 1_000_000
BUY, SELL = Side.BUY, Side.SELL
BTC = Instrument(
    symbol="BTC/USDT",
    venue="SIM",
    base="BTC",
    quote="USDT",
    tick_size=D("0.01"),
    lot_size=D("0.001"),
)
#: A venue that is some way off: requests are on the wire when the process dies.
FAR = ExchangeConfig(
    capabilities=replace(FULL_CAPABILITIES, request_window_ns=200 * MS, visibility_lag_ns=200 * MS),
    latency_out_ns=30 * MS,
    latency_in_ns=20 * MS,
)


def submit(
    intent: str, side: Side, qty: str, price: str | None = None, account: str = "", **terms: Any
) -> Step:
    """Want a limit order, or a market order without a price."""
    kind = terms.pop("order_type", OrderType.MARKET if price is None else OrderType.LIMIT)
    order = SubmitOrder(
        intent, "", account, "BTC/USDT", side, kind, D(qty),
        price=None if price is None else D(price), **terms,
    )  # fmt: skip
    return lambda stage: stage.submit(order)


def cancel(intent: str) -> Step:
    """Have an order cancelled."""
    return lambda stage: stage.system.cancel(stage.ticket(intent))


def amend(intent: str, **terms: str) -> Step:
    """Have an order changed; that it can not be is an answer as good as any."""

    def ask(stage: Stage) -> None:
        try:
            stage.system.amend(stage.ticket(intent), **{k: D(v) for k, v in terms.items()})
        except InvalidOrder:
            return

    return ask


def quote(bid: str, bid_qty: str, ask: str, ask_qty: str) -> Step:
    """The market's best prices."""
    prices = D(bid), D(bid_qty), D(ask), D(ask_qty)
    return lambda stage: stage.market.on_quote("BTC/USDT", *prices, stage.now_ns())


def trade(price: str, qty: str) -> Step:
    """Others trade."""
    return lambda stage: stage.market.on_trade("BTC/USDT", D(price), D(qty), None, stage.now_ns())


def run(ms: int) -> Step:
    """Let milliseconds pass."""
    return lambda stage: stage.run(ms * MS)


def at_once(*steps: Step) -> Step:
    """Several steps as one, so that they may share a turn."""

    def do(stage: Stage) -> None:
        for step in steps:
            step(stage)

    return do


def checkpoint(stage: Stage) -> None:
    """Have everything written down as it is, in the next turn."""
    stage.system.in_turn(stage.system.last_words)


STORY: tuple[Step, ...] = (
    quote("99", "5", "101", "5"),
    submit("rests", BUY, "1", "98"),
    submit("crosses", BUY, "2", "101"),
    submit("far", SELL, "1", "103"),
    run(10),
    submit("market", BUY, "1"),
    amend("rests", price="97"),
    run(100),
    at_once(*(submit(f"n{i}", BUY, "0.5", f"9{i}") for i in range(5))),
    run(5),
    cancel("far"),
    trade("97", "0.4"),
    run(5),
    checkpoint,
    amend("n3", order_qty="0.8"),
    cancel("n1"),
    run(1),
    trade("90", "3"),
    run(100),
    quote("89", "3", "90", "3"),
    submit("stop", SELL, "1", order_type=OrderType.STOP, stop_px=D("88")),
    submit("exit", SELL, "9", "92", reduce_only=True),
    run(5),
    cancel("rests"),
    run(5),
    trade("88", "1"),
    run(60),
    submit("last", SELL, "1", "99"),
    cancel("last"),
    run(1),
)
#: What nobody hears, because the process is down.
WHILE_DOWN: tuple[Step, ...] = (trade("95", "0.2"), trade("93", "0.1"))


def story(**changes: Any) -> CrashScenario:
    """The story, under other circumstances if so wanted."""
    given: dict[str, Any] = {
        "name": "story", "steps": STORY, "instruments": (BTC,), "while_down": WHILE_DOWN,
    }  # fmt: skip
    return CrashScenario(**{**given, **changes})


def drawn(seed: int, steps: int = 30) -> CrashScenario:
    """A scenario drawn from a seed: orders of every kind, prices that cross them, two accounts."""
    draw = random.Random(seed)
    accounts = ("main", "second") if seed % 2 else ("main",)
    made: list[Step] = [quote("99", "5", "101", "5")]
    intents: list[str] = []
    while len(made) < steps:
        kind = draw.randrange(100)
        if kind < 45 or not intents:
            intents.append(f"i{len(intents)}")
            made.append(_drawn_order(draw, intents[-1], draw.choice(accounts)))
        elif kind < 60:
            made.append(cancel(draw.choice(intents)))
        elif kind < 72:
            terms = {"price": str(draw.randrange(92, 109))}
            if draw.random() < 0.5:
                terms = {"order_qty": draw.choice(("0.5", "1", "3"))}
            made.append(amend(draw.choice(intents), **terms))
        elif kind < 88:
            made.append(trade(str(draw.randrange(92, 109)), draw.choice(("0.3", "1", "4"))))
        else:
            ask = draw.randrange(94, 107)
            made.append(quote(str(ask - 1), "3", str(ask), "2"))
        if draw.random() < 0.6:
            made.append(run(draw.choice((0, 1, 5, 30, 60, 500))))
    return CrashScenario(
        name=f"drawn from {seed}",
        steps=tuple(made),
        instruments=(BTC,),
        while_down=(
            trade(str(draw.randrange(94, 100)), "0.7"),
            trade(str(draw.randrange(100, 106)), "0.7"),
        ),
        config=FAR if draw.random() < 0.5 else ExchangeConfig(),
        accounts=accounts,
        seed=seed,
        turn_messages=draw.choice((1, 4, 32)),
        down_ns=draw.choice((1, 10 * MS, 1000 * MS)),
    )


def _drawn_order(draw: random.Random, intent: str, account: str) -> Step:
    side, price = draw.choice((BUY, SELL)), str(draw.randrange(92, 109))
    qty = draw.choice(("0.125", "0.5", "1", "2"))
    terms: dict[str, Any] = {"account": account}
    match draw.randrange(10):
        case 0:
            return submit(intent, side, qty, **terms)
        case 1:
            tif = draw.choice((TimeInForce.IOC, TimeInForce.FOK))
            return submit(intent, side, qty, price, time_in_force=tif, **terms)
        case 2:
            return submit(intent, side, qty, price, post_only=True, **terms)
        case 3:
            stop: dict[str, Any] = {"order_type": OrderType.STOP, "stop_px": D(price)}
            return submit(intent, side, qty, **stop, **terms)
        case 4:
            return submit(intent, side, qty, price, reduce_only=True, **terms)
        case _:
            return submit(intent, side, qty, price, **terms)


def at_a_faulty_venue(scenario: CrashScenario, profile: str, seed: int) -> CrashScenario:
    """The same at a venue where more goes wrong than crashes; it is healed before all is judged."""

    def faulty(market: PaperMarket, account: str) -> FaultyVenue:
        return FaultyVenue(PaperVenue("SIM", account, market), PROFILES[profile], draws(seed))

    def heal(stage: Stage) -> None:
        for venue in stage.venues.values():
            assert isinstance(venue, FaultyVenue)
            venue.heal()

    return replace(scenario, config=FAR, venue=faulty, at_the_end=(heal,))
