"""Limits held against signals: each refuses with its word and its numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.errors import InvalidOrder, InvalidValue
from engine.policies.entries import plan_entry
from engine.policies.risk import (
    Held,
    RiskDay,
    RiskLimits,
    RiskState,
    SlotFact,
    can_trade,
    day_pnl,
    follow,
)
from engine.signals import Direction, EntrySignal, ExitSignal
from engine.values import Instrument, OrderType

D = Decimal
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOW = 100 * DAY + 5 * SECOND
BTC = Instrument(symbol="BTC", venue="SIM", base="BTC", quote="USDT", lot_size=D("0.01"))


def signal(**terms: Any) -> EntrySignal:
    """Long at 200, stop at 180."""
    usual: dict[str, Any] = {
        "signal_id": "s", "instrument": "BTC", "direction": Direction.LONG, "entry_px": D(200),
        "stop_px": D(180), "ts": NOW - SECOND,
    }  # fmt: skip
    return EntrySignal(**{**usual, **terms})


def limits(**terms: Any) -> RiskLimits:
    """One percent of the equity."""
    return RiskLimits(**{"currency": "USDT", "risk_fraction": D("0.01"), **terms})


def held(qty: str, notional: str | None = "200", symbol: str = "BTC") -> Held:
    """A slot."""
    worth = None if notional is None else D(notional)
    return Held("SIM/main", symbol, "NET", D(qty), worth, D(qty) > 0, D(qty) < 0)


def state(*slots: Held, **facts: Any) -> RiskState:
    """10,000 of equity, and what is held; the first slot is where the signal is for."""
    usual: dict[str, Any] = {"ts": NOW, "equity": D(10000), "held": slots}
    here = slots[0] if slots and slots[0].instrument == "BTC" else None
    return RiskState(**{**usual, "here": here, **facts})


@pytest.mark.parametrize(
    ("allowed", "facts", "reason", "numbers"),
    [
        (limits(), state(equity=None), "EQUITY_UNKNOWN", "USDT"),
        (limits(), state(equity=D(-3)), "NO_EQUITY", "-3"),
        (limits(max_signal_age_ns=SECOND // 2), state(), "STALE_SIGNAL", "0.5 s"),
        (limits(), state(in_doubt="order 7 is in doubt"), "INVENTORY_UNKNOWN", "order 7"),
        (limits(), state(held("1")), "ALREADY_LONG", "holds 1"),
        (limits(), state(held("-1")), "ALREADY_SHORT", "holds -1"),
        (limits(max_open_positions=1), state(held("1", symbol="ETH")), "MAX_OPEN_POSITIONS", "1"),
        (
            limits(max_daily_loss=(("USDT", D(50)),)),
            state(day_pnl=(("USDT", D(-50)),)),
            "MAX_DAILY_LOSS",
            "50 USDT",
        ),
        (
            limits(max_entries_per_minute=2),
            state(entries=(NOW - 61 * SECOND, NOW - 59 * SECOND, NOW)),
            "MAX_ENTRIES_PER_MINUTE",
            "2 entries",
        ),
        (limits(cooldown_ns=9 * SECOND), state(last_loss_ts=NOW - SECOND), "COOLDOWN", "9 s"),
        (
            limits(max_instrument_notional=D(200), allow_scale_in=True),
            state(held("1")),
            "MAX_INSTRUMENT_NOTIONAL",
            "200",
        ),
        (limits(max_leverage=D(2)), state(held("1", None, "ETH")), "RATE_MISSING", "ETH"),
    ],
)
def test_each_limit_refuses_with_its_word_and_numbers(
    allowed: RiskLimits, facts: RiskState, reason: str, numbers: str
) -> None:
    """One case for each; without the limit or just inside of it the signal may be traded."""
    verdict = can_trade(signal(), allowed, facts)
    assert verdict.reason is not None
    assert (False, reason) == (verdict.allowed, verdict.reason.value)
    assert numbers in verdict.detail


@pytest.mark.parametrize(
    ("allowed", "facts"),
    [
        (limits(), state()),
        (limits(max_signal_age_ns=SECOND), state()),
        (limits(max_open_positions=2), state(held("1", symbol="ETH"))),
        (limits(max_open_positions=1, allow_scale_in=True), state(held("1"))),
        (limits(max_daily_loss=(("USDT", D(50)),)), state(day_pnl=(("USDT", D("-49.99")),))),
        (limits(max_daily_loss=(("USDT", D(50)),)), state(day_pnl=(("BTC", D(-50)),))),
        (limits(max_entries_per_minute=2), state(entries=(NOW - 60 * SECOND, NOW))),
        (limits(cooldown_ns=9 * SECOND), state(last_loss_ts=NOW - 9 * SECOND)),
        (limits(risk_fraction=None, risk_amount=D(5)), state(equity=None)),
    ],
)
def test_inside_of_its_limits_a_signal_may_be_traded(allowed: RiskLimits, facts: RiskState) -> None:
    """The other side of each bound."""
    assert can_trade(signal(), allowed, facts).allowed


def test_a_reverse_is_allowed_where_it_is_and_what_it_closes_does_not_count() -> None:
    """A short position of the whole notional that is allowed leaves room for a long one of it."""
    free = limits(allow_reverse=True, max_instrument_notional=D(200))
    verdict = can_trade(signal(), free, state(held("-1")))
    assert (True, True) == (verdict.allowed, verdict.reverses)
    plan = plan_entry(signal(), BTC, free, state(held("-1")), D(1))
    assert (D("1.00"), "max_value", True) == (plan.qty, plan.capped_by, plan.reverses)


def test_a_plan_is_sized_by_strength_and_capped_by_leverage() -> None:
    """Half the strength is half the risk; what others use of the equity is gone."""
    assert D("5.00") == plan_entry(signal(), BTC, limits(), state(), D(1)).qty
    assert D("2.50") == plan_entry(signal(strength=D("0.5")), BTC, limits(), state(), D(1)).qty
    used = state(held("99", "19800", "ETH"))
    plan = plan_entry(signal(), BTC, limits(max_leverage=D(2)), used, D(1))
    assert (D("1.00"), "available") == (plan.qty, plan.capped_by)


def test_what_cannot_become_a_bracket_is_refused() -> None:
    """Without a rate, and with a target on the wrong side, at market too."""
    assert "RATE_MISSING" == plan_entry(signal(), BTC, limits(), state(), None).reason
    low = signal(targets=((D(190), D(1)),), order_type=OrderType.MARKET)
    assert "TARGET_SIDE" == plan_entry(low, BTC, limits(), state(), D(1)).reason


def test_limits_and_signals_that_are_none_are_refused() -> None:
    """Before anything has happened."""
    for wrong in (
        {"risk_amount": D(1)}, {"risk_fraction": D(2)}, {"max_open_positions": 0},
        {"max_daily_loss": (("USDT", D(0)),)}, {"day_starts": (2, 1)}, {"fee_rate": 0.1},
        {"max_leverage": 2.0},
    ):  # fmt: skip
        with pytest.raises(InvalidValue):
            limits(**wrong)
    for odd in (
        {"entry_px": 200}, {"strength": D(0)}, {"targets": ((D(220), D("0.6")),) * 2}, {"ts": 0},
        {"order_type": OrderType.STOP}, {"tags": (("a", "b"),) * 14},
    ):  # fmt: skip
        with pytest.raises(InvalidValue):
            signal(**odd)
    with pytest.raises(InvalidOrder):
        signal(signal_id="x" * 33)
    with pytest.raises(InvalidValue):
        ExitSignal(signal_id="x", instrument="BTC", ts=1, share=D(1))
    with pytest.raises(InvalidValue):
        ExitSignal(signal_id="x", instrument="BTC", ts=1, share=D("0.5"), qty=D(1))


def fact(side: int, net: str, ts: int, key: str = "a") -> SlotFact:
    """How a slot stands."""
    return SlotFact(key, "USDT", side, (("USDT", D(net)),), ts)


def test_a_day_begins_at_its_boundary_and_counts_what_was_realised_since() -> None:
    """Yesterday's loss is not today's, over every slot; a late fill of yesterday is."""
    rules = limits(day_offset_ns=5 * SECOND)
    day = RiskDay(0, {})
    for one in (fact(1, "-1", NOW - 2 * SECOND), fact(0, "-30", NOW - SECOND)):
        day = follow(day, one, rules)
    assert {"USDT": D(-30)} == dict(day_pnl(day, rules, NOW - SECOND))
    assert () == day_pnl(day, rules, NOW)
    day = follow(day, fact(1, "-2", NOW, "b"), rules)
    assert {"USDT": D(-2)} == dict(day_pnl(day, rules, NOW + SECOND))
    day = follow(day, fact(0, "-35", NOW - SECOND), rules)
    assert {"USDT": D(-7)} == dict(day_pnl(day, rules, NOW + SECOND))


def test_days_may_be_a_list_of_boundaries() -> None:
    """As a calendar gives them; after the last one that day goes on."""
    rules = limits(day_starts=(100, 200, 350))
    assert [100, 100, 200, 350, 350] == [rules.day_of(ts) for ts in (50, 199, 200, 350, 9999)]


def test_a_trade_that_lost_is_remembered_from_flat_to_flat() -> None:
    """Its entry's fee counts; a trade that won, and a part closed at a loss, are not losses."""
    day = follow(RiskDay(0, {}), fact(1, "-1", NOW), limits())
    assert day.last_loss_ts is None
    day = follow(day, fact(1, "-5", NOW + 1), limits())
    day = follow(day, fact(0, "3", NOW + 2), limits())
    assert day.last_loss_ts is None
    day = follow(day, fact(-1, "2", NOW + 3), limits())
    day = follow(day, fact(0, "2.5", NOW + 4), limits())
    assert NOW + 4 == day.last_loss_ts
    assert replace(day, last_loss_ts=None) == replace(
        follow(day, fact(0, "2.5", NOW + 4), limits()), last_loss_ts=None
    )
