"""One instrument's book: what the outside displays, and our orders resting among it.

The outside is stated whole by :meth:`BookSide.state` (a quote is a book of one level). Prices down
to the deepest stated level are *in range*: there, a level not shown has no size. Beyond it nothing
is known.

The queue rule, per resting order at price p:

* it joins behind all size displayed at p; out of range the size ahead is not known, and the first
  size ever displayed at p counts as ahead;
* outside volume that trades at p takes the size ahead first;
* a displayed size that shrinks without a trade was cancelled *behind* us for as long as that is
  possible (``ahead = min(ahead, displayed)``): the pessimistic reading.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from ..errors import InvalidValue
from ..values import ONE, ZERO, Instrument, Side, round_down
from .config import ExchangeConfig, QueueModel
from .orders import SimOrder
from .triggers import TriggerBook

__all__ = ["Book", "BookSide", "Levels", "OwnLevel"]

#: Price and size, best first.
Levels: TypeAlias = Sequence[tuple[Decimal, Decimal]]
_TWO: Final = Decimal(2)


class OwnLevel:
    """Our orders at one price, oldest first; ``gone`` is the outside volume gone from ahead."""

    __slots__ = ("gone", "queue")

    def __init__(self) -> None:
        self.queue: OrderedDict[int, SimOrder] = OrderedDict()
        self.gone: Decimal = ZERO

    def front(self) -> SimOrder:
        """The order with time priority."""
        return next(iter(self.queue.values()))

    def ahead_of(self, order: SimOrder) -> Decimal | None:
        """Outside volume ahead of ``order``; None when it was never displayed."""
        mark = order.queue_mark
        if mark is None:
            return None
        ahead = mark - self.gone
        return ahead if ahead > ZERO else ZERO

    def limit_ahead(self, displayed: Decimal) -> None:
        """Take a statement of the displayed size: nobody has more than that ahead of them."""
        limit = self.gone + displayed
        for order in reversed(self.queue.values()):
            mark = order.queue_mark
            if mark is not None and mark <= limit:
                return  # marks never fall along the queue, so everyone further ahead is fine too
            order.queue_mark = limit

    def forget_ahead(self) -> None:
        """The market traded through this price: nothing is ahead of anyone."""
        mark = self.queue[next(reversed(self.queue))].queue_mark
        if mark is None:
            for order in self.queue.values():
                order.queue_mark = self.gone
        elif mark > self.gone:
            self.gone = mark  # the last in the queue had the most ahead


class BookSide:
    """Bids or asks. The outside is kept worst first, so that the best is popped from the end."""

    __slots__ = (
        "_avail",
        "_best",
        "_keys",
        "_px",
        "_qty",
        "_taken",
        "deepest",
        "is_bid",
        "levels",
        "was_swept",
    )

    def __init__(self, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.deepest: Decimal | None = None
        self.was_swept = False  # a print emptied it, and no book was stated since
        self.levels: dict[Decimal, OwnLevel] = {}
        self._keys: list[Decimal] = []  # our prices, best last (asks negated)
        self._px: list[Decimal] = []
        self._qty: list[Decimal] = []
        self._avail: list[Decimal] = []  # what our orders may take of each level
        self._taken: dict[Decimal, Decimal] = {}
        self._best = -1  # index that best_outside() found

    def is_better(self, one: Decimal, other: Decimal) -> bool:
        """Whether ``one`` has price priority over ``other`` on this side."""
        return one > other if self.is_bid else one < other

    # the outside

    def state(self, levels: Levels, lot: Decimal, config: ExchangeConfig) -> None:
        """Take the whole outside of this side, best first, as :func:`checked_levels` passed it."""
        px = [level[0] for level in reversed(levels)]
        qty = [level[1] for level in reversed(levels)]
        share = config.max_fill_share
        avail = qty[:] if share == ONE else [round_down(size * share, lot) for size in qty]
        if self._taken:
            self._keep_taken(px, qty, avail)
        self._px, self._qty, self._avail = px, qty, avail
        self.deepest = px[0] if px else None
        self.was_swept = False
        if self.levels:
            for price, level in self.levels.items():
                if self.in_range(price):
                    level.limit_ahead(self.displayed(price))

    def _keep_taken(self, px: list[Decimal], qty: list[Decimal], avail: list[Decimal]) -> None:
        taken: dict[Decimal, Decimal] = {}
        for index, price in enumerate(px):
            gone = self._taken.get(price)
            if gone is not None:
                taken[price] = gone
                qty[index] = max(ZERO, qty[index] - gone)
                avail[index] = max(ZERO, avail[index] - gone)
        self._taken = taken

    def in_range(self, price: Decimal) -> bool:
        """Whether the last statement of the book covers ``price``."""
        deepest = self.deepest
        return deepest is None or price == deepest or self.is_better(price, deepest)

    def displayed(self, price: Decimal) -> Decimal:
        """Outside size left at ``price``; 0 when none is shown."""
        for index in range(len(self._px) - 1, -1, -1):
            shown = self._px[index]
            if shown == price:
                return self._qty[index]
            if self.is_better(price, shown):
                break
        return ZERO

    def best_outside(self) -> Decimal | None:
        """The best outside price our orders may still take from."""
        avail, qty = self._avail, self._qty
        index = len(avail) - 1
        while index >= 0 and avail[index] <= ZERO:
            if index == len(qty) - 1 and qty[index] <= ZERO:
                self._px.pop()
                qty.pop()
                avail.pop()
            index -= 1
        self._best = index
        return self._px[index] if index >= 0 else None

    def best_size(self) -> Decimal:
        """What may be taken at the price :meth:`best_outside` just gave."""
        return self._avail[self._best]

    def top(self) -> tuple[Decimal | None, Decimal | None]:
        """Best displayed outside price and its size."""
        for index in range(len(self._px) - 1, -1, -1):
            if self._qty[index] > ZERO:
                return self._px[index], self._qty[index]
        return None, None

    def best_price(self) -> Decimal | None:
        """Best price of anybody: what a post-only order must not cross."""
        shown, own = self.top()[0], self.best_own()
        if shown is None or (own is not None and self.is_better(own, shown)):
            return own
        return shown

    def outside(self) -> list[tuple[Decimal, Decimal]]:
        """(price, takeable size), best first."""
        pairs = zip(reversed(self._px), reversed(self._avail), strict=True)
        return [pair for pair in pairs if pair[1] > ZERO]

    def take(self, qty: Decimal, stays_taken: bool) -> None:
        """Our order took ``qty`` at the price :meth:`best_outside` just gave."""
        index = self._best
        price = self._px[index]
        self._qty[index] -= qty
        self._avail[index] -= qty
        if stays_taken:
            self._taken[price] = self._taken.get(price, ZERO) + qty
        level = self.levels.get(price)
        if level is not None:
            level.gone += qty

    def meet_print(self, price: Decimal) -> None:
        """A print at ``price`` hit this side: every better outside level is gone."""
        while self._px and self.is_better(self._px[-1], price):
            self._px.pop()
            self._qty.pop()
            self._avail.pop()
        if self._taken:
            kept = self._taken.items()
            self._taken = {px: qty for px, qty in kept if not self.is_better(px, price)}
        self.was_swept = not self._px and self.deepest is not None

    def pass_print(self, price: Decimal, qty: Decimal) -> None:
        """Outside volume ``qty`` traded at ``price`` against this side's outside.

        What exceeds the size left came out of what our orders took: that is not missing any more.
        """
        left = ZERO
        if self._px and self._px[-1] == price:
            left = self._qty[-1]
            self._qty[-1] = rest = left - qty if qty < left else ZERO
            if self._avail[-1] > rest:
                self._avail[-1] = rest
            if not rest:
                self._px.pop()
                self._qty.pop()
                self._avail.pop()
                self.was_swept = not self._px
        taken = self._taken.get(price)
        if taken is not None and qty > left:
            self._taken[price] = max(ZERO, taken - (qty - left))

    # our orders

    def best_own(self) -> Decimal | None:
        """Our best resting price."""
        if not self._keys:
            return None
        key = self._keys[-1]
        return key if self.is_bid else key.copy_negate()

    def own_prices(self) -> list[Decimal]:
        """Our resting prices, best first."""
        return [key if self.is_bid else key.copy_negate() for key in reversed(self._keys)]

    def join(self, order: SimOrder, price: Decimal, model: QueueModel) -> None:
        """Rest ``order`` at the end of the queue at ``price``."""
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = OwnLevel()
            insort(self._keys, price if self.is_bid else price.copy_negate())
        if model is QueueModel.TOUCH:
            order.queue_mark = level.gone
        elif self.in_range(price):
            order.queue_mark = level.gone + self.displayed(price) if self._px else level.gone
        else:
            order.queue_mark = None
        level.queue[order.rank] = order
        order.is_resting = True

    def leave(self, order: SimOrder, price: Decimal) -> None:
        """Take a resting order out of its queue."""
        level = self.levels[price]
        del level.queue[order.rank]
        order.is_resting = False
        if not level.queue:
            del self.levels[price]
            key = price if self.is_bid else price.copy_negate()
            del self._keys[bisect_left(self._keys, key)]


class Book:
    """One instrument: two sides, reference prices, its trigger orders, its execution numbers."""

    __slots__ = (
        "asks",
        "bids",
        "exec_count",
        "instrument",
        "last",
        "mark",
        "prices_moved",
        "triggers",
        "waiting",
    )

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)
        self.last: Decimal | None = None
        self.mark: Decimal | None = None
        self.exec_count = 0
        self.triggers = TriggerBook()
        self.waiting: dict[
            int, SimOrder
        ] = {}  # elected on a swept side: they meet the next stated book
        self.prices_moved = False

    def own_side(self, side: Side) -> BookSide:
        """Where an order of ``side`` rests."""
        return self.bids if side is Side.BUY else self.asks

    def facing(self, side: Side) -> BookSide:
        """What an order of ``side`` takes from."""
        return self.asks if side is Side.BUY else self.bids

    def mid(self) -> Decimal | None:
        """Half-way between the best displayed outside prices; None when a side is empty."""
        bid, ask = self.bids.top()[0], self.asks.top()[0]
        if bid is None or ask is None:
            return None
        return (bid + ask) / _TWO

    def next_exec_id(self) -> str:
        """Number an execution; as at real venues, numbers repeat across instruments."""
        self.exec_count += 1
        return str(self.exec_count)


def checked_levels(bids: Levels, asks: Levels, symbol: str) -> None:
    """Refuse a book that no venue could show.

    Raises: InvalidValue: a size or price that is not a finite number, a size at or below 0, prices
    out of order, or a crossed or locked book. Nothing has changed.
    """
    for name, levels, is_bid in (("bids", bids, True), ("asks", asks, False)):
        previous: Decimal | None = None
        for px, qty in levels:
            if not (px.is_finite() and qty.is_finite()) or qty <= ZERO:
                raise InvalidValue(f"{symbol}: {name} hold an impossible level: {qty} at {px}")
            if previous is not None and (px >= previous if is_bid else px <= previous):
                raise InvalidValue(
                    f"{symbol}: {name} must be best first, {px} came after {previous}"
                )
            previous = px
    if bids and asks and bids[0][0] >= asks[0][0]:
        raise InvalidValue(
            f"{symbol}: the stated book is crossed or locked: bid {bids[0][0]}, ask {asks[0][0]}"
        )
