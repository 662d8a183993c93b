"""Groups at venues that lock what exits offer, or keep groups by themselves, over any market and
faults: what is held is protected, and sold once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.testing import SPOT
from actors.testing.running import play, simulated
from engine.capabilities import ReduceOnlyRule
from engine.contingent import bracket
from engine.intents import limit
from engine.messages import GroupTerms, NativeShape
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import PROFILES, FaultPlan
from engine.testing.scenario import (
    CancelsGroup,
    Crashes,
    Moment,
    Quotes,
    Restarts,
    Scenario,
    Step,
    SubmitsGroup,
    Trades,
    Waits,
)

BTC: Final = SPOT.symbol
D = Decimal
MS: Final = 1_000_000
SECOND: Final = 1_000 * MS
NATIVE: Final = ((NativeShape.EXITS,), (NativeShape.EXITS, NativeShape.BRACKET))
#: Where the market may be: below the stop, at the entry, on its way, near a target, beyond.
BIDS: Final = (175, 190, 198, 199, 205, 211, 214, 219, 221, 230, 236, 241)


def roots() -> st.SearchStrategy[GroupTerms]:
    """Buy at 200, stop at 180, and one target or two."""
    entry = limit(BTC, "BUY", "1", 200)
    return st.sampled_from(
        [
            bracket(entry, stop_px=180, target=220),
            bracket(entry, stop_px=180, targets=[(220, "0.5"), (240, "0.5")]),
            bracket(entry, stop_px=180, targets=[(220, "0.3"), (240, "0.3")]),
        ]
    )


@st.composite
def configs(draw: st.DrawFn) -> ExchangeConfig:
    """A venue that locks, near or far, which does more or less else; some keep groups."""
    able = replace(
        FULL_CAPABILITIES,
        amend=draw(st.booleans()),
        reduce_only=draw(st.sampled_from([ReduceOnlyRule.UNSUPPORTED, ReduceOnlyRule.CLAMP])),
        native_groups=draw(st.sampled_from([(), (), *NATIVE])),
        native_shrinks=draw(st.booleans()),
    )
    far = draw(st.sampled_from([0, 20 * MS]))
    return ExchangeConfig(
        capabilities=able, latency_out_ns=far, latency_in_ns=far, last_from_quotes=True
    )


def quotes() -> st.SearchStrategy[Step]:
    """The market moves there, with plenty to trade with."""
    return st.builds(
        lambda bid: Quotes(BTC, D(bid), D(50), D(bid + 2), D(50)), st.sampled_from(BIDS)
    )


@st.composite
def afternoons(draw: st.DrawFn) -> Scenario:
    """One bracket or two, a market that goes to and fro, and what may go wrong meanwhile."""
    steps: list[Step] = [Quotes(BTC, D(199), D(50), D(201), D(50)), Waits(SECOND)]
    count = draw(st.integers(1, 2))
    steps += [SubmitsGroup(f"g{n}", draw(roots())) for n in range(count)]
    steps.append(Waits(SECOND))
    one = st.one_of(
        quotes(),
        quotes(),
        st.builds(Waits, st.sampled_from([MS, 30 * MS, SECOND, 7 * SECOND, 70 * SECOND])),
        st.builds(lambda lots: Trades(BTC, D("199.5"), lots * D("0.1"), None), st.integers(1, 9)),
        st.just(CancelsGroup("g0")),
        st.builds(Crashes, st.sampled_from(Moment), st.integers(1, 4)),
    )
    for step in draw(st.lists(one, max_size=25)):
        steps.append(step)
        if isinstance(step, Crashes):
            steps.append(Waits(SECOND))
            steps.append(Restarts())
        elif isinstance(step, Quotes):
            steps.append(Waits(draw(st.sampled_from([MS, 100 * MS, SECOND]))))
    profile = draw(st.sampled_from(["", "rough", "hell"]))
    return Scenario(
        seed=draw(st.integers(0, 1000)),
        instruments=(SPOT,),
        config=draw(configs()),
        plan=PROFILES[profile] if profile else FaultPlan(),
        balances={"USDT": D(100_000)},
        checkpoint_facts=draw(st.sampled_from([4, 50_000])),
        steps=tuple(steps),
    )


@settings(max_examples=settings().max_examples // 2)
@given(afternoons())
def test_coins_that_are_locked_are_protected_and_sold_once(scenario: Scenario) -> None:
    """Whatever happens: in the end all that is held has a stop, or a target that the engine stands
    behind; nothing is sold or offered twice, books and venue agree, and the journal folds to what
    is in memory.
    """
    with simulated(scenario) as system:
        result = play(system, scenario)
        refused = [one.body for one in system.journal.records() if one.kind == "Rejected"]
    assert result.violations == ()
    if scenario.plan == FaultPlan():  # with faults the coins may be gone by then
        assert not [body for body in refused if b"INSUFFICIENT_BALANCE" in body]
