"""Account recordings of other days, instruments and export versions than the shared ones."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import RecordingError
from engine.messages import CorrectPosition, Filled
from engine.recordings import Recording, TextLines, make_recording
from engine.values import CorrectionKind, InstrumentKind, OrderState

from .test_readers import (
    HYPERLIQUID_HEADER,
    created,
    final,
    hyperliquid,
    kinds,
    log_line,
    messages,
    recording,
)
from .twin import Twin

BITMEX = (
    "execID,orderID,symbol,side,lastQty,lastPx,settlCurrency,execType,cumQty,text,execCost,execComm"
    ",transactTime,timestamp"
)


def bitmex(*rows: str) -> Recording:
    """The venue's own columns from rows (id,order,symbol,side,qty,px,currency,type,cost,fee)."""
    lines = [BITMEX]
    for row in rows:
        eid, oid, symbol, side, qty, px, settle, kind, cost, fee = row.split(",")
        lines.append(
            f'{eid},{oid},{symbol},{side},{qty},{px},{settle},{kind},{qty},"Sent, by API",{cost},'
            f"{fee},2021-02-02T07:30:06.999Z,2021-02-02T07:30:06.999Z"
        )
    return recording(*lines)


def test_bitmex_trade_history_sizes_contracts_by_their_cost() -> None:
    """Inverse, quanto and linear contracts are told apart by what executions cost."""
    made = bitmex(
        "e1,o1,XBTUSD,Buy,200,50000,XBt,Trade,-400000,-100",
        "e2,o2,ETHUSD,Sell,200,1500.05,XBt,Trade,-30001000,300",
        "e3,o3,XBTUSDT,Buy,1000,50000,USDt,Trade,50000000,5000",
    )
    inverse, quanto, linear = made.instruments
    fills = [fill for fill in messages(made) if isinstance(fill, Filled)]

    assert (inverse.kind, inverse.multiplier, inverse.settle) == (
        InstrumentKind.INVERSE,
        Decimal(1),
        "XBT",
    )
    assert (quanto.kind, quanto.multiplier) == (InstrumentKind.LINEAR, Decimal("1E-6"))
    assert (linear.settle, linear.multiplier) == ("USDT", Decimal("1E-6"))
    assert [(fill.fee, fill.fee_currency) for fill in fills] == [
        (Decimal("-0.000001"), "XBT"),
        (Decimal("0.000003"), "XBT"),
        (Decimal("0.005"), "USDT"),
    ]


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("e1,o1,XBTUSD,Buy,200,10000,XBt,Trade,-2000000,1", "configured_multiplier_raw"),
        ("e1,o1,XBTUSD,Buy,200,50000,XBt,Trade,-377777,1", "configured_multiplier_raw"),
        ("e1,o1,XBTUSD,Buy,200,50000,ETHt,Trade,-400000,1", "smallest unit"),
        ("e1,o1,XBTUSD,Buy,200,50000,XBt,New,,", "tradeHistory"),
        ("e1,o1,XBT_USDT,Buy,200,50000,USDt,Trade,1,1", "spot pair"),
        ("s1,o0,XBTH21,,200,55000,XBt,Settlement,1,", "rows before hold 0"),
    ],
)
def test_bitmex_rows_that_would_give_wrong_numbers_are_refused(row: str, word: str) -> None:
    """What a contract is worth, what a unit is and what was held is never guessed."""
    made = bitmex(row)
    with pytest.raises(RecordingError, match=word):
        assert made.instruments
        list(made.steps())


def test_bitmex_settlement_closes_what_is_held() -> None:
    """A settlement ends the position at its price; funding and a repeated row change nothing."""
    buy = "e1,o1,XBTH21,Buy,200,50000,XBt,Trade,-400000,"
    made = bitmex(
        buy,
        buy,
        "f1,o0,XBTH21,,200,50500,XBt,Funding,1,1",
        "s1,o0,XBTH21,,200,55000,XBt,Settlement,1,",
    )
    closed = messages(made)[-1]

    assert kinds(made) == ["Filled", "Filled", "CorrectPosition"]
    assert isinstance(closed, CorrectPosition)
    assert closed.kind is CorrectionKind.SETTLEMENT
    assert (closed.qty, closed.px) == (Decimal(-200), Decimal(55000))
    assert final(made, "o1") == (OrderState.PARTIAL, Decimal(200))


