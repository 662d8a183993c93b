"""The shared recordings, replayed: every oracle holds, the counts are the published ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.replay_io import open_recording
from engine.messages import Accepted, CorrectPosition, Filled, Report, SubmitOrder
from engine.recordings import Check, Recording
from engine.recordings.cme_rows import read_rows
from engine.values import OrderState
from tests.conftest import shared_path

from .core import Core
from .twin import Twin

BITMEX = "fills/bitmex_execution_price_precision_trades.part1.csv.gz"
KUCOIN_LOG = "fills/hummingbot_kucoin_EDG-BTC_events.jsonl.gz"
KUCOIN_EXPORTS = (
    "fills/hummingbot_kucoin_EDG-BTC_trades_conf_pure_mm_3.csv.gz",
    "fills/hummingbot_kucoin_EDG-BTC_trades_conf_pure_mm_4.csv.gz",
)
HYPERLIQUID = "fills/hyperliquid_historical_data.part1.csv.gz"
AAPL_50 = "orders/AAPL_2012-06-21_34200000_37800000_message_50.csv.gz"
AAPL_1 = "orders/LOBSTER_SampleFile_AAPL_2012-06-21_1.zip"
GOOG_10 = "orders/LOBSTER_SampleFile_GOOG_2012-06-21_10.zip"
BITSTAMP = "orders/bitstamp_btcusd_2015-05-01_00-16h.orders.csv.gz"
BITSTAMP_LOG = "orders/bitstamp_btcusd_2015-05-01_00-16h.log.gz"
CME = "orders/esh4-glbx-mdp3-20231225.mbo.csv.gz"
CME_DBN = "orders/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
SHANGHAI = "orders/AX_sbe_sse_600519.events.csv.gz"
SHANGHAI_LOG = "orders/AX_sbe_sse_600519.zip"


class Published(NamedTuple):
    """What the data's own description says of a recording."""

    files: tuple[str, ...]
    format: str
    orders: int
    fills: int
    notes: tuple[str, ...]


LOBSTER_NOTES = (
    "submitted here: {} (cancelled {}, filled {}, open {}, part-filled, open {},"
    " part-filled, then cancelled {})"
)
EDGE = (
    "entry price cut one step lower: the average lies on a price step within micro-dollar rounding"
)
KUCOIN_STATES = (
    "submitted here: 14739 (cancelled 10448, filled 3315, open 2, part-filled, then cancelled 974)"
)
AGGRESSORS = "2973 rows are no order's: aggressor's trade"

PUBLISHED = (
    Published(
        (KUCOIN_LOG, *KUCOIN_EXPORTS), "kucoin-events", 16_693, 11_585,
        (
            KUCOIN_STATES,
            "first seen mid-life: 1954 (cancelled 6, rejected 1948)",
            "1: 2353 / 2: 731 / 3-5: 674 / 6-10: 361 / 11+: 170 (max 45)",
        ),
    ),
    Published(KUCOIN_EXPORTS, "kucoin-trades", 7_191, 12_634, ()),
    Published(
        (BITMEX,), "bitmex-executions", 316, 5_088,
        (
            "36 orders have rows out of cumQty order",
            "1: 55 / 2: 35 / 3-5: 64 / 6-10: 49 / 11+: 113 (max 143)",
        ),
    ),
    Published(
        (HYPERLIQUID,), "hyperliquid-fills", 227, 12_799,
        ("1: 17 / 2: 3 / 3-5: 8 / 6-10: 17 / 11+: 182 (max 354)",),
    ),
    Published(
        (AAPL_50,), "lobster", 44_336, 4_067,
        (
            LOBSTER_NOTES.format(44_256, 40_786, 2_944, 379, 1, 146),
            "1: 2443 / 2: 484 / 3-5: 159 / 6-10: 11 / 11+: 2 (max 25)",
            "2201 rows are no order's: hidden execution",
        ),
    ),
    Published(
        (AAPL_1,), "lobster", 67_398, 23_658,
        (
            LOBSTER_NOTES.format(54_818, 21_695, 11_275, 21_305, 136, 407),
            "1: 14606 / 2: 2922 / 3-5: 790 / 6-10: 56 / 11+: 11 (max 25)",
            "11332 rows are no order's: hidden execution",
        ),
    ),
    Published(
        (GOOG_10,), "lobster", 74_468, 7_765,
        (
            LOBSTER_NOTES.format(71_258, 61_840, 5_185, 3_938, 4, 291),
            "1: 4478 / 2: 1119 / 3-5: 257 / 6-10: 19 / 11+: 4 (max 17)",
            "3913 rows are no order's: hidden execution",
        ),
    ),
    Published((BITSTAMP,), "bitstamp-orders", 83_091, 5_519, ()),
    Published(
        (BITSTAMP_LOG,), "bitstamp-log", 83_091, 5_519,
        ("2772 rows are no order's: public trade", "18303 rows are no order's: book snapshot"),
    ),
    Published((CME,), "cme-mbo", 29_216, 6_364, (AGGRESSORS,)),
    Published((CME_DBN,), "cme-mbo", 29_216, 6_364, (AGGRESSORS,)),
    Published((SHANGHAI,), "shanghai-events", 44_278, 37_370, ()),
    Published(
        (SHANGHAI_LOG,), "shanghai-log", 44_278, 37_370,
        ("5146 rows are no order's: ten-level snapshot",),
    ),
)  # fmt: skip


