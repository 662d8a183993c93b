"""Numbers finer than any venue's grid, which decimal arithmetic takes for zero."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors import ExecutionSystem, PaperVenue, Until
from engine import Instrument, InvalidOrder, InvalidValue, OrderState, limit, market
from engine.messages import OrderFilled


def coin() -> Instrument:
    return Instrument(
        symbol="A/B",
        venue="p",
        base="A",
        quote="B",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
    )


def test_a_quantity_that_underflows_is_refused_and_disturbs_nobody() -> None:
    """1e-7000000 is a multiple of no lot: it is refused, and the next order goes its way."""
    with ExecutionSystem([PaperVenue("p", "a", [coin()])]) as system:
        for order in (
            limit("A/B", "BUY", "1e-7000000", 100),
            limit("A/B", "BUY", 1, "1e-7000000"),
            market("A/B", "BUY", "1e-31"),
        ):
            with pytest.raises(InvalidOrder, match="digits"):
                system.submit(order)
        fine = system.submit(limit("A/B", "BUY", 1, 100))
        assert OrderState.ACCEPTED is fine.wait(5, until=Until.ACCEPTED).state
        with pytest.raises(InvalidOrder, match="digits"):
            system.amend(fine, order_qty=Decimal("1e-7000000")).get(timeout=5)


@pytest.mark.parametrize("text", ["1_0", "٣", "0x10", ""])
def test_numbers_are_plain_ascii_decimals(text: str) -> None:
    """What Python would read as a number and people would not is refused, with the value."""
    with pytest.raises(InvalidValue, match="decimal number"):
        limit("A/B", "BUY", text, 1)


def test_an_instrument_takes_no_float() -> None:
    """0.1 has no exact binary form, so a tick of 0.1 as a float is refused by name."""
    tick: object = 0.1
    with pytest.raises(InvalidValue, match="tick_size"):
        Instrument(symbol="A/B", venue="p", tick_size=tick)  # type: ignore[arg-type]


def test_wrong_things_are_named_where_they_are_given() -> None:
    """A subscriber that cannot be called, kinds that are no events, tags that are no mapping."""
    nothing: object = 5
    kind: object = "OrderFilled"
    with ExecutionSystem([PaperVenue("p", "a", [coin()])]) as system:
        with pytest.raises(InvalidValue, match="callable"):
            system.subscribe(nothing)  # type: ignore[call-overload]
        with pytest.raises(InvalidValue, match="OrderFilled"):
            system.subscribe(print, OrderFilled, kind)  # type: ignore[call-overload]
        with pytest.raises(InvalidValue, match="ticket"):
            system.cancel(nothing)  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match="OrderState"):
            system.settle("x", "CANCELLED", "me")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="mapping"):
        limit("A/B", "BUY", 1, 1, tags="x")  # type: ignore[arg-type]
