"""Rows that cannot be read: each error names recording, line and text, escaped and short."""

from __future__ import annotations

import pytest

from engine.errors import RecordingError
from engine.recordings import FORMATS, TextLines, detect_format, make_recording
from engine.recordings.base import DecimalCache, excerpt
from engine.recordings.kucoin_trades import HEADER as EXPORT_HEADER

from .test_readers import (
    BITSTAMP_HEADER,
    CME_HEADER,
    HYPERLIQUID_HEADER,
    SHANGHAI_HEADER,
    created,
    log_line,
)

BITMEX_HEADER = "event_time,execID,orderID,symbol,side,lastPx,lastQty,cumQty"
LOBSTER_ROW = "34200.1,1,7,10,5853300,1"
BITSTAMP_ROW = "1,1430438404518,1430438404000,236.47,100,created,bid"
LOG_ROW = (
    '1430438404518 order_created {"price": "236.47", "amount": "2.0", "datetime": "1430438404",'
    ' "id": 6, "order_type": 0}'
)
SSE_ROW = (
    "//SecurityIDSource=101 MsgType=192 MsgLen=64 SecurityID=600519 OrderNo=30 Price=1818880"
    " OrderQty=100000 OrdType=65 Side=83 TransactTime=9150000 resv= BizIndex=67298"
)

BAD: tuple[tuple[str, str, str], ...] = (
    (LOBSTER_ROW, "34200.2,4,7,ten,5853300,1", "ten"),
    (LOBSTER_ROW, "34200.2,4,7,-3,5853300,1", "above 0"),
    (LOBSTER_ROW, "34200.2,9,7,3,5853300,1", "'9'"),
    (LOBSTER_ROW, "34200.2,4,7", "34200.2,4,7"),
    (LOBSTER_ROW, LOBSTER_ROW, "submitted before"),
    (LOBSTER_ROW, "", "''"),
    (created("B1", 1), "{", "truncated"),
    (created("B1", 1), log_line("SomethingElse", "B1", 2), "SomethingElse"),
    (created("B1", 1), created("B2", 2).replace('"10"', '"NaN"'), "finite"),
    (created("B1", 1), created("B2", 2).replace('"10"', '"-1"'), "above 0"),
    (created("B1", 1), created("B2", 2).replace("2022-11-07T", "yesterday "), "not a UTC time"),
    (EXPORT_HEADER, "1,2,3", "instead of 17"),
    (BITMEX_HEADER, "2021-02-02T07:30:06.999Z,e,o,XBT,Buy,1,2,1", "lastQty <= cumQty"),
    (BITMEX_HEADER, "2021-02-02T07:30:06.999Z,e,o,XBT,Hold,1,2,2", "Hold"),
    (BITMEX_HEADER, "2021-02-02T07:30:06.999Z,e,o,XBT,Buy,one,2,2", "one"),
    (HYPERLIQUID_HEADER, "0xabc,BTC,1,1", "columns instead of"),
    (
        HYPERLIQUID_HEADER,
        "0xabc,BTC,1,1,1,BUY,32-13-2024 22:50,0,Buy,0,0x,1,TRUE,0,1,1",
        "not a date",
    ),
    (BITSTAMP_HEADER, BITSTAMP_ROW.replace("100,", "-1,"), "volume"),
    (BITSTAMP_HEADER, BITSTAMP_ROW.replace("236.47", "NaN"), "finite"),
    (BITSTAMP_HEADER, BITSTAMP_ROW.replace("created", "vanished"), "vanished"),
    (LOG_ROW, "1430438404518 order_created {", "truncated"),
    (LOG_ROW, "1430438404518 weather {}", "weather"),
    (CME_HEADER, "1,1,1,A,N,7,1,1,130", "side"),
    (CME_HEADER, "1,1,1,A,B,7,1,0,130", "above 0"),
    (CME_HEADER, "1,1,1,Z,B,7,1,1,130", "'Z'"),
    (SHANGHAI_HEADER, "1,9150000,ADD,5,,S,1818880,0", "above 0"),
    (SHANGHAI_HEADER, "1,9150000,GONE,5,,S,1818880,1", "GONE"),
    (SSE_ROW, SSE_ROW.replace("OrdType=65", "OrdType=1"), "'1'"),
    (SSE_ROW, "//SecurityIDSource=101 MsgType=55 ", "MsgType"),
)


@pytest.mark.parametrize(("first", "bad", "word"), BAD)
def test_a_bad_row_is_named(first: str, bad: str, word: str) -> None:
    """The error of a bad second line says which line, why, and shows the text."""
    found = detect_format([first])
    assert found is not None
    made = make_recording([(found, TextLines("tape.csv", (first, bad)))])

    with pytest.raises(RecordingError) as caught:
        list(made.steps())
    text = str(caught.value)
    assert "tape.csv, line 2" in text
    assert word in text


def test_rows_before_a_bad_one_are_good() -> None:
    """What stands before the bad row was handed out, in order."""
    made = make_recording([("lobster", TextLines("t", (LOBSTER_ROW, "?")))])
    steps = made.steps()

    assert [next(steps)[1].row, next(steps)[1].row] == [1, 1]
    with pytest.raises(RecordingError):
        next(steps)


HOSTILE = "34200.2,4,\x00\u202e\n'\";DROP,3,5853300," + "9" * 1_000_000


def test_hostile_text_is_escaped_and_shortened() -> None:
    """Control and bidi characters never reach a terminal raw, and a megabyte becomes a line."""
    made = make_recording([("lobster", TextLines("t", (LOBSTER_ROW, HOSTILE)))])

    with pytest.raises(RecordingError) as caught:
        list(made.steps())
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1000


@pytest.mark.parametrize(
    "line", ["", "hello", "{}", "a,b,c", "34200,9,1,1,1,1", "\x00", '{"event_name": 1}']
)
def test_other_text_is_no_format(line: str) -> None:
    """Detection says no rather than guess."""
    assert detect_format([line]) is None


def test_formats_that_do_not_belong_together_are_refused() -> None:
    """Only the KuCoin log and its exports make one recording; other mixtures name their parts."""
    one, two = TextLines("one.csv", (LOBSTER_ROW,)), TextLines("two.csv", (BITMEX_HEADER,))

    with pytest.raises(
        RecordingError, match=r"one\.csv \(lobster\), two\.csv \(bitmex-executions\)"
    ):
        make_recording([("lobster", one), ("bitmex-executions", two)])
    with pytest.raises(RecordingError):
        make_recording([("lobster", one), ("lobster", one)])
    with pytest.raises(RecordingError):
        make_recording([])


def test_every_format_has_a_reader() -> None:
    """Each name that detection can give is one that a recording can be made of."""
    for name in FORMATS:
        assert make_recording([(name, TextLines("x", ()))]).name == "x"


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "1e", "", "0x10", "--1", "1_000", "\u0661", "1E999999", "9" * 5000]
)
def test_numbers_that_are_none_are_refused(text: str) -> None:
    """The cache hands out finite numbers only, and keeps nothing of a refused text."""
    cache = DecimalCache()
    with pytest.raises(ValueError, match="number"):
        cache[text]
    assert len(cache) == 0


def test_excerpt_is_short_and_printable() -> None:
    """A quoted excerpt is ASCII and says how long the whole was."""
    assert excerpt("a\u202eb\x1b") == "'a\\u202eb\\x1b'"
    assert excerpt("x" * 5000).endswith("... (5000 characters)")
