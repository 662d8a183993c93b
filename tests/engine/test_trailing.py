"""Where a trail and a break-even put a stop, and what a move of a leg may be."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine import even_after, trail_by
from engine.errors import InvalidOrder, JournalCorrupt
from engine.group import begin_group, moved_fact, moved_group
from engine.group_moves import amended_group, check_move
from engine.messages import AmendGroup, LegMoved, Mover, SubmitGroup
from engine.trailing import even_level, is_tighter, trail_level
from engine.values import Side
from tests.group_kit import LOT, bracket

D = Decimal
HALF = D("0.5")
GROUP = begin_group(SubmitGroup("g", "i", "V", "A", bracket()))  # stop 90, target 120


def test_a_trail_is_rounded_away_from_the_market_and_break_even_towards_it() -> None:
    """A tick never tightens a trail, and never leaves break-even short of what it covers."""
    assert D("109.5") == trail_level(trail_by("0.4"), Side.SELL, D(110), HALF)
    assert D("110.5") == trail_level(trail_by("0.4"), Side.BUY, D(110), HALF)
    assert D("98.5") == trail_level(trail_by(percent="1.3"), Side.SELL, D(100), HALF)
    assert D("101.5") == trail_level(trail_by(percent="1.3"), Side.BUY, D(100), HALF)
    assert D("100.5") == even_level(even_after(5, offset="0.2"), Side.SELL, D(100), HALF)
    assert D("99.5") == even_level(even_after(5, offset="0.2"), Side.BUY, D(100), HALF)


def test_tighter_is_towards_the_market() -> None:
    """Up for a stop that sells, down for one that buys."""
    assert is_tighter(Side.SELL, D(91), D(90))
    assert is_tighter(Side.BUY, D(89), D(90))
    assert not any(is_tighter(side, D(90), D(90)) for side in Side)


def test_moves_add_up_and_a_stop_loosened_by_hand_is_left_to_the_hand() -> None:
    """The group remembers where its legs are, over a look too; only a person loosens."""
    group = amended_group(GROUP, AmendGroup("g", "s", 2, D(95), mover=Mover.TRAIL))
    group = amended_group(group, AmendGroup("g", "t", 3, price=D(130)))
    group = amended_group(group, AmendGroup("g", "s", 4, mover=Mover.BREAK_EVEN))
    assert (
        LegMoved("t", price=D(130)),
        LegMoved("s", D(95), active=True, even=True),
    ) == group.moved
    tightened = amended_group(group, AmendGroup("g", "s", 5, D(96)))
    assert not tightened.moved[-1].by_hand
    loosened = amended_group(tightened, AmendGroup("g", "s", 6, D(94)))
    assert LegMoved("s", D(94), active=True, even=True, by_hand=True) == loosened.moved[-1]
    assert loosened == moved_group(loosened, moved_fact(loosened, 6))
    with pytest.raises(JournalCorrupt, match="no leg 'x'"):
        amended_group(group, AmendGroup("g", "x", 7, D(1)))


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (AmendGroup("g", "s", 2, D(100)), "must be below the market"),
        (AmendGroup("g", "s", 2, D(125)), "must be below its targets"),
        (AmendGroup("g", "t", 2, price=D(85)), "must be below its targets"),
        (AmendGroup("g", "s", 2, D("90.0001")), "off the tick"),
        (AmendGroup("g", "t", 2, D(85)), "no stop_px to be moved"),
        (AmendGroup("g", "s", 2, price=D(85)), "no price to be moved"),
        (AmendGroup("g", "x", 2, price=D(85)), "it has e, s, t"),
    ],
)
def test_a_move_that_cannot_be_meant_is_refused(wish: AmendGroup, text: str) -> None:
    """Held against the market where that is known, and against the other exits."""
    px = None if "targets" in text else D(100)
    with pytest.raises(InvalidOrder, match=text):
        check_move(GROUP, wish, LOT, px)
    check_move(GROUP, AmendGroup("g", "s", 2, D(99)), LOT, px)
    check_move(GROUP, AmendGroup("g", "t", 2, price=D(99)), LOT, px)
