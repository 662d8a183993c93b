"""Whole-market recordings of other days, instruments and versions than the shared ones."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import RecordingError
from engine.messages import OrderSnapshot, SubmitOrder
from engine.recordings import Recording
from engine.values import OrderState, OrderType

from .test_readers import (
    BITSTAMP_HEADER,
    CME_HEADER,
    SHANGHAI_HEADER,
    bitstamp,
    cme,
    final,
    kinds,
    messages,
    recording,
)
from .twin import Twin

LOBSTER_ROW = "34200.1,1,7,10,5853300,1"


def test_lobster_may_have_a_seventh_column() -> None:
    """A column behind the direction is passed over, by the reader and by its oracle."""
    made = recording(f"{LOBSTER_ROW},null", "34200.2,4,7,10,5853300,1,")

    assert final(made, "7") == (OrderState.FILLED, Decimal(10))


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("34200.0,1,8,10,5853300,1", "time goes back"),
        ("-5.5,1,8,10,5853300,1", "seconds after midnight"),
        ("34200. 5,1,8,10,5853300,1", "seconds after midnight"),
        ("86400.5,1,8,10,5853300,1", "than a day has"),
        ("34200.1,4,7,11,5853300,1", "has 10 left"),
        ("34200.1,2,7,11,5853300,1", "has 10 left"),
        ("34200.1,3,7,11,5853300,1", "has 10 left"),
        ("34200.1,4,7,10,5853300,-1", "direction"),
        ("34200.1,1,8,10,0,1", "price must be above 0"),
    ],
)
def test_lobster_rows_that_cannot_be_are_refused(row: str, word: str) -> None:
    """Two days in one file, a repeated row, and a row against its order's first are no numbers."""
    with pytest.raises(RecordingError, match=word) as caught:
        list(recording(LOBSTER_ROW, row).steps())
    assert "line 2" in str(caught.value)


PRICE = "4799000000000"


def test_cme_rows_of_no_order_are_counted() -> None:
    """Clear, trade and no-action rows (without a price) make no message, also inside an event."""
    made = cme(
        "R,N,0,9223372036854775807,0,8",
        f"A,B,9,{PRICE},5,130",
        f"T,A,0,{PRICE},2,0",
        f"F,B,9,{PRICE},2,0",
        "N,N,9,9223372036854775807,0,0",
        f"M,B,9,{PRICE},3,130",
    )

    assert kinds(made) == ["SubmitOrder", "Accepted", "Filled"]
    assert final(made, "9") == (OrderState.PARTIAL, Decimal(2))


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("A,B,9,9223372036854775807,5,130", "undefined"),
        (f"M,B,9,{PRICE},0,130", "above 0"),
        (f"F,B,9,{PRICE},0,130", "above 0"),
    ],
)
def test_cme_rows_without_price_or_size_are_refused(row: str, word: str) -> None:
    """The number that stands for no price is never a price, and nothing is no size."""
    with pytest.raises(RecordingError, match=word):
        list(cme(row).steps())


def test_cme_undefined_time_is_refused() -> None:
    """The number that stands for no time is never a time."""
    with pytest.raises(RecordingError, match="undefined"):
        list(recording(CME_HEADER, f"1,18446744073709551615,1,A,B,9,{PRICE},5,130").steps())


def test_cme_order_shown_again_keeps_what_has_filled() -> None:
    """After a clear the book is shown again: the order goes on, its fills are part of its total."""
    made = cme(
        f"A,B,9,{PRICE},5,130",
        f"F,B,9,{PRICE},2,0",
        f"M,B,9,{PRICE},3,130",
        "R,N,0,9223372036854775807,0,8",
        f"A,B,9,{PRICE},3,40",
        f"F,B,9,{PRICE},3,0",
        f"C,B,9,{PRICE},3,130",
    )
    shown = messages(made)[3]

    assert isinstance(shown, OrderSnapshot)
    assert shown.order_qty == 5
    assert final(made, "9") == (OrderState.FILLED, Decimal(5))


def test_cme_order_submitted_again_after_a_clear_is_no_second_order() -> None:
    """Where the book is shown again without the snapshot flag, the known order is not submitted."""
    made = cme(f"A,B,9,{PRICE},5,130", "R,N,0,9223372036854775807,0,8", f"A,B,9,{PRICE},5,130")

    assert kinds(made) == ["SubmitOrder", "Accepted", "OrderSnapshot"]


DATABENTO = (
    "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,order_id,"
    "flags,ts_in_delta,sequence,symbol"
)


