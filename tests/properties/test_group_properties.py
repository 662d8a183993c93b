"""Groups under any order of fills, answers, refusals and ends: protected, never too much, over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.group import legs_of
from engine.group_moves import moved_of
from engine.group_tables import GroupState
from engine.messages import Contingency, GroupTerms, LegRole, NativeShape
from engine.order_tables import TERMINAL, Life
from tests.group_kit import D, GroupDesk, bracket, leg

ROOTS = (
    bracket("10"),
    bracket("10", "0.5", "0.5"),
    bracket("7", "0.33", "0.33", "0.34"),
    GroupTerms(Contingency.OCO, tuple(
        GroupTerms(Contingency.OTO, (
            leg(f"e{n}", LegRole.ENTRY, "6", price="100"),
            GroupTerms(Contingency.OCO, (
                leg(f"s{n}", LegRole.STOP, None, stop_px="90"),
                leg(f"t{n}", LegRole.TARGET, None, price="120"),
            )),
        )) for n in range(2)
    )),
    GroupTerms(Contingency.OCO, tuple(
        leg(f"e{n}", LegRole.ENTRY, "5", price=str(90 + n)) for n in range(3)
    )),
    GroupTerms(Contingency.OUO, tuple(
        leg(f"e{n}", LegRole.ENTRY, "5", price=str(90 + n)) for n in range(2)
    )),
)  # fmt: skip

EXITS = ("s", "t")
TARGET = LegRole.TARGET


@st.composite
def desks(draw: st.DrawFn) -> tuple[GroupDesk, list[tuple[str, int, int]]]:
    """A group, and what happens to it: (what, which order, how much)."""
    desk = GroupDesk(
        draw(st.sampled_from(ROOTS)),
        amends=draw(st.booleans()),
        bounds=draw(st.booleans()),
        locks=draw(st.booleans()),
        native=draw(st.sampled_from([(), (NativeShape.EXITS,), tuple(NativeShape)])),
        fee_rate=draw(st.sampled_from([D(0), D("0.001")])),
    )
    if draw(st.booleans()):  # something is held from the beginning
        desk.fill(desk.live()[0], "10")
    what = st.sampled_from(
        [
            "ack",
            "fill",
            "fill",
            "answer",
            "answer",
            "refuse",
            "end",
            "reject",
            "move",
            "move",
            "swap",
            "swap",
            "over",
        ]
    )
    steps = draw(st.lists(st.tuples(what, st.integers(0, 7), st.integers(1, 10)), max_size=40))
    return desk, steps


def happen(desk: GroupDesk, what: str, which: int, qty: int) -> None:
    """One thing that a venue may do now; nothing where it cannot."""
    if what == "swap":  # some targets are live as the price is, or none
        targets = [one.name for one in legs_of(desk.group.terms.root) if one.role is TARGET]
        desk.swap(*(name for n, name in enumerate(targets) if which >> n & 1))
        return
    if what == "over":
        desk.take_over()
        return
    live = desk.live()
    if what == "move":
        stops = [leg.name for leg in legs_of(desk.group.terms.root) if leg.role is LegRole.STOP]
        if stops:
            desk.move(stops[which % len(stops)], D(80 + qty))
        return
    if not live:
        return
    cid = live[which % len(live)]
    if what == "ack":
        if desk.orders[cid].life is Life.SUBMITTED:
            desk.ack(cid)
    elif what == "fill":
        desk.fill(cid, D(qty))
    elif what in ("answer", "refuse"):
        desk.answer(cid, refused=what == "refuse")
    elif what == "end":
        desk.end(cid)
    elif desk.orders[cid].life is Life.SUBMITTED:
        desk.end(cid, refuse=True)


def exits_fit(desk: GroupDesk) -> None:
    """Exits fill no more than entries did, fees taken off; if they do it was said, and undone."""
    backs = [cid for cid in desk.orders if "~back" in cid]
    opened = sum((o.cum_qty for c, o in desk.orders.items() if c.startswith("e")), D(0))
    closed = sum(
        (o.cum_qty for c, o in desk.orders.items() if c.startswith(EXITS) and c not in backs), D(0)
    )
    undone = sum((desk.orders[cid].cum_qty for cid in backs), D(0))
    fees = sum((fee for cid, fee in desk.fees.items() if cid.startswith("e")), D(0))
    if closed - undone - (opened - fees) >= 1:
        assert desk.last is not None
        assert desk.last.both_filled, desk.history


def settle(desk: GroupDesk) -> None:
    """The venue answers and confirms everything, and fills nothing more by itself."""
    for _ in range(200):
        waiting = [
            cid for cid, order in desk.orders.items()
            if order.requests or order.life is Life.SUBMITTED
        ]  # fmt: skip
        markets = [cid for cid in desk.at_venue if "~" in cid]
        if not waiting and not markets:
            return
        for cid in waiting:
            if desk.orders[cid].life is Life.SUBMITTED:
                desk.ack(cid)
            desk.answer(cid)
        for cid in markets:
            desk.fill(cid, desk.at_venue.get(cid, D(0)))
            if cid in desk.at_venue and desk.rules.bounds_exits and desk.held() <= 0:
                desk.end(cid)
    raise AssertionError("the group asks for ever")


@given(desks())
def test_whatever_happens_what_is_held_ends_protected_or_closed(
    drawn: tuple[GroupDesk, list[tuple[str, int, int]]],
) -> None:
    """Once the venue has answered everything: stops cover what is held and no more than that,
    nothing is short, and a group that is over has no order left.
    """
    desk, steps = drawn
    for step in steps:
        happen(desk, *step)
        check_now(desk)
        exits_fit(desk)
    settle(desk)
    check_now(desk)
    desk.take_over()
    desk.swap()  # the price turns: every stop comes back
    settle(desk)
    check_now(desk)
    held = desk.held()
    assert held > -1, f"{held} is short by more than dust"
    if desk.group.state is GroupState.DONE:
        assert not desk.at_venue, desk.at_venue
        assert all(order.life in TERMINAL for order in desk.orders.values())
    assert desk.last is not None
    for cid in desk.at_venue if not desk.last.refused else ():
        leg_name = next(name for name, cids in desk.group.slices if cid in cids)
        moved = moved_of(desk.group, leg_name)
        order = desk.orders[cid]
        if moved is not None and order.life is not Life.TRIGGERED:  # what was elected stays
            assert order.stop_px == moved.stop_px, f"{cid} is not moved"
    has_exits = any(name.startswith("s") for name, _ in desk.group.slices)
    if has_exits and desk.group.state is not GroupState.DONE:
        covered = desk.open_exits("s")
        if desk.rules.amends or not desk.rules.bounds_exits:
            assert covered <= max(held, D(0)), f"{covered} of stops for {held} held"
        dust = sum(name.startswith("s") and "~" not in name for name, _ in desk.group.slices)
        assert held - covered < dust, f"{covered} of stops for {held} held: {desk.history}"


def check_now(desk: GroupDesk) -> None:
    """While nothing is under way, targets sell no more than is held; a venue that bounds exits and
    does not amend keeps the larger order, which it bounds.
    """
    if desk.native:
        return  # the venue knows what it ties
    if desk.locks:  # at any time, whatever is under way
        offered, held = desk.open_exits(), max(desk.held(), D(0))
        assert offered < held + 1, f"{offered} of exits for {held} held"
        return
    if desk.rules.bounds_exits and not desk.rules.amends:
        return
    if all(not order.requests for order in desk.orders.values()):
        targets = desk.open_exits("t")
        # What one holding sold of another's is bought back in whole lots: dust of it is missing.
        dust = sum(name.startswith("s") and "~" not in name for name, _ in desk.group.slices) - 1
        most = max(desk.held(), D(0)) + max(dust, 0)
        assert targets <= most, f"{targets} of targets for {desk.held()} held"


@given(desks())
def test_a_look_repeats_nothing(drawn: tuple[GroupDesk, list[tuple[str, int, int]]]) -> None:
    """What was asked for is not asked for again: a second look at the same facts does nothing."""
    desk, steps = drawn
    for step in steps:
        happen(desk, *step)
        before = dict(desk.orders)
        assert not desk.look().actions
        assert before == desk.orders