QUANTITY = {"trading_pair": '"EDG-BTC"', "amount": '"10"', "price": '"3.79E-8"'}


def kucoin_fill(fee: str, trade: str = "1") -> str:
    """A fill of the whole order, with this fee."""
    return log_line(
        "OrderFilledEvent", "B1", 2, trade_type='"TradeType.BUY"',
        order_type='"OrderType.LIMIT"', exchange_trade_id=f'"{trade}"', trade_fee=fee, **QUANTITY,
    )  # fmt: skip


def fee(percent: str, token: str = "null", *flat: str) -> str:
    """A fee as the bot writes it."""
    listed = ", ".join(f'{{"token": "{name}", "amount": "0.5"}}' for name in flat)
    return f'{{"percent": "{percent}", "percent_token": {token}, "flat_fees": [{listed}]}}'


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        (fee("-0.001"), "-3.79E-10", "BTC"),
        (fee("0.001", '"BTC"'), "3.79E-10", "BTC"),
        (fee("0.001", '"EDG"'), "0.01", "EDG"),
        (fee("0", '"KCS"', "KCS", "KCS"), "1.0", "KCS"),
        (fee("0"), "0", "BTC"),
    ],
)
def test_kucoin_fee_is_in_the_currency_told(written: str, amount: str, currency: str) -> None:
    """A rebate, a fraction of either side, and flat amounts are booked in their own currency."""
    fill = messages(recording(created("B1", 1), kucoin_fill(written)))[2]

    assert isinstance(fill, Filled)
    assert (fill.fee, fill.fee_currency) == (Decimal(amount), currency)


def test_kucoin_fee_in_a_third_token_is_not_known_and_said() -> None:
    """What a discounted fee comes to in the venue's token no row tells: not 0, and in the report;
    fees in two currencies are refused.
    """
    made = recording(created("B1", 1), kucoin_fill(fee("0.001", '"KCS"')))
    fill = messages(made)[2]

    assert isinstance(fill, Filled)
    assert fill.fee is None
    assert any("not told" in note for note in Twin(made).run()["fill_events"].notes)
    with pytest.raises(RecordingError, match="2 currencies"):
        list(recording(created("B1", 1), kucoin_fill(fee("0.001", "null", "KCS"))).steps())


def test_kucoin_overlapping_logs_count_once() -> None:
    """A log whose pieces overlap repeats events; each fill is one fill."""
    life = (
        created("B1", 1),
        kucoin_fill(fee("0.001")),
        log_line(
            "BuyOrderCompletedEvent", "B1", 3,
            base_asset_amount='"10"', quote_asset_amount='"3.79E-7"',
        ),
    )  # fmt: skip
    made = recording(*life, life[1], life[2], *life)

    assert final(made, "B1") == (OrderState.FILLED, Decimal(10))


def test_kucoin_order_may_expire() -> None:
    """An expired order has ended, known or not."""
    made = recording(
        created("B1", 1), log_line("OrderExpiredEvent", "B1", 2),
        log_line("OrderExpiredEvent", "S2", 3),
    )  # fmt: skip

    assert final(made, "B1") == final(made, "S2") == (OrderState.EXPIRED, Decimal(0))


def test_kucoin_pair_of_an_order_without_one_is_told_by_its_id() -> None:
    """In a log of two pairs an order that only ended is of the pair its id is made of."""
    other = created("SKSUT1", 1).replace("EDG-BTC", "KCS-USDT")
    made = recording(created("B1", 1), other, log_line("OrderCancelledEvent", "BEGBC7", 2))

    assert final(made, "BEGBC7") == (OrderState.CANCELLED, Decimal(0))
    unknown = recording(created("B1", 1), other, log_line("OrderCancelledEvent", "B9", 2))
    with pytest.raises(RecordingError, match="pair"):
        list(unknown.steps())


