"""What each reader makes of a few rows, and what it must not make up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.messages import (
    Accepted,
    Cancelled,
    Filled,
    OrderSnapshot,
    Rejected,
    Replaced,
    Restated,
    SetBaseline,
    SubmitOrder,
    VenueStatus,
)
from engine.recordings import Recording, TextLines, detect_format, make_recording
from engine.values import InstrumentKind, OrderState, OrderType, Side

from .twin import Twin

CME_HEADER = "ts_event_ns,ts_recv_ns,sequence,action,side,order_id,price_e9,size,flags"
BITSTAMP_HEADER = "id,timestamp,exchange.timestamp,price,volume,action,direction"
SHANGHAI_HEADER = (
    "biz_index,transact_time,event,order_no_or_bid_no,offer_no,side,price_x1000,qty_x1000"
)
HYPERLIQUID_HEADER = (
    "Account,Coin,Execution Price,Size Tokens,Size USD,Side,Timestamp IST,Start Position,"
    "Direction,Closed PnL,Transaction Hash,Order ID,Crossed,Fee,Trade ID,Timestamp"
)


def recording(*lines: str, name: str = "a recording") -> Recording:
    """The recording these lines are."""
    found = detect_format(lines)
    assert found is not None, lines[0]
    return make_recording([(found, TextLines(name, lines))])


def messages(made: Recording) -> list[object]:
    """Its messages, without accounts and rows."""
    return [step.message for _, step in made.steps()]


def kinds(made: Recording) -> list[str]:
    """The kinds of its messages."""
    return [type(message).__name__ for message in messages(made)]


def final(made: Recording, oid: str) -> tuple[OrderState, Decimal]:
    """State and filled quantity of one order after a replay in which all checks hold."""
    twin = Twin(made)
    checks = twin.run()
    assert [check for check in checks.values() if check.failed] == []
    found = twin.order(oid)
    assert found is not None
    return found.state, found.cum_qty


def log_line(event: str, oid: str, second: int, **fields: str) -> str:
    """A line of the KuCoin log."""
    rest = "".join(f', "{name}": {value}' for name, value in fields.items())
    head = f'"log_time": "2022-11-07T13:00:{second:02d}.500Z", "order_id": "{oid}"'
    return f'{{{head}{rest}, "event_name": "{event}"}}'


TERMS = {"trading_pair": '"EDG-BTC"', "amount": '"10"', "price": '"3.79E-8"'}


def created(oid: str, second: int) -> str:
    """The ack of a buy of 10."""
    return log_line(
        "BuyOrderCreatedEvent",
        oid,
        second,
        type='"OrderType.LIMIT_MAKER"',
        exchange_order_id='"x1"',
        **TERMS,
    )


def filled(oid: str, second: int, trade: str, amount: str) -> str:
    """A fill of a buy."""
    fee = '{"percent": "0.002", "percent_token": null, "flat_fees": []}'
    return log_line(
        "OrderFilledEvent", oid, second,
        trade_type='"TradeType.BUY"', order_type='"OrderType.LIMIT_MAKER"',
        exchange_trade_id=f'"{trade}"', trade_fee=fee, **{**TERMS, "amount": f'"{amount}"'},
    )  # fmt: skip


def test_kucoin_order_is_born_by_its_ack() -> None:
    """A Created event becomes our intent and its ack, at the time it was logged."""
    submit, accepted = messages(recording(created("B1", 1)))

    assert isinstance(submit, SubmitOrder)
    assert (submit.client_order_id, submit.intent_id, submit.side) == ("B1", "B1", Side.BUY)
    assert (submit.order_type, submit.post_only, submit.price) == (
        OrderType.LIMIT,
        True,
        Decimal("3.79E-8"),
    )
    assert submit.ts == 1667826001_500_000_000
    assert accepted == Accepted("B1", submit.ts, "x1")


def test_kucoin_fee_is_a_fraction_of_the_notional() -> None:
    """The fee is percent x price x amount in the quote currency, exactly."""
    fill = messages(recording(created("B1", 1), filled("B1", 2, "t1", "4")))[2]

    assert isinstance(fill, Filled)
    assert (fill.fee, fill.fee_currency) == (Decimal("3.032E-10"), "BTC")


def test_kucoin_fill_before_its_ack_is_adopted_and_told_its_size() -> None:
    """A fill that overtook its ack is booked; the ack then says how large the order is."""
    made = recording(filled("B1", 1, "t1", "4"), created("B1", 2))

    assert kinds(made) == ["Filled", "Accepted"]
    assert final(made, "B1") == (OrderState.PARTIAL, Decimal(4))


def test_kucoin_order_without_a_creation_is_adopted_not_dropped() -> None:
    """The end of an unknown order comes after, or as, a sight of it."""
    made = recording(
        log_line("OrderCancelledEvent", "S1", 1, exchange_order_id='"x"'),
        log_line("MarketOrderFailureEvent", "B2", 2, order_type='"OrderType.LIMIT"'),
        created("B3", 3),
        log_line("MarketOrderFailureEvent", "B3", 4),
    )
    first, end, second, *_, refused = messages(made)

    assert isinstance(first, OrderSnapshot)
    assert isinstance(second, OrderSnapshot)
    assert (first.status, first.side, first.order_qty) == (VenueStatus.WORKING, Side.SELL, None)
    assert isinstance(end, Cancelled)
    assert (second.status, second.instrument) == (VenueStatus.REJECTED, "EDG-BTC")
    assert isinstance(refused, Rejected)


def test_lobster_partial_cancel_restates_the_total() -> None:
    """A reduction lowers the order's total, fills included."""
    made = recording(
        "34200.1,1,7,10,5853300,1", "34200.2,4,7,3,5853300,1", "34200.3,2,7,5,5853300,1"
    )

    restated = messages(made)[3]
    assert isinstance(restated, Restated)
    assert restated.order_qty == 5
    assert final(made, "7") == (OrderState.PARTIAL, Decimal(3))


