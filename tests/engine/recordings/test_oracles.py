"""Oracles can fail: a replay that loses or alters something is caught, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
import pytest

from engine.messages import Cancelled, Command, Filled, Report
from engine.recordings import Recording, TextLines, make_recording
from engine.recordings.kucoin_trades import HEADER as EXPORT_HEADER

from .test_readers import bitstamp, created, filled, log_line, recording
from .twin import Twin, TwinEvent

Change = Callable[[Command | Report], Command | Report | None]


class Faulty(Twin):
    """A twin that receives altered messages."""

    def __init__(self, made: Recording, change: Change) -> None:
        super().__init__(made)
        self._change = change

    def take(self, account: str, message: Command | Report) -> Iterator[TwinEvent]:
        """Apply the altered message, or none."""
        changed = self._change(message)
        if changed is not None:
            yield from super().take(account, changed)


def failed(made: Recording, change: Change) -> list[str]:
    """The names of the checks that fail."""
    return [check.name for check in Faulty(made, change).run().values() if check.failed]


def lose_a_fill(message: Command | Report) -> Command | Report | None:
    """Drop the fill that the rows call t2 (or leave 40 of)."""
    return None if isinstance(message, Filled) and message.exec_id in {"t2", "1-40"} else message


def alter_a_fill(message: Command | Report) -> Command | Report:
    """Book a fill for a little more."""
    if isinstance(message, Filled):
        return msgspec.structs.replace(message, last_px=message.last_px + Decimal("1E-9"))
    return message


def lose_a_cancel(message: Command | Report) -> Command | Report | None:
    """Drop cancels."""
    return None if isinstance(message, Cancelled) else message


def nothing(message: Command | Report) -> Command | Report:
    """Leave all as it is."""
    return message


def kucoin() -> Recording:
    """One order of 10 in two fills, completed, and one cancelled."""
    return recording(
        created("B1", 1),
        filled("B1", 2, "t1", "4"),
        filled("B1", 3, "t2", "6"),
        log_line(
            "BuyOrderCompletedEvent",
            "B1",
            4,
            base_asset_amount='"10"',
            quote_asset_amount='"3.79E-7"',
        ),
        created("B2", 5),
        log_line("OrderCancelledEvent", "B2", 6),
    )


@pytest.mark.parametrize(
    ("change", "caught_by"),
    [
        (nothing, []),
        (
            lose_a_fill,
            [
                "final_state",
                "fills_per_order",
                "filled_quantity_and_cost",
                "fill_events",
                "completed_orders_add_up",
            ],
        ),
        (alter_a_fill, ["filled_quantity_and_cost", "completed_orders_add_up"]),
        (lose_a_cancel, ["final_state"]),
    ],
)
def test_kucoin_oracle_catches(change: Change, caught_by: list[str]) -> None:
    """Each fault fails the checks it breaks, and a faithful replay fails none."""
    assert failed(kucoin(), change) == caught_by


def test_bitstamp_oracle_catches_a_lost_fill() -> None:
    """Without one fill the order does not end as recorded."""
    made = bitstamp((1, "created", 100, "2.5"), (1, "changed", 40, "2.5"), (1, "deleted", 0, "2.5"))

    assert failed(made, nothing) == []
    assert "final_state" in failed(made, lose_a_fill)


def export_row(trade: str, second: int, amount: str) -> str:
    """A row of the fill export."""
    fee = "{'fee_type': 'AddedToCost', 'percent': '0.002', 'percent_token': None, 'flat_fees': []}"
    when = 1667826000000 + second * 1000
    return (
        f"{trade},c.yml,pure_market_making,kucoin,EDG-BTC,EDG,BTC,{when},B1,BUY,"
        f'LIMIT_MAKER,3.79E-8,{amount},1,"{fee}",NIL,00:00:01'
    )


def with_export(*rows: str) -> Recording:
    """The log above with a fill export."""
    log = [
        created("B0", 0),
        created("B1", 1),
        filled("B1", 6, "t1", "4"),
        filled("B1", 7, "t2", "6"),
        log_line("OrderCancelledEvent", "B0", 30),
    ]
    return make_recording(
        [
            ("kucoin-events", TextLines("log", log)),
            ("kucoin-trades", TextLines("export", (EXPORT_HEADER, *rows))),
        ]
    )


def test_the_drop_copy_is_reconciled_in_both_directions() -> None:
    """A trade that differs, or that one side has and the other should have, fails."""
    t1, t2 = export_row("t1", 6, "4"), export_row("t2", 7, "6")

    assert failed(with_export(t1, t2), nothing) == []
    assert failed(with_export(t1, export_row("t2", 7, "6.5")), nothing) == [
        "drop_copy_common_trades_agree"
    ]
    assert failed(with_export(t1, t2, export_row("t3", 20, "1")), nothing) == [
        "drop_copy_missing_in_log"
    ]
    assert failed(with_export(t1, t2, export_row("t3", 900, "1")), nothing) == []
    assert failed(with_export(t1, export_row("t9", 900, "1")), nothing) == [
        "drop_copy_missing_in_export"
    ]
