"""The event log of a Hummingbot market maker on KuCoin: JSON lines, one event of an order each.

``...OrderCreatedEvent`` is the venue's ack of a new order, ``OrderFilledEvent`` one execution,
``OrderCancelledEvent`` and ``...OrderCompletedEvent`` are ends, ``MarketOrderFailureEvent`` is an
order that was never placed (it has no terms in the log). Times are ``log_time``, when the bot
logged it. Fees are a fraction of the notional, in the quote currency (Hummingbot calls it added to
cost when buying, taken from returns when selling).

With fill exports beside it (:mod:`.kucoin_trades`) they serve as a drop copy: an independent
account of the same fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TypeAlias, TypeVar

import msgspec

from ..errors import RecordingError
from ..messages import (
    Accepted,
    Cancelled,
    Command,
    Feeds,
    Filled,
    OrderSnapshot,
    Rejected,
    Report,
    SubmitOrder,
    VenueStatus,
)
from ..values import (
    CONTEXT,
    ONE,
    Instrument,
    InstrumentKind,
    Liquidity,
    OrderType,
    Side,
    Source,
    TimeInForce,
    TriggerSource,
)
from .base import DecimalCache, Lines, Oracle, Step, Steps, excerpt, fail_row
from .kucoin_oracle import KucoinOracle
from .kucoin_trades import finest_step, read_export
from .times import iso_to_ns

__all__ = ["KucoinRecording"]

T = TypeVar("T", bound=msgspec.Struct)
_WANTS = "one JSON event of the KuCoin bot log"


class _Fee(msgspec.Struct, frozen=True):
    percent: str
    percent_token: str | None = None
    flat_fees: tuple[msgspec.Raw, ...] = ()


class LogRow(msgspec.Struct, frozen=True):
    """One line of the log; texts stay texts until they are needed."""

    event_name: str
    order_id: str
    log_time: str
    source_file: str = ""
    exchange_order_id: str | None = None
    trading_pair: str = ""
    type: str = ""
    order_type: str = ""
    trade_type: str = ""
    amount: str = ""
    price: str = ""
    exchange_trade_id: str = ""
    trade_fee: _Fee | None = None
    base_asset_amount: str = ""
    quote_asset_amount: str = ""


_ORDER_TYPES = {
    "OrderType.LIMIT": (OrderType.LIMIT, False),
    "OrderType.LIMIT_MAKER": (OrderType.LIMIT, True),
    "OrderType.MARKET": (OrderType.MARKET, False),
}
_SIDES = {"TradeType.BUY": Side.BUY, "TradeType.SELL": Side.SELL}
_ID_SIDES = {
    "B": Side.BUY,
    "S": Side.SELL,
}  # Hummingbot begins its client ids with the side's letter


class _Terms(msgspec.Struct, frozen=True):
    """What of a row says how finely a pair is traded."""

    trading_pair: str = ""
    amount: str = "1"
    price: str = "1"


def _decoded(lines: Lines, kind: type[T]) -> Iterator[T]:
    """Each line as ``kind``; a bad line raises RecordingError."""
    decode = msgspec.json.Decoder(kind).decode
    row = 0
    try:
        for row, line in enumerate(lines, 1):  # noqa: B007  # row is for the error below
            yield decode(line)
    except msgspec.MsgspecError as error:
        fail_row(lines, row, error, _WANTS)


def log_rows(lines: Lines) -> Iterator[LogRow]:
    """The rows, decoded; a bad line raises RecordingError."""
    return _decoded(lines, LogRow)


class KucoinRecording:
    """One bot's log, with the fill exports of the same bot if there are any."""

    format = "kucoin-events"
    venue = "KUCOIN"
    accounts = ("bot",)

    def __init__(self, lines: Lines, exports: Sequence[Lines] = ()) -> None:
        self._lines = lines
        self._exports = tuple(exports)
        self.name = lines.name
        self._instruments: tuple[Instrument, ...] | None = None

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The pairs of the log; tick and lot are the finest steps that occur in it."""
        if self._instruments is None:
            steps: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
            for got in _decoded(self._lines, _Terms):
                if got.trading_pair:
                    prices, amounts = steps.setdefault(got.trading_pair, ({}, {}))
                    prices[got.price] = None
                    amounts[got.amount] = None
            self._instruments = tuple(
                make_instrument(self.name, pair, prices, amounts)
                for pair, (prices, amounts) in steps.items()
            )
        return self._instruments

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        pairs = self.instruments
        maker = _Maker(self.venue, pairs[0].symbol if len(pairs) == 1 else "")
        handlers = maker.handlers()
        decode = msgspec.json.Decoder(LogRow).decode
        row, minute, minute_ns = 0, "", 0
        try:
            for row, line in enumerate(self._lines, 1):
                got = decode(line)
                time = got.log_time
                if time[:17] != minute:
                    minute, minute_ns = time[:17], iso_to_ns(time[:17] + "00Z")
                ts = minute_ns + int((time[17:19] + time[20:-1]).ljust(11, "0"))
                for message in handlers[got.event_name](got, ts):
                    yield "bot", Step(row, message)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            fail_row(self._lines, row, error, _WANTS)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        drop_copy = [trade for export in self._exports for trade in read_export(export)]
        return KucoinOracle(self._lines, log_rows, drop_copy, tuple(e.name for e in self._exports))


_Messages: TypeAlias = tuple[Command | Report, ...]


class _Maker:
    """Turns one row into messages; knows which orders it has met and not yet seen end."""

    def __init__(self, venue: str, only_pair: str) -> None:
        self._venue = venue
        self._only_pair = only_pair  # some rows do not name their pair
        self._numbers = DecimalCache()
        self._fees = _Fees(self._numbers)
        self._known: dict[str, str] = {}  # order id -> pair

    def handlers(self) -> dict[str, Callable[[LogRow, int], _Messages]]:
        """What to do with each kind of event."""
        return {
            "BuyOrderCreatedEvent": lambda got, ts: self._created(got, ts, Side.BUY),
            "SellOrderCreatedEvent": lambda got, ts: self._created(got, ts, Side.SELL),
            "OrderFilledEvent": self._filled,
            "OrderCancelledEvent": self._cancelled,
            "BuyOrderCompletedEvent": lambda got, ts: self._completed(got, ts, Side.BUY),
            "SellOrderCompletedEvent": lambda got, ts: self._completed(got, ts, Side.SELL),
            "MarketOrderFailureEvent": self._failed,
        }

    def _created(self, got: LogRow, ts: int, side: Side) -> _Messages:
        oid, pair, qty = got.order_id, got.trading_pair, positive(self._numbers[got.amount])
        if oid in self._known:  # a fill overtook the ack: it tells the size of an order already met
            return (Accepted(oid, ts, got.exchange_order_id, qty),)
        kind, maker = _ORDER_TYPES[got.type]
        price = None if kind is OrderType.MARKET else self._numbers[got.price]
        self._known[oid] = pair
        submit = SubmitOrder(
            oid, self._venue, "bot", pair, side, kind, qty, ts, oid, price,
            None, None, TriggerSource.LAST, TimeInForce.GTC, None, maker,
        )  # fmt: skip
        return submit, Accepted(oid, ts, got.exchange_order_id)

    def _filled(self, got: LogRow, ts: int) -> _Messages:
        qty, px = positive(self._numbers[got.amount]), self._numbers[got.price]
        fee, currency = self._fees.of(got, qty, px)
        self._known.setdefault(got.order_id, got.trading_pair)
        is_maker = got.order_type == "OrderType.LIMIT_MAKER"
        fill = Filled(
            got.order_id, ts, required(got.exchange_trade_id, "exchange_trade_id"), qty, px, fee,
            currency, Liquidity.MAKER if is_maker else None, None, None, None, False, Feeds.BOTH,
            got.trading_pair, _SIDES[got.trade_type],
        )  # fmt: skip
        return (fill,)

    def _cancelled(self, got: LogRow, ts: int) -> _Messages:
        end = Cancelled(got.order_id, ts, None, "", None, got.exchange_order_id)
        if self._known.pop(got.order_id, None) is None:
            return self._sight(got, ts, VenueStatus.WORKING), end
        return (end,)

    def _completed(self, got: LogRow, ts: int, side: Side) -> _Messages:
        """The venue's total, which is the order's size; the state follows from executions."""
        pair = self._known.pop(got.order_id, "") or self._only_pair
        qty = positive(self._numbers[got.base_asset_amount])
        shown = OrderSnapshot(
            got.order_id, ts, VenueStatus.FILLED, got.exchange_order_id, pair, side, None, qty, qty,
            source=Source.STREAM,
        )  # fmt: skip
        return (shown,)

    def _failed(self, got: LogRow, ts: int) -> _Messages:
        if self._known.pop(got.order_id, None) is not None:
            return (Rejected(got.order_id, ts, "failed to place"),)
        return (self._sight(got, ts, VenueStatus.REJECTED),)

    def _sight(self, got: LogRow, ts: int, status: VenueStatus) -> OrderSnapshot:
        """An order without a Created event: its quantity is not known."""
        kind = _ORDER_TYPES.get(got.order_type)
        return OrderSnapshot(
            got.order_id, ts, status, got.exchange_order_id, self._only_pair,
            _ID_SIDES.get(got.order_id[:1]), kind[0] if kind else None, source=Source.STREAM,
        )  # fmt: skip


class _Fees:
    """Turns a fee fraction into an amount of the quote currency."""

    def __init__(self, numbers: DecimalCache) -> None:
        self._numbers = numbers
        self._quotes: dict[str, str] = {}

    def of(self, got: LogRow, qty: Decimal, px: Decimal) -> tuple[Decimal | None, str]:
        """Fee and its currency; ``None`` where the row names no fee."""
        fee = got.trade_fee
        if fee is None:
            return None, ""
        if fee.percent_token or fee.flat_fees:
            raise ValueError(
                "a fee in a third token or a flat fee, which this reader does not know"
            )
        rate = self._numbers[fee.percent]
        quote = self._quotes.get(got.trading_pair)
        if quote is None:
            quote = self._quotes[got.trading_pair] = got.trading_pair.partition("-")[2]
        return CONTEXT.multiply(CONTEXT.multiply(qty, px), rate), quote


def positive(number: Decimal) -> Decimal:
    """Pass on a number above zero, refuse others."""
    if number <= 0:
        raise ValueError(f"a quantity must be above 0, was {number}")
    return number


def required(text: str, what: str) -> str:
    """Pass on a text that is there, refuse an empty one."""
    if not text:
        raise ValueError(f"{what} is missing")
    return text


def make_instrument(
    name: str, pair: str, prices: dict[str, None], amounts: dict[str, None]
) -> Instrument:
    """A spot pair ``BASE-QUOTE`` with the finest steps of the texts seen."""
    base, dash, quote = pair.partition("-")
    if not (base and dash and quote):
        raise RecordingError(f"{name}: expected pairs like BASE-QUOTE, was {excerpt(pair)}")
    try:
        tick, lot = finest_step(prices), finest_step(amounts)
    except ValueError:  # a row whose number is none is named when it is read
        tick = lot = ONE
    return Instrument(
        symbol=pair,
        venue="KUCOIN",
        kind=InstrumentKind.CASH,
        base=base,
        quote=quote,
        tick_size=tick,
        lot_size=lot,
    )
