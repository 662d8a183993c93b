"""Scenarios drawn from a seed and a profile.

``scenario(seed, "rough")`` is one afternoon of a desk with bad luck: one to three instruments, some
dozens of steps of host and market, faults at the venue, perhaps a crash. Every choice is made by
``draw(n)``, which gives one of ``0 .. n-1``; the same seed gives the same scenario everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Final, TypeAlias, TypeVar

import msgspec

from ..errors import InvalidValue
from ..messages import SubmitOrder
from ..simulator import IntegerDraw
from ..values import InstrumentKind, OrderType, PositionSlot, Side, TimeInForce, exact
from .drawing_control import ControlDrawer
from .drawing_groups import GroupDrawer
from .drawing_rare import RareDrawer
from .drawing_signals import SignalDrawer
from .drawing_venue import DESK, DrawnMarket, drawn_config, drawn_limits
from .faults import PROFILES, FaultKind, FaultPlan
from .scenario import (
    START_NS,
    Amends,
    Cancels,
    Crashes,
    JournalFails,
    Marks,
    Moment,
    Quotes,
    Restarts,
    Scenario,
    Step,
    Stops,
    Submits,
    Trades,
    Turns,
    Waits,
)

__all__ = ["Draw", "draws", "scenario"]

#: ``draw(n)`` gives one of ``0 .. n-1``.
Draw: TypeAlias = Callable[[int], int]
T = TypeVar("T")

_MS: Final = 1_000_000
_STEPS_MIN: Final = 20
_STEPS_MORE: Final = 90
_WAITS: Final = tuple(ms * _MS for ms in (1, 5, 20, 60, 200, 700, 2_000, 8_000, 30_000))
_ROOT: Final = 0x2545F4914F6CDD1D  # keeps neighbouring seeds apart
#: Per mille of the steps: crashes, orderly stops, failures of the journal.
_TROUBLE: Final = {"calm": (0, 5, 0), "rough": (14, 5, 5), "hell": (30, 6, 12)}
#: One of so many venues leaves trigger orders out of lists of open orders: so many per mille.
_OMITS_ONE_OF: Final = 6
_OMITTING: Final = 400
#: One of so many scenarios has groups; they are drawn from a stream of their own.
_GROUPED_ONE_OF: Final = 2
#: One of so many runs in a loop that goes on while it commits.
_ASIDE_ONE_OF: Final = 4
_GROUPS: Final = 3
#: One of so many has signals, and one of so many people who shut the account; so have these.
_SIGNALLED_ONE_OF: Final = 3
_SIGNALS: Final = 4
_SHUT_ONE_OF: Final = 3
_SHUTS: Final = 5
_GROUP_VENUES: Final = 6
#: How often somebody looks whether the process lives, after its death was arranged.
_WATCHED: Final = 4
_KINDS: Final = (
    (60, "submit"),
    (6, "again"),
    (18, "cancel"),
    (14, "amend"),
    (34, "quote"),
    (24, "trade"),
    (4, "mark"),
    (30, "wait"),
    (34, "turns"),
)
_TYPES: Final = (
    (50, OrderType.LIMIT),
    (12, OrderType.MARKET),
    (8, OrderType.STOP),
    (6, OrderType.STOP_LIMIT),
    (4, OrderType.TAKE_PROFIT),
    (4, OrderType.TAKE_PROFIT_LIMIT),
    (4, OrderType.TRAILING_STOP),
)
_TIMES: Final = (
    (60, TimeInForce.GTC),
    (12, TimeInForce.IOC),
    (8, TimeInForce.FOK),
    (6, TimeInForce.GTD),
    (4, TimeInForce.DAY),
)


def draws(seed: int, stream: int = 0) -> Draw:
    """A stream of choices: the same on every machine and Python; streams are independent."""
    source = IntegerDraw(seed * _ROOT + stream)

    def draw(n: int) -> int:
        return source.randrange(0, n)

    return draw


def scenario(seed: int, profile: str = "rough") -> Scenario:
    """The scenario of a seed under a profile: ``calm``, ``rough`` or ``hell``.

    Raises:
        InvalidValue: there is no such profile.
    """
    plan = PROFILES.get(profile)
    if plan is None:
        raise InvalidValue(f"profiles are {', '.join(PROFILES)}; was {profile!r}")
    with exact():
        return _Drawer(seed, profile, plan).drawn()


class _Drawer:
    """Draws one scenario."""

    def __init__(self, seed: int, profile: str, plan: FaultPlan) -> None:
        self.seed = seed
        self.profile = profile
        self.plan = plan
        self.draw = draws(seed)
        self.crashes, self.stops, self.failures = _TROUBLE[profile]
        self.config = drawn_config(self.draw, profile)
        count = 1 + self.draw(len(DESK))
        first = self.draw(len(DESK))
        chosen = [DESK[(first + n) % len(DESK)] for n in range(count)]
        self.markets = [DrawnMarket(one, self.draw) for one in chosen]
        self.hedged = self.draw(10) == 0
        self.groups: GroupDrawer | None = None
        chance = draws(seed, _GROUPS)  # a stream of its own: other runs stay as they are
        if chance(_GROUPED_ONE_OF) == 0:
            self.groups = GroupDrawer(chance, hedged=self.hedged)
            self.config = self.groups.less_able(self.config, draws(seed, _GROUP_VENUES))
        signals, shuts = draws(seed, _SIGNALS), draws(seed, _SHUTS)
        is_calm = profile == "calm"
        signalled = signals(_SIGNALLED_ONE_OF) == 0 and not is_calm
        self.signals = SignalDrawer(signals) if signalled else None
        self.shuts = ControlDrawer(shuts) if shuts(_SHUT_ONE_OF) == 0 and not is_calm else None
        self.rare = RareDrawer(
            partial(draws, seed), self.groups, is_calm=is_calm, hedged=self.hedged
        )
        self.config = self.rare.less_able(self.config)
        self.orders: dict[str, SubmitOrder] = {}
        self.steps: list[Step] = []
        self.now_ns = START_NS
        self.dead_for = -1  # steps until the restart; -1: it lives
        self.watched = 0  # a death at a later commit may come at any time: more restarts follow

    def drawn(self) -> Scenario:
        draw = self.draw
        for market in self.markets:
            self._quote(market)
        if draw(5):
            self._wait(_WAITS[draw(5)])
        for _ in range(_STEPS_MIN + draw(_STEPS_MORE)):
            self._step()
        balances = None
        if draw(6) == 0:
            balances = {coin: Decimal(20_000) for coin in ("USDT", "USD", "BTC", "ETH")}
        return Scenario(
            seed=self.seed,
            instruments=tuple(market.instrument for market in self.markets),
            config=self.config,
            plan=self._plan(),
            balances=balances,
            limits=drawn_limits(draw),
            risk=None if self.signals is None else self.signals.limits(),
            call_timeout_ns=(2_000, 5_000, 10_000)[draw(3)] * _MS,
            ack_timeout_ns=(1_000, 5_000)[draw(2)] * _MS,
            emulate_triggers=self.rare.emulates,
            queue_deliveries=draw(3) == 0,
            commits_aside=self.seed % _ASIDE_ONE_OF == 3,
            turn_messages=(1, 3, 8, 32)[draw(4)],
            checkpoint_facts=(4, 16, 50_000)[draw(3)],
            listens=draw(2) == 1,
            steps=tuple(self.steps),
            name=f"{self.profile}-{self.seed}",
        )

    def _plan(self) -> FaultPlan:
        """The profile's; in hell some venues leave trigger orders out of lists, and say so."""
        if self.profile != "hell" or self.seed % _OMITS_ONE_OF:
            return self.plan
        rates = (*self.plan.rates, (FaultKind.LIST_OMITS_TRIGGERS, _OMITTING))
        return msgspec.structs.replace(self.plan, rates=rates)

    # --- steps ------------------------------------------------------------------------------------

    def _step(self) -> None:
        draw = self.draw
        if self.dead_for >= 0:
            self._while_dead()
            return
        if self.watched and draw(6) == 0:
            self.watched -= 1
            self.steps.append(Restarts())
            return
        if self._trouble(draw(1000)):
            return
        if self._is_special():
            return
        kind = self._one_of(_KINDS)
        market = self.markets[draw(len(self.markets))]
        if kind == "submit":
            self._submit(market)
        elif kind == "again":
            self._again()
        elif kind == "cancel":
            self.steps.append(Cancels(self._some_intent()))
        elif kind == "amend":
            self._amend()
        elif kind == "wait":
            self._wait(_WAITS[draw(len(_WAITS))])
        elif kind == "turns":
            self.steps.append(Turns(1 + draw(6)))
        else:
            self._move(kind, market)

    def _is_special(self) -> bool:
        """At times something of groups, a strategy, or a person comes next, if there are any."""
        if self.groups is not None and self.groups.is_next():
            self.steps.append(self.groups.step(self.markets))
        elif self.signals is not None and self.signals.is_next():
            self.steps += self.signals.steps(self.markets, self.now_ns)
        elif self.shuts is not None and self.shuts.is_next():
            self.steps += self.shuts.steps(self.markets)
        else:
            rare = self.rare.steps(self.markets, self.now_ns)
            self.steps += rare
            return bool(rare)
        return True

    def _trouble(self, roll: int) -> bool:
        """At times the process dies or is stopped, or its disk is full."""
        draw = self.draw
        if roll < self.crashes:
            at = (Moment.NOW, Moment.BEFORE_WRITE, Moment.AFTER_WRITE)[draw(3)]
            self.steps.append(Crashes(at, 1 + draw(6) if at is not Moment.NOW else 1))
            self.dead_for = draw(4)
            self.watched = 0 if at is Moment.NOW else _WATCHED
            return True
        if roll < self.crashes + self.stops:
            self.steps.append(Stops(draw(3) == 0))
            self.dead_for = draw(3)
            return True
        if roll < self.crashes + self.stops + self.failures:
            self.steps.append(JournalFails(1 + draw(3)))
            return True
        return False

    def _while_dead(self) -> None:
        """The market goes on; after the restart the host submits again what it is not sure of."""
        draw = self.draw
        if self.dead_for:
            self.dead_for -= 1
            if draw(2):
                self._move("quote" if draw(2) else "trade", self.markets[draw(len(self.markets))])
            else:
                self._wait(_WAITS[draw(len(_WAITS))])
            return
        self.dead_for = -1
        self.steps.append(Restarts())
        for _ in range(draw(3)):
            self._again()
        if self.groups is not None:
            self.steps += self.groups.again()
        if self.signals is not None:
            self.steps += self.signals.again()

    def _move(self, kind: str, market: DrawnMarket) -> None:
        draw, symbol = self.draw, market.instrument.symbol
        if kind == "quote":
            market.mid = max(200, market.mid + draw(9) - 4)
            market.half = 1 + draw(2)
            self._quote(market)
        elif kind == "mark":
            self.steps.append(Marks(symbol, market.price(market.mid + draw(9) - 4)))
        else:
            side = (Side.BUY, Side.SELL, None)[draw(3)]
            far = draw(8)  # ticks from the middle: through the levels of resting orders at times
            ticks = market.mid + (far if side is not Side.SELL else -far)
            self.steps.append(Trades(symbol, market.price(ticks), market.size(1 + draw(30)), side))

    def _quote(self, market: DrawnMarket) -> None:
        draw = self.draw
        bid, ask = market.price(market.mid - market.half), market.price(market.mid + market.half)
        has_bid, has_ask = draw(16) != 1, draw(16) != 1
        self.steps.append(
            Quotes(
                market.instrument.symbol,
                bid if has_bid else None,
                market.size(1 + draw(40)) if has_bid else None,
                ask if has_ask else None,
                market.size(1 + draw(40)) if has_ask else None,
            )
        )

    def _wait(self, duration_ns: int) -> None:
        self.now_ns += duration_ns
        self.steps.append(Waits(duration_ns))

    # --- orders -----------------------------------------------------------------------------------

    def _submit(self, market: DrawnMarket) -> None:
        draw = self.draw
        intent = f"i{len(self.orders) + 1}"
        kind, time = self._one_of(_TYPES), self._one_of(_TIMES)
        side = (Side.BUY, Side.SELL)[draw(2)]
        offset = draw(5) if draw(5) < 2 else -draw(6)  # through the middle, or before it
        price = market.mid + (offset if side is Side.BUY else -offset)
        slot = PositionSlot.NET
        if self.hedged:
            slot = (PositionSlot.LONG, PositionSlot.SHORT)[draw(2)]
        rests = kind.has_limit_price and time is not TimeInForce.IOC and time is not TimeInForce.FOK
        order = SubmitOrder(
            intent,
            "",
            "",
            market.instrument.symbol,
            side,
            kind,
            market.size(1 + draw(25)),
            price=market.price(price) if kind.has_limit_price else None,
            time_in_force=time,
            expire_ts=self.now_ns + _WAITS[3 + draw(5)] if time is TimeInForce.GTD else None,
            post_only=rests and draw(6) == 0,
            reduce_only=slot is PositionSlot.NET and draw(14) == 0,
            slot=slot,
        )
        if kind is OrderType.TRAILING_STOP:
            order = msgspec.structs.replace(order, trail_offset=market.price(1 + draw(4)))
        elif kind.has_trigger:
            stop_px = market.price(market.mid + draw(13) - 6)
            order = msgspec.structs.replace(order, stop_px=stop_px)
        elif kind is OrderType.MARKET and not order.reduce_only and draw(4) == 0:
            order = self._by_cash(order, market)
        self.orders[intent] = order
        self.steps.append(Submits(order))

    def _by_cash(self, order: SubmitOrder, market: DrawnMarket) -> SubmitOrder:
        if market.instrument.kind is InstrumentKind.INVERSE:
            return order
        cash = market.price(market.mid) * market.size(2 + self.draw(20))
        return msgspec.structs.replace(order, order_qty=None, cash_qty=cash)

    def _again(self) -> None:
        """The host is not sure that an intent was taken, and submits it again."""
        if self.orders:
            self.steps.append(Submits(self.orders[self._some_intent(known=True)]))

    def _amend(self) -> None:
        draw = self.draw
        intent = self._some_intent()
        order = self.orders.get(intent)
        symbol = order.instrument if order is not None else self.markets[0].instrument.symbol
        market = next(one for one in self.markets if one.instrument.symbol == symbol)
        what = draw(4)
        price = market.price(market.mid + draw(13) - 6)
        self.steps.append(
            Amends(
                intent,
                order_qty=market.size(1 + draw(30)) if what in (0, 1) else None,
                price=price if what in (1, 2) else None,
                stop_px=price if what == 3 else None,
            )
        )

    def _some_intent(self, *, known: bool = False) -> str:
        """One of the last few mostly, any at times, and now and then one that nobody has."""
        draw = self.draw
        names = list(self.orders)
        if not names or (not known and draw(40) == 0):
            return "nobody"
        recent = names[-4:] if draw(4) else names
        return recent[draw(len(recent))]

    def _one_of(self, weighted: tuple[tuple[int, T], ...]) -> T:
        roll = self.draw(sum(weight for weight, _ in weighted))
        for weight, value in weighted:
            if roll < weight:
                return value
            roll -= weight
        return weighted[-1][1]