def databento(*rows: str) -> tuple[str, ...]:
    """Lines of Databento's CSV from rows (action,side,price,size,order,flags,symbol)."""
    lines = [DATABENTO]
    for number, row in enumerate(rows):
        action, side, price, size, oid, flags, symbol = row.split(",")
        lines.append(
            f"2023-12-25T22:47:11.386318573Z,2023-12-25T22:47:11.385649503Z,160,1,17077,{action},"
            f"{side},{price},{size},0,{oid},{flags},100,{number},{symbol}"
        )
    return tuple(lines)


def test_cme_databento_csv_holds_several_instruments() -> None:
    """Columns by name, ISO times, decimal prices; events of two instruments may interleave."""
    made = recording(
        *databento(
            "R,N,,0,0,8,ESH4",
            "A,B,4799.000000000,5,9,130,ESH4",
            "A,A,-0.250000000,5,10,130,ESH4-ESM4",
            "F,B,4799.000000000,7,9,0,ESH4",
            "F,A,-0.25,2,10,0,ESH4-ESM4",
            "M,A,-0.25,3,10,130,ESH4-ESM4",
            "C,B,4799.000000000,5,9,130,ESH4",
        )
    )
    submit, _, spread, *_ = messages(made)

    assert [known.symbol for known in made.instruments] == ["ESH4", "ESH4-ESM4"]
    assert isinstance(submit, SubmitOrder)
    assert isinstance(spread, SubmitOrder)
    assert (submit.instrument, submit.price) == ("ESH4", Decimal(4799))
    assert submit.ts == 1703544431_386318573
    assert (spread.instrument, spread.price) == ("ESH4-ESM4", Decimal("-0.25"))
    assert final(made, "9") == (OrderState.FILLED, Decimal(7))  # more than was shown
    assert final(made, "10") == (OrderState.PARTIAL, Decimal(2))


def test_cme_order_of_two_instruments_is_refused() -> None:
    """An order id belongs to one instrument of a file; two would be one order with two prices."""
    made = recording(*databento("A,B,4799.0,5,9,130,ESH4", "F,B,4800.0,5,9,130,ESM4"))

    with pytest.raises(RecordingError, match="'ESH4' too"):
        list(made.steps())


def bitstamp_log(kind: str, **fields: str) -> str:
    """A line of the raw log."""
    event = {"price": '"236.47"', "amount": '"2.0"', "datetime": '"1430438404"', "id": "6"}
    body = ", ".join(f'"{name}": {value}' for name, value in (event | fields).items())
    return f'1430438404518 {kind} {{{body}, "order_type": 0}}'


def test_bitstamp_log_of_later_years_writes_numbers() -> None:
    """Prices and amounts may be JSON numbers, tiny ones in scientific notation, and are exact."""
    made = recording(
        bitstamp_log("order_created", amount="2.0", price="236.47", amount_str='"2.00000000"'),
        bitstamp_log("order_deleted", amount="5e-08", price="236.47"),
    )

    assert final(made, "6") == (OrderState.CANCELLED, Decimal("1.99999995"))


def test_bitstamp_lines_of_the_connection_are_counted() -> None:
    """A log begins and goes on with what the connection says of itself: no order's rows."""
    made = recording(
        "1430438404518 pusher:connection_established {}",
        bitstamp_log("order_created"),
        "1430438404519 bts:request_reconnect {}",
        bitstamp_log("order_deleted", amount='"0.0"'),
    )

    assert final(made, "6") == (OrderState.FILLED, Decimal(2))
    notes = Twin(made).run()["fill_events"].notes
    assert "2 rows are no order's: of the connection" in notes


def test_bitstamp_market_order_has_no_price() -> None:
    """An order created at 0 is a market order; its fills have prices, or are refused."""
    made = bitstamp((1, "created", 100, "0.00"), (1, "deleted", 0, "236.47"))
    submit = messages(made)[0]

    assert isinstance(submit, SubmitOrder)
    assert (submit.order_type, submit.price) == (OrderType.MARKET, None)
    assert final(made, "1") == (OrderState.FILLED, Decimal("100E-8"))
    with pytest.raises(RecordingError, match="a fill has a price"):
        list(bitstamp((1, "created", 100, "0.00"), (1, "deleted", 0, "0.00")).steps())