def opened(*files: str) -> Recording:
    """The recording made of these shared files."""
    paths: list[Path] = [shared_path("data", *file.split("/")) for file in files]
    return open_recording(paths)


def failures(checks: Iterable[Check]) -> list[str]:
    """What an oracle found wrong, in words."""
    return [
        f"{check.name}: {check.failed} of {check.checked}, {check.examples}"
        for check in checks
        if check.failed
    ]


def buckets(counts: Counter[str]) -> tuple[int, int, int, int, int, int]:
    """How many have 1, 2, 3-5, 6-10, 11+ of something, and the most that one has."""
    found = counts.values()
    return (
        sum(1 for n in found if n == 1),
        sum(1 for n in found if n == 2),
        sum(1 for n in found if 3 <= n <= 5),
        sum(1 for n in found if 6 <= n <= 10),
        sum(1 for n in found if n > 10),
        max(found),
    )


@lru_cache(maxsize=3)  # a day of orders is some hundred megabytes
def replayed(*files: str) -> tuple[Twin, dict[str, Check]]:
    """A replay on the engine's core; made once a session, because several tests look at it."""
    core = Core(opened(*files))
    return core, core.run()


@pytest.mark.slow
@pytest.mark.parametrize("published", PUBLISHED, ids=lambda p: p.files[0].rpartition("/")[2])
def test_every_recording_replays_as_published(published: Published) -> None:
    """Each recording is detected, all its checks hold, and its counts are the published."""
    core, checks = replayed(*published.files)
    notes = [note for check in checks.values() for note in check.notes]

    assert core.recording.format == published.format
    assert failures(checks.values()) == []
    assert (len(list(core.orders())), core.filled) == (published.orders, published.fills)
    assert [note for note in published.notes if note not in notes] == []


@pytest.mark.slow
@pytest.mark.parametrize("file", [KUCOIN_LOG, BITMEX, HYPERLIQUID, AAPL_50, CME, SHANGHAI])
def test_the_dumb_twin_comes_to_the_same(file: str) -> None:
    """A second, much simpler engine agrees with the core on every order and on every check."""
    core, checks = replayed(file)
    twin = Twin(opened(file))

    assert {name: check.failed for name, check in twin.run().items()} == dict.fromkeys(checks, 0)
    assert {order.client_order_id: order for order in twin.orders()} == {
        order.client_order_id: order for order in core.orders()
    }


def test_the_drop_copy_agrees_and_names_what_the_log_lacks() -> None:
    """All 2,872 common trades agree; the other 9,762 are named and lie outside the log."""
    _, checks = replayed(KUCOIN_LOG, *KUCOIN_EXPORTS)

    assert (2872, 0) == _count(checks["drop_copy_common_trades_agree"])
    assert (9762, 0) == _count(checks["drop_copy_missing_in_log"])
    assert sum(n for _, n in checks["drop_copy_missing_in_log"].explained) == 9762
    assert (11_585 - 2872, 0) == _count(checks["drop_copy_missing_in_export"])
    assert (3315, 0) == _count(checks["completed_orders_add_up"])


