"""A second, dumber exchange: lists scanned from end to end, no levels, no shared code.

It knows limit and market orders, IOC, FOK, post-only, cancel, amend, books and prints, under the
default queue rule, and is compared with the real one command by command.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
Line = tuple[str, str, Decimal, Decimal]  # client id, word, quantity, price


@dataclass
class TwinOrder:
    name: str
    account: str
    is_buy: bool
    price: Decimal | None
    leaves: Decimal
    seq: int
    is_post_only: bool = False
    cum: Decimal = ZERO
    ahead: Decimal | None = ZERO


@dataclass
class Outside:
    sizes: dict[Decimal, Decimal] = field(default_factory=dict)
    taken: dict[Decimal, Decimal] = field(default_factory=dict)
    deepest: Decimal | None = None


class Twin:
    """``answer`` and ``others`` hold what the last command did, split as the exchange splits it."""

    def __init__(self) -> None:
        self.sides = {True: Outside(), False: Outside()}
        self.resting: list[TwinOrder] = []
        self.seq = 0
        self.current: TwinOrder | None = None
        self.answer: list[Line] = []
        self.others: dict[str, list[Line]] = {"a": [], "b": []}

    def place(
        self, name: str, account: str, is_buy: bool, price: Decimal | None, qty: Decimal, how: str
    ) -> bool:
        self._start()
        order = TwinOrder(name, account, is_buy, price, qty, self._next(), how == "POST")
        if how == "POST" and self._would_cross(is_buy, price):
            return False
        self.current = order
        self._say(order, "Accepted", ZERO, ZERO)
        self._work(order, how)
        return True

    def cancel(self, account: str, name: str) -> bool:
        self._start()
        order = self._find(account, name)
        if order is None:
            return False
        self.current = order
        self.resting.remove(order)
        self._say(order, "Cancelled", order.cum, ZERO)
        return True

    def amend(self, account: str, name: str, price: Decimal, qty: Decimal) -> bool:
        self._start()
        order = self._find(account, name)
        if order is None or (price == order.price and qty == order.cum + order.leaves):
            return False
        if order.is_post_only and self._would_cross(order.is_buy, price):
            return False
        self.current = order
        if qty <= order.cum:
            self.resting.remove(order)
            self._say(order, "Replaced", ZERO, ZERO)
            return True
        self._say(order, "Replaced", ZERO, ZERO)
        if price == order.price and qty - order.cum <= order.leaves:
            order.leaves = qty - order.cum
            return True
        self.resting.remove(order)
        order.price, order.leaves, order.seq = price, qty - order.cum, self._next()
        self._work(order, "GTC")
        return True

    def book(self, levels: dict[bool, list[tuple[Decimal, Decimal]]]) -> None:
        self._start()
        for is_buy, side in self.sides.items():
            stated = dict(levels[is_buy])
            side.taken = {px: qty for px, qty in side.taken.items() if px in stated}
            side.sizes = {
                px: max(ZERO, qty - side.taken.get(px, ZERO)) for px, qty in stated.items()
            }
            side.deepest = levels[is_buy][-1][0] if levels[is_buy] else None
            for order in self.resting:
                if order.is_buy is is_buy and self._in_range(order):
                    shown = side.sizes.get(order.price or ZERO, ZERO)
                    order.ahead = shown if order.ahead is None else min(order.ahead, shown)
        for is_buy in (True, False):
            while True:
                maker, outside = self._best_own(is_buy), self._best_outside(not is_buy)
                if maker is None or outside is None or maker.price is None:
                    break
                if (maker.price < outside) if is_buy else (maker.price > outside):
                    break
                qty = min(maker.leaves, self.sides[not is_buy].sizes[outside])
                self._take_outside(not is_buy, outside, qty)
                self._fill(maker, qty, maker.price)

    def trade(self, px: Decimal, qty: Decimal, is_buyer_aggressor: bool) -> None:
        self._start()
        for is_buy in (True, False):
            side = self.sides[is_buy]
            is_hit = is_buy is not is_buyer_aggressor
            if is_hit:
                for shown in [shown for shown in side.sizes if self._better(is_buy, shown, px)]:
                    del side.sizes[shown]
                for shown in [shown for shown in side.taken if self._better(is_buy, shown, px)]:
                    del side.taken[shown]
            for order in self.resting:
                if order.is_buy is is_buy and self._better(is_buy, order.price or ZERO, px):
                    order.ahead = ZERO
            while qty:
                maker = self._best_own(is_buy)
                if maker is None or not self._better(is_buy, maker.price or ZERO, px):
                    break
                part = min(qty, maker.leaves)
                qty -= part
                self._fill(maker, part, maker.price or ZERO)
        self._trade_at(not is_buyer_aggressor, px, qty)

    def _trade_at(self, is_buy: bool, px: Decimal, qty: Decimal) -> None:
        passed = ZERO
        while qty:
            maker = self._best_own(is_buy)
            if maker is None or maker.price != px or maker.ahead is None:
                break
            part = min(qty, maker.ahead or maker.leaves)
            qty -= part
            if maker.ahead:
                passed += part
                self._pass(is_buy, px, part)
            else:
                self._fill(maker, part, px)
        side = self.sides[is_buy]
        outside = passed + qty
        shown = side.sizes.get(px, ZERO)
        if px in side.sizes:
            side.sizes[px] = max(ZERO, shown - outside)
        if outside > shown and px in side.taken:
            side.taken[px] = max(ZERO, side.taken[px] - (outside - shown))

    def _work(self, order: TwinOrder, how: str) -> None:
        if how == "FOK" and self._fillable(order) < order.leaves:
            self._say(order, "Cancelled", order.cum, ZERO)
            return
        opposite = not order.is_buy
        while order.leaves:
            outside, maker = self._best_outside(opposite), self._best_own(opposite)
            own = maker.price if maker is not None else None
            if outside is None and own is None:
                break
            is_own = own is not None and (
                outside is None
                or self._better(opposite, own, outside)
                or (own == outside and maker is not None and maker.ahead == ZERO)
            )
            px = own if is_own else outside
            if px is None or (order.price is not None and self._worse(order, px)):
                break
            if is_own and maker is not None:
                qty = min(order.leaves, maker.leaves)
                self._fill(maker, qty, px)
            else:
                qty = min(order.leaves, self.sides[opposite].sizes[px])
                if maker is not None and own == px and maker.ahead is not None:
                    qty = min(qty, maker.ahead)
                self._take_outside(opposite, px, qty)
            self._fill(order, qty, px)
        if not order.leaves:
            return
        if order.price is None or how in ("IOC", "FOK"):
            self._say(order, "Cancelled", order.cum, ZERO)
            return
        order.ahead = None
        if self._in_range(order):
            order.ahead = self.sides[order.is_buy].sizes.get(order.price, ZERO)
        self.resting.append(order)

    def _fillable(self, order: TwinOrder) -> Decimal:
        total = sum(
            (
                qty
                for px, qty in self.sides[not order.is_buy].sizes.items()
                if order.price is None or not self._worse(order, px)
            ),
            ZERO,
        )
        for maker in self.resting:
            if maker.is_buy is not order.is_buy and maker.price is not None:
                if order.price is None or not self._worse(order, maker.price):
                    total += maker.leaves
        return total

    def _would_cross(self, is_buy: bool, price: Decimal | None) -> bool:
        maker = self._best_own(not is_buy)
        shown = [self._best_outside(not is_buy), None if maker is None else maker.price]
        return price is not None and any(
            px is not None and (px <= price if is_buy else px >= price) for px in shown
        )

    def _fill(self, order: TwinOrder, qty: Decimal, px: Decimal) -> None:
        order.leaves -= qty
        order.cum += qty
        self._say(order, "Filled", qty, px)
        if not order.leaves and order in self.resting:
            self.resting.remove(order)

    def _take_outside(self, is_buy: bool, px: Decimal, qty: Decimal) -> None:
        side = self.sides[is_buy]
        side.sizes[px] -= qty
        side.taken[px] = side.taken.get(px, ZERO) + qty
        self._pass(is_buy, px, qty)

    def _pass(self, is_buy: bool, px: Decimal, qty: Decimal) -> None:
        for order in self.resting:
            if order.is_buy is is_buy and order.price == px and order.ahead is not None:
                order.ahead = max(ZERO, order.ahead - qty)

    def _best_outside(self, is_buy: bool) -> Decimal | None:
        shown = [px for px, qty in self.sides[is_buy].sizes.items() if qty]
        return (max(shown) if is_buy else min(shown)) if shown else None

    def _best_own(self, is_buy: bool) -> TwinOrder | None:
        best: TwinOrder | None = None
        for order in self.resting:
            if order.is_buy is not is_buy or order.price is None:
                continue
            if (
                best is None
                or best.price is None
                or self._better(is_buy, order.price, best.price)
                or (order.price == best.price and order.seq < best.seq)
            ):
                best = order
        return best

    def _in_range(self, order: TwinOrder) -> bool:
        deepest = self.sides[order.is_buy].deepest
        price = order.price or ZERO
        return deepest is None or (price >= deepest if order.is_buy else price <= deepest)

    def _better(self, is_buy: bool, one: Decimal, other: Decimal) -> bool:
        return one > other if is_buy else one < other

    def _worse(self, order: TwinOrder, px: Decimal) -> bool:
        limit = order.price or ZERO
        return px > limit if order.is_buy else px < limit

    def _find(self, account: str, name: str) -> TwinOrder | None:
        found = [o for o in self.resting if o.account == account and o.name == name]
        return found[0] if found else None

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _start(self) -> None:
        self.current, self.answer, self.others = None, [], {"a": [], "b": []}

    def _say(self, order: TwinOrder, word: str, qty: Decimal, px: Decimal) -> None:
        line = (order.name, word, qty, px)
        if order is self.current:
            self.answer.append(line)
        else:
            self.others[order.account].append(line)
