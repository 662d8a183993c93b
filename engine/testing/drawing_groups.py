"""Groups of a drawn scenario: brackets, OCO, OTO, OUO, and what hosts ask of them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from ..capabilities import ReduceOnlyRule
from ..contingent import bracket, leg, oco, oto, ouo
from ..group import legs_of
from ..messages import Contingency, GroupTerms, LegRole, NativeShape, SubmitOrder
from ..simulator.config import ExchangeConfig
from ..values import OrderType, PositionSlot, Side
from .drawing_moves import MoveDrawer
from .drawing_venue import DrawnMarket
from .scenario import Amends, Cancels, CancelsGroup, Step, SubmitsGroup

__all__ = ["GroupDrawer"]

_STEP_ONE_OF: Final = 7
_GROUPS_MAX: Final = 4
_WITHIN: Final = (500_000_000, 5_000_000_000, 5_000_000_000)
#: Targets of a bracket by their shares; () is a stop alone, (None,) one target for all of it.
_SHARES: Final[tuple[tuple[str | None, ...], ...]] = (
    (None,), (None,), (None,), (), ("0.5", "0.5"), ("0.3", "0.3", "0.4"), ("0.5", "0.25"),
)  # fmt: skip


class GroupDrawer:
    """Draws the groups of one scenario, knowing which there are."""

    def __init__(self, draw: Callable[[int], int], *, hedged: bool) -> None:
        self.draw = draw
        self.hedged = hedged
        self.groups: dict[str, SubmitsGroup] = {}
        self.moves: MoveDrawer | None = None

    def less_able(self, config: ExchangeConfig, other: Callable[[int], int]) -> ExchangeConfig:
        """The venue, which at times does not amend, or does not know reduce-only, or (drawn by
        ``other``) does not let two exits rest for the same coins, or keeps groups by itself.
        """
        able = config.capabilities
        if self.draw(4) == 0:
            able = replace(able, amend=False)
        if self.draw(4) == 0:
            able = replace(able, reduce_only=ReduceOnlyRule.UNSUPPORTED)
        if other(3) == 0:
            able = replace(able, exits_share_balance=False)
        if other(3) == 0:
            shapes = ((NativeShape.BRACKET, NativeShape.EXITS), (NativeShape.EXITS,))[other(2)]
            able = replace(able, native_groups=shapes, native_shrinks=other(2) == 0)
        return replace(config, capabilities=able)

    def is_next(self) -> bool:
        """Whether the next step is one of a group."""
        return self.draw(_STEP_ONE_OF) == 0

    def again(self) -> list[Step]:
        """After a restart: at times the host submits its last group again."""
        if not self.groups or self.draw(2):
            return []
        return [list(self.groups.values())[-1]]

    def step(self, markets: Sequence[DrawnMarket]) -> Step:
        """A group; or something asked of one, or of a leg of it."""
        draw = self.draw
        market = markets[draw(len(markets))]
        if not self.groups or (len(self.groups) < _GROUPS_MAX and draw(5) < 2):
            intent = f"g{len(self.groups) + 1}"
            new = SubmitsGroup(intent, self._group(market), _WITHIN[draw(len(_WITHIN))])
            self.groups[intent] = new
            return new
        known = list(self.groups.values())
        one = known[draw(len(known))]
        what = draw(8)
        if what == 0:
            return one
        if what < 4:
            return CancelsGroup(one.intent, close=draw(2) == 0)
        legs = list(legs_of(one.root))
        member = legs[draw(len(legs))]
        name = f"{one.intent}/{member.name}"
        if what == 4:
            return Cancels(name)
        at = next(m for m in markets if m.instrument.symbol == member.order.instrument)
        price = at.price(at.mid + draw(17) - 8)
        if member.order.order_type.has_trigger:
            return Amends(name, stop_px=price)
        if draw(3) == 0:
            return Amends(name, order_qty=at.size(1 + draw(30)))
        return Amends(name, price=price)

    # --- groups -----------------------------------------------------------------------------------

    def _group(self, market: DrawnMarket) -> GroupTerms:
        draw = self.draw
        side = (Side.BUY, Side.SELL)[draw(2)]
        which = draw(12)
        if which < 6:
            return self._bracket(market, side)
        if which == 6:
            return self._exits(market, side)
        if which < 9:
            return self._either(market, side)
        first, second = self._limit(market, side, 0), self._limit(market, side, 3)
        if which == 9:
            return ouo(first, second, proportional=draw(2) == 0)
        if which == 10:
            return oto(first, self._limit(market, side.opposite, 2))
        children = self._limit(market, side.opposite, 1), self._limit(market, side.opposite, 4)
        return oto(first, oco(*children))

    def _bracket(self, market: DrawnMarket, side: Side) -> GroupTerms:
        draw, up = self.draw, _sign(side)
        entry, at = self._limit(market, side, draw(4) - 2), market.mid
        if draw(4) == 0:
            entry = replace(entry, order_type=OrderType.MARKET, price=None)
        elif entry.price is not None:
            at = int(entry.price / market.instrument.tick_size)
        stop = at - up * (2 + draw(8))
        shares = _SHARES[draw(len(_SHARES))]
        first = 2 + draw(5)
        prices = [market.price(at + up * (first + 3 * n)) for n in range(len(shares))]
        whole = shares == (None,)
        drawn = bracket(
            entry,
            stop_px=market.price(stop),
            target=prices[0] if whole else None,
            targets=() if whole else [(px, str(s)) for px, s in zip(prices, shares, strict=True)],
            stop_limit_px=market.price(stop - up) if draw(8) == 0 else None,
        )
        return drawn if self.moves is None else _with_stop(drawn, market, self.moves)

    def _exits(self, market: DrawnMarket, side: Side) -> GroupTerms:
        """A stop and a target for what is held already, or may be."""
        draw, up = self.draw, _sign(side)
        base = self._limit(market, side.opposite, 0)
        target = replace(base, price=market.price(market.mid + up * (2 + draw(6))))
        stop = replace(
            base, order_type=OrderType.STOP, price=None,
            stop_px=market.price(market.mid - up * (2 + draw(6))),
        )  # fmt: skip
        reduces = draw(2) == 0
        legs = tuple(
            leg(name, replace(order, reduce_only=reduces), role)
            for name, order, role in (
                ("stop", stop, LegRole.STOP), ("target", target, LegRole.TARGET),
            )
        )  # fmt: skip
        return GroupTerms((Contingency.OCO, Contingency.OUO)[draw(2)], legs)

    def _either(self, market: DrawnMarket, side: Side) -> GroupTerms:
        """Two entries of which one is wanted, alone or each with exits of its own."""
        draw = self.draw
        other = side if draw(2) else side.opposite
        if draw(2):
            one, two = self._bracket(market, side), self._bracket(market, other)
            return oco(_renamed(one, "a-"), _renamed(two, "b-"))
        return oco(self._limit(market, side, draw(3)), self._limit(market, other, 1 + draw(4)))

    def _limit(self, market: DrawnMarket, side: Side, away: int) -> SubmitOrder:
        """A limit order so many ticks before the middle; below 0: through it."""
        slot = PositionSlot.NET
        if self.hedged:
            slot = PositionSlot.LONG if side is Side.BUY else PositionSlot.SHORT
        price: Decimal = market.price(market.mid - _sign(side) * away)
        qty = market.size(1 + self.draw(25))
        return SubmitOrder(
            "", "", "", market.instrument.symbol, side, OrderType.LIMIT, qty, price=price, slot=slot
        )


def _sign(side: Side) -> int:
    return 1 if side is Side.BUY else -1


def _with_stop(node: GroupTerms, market: DrawnMarket, moves: MoveDrawer) -> GroupTerms:
    """The bracket with a stop that moves."""
    members = tuple(
        _with_stop(one, market, moves)
        if isinstance(one, GroupTerms)
        else moves.moving(one, market)
        if one.role is LegRole.STOP
        else one
        for one in node.members
    )
    return GroupTerms(node.contingency, members)


def _renamed(node: GroupTerms, prefix: str) -> GroupTerms:
    """The group with other names for its legs, so that it fits beside its like."""
    members = tuple(
        _renamed(one, prefix)
        if isinstance(one, GroupTerms)
        else replace(one, name=prefix + one.name)
        for one in node.members
    )
    return GroupTerms(node.contingency, members)