def test_every_hyperliquid_disagreement_has_a_proven_cause() -> None:
    """Positions, P&L and fees agree with the venue's, or differ for a proven cause."""
    twin, checks = replayed(HYPERLIQUID)
    gaps = [step for _, step in twin.recording.steps() if isinstance(step.message, CorrectPosition)]

    assert [step.row for step in gaps] == [2565, 4565, 6600, 8565, 10565, 12565]
    assert (12_799, 0) == _count(checks["fee"])
    assert checks["fee"].explained == (("taken in the coin, so it lowers the position", 559),)
    assert (12_799, 0) == _count(checks["realized_pnl"])
    assert checks["realized_pnl"].explained == (
        ("dust conversion: the venue books no P&L", 1),
        (EDGE, 19),
        ("entry price cut to the venue's price decimals", 4114),
        (
            "entry unknown after missing rows, or from before the file: agrees with earlier closes",
            740,
        ),
        ("entry unknown after missing rows, or from before the file: told by this row", 5),
        ("micro-dollar rounding of the venue's sums", 1),
    )


def test_bitstamp_partial_fills_are_the_published_ones_in_natural_order() -> None:
    """Partial fills are as published, but for one order whose late creation shows another."""
    partial: Counter[str] = Counter()
    for _, step in opened(BITSTAMP).steps():
        message = step.message
        if isinstance(message, Filled) and not message.exec_id.endswith("-0"):
            partial[message.client_order_id] += 1

    assert partial["65671377"] == 2
    partial["65671377"] = 1  # the published count takes the rows as they came
    assert buckets(partial) == (968, 201, 174, 46, 22, 48)


def test_bitstamp_ends_are_the_published_ones() -> None:
    """2,795 orders are filled; 348 are first seen without their creation, 11 get it later."""
    core, checks = replayed(BITSTAMP)
    first: dict[str, bool] = {}  # order -> submitted in its first message
    told: dict[str, None] = {}
    for _, step in core.recording.steps():
        message = step.message
        if isinstance(message, SubmitOrder | Report):
            oid: str = message.client_order_id  # type: ignore[union-attr]  # all recorded have one
            first.setdefault(oid, isinstance(message, SubmitOrder))
        if isinstance(message, Accepted) and message.order_qty is not None:
            told[message.client_order_id] = None
    states = checks["final_state"].notes
    adopted = [oid for oid, submitted in first.items() if not submitted]
    ends = {order.client_order_id: order.state for order in core.orders()}
    emptied = [oid for oid in told if ends[oid] is OrderState.FILLED]

    assert states[0].startswith("submitted here: 82754 (cancelled 78916, filled 2720,")
    assert states[1].startswith("first seen mid-life: 337 (cancelled 261, filled 75,")
    assert len(adopted) == 348
    # told a size: by a late creation, or, when nothing is left, by what was seen to fill
    assert len(told) - len(emptied) == 11


def test_cme_amends_are_the_published_ones() -> None:
    """31,974 orders are named, 2,396 of them amended, one of them 332 times."""
    recording = opened(CME)
    amends: Counter[str] = Counter()
    named: set[str] = set()
    for row in read_rows(recording._lines):  # type: ignore[attr-defined]
        named.add(row.order_id)
        amends[row.order_id] += row.action == "M"
    amended = +amends

    assert (31_974, 2_396, 332) == (len(named - {"0"}), len(amended), max(amended.values()))


def test_both_forms_of_a_recording_say_the_same() -> None:
    """Where a recording comes in two forms, both make the same messages."""
    for one, other in ((CME, CME_DBN), (BITSTAMP, BITSTAMP_LOG), (SHANGHAI, SHANGHAI_LOG)):
        first = (step.message for _, step in opened(one).steps())
        second = (step.message for _, step in opened(other).steps())
        if one is CME:  # rows are the same too, and with them the execution ids
            assert all(a == b for a, b in zip(first, second, strict=True))
        else:
            assert sum(1 for _ in first) == sum(1 for _ in second)


def test_shanghai_fills_per_displayed_order_are_the_published_ones() -> None:
    """Fills per displayed order are as published; 16,652 trade sides were never displayed."""
    fills: Counter[str] = Counter()
    displayed: set[str] = set()
    for _, step in opened(SHANGHAI).steps():
        message = step.message
        if isinstance(message, Filled):
            fills[message.client_order_id] += 1
        elif isinstance(message, SubmitOrder | Accepted):
            displayed.add(message.client_order_id)
    shown = Counter({oid: n for oid, n in fills.items() if oid in displayed})

    assert buckets(shown) == (12_060, 1_525, 744, 192, 80, 83)
    assert fills.total() - shown.total() == 16_652


def _count(check: Check) -> tuple[int, int]:
    return check.checked, check.failed
