"""Hypothesis strategies for what an execution engine meets (needs ``orderwright[testing]``).

:func:`instruments`, :func:`orders`, :func:`groups`, :func:`market_paths`, :func:`faults` and
:func:`fault_plans` draw the parts; :func:`beginnings` draws a whole venue with nothing happening
yet, and :func:`scenarios` one with everything that happens at it. Prices and quantities are drawn
in ticks and lots, so every value is on the grid of its instrument; all shrink towards the plain
case: a market in the middle, one lot, a limit order that is good till cancelled, no fault.

What is drawn is valid: an order passes the checks of
:mod:`engine.policies.validation` for the capabilities it was drawn for.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from hypothesis import strategies as st

from ..budget import BudgetRule, SessionLimits
from ..capabilities import ReduceOnlyRule
from ..messages import SubmitOrder
from ..simulator.config import (
    FULL_CAPABILITIES,
    ExchangeConfig,
    FeeCurrency,
    FeePlan,
    QueueModel,
    SelfTradeRule,
)
from ..values import CONTEXT, ONE, ZERO, Instrument, OrderType, Side
from .faults import FaultPlan
from .scenario import (
    START_NS,
    Cancels,
    CancelsGroup,
    Copies,
    Injects,
    JournalFails,
    Marks,
    Quotes,
    Restarts,
    Scenario,
    Settles,
    Step,
    Submits,
    Trades,
    Turns,
    Waits,
)
from .strategies_control import bars, monitors, signals, silences, switches
from .strategies_faults import (
    DURATIONS_NS,
    SURVIVABLE,
    crashes,
    durations,
    fault_plans,
    faults,
    stops,
)
from .strategies_groups import brackets, exits, groups, moves, submitted_groups
from .strategies_orders import (
    MID_TICKS,
    amends,
    instruments,
    middle,
    orders,
    prices,
    quantities,
    shifts,
)

__all__ = [
    "DURATIONS_NS",
    "MID_TICKS",
    "SURVIVABLE",
    "amends",
    "bars",
    "beginnings",
    "brackets",
    "configs",
    "crashes",
    "durations",
    "exits",
    "fault_plans",
    "faults",
    "groups",
    "instruments",
    "limits",
    "market_paths",
    "market_steps",
    "middle",
    "monitors",
    "moves",
    "next_mid",
    "orders",
    "prices",
    "quantities",
    "quotes",
    "scenarios",
    "shifts",
    "signals",
    "silences",
    "stops",
    "submitted_groups",
    "switches",
    "trades",
]

_GROUPS_MAX: Final = 3
_PLAIN: Final = (OrderType.MARKET, OrderType.LIMIT)
_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS
_D = Decimal


# --- markets -----------------------------------------------------------------------------


@st.composite
def quotes(
    draw: st.DrawFn, instrument: Instrument, mid: Decimal, *, one_sided: bool = True
) -> Quotes:
    """Best prices one or two ticks around ``mid``; with ``one_sided`` a side may be empty."""
    tick, lot = instrument.tick_size, instrument.lot_size
    half = draw(st.integers(1, 2)) * tick
    missing = draw(st.integers(0, 15)) if one_sided else 0
    bid, ask = max(mid - half, tick), max(mid + half, 2 * tick)
    bid_qty, ask_qty = draw(st.integers(1, 40)) * lot, draw(st.integers(1, 40)) * lot
    return Quotes(
        instrument.symbol,
        None if missing == 14 else bid,
        None if missing == 14 else bid_qty,
        None if missing == 15 else ask,
        None if missing == 15 else ask_qty,
    )


@st.composite
def trades(draw: st.DrawFn, instrument: Instrument, mid: Decimal) -> Trades:
    """Others trade within three ticks of ``mid``, up to thirty lots."""
    px = draw(prices(instrument, mid, 3))
    qty = draw(st.integers(1, 30)) * instrument.lot_size
    return Trades(instrument.symbol, px, qty, draw(st.sampled_from((None, *Side))))


@st.composite
def market_steps(draw: st.DrawFn, instrument: Instrument, mid: Decimal) -> Step:
    """One thing a market does near ``mid``: a quote, a trade, a mark price."""
    kind = draw(st.integers(0, 9))
    if kind < 6:
        return draw(quotes(instrument, draw(prices(instrument, mid, 3))))
    if kind < 9:
        return draw(trades(instrument, mid))
    return Marks(instrument.symbol, draw(prices(instrument, mid, 4)))


def next_mid(step: Step, instrument: Instrument, mid: Decimal) -> Decimal:
    """Where the market is after a step, on the tick: a quote moves it, all else leaves it."""
    if not isinstance(step, Quotes) or step.instrument != instrument.symbol:
        return mid
    return mid if step.bid_px is None else CONTEXT.add(step.bid_px, instrument.tick_size)


@st.composite
def market_paths(
    draw: st.DrawFn, instrument: Instrument, *, mid: Decimal | None = None, steps_max: int = 30
) -> tuple[Step, ...]:
    """How one market goes: a two-sided quote first, then quotes, trades and marks that wander by
    up to three ticks a step, with time between them.
    """
    at = middle(instrument) if mid is None else mid
    path: list[Step] = [draw(quotes(instrument, at, one_sided=False))]
    for _ in range(draw(st.integers(0, steps_max))):
        if draw(st.integers(0, 3)) == 3:
            path.append(Waits(draw(durations())))
            continue
        step = draw(market_steps(instrument, at))
        at = next_mid(step, instrument, at)
        path.append(step)
    return tuple(path)


#: Choices of a schedule that shrink to none, or None: a seed decides, and all of them differ.
_CHOICES: Final = st.lists(st.integers(0, 11), max_size=40).map(tuple) | st.none()


# --- whole runs -----------------------------------------------------------------------------------


@st.composite
def configs(draw: st.DrawFn) -> ExchangeConfig:
    """How a venue that can prove everything behaves: fees, latency, queues, its rules."""
    reduce_only = draw(st.sampled_from((ReduceOnlyRule.CLAMP, ReduceOnlyRule.REFUSE)))
    latency_ns = st.sampled_from((0, _MS, 5 * _MS, 40 * _MS))
    return ExchangeConfig(
        capabilities=msgspec.structs.replace(FULL_CAPABILITIES, reduce_only=reduce_only),
        fees=FeePlan(
            maker=draw(st.sampled_from((ZERO, _D("-0.0001"), _D("0.0005")))),
            taker=draw(st.sampled_from((ZERO, _D("0.00075"), _D("0.002")))),
            currency=draw(st.sampled_from(FeeCurrency)),
            third_currency="BNB",
            third_px=_D(3),
        ),
        latency_out_ns=draw(latency_ns),
        latency_in_ns=draw(latency_ns),
        queue_model=draw(st.sampled_from(QueueModel)),
        self_trade=draw(st.sampled_from(SelfTradeRule)),
        max_fill_share=draw(st.sampled_from((ONE, _D("0.5")))),
        last_from_quotes=draw(st.booleans()),
        refuse_immediate_trigger=draw(st.booleans()),
        checks_idle_triggers=draw(st.booleans()),
        child_on_trigger=draw(st.booleans()),
    )


def limits() -> st.SearchStrategy[SessionLimits | None]:
    """What a session keeps to: the defaults, one call at a time, or a budget."""
    budget = BudgetRule(name="all", capacity=6, refill=2, refill_ns=_SECOND, reserved=2)
    return st.sampled_from(
        (
            None,
            SessionLimits(window=1, exit_slots=0),
            SessionLimits(window=2, exit_slots=1, entry_send_by_ns=_SECOND),
            SessionLimits(budgets=(budget,)),
        )
    )


@st.composite
def beginnings(
    draw: st.DrawFn,
    *,
    traded: Sequence[Instrument] = (),
    plans: st.SearchStrategy[FaultPlan] | None = None,
) -> Scenario:
    """A scenario in which nothing has happened: a venue (with triggers, or without and the engine
    watches them), what goes wrong at it, how the system is run, and its schedule: a few drawn
    choices, or a seed. ``traded`` are its instruments; drawn when left out.
    """
    if not traded:
        count = draw(st.integers(1, 2))
        traded = [draw(instruments(symbol=f"SYM{n}")) for n in range(1, count + 1)]
    choices = draw(_CHOICES)
    config, emulates = draw(configs()), draw(st.booleans())
    if emulates:
        able = msgspec.structs.replace(config.capabilities, order_types=_PLAIN)
        config = msgspec.structs.replace(config, capabilities=able)
    return Scenario(
        seed=0 if choices is not None else draw(st.integers(0, 2**16)),
        choices=choices,
        instruments=tuple(traded),
        config=config,
        plan=draw(fault_plans() if plans is None else plans),
        limits=draw(limits()),
        call_timeout_ns=draw(st.sampled_from((10 * _SECOND, 2 * _SECOND))),
        ack_timeout_ns=draw(st.sampled_from((5 * _SECOND, _SECOND))),
        emulate_triggers=emulates,
        queue_deliveries=draw(st.booleans()),
        commits_aside=draw(st.booleans()),
        turn_messages=draw(st.sampled_from((8, 1, 3, 32))),
        checkpoint_facts=draw(st.sampled_from((50_000, 4, 16))),
    )


@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    begun: st.SearchStrategy[Scenario] | None = None,
    steps_max: int = 40,
    may_crash: bool = True,
) -> Scenario:
    """A whole run: what host, market and fate do, in order.

    ``actors.testing.running.run`` plays it.
    """
    begin = draw(beginnings() if begun is None else begun)
    drawer = _Steps(draw, begin, may_crash=may_crash)
    for _ in range(draw(st.integers(0, steps_max))):
        drawer.one_more()
    return msgspec.structs.replace(begin, steps=tuple(drawer.steps))


class _Steps:
    """Draws the steps of a scenario, knowing what was drawn so far."""

    def __init__(self, draw: st.DrawFn, begin: Scenario, *, may_crash: bool) -> None:
        self.draw = draw
        self.may_crash = may_crash
        self.markets = {one.symbol: one for one in begin.instruments}
        self.mids = {one.symbol: middle(one) for one in begin.instruments}
        self.submitted: dict[str, SubmitOrder] = {}
        self.groups: dict[str, None] = {}
        self.is_dead = False
        self.now_ns = START_NS
        self.steps: list[Step] = [
            draw(quotes(one, self.mids[one.symbol], one_sided=False)) for one in begin.instruments
        ]

    def one_more(self) -> None:
        draw = self.draw
        market = self.markets[draw(st.sampled_from(list(self.markets)))]
        kind = draw(st.integers(0, 27))
        if self.is_dead and kind % 3 == 0:
            self.is_dead = False
            self.steps.append(Restarts())
        elif kind < 6:
            self._submit(market)
        elif kind < 12 and self.submitted:
            self._ask(draw(st.sampled_from(list(self.submitted))), kind)
        elif kind < 15:
            self.steps.append(Turns(draw(st.integers(1, 6))))
        elif kind < 18:
            self.now_ns += (ns := draw(durations()))
            self.steps.append(Waits(ns))
        elif kind == 18 and len(self.groups) < _GROUPS_MAX:
            self._submit_group(market)
        elif kind == 19 and self.groups:
            intent = draw(st.sampled_from(list(self.groups)))
            self.steps.append(draw(st.builds(CancelsGroup, st.just(intent), st.booleans())))
        elif kind < 22 or not self.may_crash:
            mid = self.mids[market.symbol]
            step = draw(market_steps(market, mid))
            self.mids[market.symbol] = next_mid(step, market, mid)
            self.steps.append(step)
        else:
            self.steps.append(self._odd(kind, market))

    def _submit_group(self, market: Instrument) -> None:
        intent = f"g{len(self.groups) + 1}"
        mid = self.mids[market.symbol]
        self.groups[intent] = None
        self.steps.append(self.draw(submitted_groups(intent, market, mid)))

    def _odd(self, kind: int, market: Instrument) -> Step:
        """What happens now and then."""
        draw = self.draw
        if kind == 22:
            return Injects(draw(faults()))
        if kind == 23:
            return draw(shifts(market, self.mids[market.symbol]))
        if kind == 24:
            return Copies(draw(st.integers(1, 4)))
        if kind == 25:
            return JournalFails(draw(st.integers(1, 3)))
        self.is_dead = True
        return draw(crashes()) if kind == 26 else draw(stops())

    def _submit(self, market: Instrument) -> None:
        intent = f"i{len(self.submitted) + 1}"
        order = self.draw(
            orders(market, self.mids[market.symbol], intent_id=intent, now_ns=self.now_ns)
        )
        self.submitted[intent] = order
        self.steps.append(Submits(order))

    def _ask(self, intent: str, kind: int) -> None:
        order = self.submitted[intent]
        if kind < 8:
            self.steps.append(Cancels(intent))
        elif kind < 10:
            market = self.markets[order.instrument]
            mid = self.mids[market.symbol]
            self.steps.append(self.draw(amends(intent, order, market, mid)))
        elif kind == 10:
            self.steps.append(Submits(order))
        else:
            self.steps.append(Settles(intent))
