"""A stop that is moved, by a person or after the price, never protects less than before."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from engine import even_after, limit, trail_by
from engine.contingent import bracket
from engine.errors import UserError
from engine.messages import VenueStatus
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import FaultKind, FaultPlan
from engine.values import Side

D = Decimal
MS = 1_000_000
BTC = SPOT.symbol
K = FaultKind
_TURNS_MAX = 60

#: Calls end in every way there is; what the venue does by itself to an order is no move.
_ENDINGS = (
    K.REFUSED, K.ANSWER_LOST, K.NEVER_ARRIVED, K.RAISED_AFTER, K.UNKNOWN_BEFORE, K.UNKNOWN_AFTER,
    K.THROTTLED, K.HANG, K.ANSWER_LATE, K.DUPLICATED, K.DELAYED, K.DISCONNECT,
)  # fmt: skip
Step: TypeAlias = tuple[str, int]

steps = st.lists(
    st.tuples(
        st.sampled_from(("price", "price", "price", "fill", "move", "wait", "wait", "crash")),
        st.integers(0, 12),
    ),
    max_size=14,
)
plans = st.lists(
    st.tuples(st.sampled_from(_ENDINGS), st.sampled_from((20, 80))),
    max_size=4,
    unique_by=lambda it: it[0],
).map(lambda rates: FaultPlan(rates=tuple(rates)))


class Watch:
    """What the venue's own books say is protected, turn by turn."""

    def __init__(self, system: SimulatedSystem) -> None:
        self.system = system
        self.elected: dict[str, None] = {}
        self.before = self.stops()

    def stops(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Stops that wait at the venue: price and quantity."""
        found: dict[str, tuple[Decimal, Decimal]] = {}
        self.elected = {}
        for terms, seen in self.system.exchange.placed("main"):
            if seen.stop_px is None or seen.order_qty is None or terms.side is not Side.SELL:
                continue
            cid = terms.client_order_id
            if seen.status is VenueStatus.WORKING:
                found[cid] = seen.stop_px, seen.order_qty - (seen.cum_qty or D(0))
            if seen.status is VenueStatus.TRIGGERED or seen.cum_qty:
                self.elected[cid] = None
        return found

    def look(self) -> None:
        """At no price is less of what is held protected than it was, but where a stop was elected
        just now: it has done it, and may have met our own entry.
        """
        held = sum((one.qty for one in self.system.exchange.positions("main")), D(0))
        known = self.elected
        after = self.stops()
        before = self.before if self.elected == known else {}
        for px, _ in before.values():
            had = sum((qty for at, qty in before.values() if at >= px), D(0))
            has = sum((qty for at, qty in after.values() if at >= px), D(0))
            text = f"{held} held: {had} were protected at {px} or better, now {has}: {after}"
            assert has >= min(had, held), text
        self.before = after

    def run(self, ms: int) -> None:
        """Let time pass, and look after every turn that follows at once."""
        for _ in range(_TURNS_MAX):
            if not self.system.alive or not self.system.turns(1):
                break
            self.look()
        self.system.run(ms * MS)
        self.look()


def tighten(system: SimulatedSystem, by: int, most: Decimal) -> None:
    """A person wants the stop closer to the market than it is to be, and not through it."""
    (broker,) = system.system.brokers.values()
    actor = broker.groups.groups.get("b")
    if actor is None:
        return  # it is over
    moved = [one.stop_px for one in actor.group.moved if one.stop_px is not None]
    wish = max(moved, default=D(180)) + by
    if wish <= most:
        with suppress(UserError):  # it is over by then
            system.system.amend_group("b", stop_px=wish).get(timeout=1)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    plan=plans,
    amends=st.booleans(),
    moves=st.sampled_from(("trail", "percent", "even", "none")),
    happens=steps,
)
def test_a_move_never_leaves_less_protected(
    seed: int, plan: FaultPlan, amends: bool, moves: str, happens: list[Step]
) -> None:
    """Under any path of the price, fills, endings of calls and crashes, by the venue's own books;
    and at the end nothing is wrong.
    """
    capabilities = replace(FULL_CAPABILITIES, amend=amends)
    config = ExchangeConfig(capabilities=capabilities, last_from_quotes=True)
    system = SimulatedSystem(seed=seed, plan=plan, config=config)
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.run(1000 * MS)
    trail = {"trail": trail_by(6, step=1), "percent": trail_by(percent=5, activate_px=203)}
    root = bracket(
        limit(BTC, "BUY", "4", 200), stop_px=180, target=260, trail=trail.get(moves),
        break_even=even_after(4, offset="0.5") if moves == "even" else None,
    )  # fmt: skip
    system.system.submit_group(root, intent_id="b")
    watch, px = Watch(system), 200
    for what, number in happens:
        if what == "price":
            px = max(px + number - 5, 182)
            system.quote(BTC, D(px - 1), D(50), D(px + 1), D(50))
        elif what == "fill":
            system.trade(BTC, D("199.5"), D(number + 1) / 10)
        elif what == "crash":
            system.crash()
            system.restart()
        elif what == "move":
            tighten(system, number, min(D(px - 2), D(199)))  # entries trade at 199.5
        watch.run(50 if what != "wait" else 1000 * number)
    assert not system.settle()