@pytest.mark.parametrize(
    "time", ["2022-11-07T13:00:01.505", "2022-11-07T13:00:01.505+08:00", "2022-11-07T13:00:61Z"]
)
def test_kucoin_times_of_another_shape_are_refused(time: str) -> None:
    """A time without its zone, or in another one, is not read as UTC."""
    row = created("B1", 1).replace("2022-11-07T13:00:01.500Z", time)
    with pytest.raises(RecordingError, match="not a UTC time"):
        list(recording(row).steps())


def test_kucoin_perpetual_contracts_are_refused() -> None:
    """Contracts are not spot holdings: neither log nor export of them is read as such."""
    log = recording(created("B1", 1).replace("{", '{"event_source": "kucoin_perpetual", ', 1))
    export = recording(*exported("1,kucoin_perpetual,BUY,B1"))
    for made in (log, export):
        with pytest.raises(RecordingError, match="only spot"):
            list(made.steps())


def exported(*rows: str, fee: str = "{'percent': '0.0018', 'percent_token': None}") -> list[str]:
    """A newer export, its columns in another order, from rows (id,market,side,order)."""
    header = (
        "age,symbol,base_asset,quote_asset,timestamp,order_id,trade_type,order_type,price,amount,"
        "trade_fee,trade_fee_in_quote,exchange_trade_id,market"
    )
    lines = [header]
    for row in rows:
        trade, market, side, oid = row.split(",")
        lines.append(
            f'0,EDG-BTC,EDG,BTC,1668453801000,{oid},{side},LIMIT,2.99E-8,334.4482,"{fee}",0,{trade}'
            f",{market}"
        )
    return lines


def test_kucoin_exports_of_other_versions_are_read_by_their_header() -> None:
    """Columns in any order, a fee as JSON, a repeated row, a self-trade with one id on both."""
    json = '{""percent"": ""0"", ""flat_fees"": [{""token"": ""BTC"", ""amount"": ""0.1""}]}'
    rows = ("1,kucoin,BUY,B1", "1,kucoin,SELL,S1", "1,kucoin,BUY,B1")
    made = recording(*exported(*rows, fee=json))
    buy = messages(made)[0]

    assert isinstance(buy, Filled)
    assert (buy.fee, buy.fee_currency) == (Decimal("0.1"), "BTC")
    assert final(made, "B1") == final(made, "S1") == (OrderState.PARTIAL, Decimal("334.4482"))


def test_kucoin_exports_in_seconds_are_refused() -> None:
    """A time in seconds is not read as milliseconds of 1970."""
    lines = [line.replace("1668453801000", "1668453801") for line in exported("1,kucoin,BUY,B1")]
    with pytest.raises(RecordingError, match="milliseconds"):
        list(recording(*lines).steps())


def test_kucoin_exports_that_overlap_are_one_drop_copy() -> None:
    """A trade that two exports hold alike is one; where they differ that is a failure."""
    log = created("B1", 1), kucoin_fill(fee("0.001"))
    one = exported("1,kucoin,BUY,B1")
    for other, failed in ((one, 0), (exported("1,kucoin,BUY,B2"), 1)):
        parts = [("kucoin-trades", TextLines("export", lines)) for lines in (one, other)]
        made = make_recording([("kucoin-events", TextLines("log", log)), *parts])
        found = Twin(made).run()["drop_copy_common_trades_agree"]
        assert found.failed - 1 == failed  # the trade itself is of other terms than the log's


def test_hyperliquid_rows_on_two_pages_are_read_once() -> None:
    """Rows repeated where pages overlap are no fills; an equal fill from another start is one."""
    rows = ("BTC,100,1,BUY,0,Open Long,0,1,0.01", "BTC,101,1,BUY,1,Open Long,0,1,0.01")
    made = hyperliquid(*rows, *rows, "BTC,101,1,BUY,2,Open Long,0,1,0.01")
    checks = Twin(made).run()

    assert [check.name for check in checks.values() if check.failed] == []
    assert kinds(made) == ["SetBaseline", "Filled", "Filled", "Filled"]
    assert any("2 rows stand on two pages" in note for note in checks["fill_events"].notes)


