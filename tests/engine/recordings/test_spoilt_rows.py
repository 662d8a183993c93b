"""Whatever becomes of a file's rows, reading it ends well or in one RecordingError."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RecordingError
from engine.recordings import FinalOrder, FinalPosition, TextLines, make_recording

from .test_account_files import BITMEX, HYPERLIQUID_ROW, kucoin_fill
from .test_account_files import exported as kucoin_exported
from .test_account_files import fee as kucoin_fee
from .test_market_files import SSE_ROW, bitstamp_log, databento
from .test_readers import (
    BITSTAMP_HEADER,
    CME_HEADER,
    HYPERLIQUID_HEADER,
    SHANGHAI_HEADER,
    created,
    log_line,
)

FILES: dict[str, list[str]] = {
    "kucoin-events": [
        created("B1", 1),
        kucoin_fill(kucoin_fee("0.001", '"KCS"')),
        log_line(
            "BuyOrderCompletedEvent", "B1", 3,
            base_asset_amount='"10"', quote_asset_amount='"3.79E-7"',
        ),
    ],
    "kucoin-trades": kucoin_exported("1,kucoin,BUY,B1", "2,kucoin,SELL,S1"),
    "bitmex-executions": [
        BITMEX,
        "e1,o1,XBTUSD,Buy,200,50000,XBt,Trade,200,,-400000,-1,2021-02-02T07:30:06.999Z,",
        "e2,o2,XBTUSD,Sell,200,51000,XBt,Trade,200,,392157,1,2021-02-02T07:30:07.999Z,",
        "s1,o0,XBTUSD,,0,51000,XBt,Settlement,,,1,,2021-02-02T07:30:08.999Z,",
    ],
    "hyperliquid-fills": [
        HYPERLIQUID_HEADER,
        HYPERLIQUID_ROW,
        HYPERLIQUID_ROW.replace("BUY", "SELL").replace(",0,Buy,", ",9.99,Sell,"),
    ],
    "lobster": ["34200.1,1,7,10,5853300,1", "34200.2,4,7,4,5853300,1", "34200.3,3,7,6,5853300,1"],
    "bitstamp-orders": [
        BITSTAMP_HEADER,
        "1,1430438404518,1430438404000,236.47,100,created,bid",
        "1,1430438404519,1430438404000,236.47,40,changed,bid",
        "1,1430438404520,1430438404000,236.4,0,deleted,bid",
    ],
    "bitstamp-log": [bitstamp_log("order_created"), bitstamp_log("order_deleted", amount="1e-08")],
    "cme-mbo": [
        CME_HEADER,
        "1,1703544431386318573,1,A,B,9,4799000000000,5,130",
        "1,1703544431386318573,2,F,B,9,4799000000000,5,0",
        "1,1703544431386318573,3,C,B,9,4799000000000,5,130",
        *databento("A,B,4799.0,5,9,130,ESH4")[1:],
    ],
    "shanghai-events": [
        SHANGHAI_HEADER,
        "1,9300000,ADD,5,,S,1818880,100000",
        "2,9300010,TRADE,6,5,B,1818880,100000",
        "3,9300010,DELETE,6,,B,1818880,50000",
    ],
    "shanghai-log": [
        SSE_ROW,
        SSE_ROW.replace("67298", "67299").replace("OrdType=65", "OrdType=68"),
    ],
}  # fmt: skip

CELLS = st.sampled_from(
    ["", "0", "-1", "1e5", "NaN", "9" * 25, "x", "\u0661", "1E+30", "null", '"', "1_000"]
)


class Nothing:
    """The end of a replay that came to know nothing."""

    def order(self, client_order_id: str) -> FinalOrder | None:
        """None of them."""
        del client_order_id
        return None

    def orders(self) -> Iterable[FinalOrder]:
        """None."""
        return ()

    def positions(self) -> Iterable[FinalPosition]:
        """None."""
        return ()


@st.composite
def spoilt(draw: st.DrawFn, rows: list[str]) -> list[str]:
    """These rows, some of them cut, repeated, lost, moved, or with a cell replaced."""
    rows = list(rows)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(rows) - 1))
        match draw(st.sampled_from(["cut", "repeat", "move", "cell", "cell", "cell"])):
            case "cut":
                rows[at] = rows[at][: draw(st.integers(0, len(rows[at])))]
            case "repeat":
                rows.insert(draw(st.integers(0, len(rows))), rows[at])
            case "move":
                rows.insert(draw(st.integers(0, len(rows) - 1)), rows.pop(at))
            case _:
                mark = next((one for one in (', "', ",", " ") if one in rows[at]), "")
                cells = rows[at].split(mark) if mark else [rows[at]]
                cells[draw(st.integers(0, len(cells) - 1))] = draw(CELLS)
                rows[at] = mark.join(cells)
    return rows


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150)
@given(data=st.data())
def test_spoilt_rows_never_end_in_anything_but_a_refusal(name: str, data: st.DataObject) -> None:
    """Steps, instruments and oracle of a spoilt file work, or raise RecordingError."""
    made = make_recording([(name, TextLines("tape", data.draw(spoilt(FILES[name]))))])
    try:
        assert made.accounts is not None
        assert made.instruments is not None
        list(made.steps())
    except RecordingError:
        return
    assert made.oracle().finish(Nothing())  # only what can be replayed is judged


@pytest.mark.parametrize("name", FILES)
def test_whole_files_of_these_rows_are_read(name: str) -> None:
    """What the test above spoils is good before, as far as it is of one shape."""
    rows = FILES[name]
    good = rows[:4] if name == "cme-mbo" else rows
    assert list(make_recording([(name, TextLines("tape", good))]).steps())
