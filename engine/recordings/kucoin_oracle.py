"""What the KuCoin log proves of its replay: exact sums, states, and the drop copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeAlias

from ..messages import Event, OrderFilled, OrderPartiallyFilled
from ..values import CONTEXT, ZERO, OrderState, Side
from .base import Check, DecimalCache, Lines, ReplayView, excerpt
from .kucoin_fees import Fee, fee_told
from .kucoin_trades import Trade, fees_untold
from .tally import EXAMPLES_MAX, Counter, Expected, Tally, TallyOracle
from .times import SECOND, iso_day, iso_to_ns

__all__ = ["KucoinOracle"]

_ENDS = {
    "OrderCancelledEvent": OrderState.CANCELLED,
    "BuyOrderCompletedEvent": OrderState.FILLED,
    "SellOrderCompletedEvent": OrderState.FILLED,
    "MarketOrderFailureEvent": OrderState.REJECTED,
    "OrderExpiredEvent": OrderState.EXPIRED,
}


class Row(Protocol):
    """The fields of a log row that the oracle reads."""

    @property
    def event_name(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def log_time(self) -> str: ...
    @property
    def source_file(self) -> str: ...
    @property
    def amount(self) -> str: ...
    @property
    def price(self) -> str: ...
    @property
    def exchange_trade_id(self) -> str: ...
    @property
    def base_asset_amount(self) -> str: ...
    @property
    def quote_asset_amount(self) -> str: ...
    @property
    def trading_pair(self) -> str: ...
    @property
    def trade_type(self) -> str: ...
    @property
    def trade_fee(self) -> Fee | None: ...


class _Completed(NamedTuple):
    order_id: str
    base: Decimal
    quote: Decimal
    ordered: Decimal | None  # None: submitted before the log began


class _Facts(NamedTuple):
    """What one walk over the log collects."""

    tally: Tally
    completed: list[_Completed]
    spans: dict[str, tuple[int, int]]  # log piece -> first and last time in it


#: Trade id, pair and side: ids are numbered by pair, and a self-trade has one on both sides.
_Key: TypeAlias = tuple[str, str, Side]


class KucoinOracle(TallyOracle):
    """Adds the identities of completed orders and the reconciliation with fill exports."""

    def __init__(
        self,
        lines: Lines,
        rows: Callable[[Lines], Iterable[Row]],
        drop_copy: Sequence[Trade],
        exports: tuple[str, ...],
    ) -> None:
        self._facts: _Facts | None = None
        super().__init__(lambda: self._collect().tally)
        self._lines, self._rows, self._exports = lines, rows, exports
        self._drop_copy: dict[_Key, Trade] = {}
        self._agree = Counter("drop_copy_common_trades_agree")
        for trade in drop_copy:
            key = trade.trade_id, trade.symbol, trade.side
            self._agree.test(
                self._drop_copy.setdefault(key, trade)[1:] == trade[1:],  # exports may overlap
                "trade {} is exported twice, and not alike",
                trade.trade_id,
            )
        self._agree.checked = 0
        self._matched: dict[_Key, None] = {}
        self._not_exported: list[OrderFilled | OrderPartiallyFilled] = []

    def _collect(self) -> _Facts:
        if self._facts is None:
            self._facts = _collect(self._rows(self._lines))
        return self._facts

    def on_event(self, event: Event) -> None:
        """Match each booked fill with the drop copy as it is booked."""
        super().on_event(event)
        if not self._exports or not isinstance(event, OrderFilled | OrderPartiallyFilled):
            return
        key = event.exec_id, event.instrument, event.side
        trade = self._drop_copy.get(key)
        if trade is None:
            self._not_exported.append(event)
            return
        self._matched[key] = None
        ours = (event.client_order_id, event.side, event.last_px, event.last_qty)
        theirs = (trade.order_id, trade.side, trade.price, trade.qty)
        self._agree.test(
            ours == theirs, "trade {}: export {}, engine {}", trade.trade_id, theirs, ours
        )

    def finish(self, view: ReplayView) -> list[Check]:
        """Judge the end of the replay."""
        facts = self._collect()
        checks = [*super().finish(view), _completed(facts, view)]
        if self._exports:
            checks += [self._agree.check(), self._missing_here(facts), self._missing_there()]
        return checks

    def _missing_here(self, facts: _Facts) -> Check:
        """Exported trades we did not book: each must lie outside the time the log covers."""
        check = Counter("drop_copy_missing_in_log")
        named: list[Trade] = []
        for key, trade in self._drop_copy.items():
            if key in self._matched:
                continue
            named.append(trade)
            covered = _covering(facts.spans, trade.ts)
            check.test(
                covered is None,
                "trade {} of order {} lies within {}",
                trade.trade_id,
                trade.order_id,
                covered,
            )
            if covered is None:
                check.explain(f"no log covers this time, {iso_day(trade.ts)}")
        check.notes.extend(
            f"not in the log: trade {excerpt(t.trade_id)}, order {excerpt(t.order_id)},"
            f" {t.side.name} {t.qty} at {t.price}"
            for t in named[:EXAMPLES_MAX]
        )
        return check.check()

    def _missing_there(self) -> Check:
        """Booked fills that no export has: each must lie outside the span of the exports."""
        check = Counter("drop_copy_missing_in_export")
        times = [trade.ts for trade in self._drop_copy.values()]
        first, last = (min(times), max(times)) if times else (0, -1)
        for event in self._not_exported:
            inside = first <= event.ts <= last
            check.test(not inside, "fill {} of order {}", event.exec_id, event.client_order_id)
            if not inside:
                check.explain(f"outside the span of the exports, {iso_day(event.ts)}")
        return check.check()


def _completed(facts: _Facts, view: ReplayView) -> Check:
    """Sum of fills = order = base amount, sum of price x quantity = quote amount; exactly."""
    check = Counter("completed_orders_add_up")
    for done in facts.completed:
        got = view.order(done.order_id)
        holds = (
            got is not None
            and got.cum_qty == done.base
            and got.cum_cost == done.quote
            and (done.ordered is None or done.ordered == done.base == got.order_qty)
        )
        told = facts.tally.orders[done.order_id]
        if done.ordered is None and told.cum_qty < done.base and got is not None:
            holds = got.cum_qty == told.cum_qty  # the rest was filled before the log begins
            check.explain("filled in part before the log begins")
        check.test(holds, "order {}: recorded {}, engine {}", done.order_id, done[1:], got)
    return check.check()


#: A fill carries the bot's clock, in whole seconds; the log's time is when it was written.
_CLOCK_SLACK = 2 * SECOND


def _covering(spans: dict[str, tuple[int, int]], ts: int) -> str | None:
    """The log piece that should hold a trade of this time, if any."""
    for name, (first, last) in spans.items():
        if first + _CLOCK_SLACK <= ts <= last - _CLOCK_SLACK:
            return name
    return None


def _collect(rows: Iterable[Row]) -> _Facts:
    sums: dict[str, tuple[int, Decimal, Decimal]] = {}
    ends: dict[str, OrderState] = {}
    ordered: dict[str, Decimal] = {}
    completed: list[_Completed] = []
    spans: dict[str, tuple[int, int]] = {}
    seen: dict[str, None] = {}
    traded: dict[tuple[str, str, str], None] = {}
    numbers = DecimalCache()
    untold = 0
    for row in rows:
        oid, name = row.order_id, row.event_name
        seen[oid] = None
        ts = iso_to_ns(row.log_time)
        first, _ = spans.get(row.source_file, (ts, ts))
        spans[row.source_file] = (first, ts)
        if name.endswith("OrderCreatedEvent"):
            ordered[oid] = Decimal(row.amount)
        elif name == "OrderFilledEvent":
            key = (row.exchange_trade_id, row.trading_pair, row.trade_type)
            if key in traded:
                continue
            traded[key] = None
            base_quote = row.trading_pair.partition("-")[::2]
            untold += row.trade_fee is not None and not fee_told(
                row.trade_fee, *base_quote, numbers
            )
            fills, qty, cost = sums.get(oid, (0, ZERO, ZERO))
            amount = Decimal(row.amount)
            spent = CONTEXT.multiply(amount, Decimal(row.price))
            sums[oid] = (fills + 1, CONTEXT.add(qty, amount), CONTEXT.add(cost, spent))
        else:
            ends[oid] = _ENDS[name]
            if row.base_asset_amount:
                base, quote = Decimal(row.base_asset_amount), Decimal(row.quote_asset_amount)
                completed.append(_Completed(oid, base, quote, ordered.get(oid)))
    whole = {done.order_id: done.base for done in completed}
    orders: dict[str, Expected] = {}
    for oid in seen:
        fills, qty, cost = sums.get(oid, (0, ZERO, ZERO))
        complete = oid in ordered and qty >= ordered[oid]  # whatever the log's last word was
        end = OrderState.FILLED if complete else ends.get(oid)
        if oid not in ordered and qty < whole.get(oid, qty):
            end = None  # its other fills were before the log: no execution in it completes it
        orders[oid] = Expected(end, fills, qty, cost, oid in ordered)
    return _Facts(Tally(orders, notes=fees_untold(untold)), completed, spans)