def test_lobster_reduction_to_nothing_is_a_cancel() -> None:
    """When a reduction takes the last open shares the order has ended, and not by a fill."""
    made = recording(
        "34200.1,1,7,10,5853300,1", "34200.2,4,7,3,5853300,1", "34200.3,2,7,7,5853300,1"
    )

    assert final(made, "7") == (OrderState.CANCELLED, Decimal(3))


@pytest.mark.parametrize("time", ["34200.004241176", "34200.0042411763"])
def test_lobster_time_and_price_are_exact(time: str) -> None:
    """Nanoseconds after New York midnight become UTC, and prices x 10000 become dollars; digits
    behind the nanosecond, which no clock told, are cut.
    """
    made = recording(
        f"{time},1,7,18,5853300,-1", name="AAPL_2012-06-21_34200000_37800000_message_50.csv"
    )
    submit = messages(made)[0]

    assert isinstance(submit, SubmitOrder)
    assert (submit.instrument, submit.side, submit.price) == ("AAPL", Side.SELL, Decimal("585.33"))
    assert submit.ts == 1340285400_004241176  # 2012-06-21 13:30 UTC


def test_lobster_rows_of_no_order_make_no_message() -> None:
    """Hidden executions and halts are counted, not turned into orders."""
    made = recording("34200.1,5,0,100,5853300,1", "34200.2,7,0,0,-1,-1")

    assert messages(made) == []


def bitstamp(*rows: tuple[int, str, int, str]) -> Recording:
    """Rows (order, action, volume left, price) as they were received."""
    lines = [
        f"{oid},{1430438404518 + i},1430438404000,{price},{left},{action},bid"
        for i, (oid, action, left, price) in enumerate(rows)
    ]
    return recording(BITSTAMP_HEADER, *lines)


def test_bitstamp_late_creation_changes_nothing() -> None:
    """An order whose creation arrives last ends exactly as in natural order."""
    create, change = (1, "created", 100, "233.87"), (1, "changed", 75, "233.87")
    delete = (1, "deleted", 75, "233.87")
    natural = bitstamp(create, change, delete)
    late = bitstamp(change, create, delete)
    last = bitstamp(change, delete, create)

    assert final(natural, "1") == (OrderState.CANCELLED, Decimal("25E-8"))
    assert final(late, "1") == final(natural, "1") == final(last, "1")