@pytest.mark.parametrize(
    ("coin", "direction", "pnl"),
    [
        ("xyz:NVDA", "Long > Short", "10"),
        ("BTC", "Liquidated Isolated Long", "10"),
        ("kPEPE", "Auto-Deleveraging", "10"),
        ("OX", "Settlement", "10"),
    ],
)
def test_hyperliquid_directions_are_fills(coin: str, direction: str, pnl: str) -> None:
    """Flips, liquidations, deleveraging and settlements change the position as their rows say,
    rebates are negative fees, and rows of no order (id 0) are not one order.
    """
    made = hyperliquid(
        f"{coin},100,1,BUY,0,Open Long,0,1,-0.01", f"{coin},110,1,SELL,1,{direction},{pnl},0,0.1",
        f"{coin},110,1,SELL,0,Open Short,0,0,0.1",
    )  # fmt: skip
    twin = Twin(made)

    assert [name for name, check in twin.run().items() if check.failed] == []
    assert len(list(twin.orders())) == 3


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (",1,TRUE", ",1.23E+11,TRUE", "spreadsheet has rounded"),
        ("22:50", "24:50", "not a time"),
        ("22:50", "-1:50", "not a time"),
        ("0.01", "10", "fee below the size"),
    ],
)
def test_hyperliquid_cells_that_a_spreadsheet_spoilt_are_refused(
    old: str, new: str, word: str
) -> None:
    """Rounded order ids would make one order of many; times and fees that cannot be are refused."""
    lines = (HYPERLIQUID_HEADER, HYPERLIQUID_ROW.replace(old, new, 1))
    with pytest.raises(RecordingError, match=word):
        list(recording(*lines).steps())


HYPERLIQUID_ROW = "0xabc,@1,100,10,0,BUY,02-12-2024 22:50,0,Buy,0,0x0,1,TRUE,0.01,8.95E+14,1.73E+12"


def test_hyperliquid_newest_first_is_refused() -> None:
    """A file in the order the venue's API answers is to be sorted, not booked backwards; flags as
    another program writes them are read.
    """
    later = HYPERLIQUID_ROW.replace("22:50", "22:51").replace("TRUE", "True")
    with pytest.raises(RecordingError, match="oldest first"):
        list(recording(HYPERLIQUID_HEADER, later, HYPERLIQUID_ROW).steps())


def test_bitmex_file_may_begin_within_an_order() -> None:
    """What an order had filled before the first row is no gap, and is said; a gap inside fails."""
    head, time = (
        "event_time,execID,orderID,symbol,side,lastPx,lastQty,cumQty",
        "2021-02-02T07:30:06.999Z",
    )
    rows = [f"{time},e{cum},o1,XBTUSD,Buy,50000,100,{cum}" for cum in (300, 400, 600)]
    good, bad = Twin(recording(head, *rows[:2])).run(), Twin(recording(head, *rows)).run()

    assert (good["final_cum_qty"].failed, good["cum_qty_chain"].failed) == (0, 0)
    assert good["final_cum_qty"].explained == (("filled in part before the file begins", 1),)
    assert bad["cum_qty_chain"].failed == 1


def test_kucoin_log_may_begin_within_an_order() -> None:
    """An order completed here whose other fills came before the log is explained, not failed."""
    done = log_line(
        "BuyOrderCompletedEvent", "B1", 3, base_asset_amount='"30"', quote_asset_amount='"1"'
    )
    made = recording(kucoin_fill(fee("0.001")), done)
    checks = Twin(made).run()

    assert checks["completed_orders_add_up"].failed == 0
    assert checks["completed_orders_add_up"].explained == (
        ("filled in part before the log begins", 1),
    )
