"""What holds after any sequence of orders and market events."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.messages import Filled, OrderReport, Triggered
from engine.simulator import Answer, ExchangeConfig, FeeCurrency, FeePlan, SelfTradeRule
from engine.values import Liquidity, OrderType, PositionSlot, Side, TimeInForce, TriggerSource

from .desk import Desk

D = Decimal
ZERO = D(0)
Command: TypeAlias = tuple[str, dict[str, Any]]
PRICES = st.integers(190, 210).map(lambda ticks: D(ticks) / 2)
SIZES = st.integers(1, 60).map(lambda lots: D(lots) / 10)
SIDES = st.sampled_from(Side)


@st.composite
def orders(draw: st.DrawFn) -> Command:
    order_type = draw(st.sampled_from(OrderType))
    tif = draw(
        st.sampled_from((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK))
    )
    terms: dict[str, Any] = {
        "side": draw(SIDES),
        "order_type": order_type,
        "qty": str(draw(SIZES)),
        "time_in_force": tif,
        "reduce_only": draw(st.booleans()),
        "slot": draw(st.sampled_from((PositionSlot.NET, *PositionSlot))),
        "symbol": draw(st.sampled_from(("BTC", "PERP"))),
    }
    if order_type.has_limit_price:
        terms["price"] = str(draw(PRICES))
        terms["post_only"] = tif is TimeInForce.GTC and draw(st.booleans())
    if order_type is OrderType.TRAILING_STOP:
        terms["trail_offset"] = D(draw(st.integers(1, 4)))
    elif order_type.has_trigger:
        terms["stop_px"] = draw(PRICES)
    if order_type.has_trigger:
        terms["trigger_source"] = draw(st.sampled_from(TriggerSource))
    return "place", terms


@st.composite
def markets(draw: st.DrawFn) -> Command:
    symbol = draw(st.sampled_from(("BTC", "PERP")))
    kind = draw(st.sampled_from(("book", "book", "trade", "mark")))
    if kind == "book":
        middle = draw(st.integers(192, 208))
        bids = [(D(middle - n) / 2, draw(SIZES)) for n in range(1, draw(st.integers(1, 4)))]
        asks = [(D(middle + n) / 2, draw(SIZES)) for n in range(draw(st.integers(0, 3)))]
        return "book", {"symbol": symbol, "bids": bids, "asks": asks}
    if kind == "mark":
        return "mark", {"symbol": symbol, "px": draw(PRICES)}
    aggressor = draw(st.sampled_from((None, *Side)))
    return "trade", {
        "symbol": symbol,
        "px": draw(PRICES),
        "qty": draw(SIZES),
        "aggressor": aggressor,
    }


CHANGES = st.one_of(
    st.tuples(st.just("cancel"), st.fixed_dictionaries({"index": st.integers(0, 20)})),
    st.tuples(
        st.just("amend"),
        st.fixed_dictionaries({"index": st.integers(0, 20), "order_qty": SIZES, "price": PRICES}),
    ),
)
COMMANDS = st.lists(st.one_of(orders(), orders(), markets(), markets(), CHANGES), max_size=50)
PLANS = st.builds(
    FeePlan,
    maker=st.sampled_from((D("-0.0002"), ZERO, D("0.001"))),
    taker=st.sampled_from((ZERO, D("0.00075"))),
    currency=st.sampled_from(FeeCurrency),
    third_currency=st.just("BNB"),
    third_px=st.just(D(3)),
)
CONFIGS = st.builds(
    ExchangeConfig,
    fees=PLANS,
    self_trade=st.sampled_from(SelfTradeRule),
    max_fill_share=st.sampled_from((D(1), D("0.5"))),
    checks_idle_triggers=st.booleans(),
    child_on_trigger=st.booleans(),
)


def perform(desk: Desk, command: Command, count: int) -> tuple[Answer | None, list[OrderReport]]:
    """Run one command; its answer, and every report it caused, in the order of the account."""
    kind, terms = command
    answer: Answer | None = None
    if kind == "place":
        answer = desk.send(**terms, client_order_id=f"o{count}")
    elif kind == "cancel":
        answer = desk.cancel(f"o{terms['index']}")
    elif kind == "amend":
        answer = desk.amend(
            f"o{terms['index']}", order_qty=str(terms["order_qty"]), price=str(terms["price"])
        )
    elif kind == "book":
        desk.exchange.set_book(terms["symbol"], terms["bids"], terms["asks"], desk.tick())
    elif kind == "trade":
        desk.exchange.on_trade(
            terms["symbol"], terms["px"], terms["qty"], terms["aggressor"], desk.tick()
        )
    else:
        desk.exchange.on_mark(terms["symbol"], terms["px"], desk.tick())
    found = list(answer) if isinstance(answer, tuple) else []
    return answer, found + list(desk.take())


def play(config: ExchangeConfig, commands: Sequence[Command]) -> tuple[Desk, list[OrderReport]]:
    desk = Desk(config)
    found: list[OrderReport] = []
    for count, command in enumerate(commands):
        found += perform(desk, command, count)[1]
    return desk, found


@given(config=CONFIGS, commands=COMMANDS)
def test_quantities_and_money_are_conserved(
    config: ExchangeConfig, commands: list[Command]
) -> None:
    """Fills never exceed their order; positions and balances are exactly what the fills say."""
    desk, found = play(config, commands)
    held: dict[str, Decimal] = {}
    money: dict[str, Decimal] = {}
    fills, is_complete = desk.exchange.executions("a", 0)
    assert is_complete
    assert len(fills) == sum(isinstance(report, Filled) for report in found)
    keys = [(fill.instrument, fill.side, fill.exec_id) for fill in fills]
    assert len(keys) == len(set(keys))
    for fill in fills:
        snap = desk.snap(fill.client_order_id)
        assert snap.order_qty is not None
        assert snap.cum_qty is not None
        assert fill.last_qty > 0
        assert fill.cum_qty is not None
        assert fill.cum_qty <= snap.cum_qty <= snap.order_qty
        assert fill.fee is not None
        signed = fill.last_qty if fill.side is Side.BUY else -fill.last_qty
        in_kind = fill.fee if fill.fee_currency == "BTC" else ZERO
        held[fill.instrument] = held.get(fill.instrument, ZERO) + signed - in_kind
        money[fill.fee_currency] = money.get(fill.fee_currency, ZERO) - fill.fee
        if fill.instrument == "BTC":
            money["USD"] = money.get("USD", ZERO) - signed * fill.last_px
            money["BTC"] = money.get("BTC", ZERO) + signed
    for symbol, qty in held.items():
        assert qty == desk.held(symbol)
    realized = sum(
        (p.realized for p in desk.exchange.positions("a") if p.instrument == "PERP"), ZERO
    )
    money["USD"] = money.get("USD", ZERO) + realized
    for view in desk.exchange.balances("a"):
        assert abs(money.get(view.currency, ZERO) - view.total) < D("1E-20")


@given(config=CONFIGS, commands=COMMANDS)
def test_the_result_of_contracts_is_what_was_paid(
    config: ExchangeConfig, commands: list[Command]
) -> None:
    """Realised result less open cost is what was received minus what was paid, flips included."""
    desk, _ = play(config, commands)
    flow: dict[PositionSlot, Decimal] = {}
    for fill in desk.exchange.executions("a", 0)[0]:
        if fill.instrument == "PERP":
            slot = slot_of(fill, commands)
            signed = fill.last_qty if fill.side is Side.BUY else -fill.last_qty
            flow[slot] = flow.get(slot, ZERO) - signed * fill.last_px
    for view in desk.exchange.positions("a"):
        if view.instrument == "PERP":
            cost = ZERO if view.avg_px is None else view.qty * view.avg_px
            assert abs(view.realized - cost - flow.get(view.slot, ZERO)) < D("1E-20")


def slot_of(fill: Filled, commands: Sequence[Command]) -> PositionSlot:
    slot = commands[int(fill.client_order_id[1:])][1]["slot"]
    assert isinstance(slot, PositionSlot)
    return slot


@given(config=CONFIGS, commands=COMMANDS)
def test_no_fill_breaks_its_order(config: ExchangeConfig, commands: list[Command]) -> None:
    """No fill is worse than its limit, takes when post-only, or comes before its trigger."""
    desk, elected = Desk(config), set[str]()
    limits: dict[str, Decimal | None] = {}
    for count, command in enumerate(commands):
        for report in perform(desk, command, count)[1]:
            if isinstance(report, Triggered):
                elected.add(report.client_order_id)
            if not isinstance(report, Filled):
                continue
            terms = commands[int(report.client_order_id[1:])][1]
            limit = limits.get(report.client_order_id)
            now = desk.snap(report.client_order_id).price
            if now is not None:
                best = max if terms["side"] is Side.BUY else min
                bound = now if limit is None else best(now, limit)
                is_within = (
                    report.last_px <= bound
                    if terms["side"] is Side.BUY
                    else report.last_px >= bound
                )
                assert is_within
            if terms.get("post_only"):
                assert Liquidity.MAKER is report.liquidity
            if terms["order_type"].has_trigger:
                assert report.client_order_id in elected
        for snap in desk.exchange.open_orders("a", 0):
            limits[snap.client_order_id] = snap.price


@given(config=CONFIGS, commands=COMMANDS)
def test_reduce_only_never_opens_or_turns(config: ExchangeConfig, commands: list[Command]) -> None:
    """Each fill of a reduce-only order brings its position closer to flat; slots keep sides."""
    desk, _ = play(config, commands)
    held: dict[tuple[str, PositionSlot], Decimal] = {}
    fills = desk.exchange.executions("a", 0)[0]
    pairs = {(f.instrument, f.exec_id): 0 for f in fills}
    for fill in fills:
        pairs[fill.instrument, fill.exec_id] += 1
    for fill in fills:
        terms = commands[int(fill.client_order_id[1:])][1]
        key = (fill.instrument, slot_of(fill, commands))
        before = held.get(key, ZERO)
        after = before + (fill.last_qty if fill.side is Side.BUY else -fill.last_qty)
        if terms["reduce_only"] and pairs[fill.instrument, fill.exec_id] == 1:
            assert abs(after) < abs(before)
            assert after * before >= 0
        if fill.fee_currency == "BTC" and fill.fee is not None:
            after -= fill.fee
        held[key] = after
        if key[1] is PositionSlot.LONG:
            assert after >= -D("0.1")
        if key[1] is PositionSlot.SHORT:
            assert after <= D("0.1")


@given(config=CONFIGS, commands=COMMANDS)
def test_the_same_inputs_give_the_same_bytes(
    config: ExchangeConfig, commands: list[Command]
) -> None:
    """Two exchanges that see the same calls say the same, byte for byte."""
    encode = msgspec.json.encode
    assert encode(play(config, commands)[1]) == encode(play(config, commands)[1])


@given(config=CONFIGS, commands=COMMANDS, limit=st.integers(0, 2000))
def test_tracked_money_is_never_overspent(
    config: ExchangeConfig, commands: list[Command], limit: int
) -> None:
    """With tracked balances no spot fill takes a balance below zero, and all locks return."""
    desk = Desk(config, balances={"USD": D(limit), "BTC": D(1), "BNB": D(10)})
    for count, command in enumerate(commands):
        if command[1].get("symbol") != "PERP":
            perform(desk, command, count)
    totals = {view.currency: view.total for view in desk.exchange.balances("a")}
    assert totals["BTC"] >= 0
    assert totals["USD"] >= -D("0.01")
    desk.exchange.cancel_all("a", desk.tick())
    for view in desk.exchange.balances("a"):
        assert view.free == view.total