def test_bitstamp_deletion_before_creation_fills_whole() -> None:
    """Deleted with nothing left, then created: the whole volume was filled, once."""
    made = bitstamp((1, "deleted", 0, "2.5"), (1, "created", 100, "2.5"))

    assert final(made, "1") == (OrderState.FILLED, Decimal("100E-8"))


def test_bitstamp_change_after_the_end_changes_nothing() -> None:
    """A change that arrives after the deletion is late: shown, and without effect."""
    made = bitstamp((1, "created", 100, "2.5"), (1, "deleted", 0, "2.5"), (1, "changed", 40, "2.5"))

    assert final(made, "1") == (OrderState.FILLED, Decimal("100E-8"))


def test_bitstamp_new_price_is_no_fill() -> None:
    """A changed row with the same volume re-prices the order."""
    made = bitstamp((1, "created", 100, "235.38"), (1, "changed", 100, "235.02"))

    replaced = messages(made)[2]
    assert isinstance(replaced, Replaced)
    assert (replaced.price, replaced.order_qty) == (Decimal("235.02"), None)


def test_bitstamp_filled_without_any_quantity_is_explained_not_invented() -> None:
    """An order seen only when it was filled has no fill made up; the check says so."""
    made = bitstamp((1, "deleted", 0, "2.5"))
    twin = Twin(made)
    check = twin.run()["final_state"]

    assert twin.filled == 0
    assert (check.failed, [count for _, count in check.explained]) == (0, [1])


def cme(*rows: str) -> Recording:
    """Rows (action,side,order,price,size,flags) of one second."""
    lines = [f"1703544431385649503,1703544431386318573,{i},{row}" for i, row in enumerate(rows)]
    return recording(CME_HEADER, *lines, name="esh4-glbx.mbo.csv")


def test_cme_removal_after_a_fill_completes_the_order() -> None:
    """A, F, C of the whole size is a filled order, without a cancel."""
    made = cme("A,B,9,4799000000000,2,130", "F,B,9,4799000000000,2,0", "C,B,9,4799000000000,2,130")

    assert kinds(made) == ["SubmitOrder", "Accepted", "Filled"]
    assert final(made, "9") == (OrderState.FILLED, Decimal(2))


def test_cme_amend_after_a_fill_is_no_amend() -> None:
    """An M that only carries the reduced size after a fill changes no term."""
    made = cme("A,B,9,4799000000000,5,130", "F,B,9,4799000000000,2,0", "M,B,9,4799000000000,3,130")

    assert kinds(made) == ["SubmitOrder", "Accepted", "Filled"]
    assert final(made, "9") == (OrderState.PARTIAL, Decimal(2))


def test_cme_amend_grants_a_total() -> None:
    """An amend of what is shown grants that plus what has filled, and the new price."""
    made = cme(
        "A,B,9,4799000000000,5,130",
        "F,B,9,4799000000000,2,0",
        "M,B,9,4799000000000,3,130",
        "M,B,9,4800000000000,7,130",
    )
    replaced = messages(made)[-1]

    assert isinstance(replaced, Replaced)
    assert (replaced.order_qty, replaced.price) == (Decimal(9), Decimal(4800))


def test_cme_iceberg_is_restated_before_it_overfills() -> None:
    """A fill larger than what was shown is no overfill: the total was larger."""
    made = cme("A,B,9,4799000000000,1,130", "F,B,9,4799000000000,4,0", "M,B,9,4799000000000,3,130")

    assert kinds(made) == ["SubmitOrder", "Accepted", "Restated", "Filled"]
    assert final(made, "9") == (OrderState.PARTIAL, Decimal(4))


def test_cme_opening_snapshot_is_adopted() -> None:
    """Rows of the opening snapshot are orders first seen mid-life, not submissions."""
    made = cme("A,B,9,4799000000000,2,40", "C,B,9,4799000000000,2,130")

    assert kinds(made) == ["OrderSnapshot", "Cancelled"]
    assert made.instruments[0].symbol == "ESH4"


