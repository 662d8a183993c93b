"""The event log of a Hummingbot market maker on KuCoin: JSON lines, one event of an order each.

``...OrderCreatedEvent`` is the venue's ack of a new order, ``OrderFilledEvent`` one execution,
``OrderCancelledEvent`` and ``...OrderCompletedEvent`` are ends, ``MarketOrderFailureEvent`` is an
order that was never placed (it has no terms in the log). Times are ``log_time``, when the bot
logged it. Fees are told as :mod:`.kucoin_fees` says. A row that stands twice, because two logs
overlap, is one event.

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
    Expired,
    Feeds,
    Filled,
    OrderSnapshot,
    Rejected,
    Report,
    SubmitOrder,
    VenueStatus,
)
from ..values import (
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
from .kucoin_fees import Fee, fee_of
from .kucoin_oracle import KucoinOracle
from .kucoin_trades import finest_step, read_export
from .times import iso_to_ns

__all__ = ["KucoinRecording"]

T = TypeVar("T", bound=msgspec.Struct)
_WANTS = "one JSON event of the KuCoin bot log"
_PAIR_LENGTH_MAX = 256
_ENDED_MAX = 100_000  # ended orders remembered, for events that stand twice


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
    trade_fee: Fee | None = None
    base_asset_amount: str = ""
    quote_asset_amount: str = ""
    event_source: str = ""


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
        maker = _Maker(self.venue, pairs)
        handlers = maker.handlers()
        decode = msgspec.json.Decoder(LogRow).decode
        row, minute, minute_ns = 0, "", 0
        try:
            for row, line in enumerate(self._lines, 1):
                got = decode(line)
                time = got.log_time
                if time[:17] != minute:
                    minute, minute_ns = time[:17], iso_to_ns(time[:17] + "00Z")
                ts = minute_ns + _second_ns(time[17:])
                if "perpetual" in got.event_source:
                    raise ValueError("an event of perpetual contracts; only spot pairs are read")
                for message in handlers[got.event_name](got, ts):
                    yield "bot", Step(row, message)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            fail_row(self._lines, row, error, _WANTS)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        drop_copy = [trade for export in self._exports for trade in read_export(export)]
        return KucoinOracle(self._lines, log_rows, drop_copy, tuple(e.name for e in self._exports))


def _second_ns(text: str) -> int:
    """Nanoseconds of ``SS[.fraction]Z``; what is finer is cut."""
    digits = text[:2] + text[3:-1]
    if text[-1:] != "Z" or not digits.isdecimal() or text[2] not in ".Z" or text[:2] > "60":
        raise ValueError(f"not a UTC time (YYYY-MM-DDTHH:MM:SS.sssZ), it ends with {text[:40]!a}")
    return int(digits.ljust(11, "0")[:11])


_Messages: TypeAlias = tuple[Command | Report, ...]


class _Maker:
    """Turns one row into messages; knows which orders it has met and not yet seen end."""

    def __init__(self, venue: str, pairs: Sequence[Instrument]) -> None:
        self._venue = venue
        self._only_pair = pairs[0].symbol if len(pairs) == 1 else ""
        self._codes: dict[str, list[str]] = {}  # as client ids write them -> pairs
        for pair in pairs:
            code = "".join(name[0] + name[-1] for name in (pair.base, pair.quote))
            self._codes.setdefault(code, []).append(pair.symbol)
        self._numbers = DecimalCache()
        self._pairs: dict[str, tuple[str, str]] = {}  # pair -> base and quote
        self._known: dict[str, str] = {}  # order id -> pair
        self._ended: dict[str, None] = {}  # oldest first: overlapping logs repeat them

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
            "OrderExpiredEvent": self._expired,
        }

    def _created(self, got: LogRow, ts: int, side: Side) -> _Messages:
        oid, pair, qty = got.order_id, got.trading_pair, positive(self._numbers[got.amount])
        if (
            oid in self._known or oid in self._ended
        ):  # a fill overtook the ack, which tells the size
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
        fee, currency = self._fee(got, qty, px)
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
        if self._is_met(got.order_id):
            return (end,)
        return self._sight(got, ts, VenueStatus.WORKING), end

    def _is_met(self, oid: str) -> bool:
        """Whether an order that ends here was met before."""
        met = self._known.pop(oid, None) is not None or oid in self._ended
        self._ended[oid] = None
        if len(self._ended) > _ENDED_MAX:
            del self._ended[next(iter(self._ended))]
        return met

    def _expired(self, got: LogRow, ts: int) -> _Messages:
        end = Expired(got.order_id, ts)
        if self._is_met(got.order_id):
            return (end,)
        return self._sight(got, ts, VenueStatus.WORKING), end

    def _completed(self, got: LogRow, ts: int, side: Side) -> _Messages:
        """The venue's total, which is the order's size; the state follows from executions."""
        pair = self._known.get(got.order_id) or self._pair_of(got.order_id)
        self._is_met(got.order_id)
        qty = positive(self._numbers[got.base_asset_amount])
        shown = OrderSnapshot(
            got.order_id, ts, VenueStatus.FILLED, got.exchange_order_id, pair, side, None, qty, qty,
            source=Source.STREAM,
        )  # fmt: skip
        return (shown,)

    def _failed(self, got: LogRow, ts: int) -> _Messages:
        if self._is_met(got.order_id):
            return (Rejected(got.order_id, ts, "failed to place"),)
        return (self._sight(got, ts, VenueStatus.REJECTED),)

    def _fee(self, got: LogRow, qty: Decimal, px: Decimal) -> tuple[Decimal | None, str]:
        """Fee and its currency; ``None`` where the row does not tell its amount."""
        if got.trade_fee is None:
            return None, ""
        known = self._pairs.get(got.trading_pair)
        if known is None:
            base, _, quote = got.trading_pair.partition("-")
            known = self._pairs[got.trading_pair] = base, quote
        return fee_of(got.trade_fee, *known, qty, px, self._numbers)

    def _pair_of(self, oid: str) -> str:
        """The pair of an order whose rows do not name it: the log's only one, or the one that its
        id is made of (side, then first and last letter of base and quote).
        """
        if self._only_pair:
            return self._only_pair
        pairs = self._codes.get(oid[1:5], ())
        if len(pairs) != 1:
            raise ValueError("no row names this order's pair; replay the rows of each pair alone")
        return pairs[0]

    def _sight(self, got: LogRow, ts: int, status: VenueStatus) -> OrderSnapshot:
        """An order without a Created event: its quantity is not known."""
        kind = _ORDER_TYPES.get(got.order_type)
        return OrderSnapshot(
            got.order_id, ts, status, got.exchange_order_id, self._pair_of(got.order_id),
            _ID_SIDES.get(got.order_id[:1]), kind[0] if kind else None, source=Source.STREAM,
        )  # fmt: skip


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
    if not (base and dash and quote) or len(pair) > _PAIR_LENGTH_MAX:
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
