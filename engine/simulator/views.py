"""What can be read of a simulated exchange, without latency: the truth we are judged by."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal

import msgspec

from ..errors import InvalidValue
from ..messages import Filled, OrderSnapshot, PriceUpdate, SubmitOrder
from ..values import Instrument, PositionSlot, Source, exact
from .account import Account
from .config import ExchangeConfig
from .floor import Floor
from .orders import SimOrder, snapshot
from .placing import find

__all__ = ["BalanceView", "PositionView", "TopView", "Truth"]


class PositionView(msgspec.Struct, frozen=True, gc=False):
    """One slot; ``qty`` is signed, ``realized`` is in the settle currency, before fees."""

    instrument: str
    slot: PositionSlot
    qty: Decimal
    avg_px: Decimal | None
    realized: Decimal


class BalanceView(msgspec.Struct, frozen=True, gc=False):
    """One currency; ``free`` is what new orders may use."""

    currency: str
    total: Decimal
    free: Decimal


class TopView(msgspec.Struct, frozen=True, gc=False):
    """Best outside prices and sizes; ``None`` where a side is empty."""

    bid_px: Decimal | None
    bid_qty: Decimal | None
    ask_px: Decimal | None
    ask_qty: Decimal | None


class Truth:
    """The readable half of an exchange; nothing here changes it."""

    __slots__ = ("_floor", "config")

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.config: ExchangeConfig = floor.config

    @property
    def now_ns(self) -> int:
        """The latest instant this exchange has seen."""
        return self._floor.now

    def has_account(self, name: str) -> bool:
        """Whether ``name`` was opened."""
        return name in self._floor.accounts

    def pays(self, name: str) -> bool:
        """Whether an account has balances: each open order locks what it may cost."""
        return self._account(name).is_tracked

    def order(
        self, account: str, client_order_id: str, venue_order_id: str | None, sent_ts: int
    ) -> OrderSnapshot | None:
        """One order, open or closed, by client id or else by venue id."""
        found = find(self._account(account), client_order_id, venue_order_id)
        return None if found is None else snapshot(found, self._floor.stamp, sent_ts, Source.QUERY)

    def placed(self, account: str) -> tuple[tuple[SubmitOrder, OrderSnapshot], ...]:
        """Every order in memory, open or closed: the terms it was placed with, and how it stands.

        Each once, also of several with one client id or one venue id.
        """
        owner, stamp = self._account(account), self._floor.stamp
        known = dict.fromkeys([*owner.by_client.values(), *owner.by_venue.values()])
        return tuple((order.terms, snapshot(order, stamp, stamp, Source.QUERY)) for order in known)

    def open_orders(self, account: str, sent_ts: int) -> tuple[OrderSnapshot, ...]:
        """Every open order, oldest first; idle triggers only where the capabilities say so."""
        shows_idle = self.config.capabilities.lists_trigger_orders
        return tuple(
            snapshot(order, self._floor.stamp, sent_ts, Source.LIST)
            for order in self._account(account).open.values()
            if shows_idle or not order.is_idle
        )

    def executions(self, account: str, since_ts: int) -> tuple[tuple[Filled, ...], bool]:
        """Executions at or after ``since_ts``, and whether history still holds them all."""
        owner = self._account(account)
        if self._floor.was_skewed:  # its own stamps are all it can compare with, in no order
            entries = [entry for entry in owner.executions if entry[2].ts >= since_ts]
        else:
            first = bisect_left(owner.executions, since_ts, key=lambda entry: entry[0])
            entries = owner.executions[first:]
        found = tuple(_listed(order, fill) for _, order, fill in entries)
        dropped = owner.executions_dropped_ts
        return found, dropped is None or since_ts > dropped

    def executed_by(self, account: str, ts: int) -> dict[tuple[str, str], None]:
        """(instrument, execution id) of every execution that stands and had happened by ``ts``."""
        entries = self._account(account).executions
        return {
            (order.terms.instrument, fill.exec_id): None
            for at_ns, order, fill in entries
            if at_ns <= ts
        }

    def positions(self, account: str) -> tuple[PositionView, ...]:
        """Every slot that is not flat, or that ever realised something."""
        return tuple(
            PositionView(key[0], key[1], slot.qty, slot.avg_px, slot.realized)
            for key, slot in self._account(account).slots.items()
            if slot.qty or slot.realized
        )

    def moved(self, account: str) -> dict[tuple[str, PositionSlot], Decimal]:
        """By how much each slot was changed without a trade, in all."""
        return dict(self._account(account).moved)

    def balances(self, account: str) -> tuple[BalanceView, ...]:
        """Every currency the account ever touched."""
        owner = self._account(account)
        leverage = self.config.leverage
        with exact():
            return tuple(
                BalanceView(currency, total, owner.free(currency, leverage))
                for currency, total in owner.balances.items()
            )

    def instruments(self) -> tuple[Instrument, ...]:
        """What is traded here."""
        return tuple(book.instrument for book in self._floor.books.values())

    def top(self, symbol: str) -> TopView | None:
        """Best outside prices; None for an unknown instrument."""
        book = self._floor.books.get(symbol)
        return None if book is None else TopView(*book.bids.top(), *book.asks.top())

    def prices(self, symbol: str) -> PriceUpdate | None:
        """Newest trade, best outside prices and mark; None: unknown instrument, or no price yet."""
        book = self._floor.books.get(symbol)
        if book is None:
            return None
        (bid, _), (ask, _) = book.bids.top(), book.asks.top()
        if book.last is None and book.mark is None and bid is None and ask is None:
            return None
        return PriceUpdate(symbol, self._floor.now, book.last, bid, ask, book.mark)

    def _account(self, name: str) -> Account:
        account = self._floor.accounts.get(name)
        if account is None:
            raise InvalidValue(f"no account {name!r} here; open it first")
        return account


def _listed(order: SimOrder, fill: Filled) -> Filled:
    """An execution as a list shows it: with instrument and side, in case the order is unknown."""
    return Filled(
        fill.client_order_id,
        fill.ts,
        fill.exec_id,
        fill.last_qty,
        fill.last_px,
        fill.fee,
        fill.fee_currency,
        fill.liquidity,
        fill.venue_order_id,
        fill.cum_qty,
        fill.revises,
        instrument=order.terms.instrument,
        side=order.terms.side,
        source=Source.LIST,
    )
