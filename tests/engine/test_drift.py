"""What a list of positions proves, and how often it has to say so."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.capabilities import Capabilities
from engine.drift import Case, Shown, SlotKey, compared, judged
from engine.values import ZERO, Instrument, InstrumentKind, PositionSlot

D = Decimal
X = Instrument(symbol="X", venue="V", kind=InstrumentKind.LINEAR, quote="USD", lot_size=D("0.1"))
RULES = {"X": X, "S": replace(X, symbol="S", kind=InstrumentKind.CASH)}
NET, LONG = PositionSlot.NET, PositionSlot.LONG


@pytest.mark.parametrize(
    ("able", "ours", "shown", "found"),
    [
        ({}, {("X", NET): "1"}, {("X", NET): "1"}, {("X", NET): "0"}),
        ({}, {("X", NET): "1"}, {("X", NET): "3"}, {("X", NET): "2"}),
        ({}, {}, {("X", LONG): "3"}, {("X", LONG): "3"}),
        ({}, {("X", NET): "1"}, {}, {}),
        ({}, {("X", NET): "0"}, {}, {("X", NET): "0"}),
        ({"positions_complete": True}, {("X", NET): "1"}, {}, {("X", NET): "-1"}),
        ({}, {("X", NET): "1"}, {("X", NET): "1.09"}, {("X", NET): "0"}),
        ({}, {("S", NET): "1"}, {("S", NET): "9"}, {}),
        ({"cash_positions": True}, {("S", NET): "1"}, {("S", NET): "9"}, {("S", NET): "8"}),
        ({"positions_complete": True}, {}, {("?", NET): "9"}, {}),
    ],
)
def test_what_is_comparable_is_compared(
    able: dict[str, bool],
    ours: dict[SlotKey, str],
    shown: dict[SlotKey, str],
    found: dict[SlotKey, str],
) -> None:
    """Slot by slot, hedge slots for themselves; by the weakest word where nothing is promised."""
    mine = {key: D(qty) for key, qty in ours.items()}
    theirs = {key: Shown(D(qty)) for key, qty in shown.items()}
    expected = {key: D(qty) for key, qty in found.items()}
    assert expected == compared(mine, theirs, RULES, Capabilities(**able))  # type: ignore[arg-type]


def test_the_same_difference_has_to_stand_still_twice() -> None:
    """A look that does not count takes nothing away; another difference begins anew."""
    case = judged(None, D(2), counts=True)
    case = judged(case, D(2), counts=False)
    assert not case.is_proven
    assert judged(case, D(2), counts=True).is_proven
    assert Case(D(3), 1) == judged(case, D(3), counts=True)
    assert Case(ZERO, 0) == judged(case, ZERO, counts=False)