def test_bitstamp_columns_stand_in_any_order_and_in_quotes() -> None:
    """Another program writes the same table with quoted names; the file's name tells the pair."""
    made = recording(
        '"action","direction","id","timestamp","exchange.timestamp","price","volume"',
        '"created","ask",1,1430438404518,1430438404000,1.07651,100',
        name="bitstamp_EURUSD_2017-01-01.orders.csv",
    )
    submit = messages(made)[0]

    assert isinstance(submit, SubmitOrder)
    assert (submit.instrument, submit.price) == ("EUR/USD", Decimal("1.07651"))
    assert made.instruments[0].tick_size == Decimal("1E-8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("236.47", "2.3647E2"),
        ("236.47", "-236.47"),
        ("1430438404518", "99999999999999999999"),
        ("1430438404518", "1430438404"),
        ("1430438404000", "-1"),
    ],
)
def test_bitstamp_cells_that_cannot_be_are_refused(old: str, new: str) -> None:
    """Numbers that the oracle could not count, and times in other units, are refused with their
    line.
    """
    row = "1,1430438404518,1430438404000,236.47,100,created,bid"
    with pytest.raises(RecordingError, match="line 2"):
        list(recording(BITSTAMP_HEADER, row.replace(old, new)).steps())


def test_bitstamp_order_keeps_its_side() -> None:
    """A row of the other direction is no news of the order."""
    row = "1,1430438404518,1430438404000,236.47,100,created,bid"
    other = row.replace("created,bid", "changed,ask")
    with pytest.raises(RecordingError, match="direction"):
        list(recording(BITSTAMP_HEADER, row, other).steps())


def shanghai(*rows: str) -> Recording:
    """Rows (index,event,order,offer,side,price,qty) of one time."""
    lines = [SHANGHAI_HEADER]
    for row in rows:
        index, rest = row.split(",", 1)
        lines.append(f"{index},9300010,{rest}")
    return recording(*lines, name="600519.csv")


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("7,ADD,6,,S,1818880,100", "BizIndex 7 after 7"),
        ("6,ADD,6,,S,1818880,100", "BizIndex 6 after 7"),
        ("8,ADD,5,,S,1818880,100", "in the book already"),
        ("8,TRADE,6,5,B,1818880,101", "more than the 100 left"),
        ("8,DELETE,5,,S,1818880,101", "more than the 100 left"),
        ("8,TRADE,6,5,B,0,100", "price above 0"),
        ("8,ADD,6,,S,-1,100", "not negative"),
    ],
)
def test_shanghai_rows_that_cannot_be_are_refused(row: str, word: str) -> None:
    """Repeated and unsorted rows, and more than an order has, are no numbers."""
    with pytest.raises(RecordingError, match=word) as caught:
        list(shanghai("7,ADD,5,,S,1818880,100", row).steps())
    assert "line 3" in str(caught.value)


def test_shanghai_market_order_has_no_price() -> None:
    """An ADD at 0 is a market order, and a deletion at 0 tells no price."""
    made = shanghai("7,ADD,5,,S,0,100", "8,DELETE,6,,B,0,100")
    submit, _, shown, _ = messages(made)

    assert isinstance(submit, SubmitOrder)
    assert isinstance(shown, OrderSnapshot)
    assert (submit.order_type, submit.price, shown.price) == (OrderType.MARKET, None, None)
    assert final(made, "6") == (OrderState.CANCELLED, Decimal(0))


SSE_ROW = (
    "//SecurityIDSource=101 MsgType=192 MsgLen=64 SecurityID=600519 OrderNo=30 Price=1818880"
    " OrderQty=100000 OrdType=65 Side=83 TransactTime=9150000 resv= BizIndex=67298"
)


def test_shanghai_log_names_its_security_and_phases_are_counted() -> None:
    """The log says which security it is of; messages about the trading phase are no order's."""
    phase = SSE_ROW.replace("OrdType=65", "OrdType=83").replace("67298", "67299")
    made = recording(SSE_ROW, phase, name="day_20230207.log")

    assert made.instruments[0].symbol == "600519"
    assert kinds(made) == ["SubmitOrder", "Accepted"]
    assert "1 rows are no order's: trading phase" in Twin(made).run()["fill_events"].notes


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("600519", "600000", "'600000' in a log of '600519'"),
        ("Source=101", "Source=102", "which is Shanghai"),
    ],
)
def test_shanghai_log_of_other_securities_is_refused(old: str, new: str, word: str) -> None:
    """Two securities are not one book, and another exchange writes other units."""
    with pytest.raises(RecordingError, match=word):
        list(recording(SSE_ROW, SSE_ROW.replace(old, new).replace("67298", "67299")).steps())
