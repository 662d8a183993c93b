"""Drawn signals at a venue that fails and a process that dies: nothing is lost or doubled."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.runtime import Future
from actors.signals import Decision, SignalDesk
from actors.testing import SPOT, SimulatedSystem
from engine import Direction, EntrySignal, ExitSignal, InstrumentKind, OrderType, RiskLimits
from engine.simulator import ExchangeConfig
from engine.simulator.config import FeePlan
from engine.testing.faults import PROFILES
from engine.testing.scenario import Moment

SECOND = 1_000_000_000
D = Decimal
PERP = replace(SPOT, kind=InstrumentKind.LINEAR)
ETH = replace(PERP, symbol="ETH/USDT", base="ETH")
SYMBOLS = (PERP.symbol, ETH.symbol)
CAPITAL = {"USDT": D(10000)}


def a_signal(draw: random.Random, step: int, px: int, ts: int) -> EntrySignal | ExitSignal:
    """An entry either way with or without targets, or an exit of all or a part."""
    symbol, name = draw.choice(SYMBOLS), f"s{step}"
    if draw.random() < 0.35:
        share = draw.choice([None, D("0.5"), D("0.3")])
        return ExitSignal(signal_id=name, instrument=symbol, ts=ts, share=share)
    direction = draw.choice(list(Direction))
    up = 1 if direction is Direction.LONG else -1
    targets = ((D(px + 15 * up), D("0.5")), (D(px + 30 * up), D("0.5")))
    return EntrySignal(
        signal_id=name,
        instrument=symbol,
        direction=direction,
        entry_px=D(px),
        stop_px=D(px - 20 * up),
        ts=ts,
        targets=draw.choice([(), targets]),
        order_type=draw.choice([OrderType.MARKET, OrderType.LIMIT]),
    )


@pytest.mark.parametrize("profile", ["calm", "rough"])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_or_doubled_whatever_signals_come(profile: str, seed: int) -> None:
    """Every signal twice, prices that jump, crashes at any commit; without one all are decided."""
    draw = random.Random(seed)
    sim = SimulatedSystem(
        seed=seed,
        plan=PROFILES[profile],
        config=ExchangeConfig(last_from_quotes=True, fees=FeePlan(taker=D("0.001"))),
        instruments=(PERP, ETH),
    )
    limits = RiskLimits(
        currency="USDT", risk_fraction=D("0.002"), fee_rate=D("0.001"), max_open_positions=2,
        allow_reverse=bool(seed % 2), allow_scale_in=seed % 3 == 0, reverse_within_ns=2 * SECOND,
    )  # fmt: skip
    desk = SignalDesk(sim.system, limits, capital=CAPITAL)
    asked: list[Future[Decision]] = []
    px = 200
    for step in range(12):
        if not sim.alive:
            sim.restart()
            desk = SignalDesk(sim.system, limits, capital=CAPITAL)
        px = max(100, px + draw.choice([-25, -12, -3, 0, 3, 12, 25]))
        for symbol in SYMBOLS:
            sim.quote(symbol, D(px - 1), D(50), D(px + 1), D(50))
        signal = a_signal(draw, step, px, sim.now_ns())
        if draw.random() < 0.1:
            moment = draw.choice([Moment.BEFORE_WRITE, Moment.AFTER_WRITE])
            sim.crash_at(moment, draw.randrange(1, 8))
        if sim.alive:
            asked += [desk.submit(signal), desk.submit(signal)]
        sim.run(draw.choice([0, 1, 5, 30]) * SECOND // draw.choice([1, 3]))
    assert not sim.settle()
    assert sim.crashes or all(one.done() for one in asked)