def test_shanghai_matches_before_the_book_count_into_the_total() -> None:
    """Trades before the ADD adopt the order; the ADD tells filled plus remaining as its size."""
    made = recording(
        SHANGHAI_HEADER,
        "1,9300000,ADD,5,,S,1818880,100000",
        "2,9300010,TRADE,6,5,B,1818880,100000",
        "3,9300010,ADD,6,,B,1818880,50000",
        name="600519.events.csv",
    )
    *_, told = messages(made)

    assert isinstance(told, Accepted)
    assert told.order_qty == 150
    assert final(made, "5") == (OrderState.FILLED, Decimal(100))
    assert final(made, "6") == (OrderState.PARTIAL, Decimal(100))


def hyperliquid(*rows: str) -> Recording:
    """Rows (coin,px,size,side,start,direction,pnl,order,fee) of one account."""
    lines = [HYPERLIQUID_HEADER]
    for row in rows:
        coin, px, size, side, start, direction, pnl, oid, fee = row.split(",")
        lines.append(
            f"0xabc,{coin},{px},{size},0,{side},02-12-2024 22:50,{start},{direction},{pnl},0x0,"
            f"{oid},TRUE,{fee},8.95E+14,1.73E+12"
        )
    return recording(*lines)


def test_hyperliquid_first_row_is_a_baseline() -> None:
    """What was held before is stated once; only spot buys pay their fee in the token."""
    made = hyperliquid("@107,8,10,BUY,5,Buy,0,1,0.01", "@107,8,4,SELL,14.99,Sell,0,2,0.02")
    held, buy, sell = messages(made)

    assert isinstance(held, SetBaseline)
    assert (held.qty, held.avg_px) == (Decimal(5), None)
    assert isinstance(buy, Filled)
    assert isinstance(sell, Filled)
    assert (buy.fee_currency, sell.fee_currency) == ("@107", "USDC")
    assert buy.ts == 1733160000_000_000_000  # 17:20 UTC


def test_hyperliquid_cut_entry_price_is_recomputed_not_waved_through() -> None:
    """A P&L that follows from the cut entry is explained; the same row off by a cent fails."""
    rows = (
        "BTC,100.03,0.00001,BUY,0,Open Long,0,1,0",
        "BTC,100.06,0.00001,BUY,0.00001,Open Long,0,1,0",
        "BTC,101000,0.00002,SELL,0.00002,Close Long,{},2,0",
    )
    good = hyperliquid(*(row.format("2.018") for row in rows))
    bad = hyperliquid(*(row.format("2.028") for row in rows))

    assert Twin(good).run()["realized_pnl"].failed == 0
    assert Twin(bad).run()["realized_pnl"].failed == 1


def test_hyperliquid_jump_away_from_a_page_is_a_failure() -> None:
    """A jump of the position is a gap only at a page's edge."""
    made = hyperliquid("BTC,100,1,BUY,0,Open Long,0,1,0", "BTC,100,1,BUY,3,Open Long,0,1,0")

    assert "CorrectPosition" not in kinds(made)
    assert Twin(made).run()["position_before_each_fill"].failed == 1


def test_bitmex_contracts_are_sized_as_their_rows_say() -> None:
    """A negative size is an inverse contract of so many dollars: what it cost in XBT comes out."""
    header = "event_time,execID,orderID,symbol,side,lastPx,lastQty,cumQty,configured_multiplier_raw"
    time = "2021-02-02T07:30:06.999Z"
    made = recording(
        header,
        f"{time},e1,o1,XBTUSD,Buy,50000,200,200,-100000000",
        f"{time},e2,o2,LINKUSDT,Buy,23.633,45,45,10000",
    )
    inverse, quanto = made.instruments
    assert (inverse.kind, inverse.quote) == (InstrumentKind.INVERSE, "USD")
    assert inverse.notional(Decimal(200), Decimal(50_000)) == Decimal("0.004")
    assert quanto.notional(Decimal(45), Decimal("23.633")) == Decimal("0.10634850")
    assert inverse.settle_currency == quanto.settle_currency == "XBT"
