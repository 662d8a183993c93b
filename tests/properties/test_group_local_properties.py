"""Groups whose stops the engine watches, under any order of fills, answers, refusals and prices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.group_actions import Action, Send
from engine.messages import GroupTerms, Leg, LegRole, LocalReleased, LocalTriggered
from engine.order import is_waiting
from engine.order_links import is_held
from engine.order_tables import TERMINAL, Life
from engine.trigger_tables import Trigger
from engine.values import TriggerSource
from tests.group_kit import D, GroupDesk, bracket

from .test_group_properties import happen

ROOTS = (bracket("10"), bracket("10", "0.5", "0.5"), bracket("7", "0.33", "0.33", "0.34"))


def local_stops(node: GroupTerms) -> GroupTerms:
    """The group with its stops to be watched here."""
    members = tuple(
        local_stops(one)
        if isinstance(one, GroupTerms)
        else replace(one, order=replace(one.order, local=one.role is LegRole.STOP))
        for one in node.members
    )
    return GroupTerms(node.contingency, members)


class LocalDesk(GroupDesk):
    """A desk where stops wait here, and leave when they were elected and their group says so."""

    def _send(self, cid: str) -> None:
        if not is_waiting(self.orders[cid]):
            super()._send(cid)

    def _do(self, action: Action) -> None:
        if not isinstance(action, Send):
            super()._do(action)
            return
        self.clock += 1
        cid = action.client_order_id
        assert Trigger.ELECTED is self.orders[cid].trigger
        self.take(cid, LocalReleased(cid, self.clock))
        self._send(cid)

    def waiting(self) -> list[str]:
        """Stops that wait for their price."""
        return [
            cid for cid, order in self.orders.items()
            if order.trigger is Trigger.WATCHED and is_waiting(order) and not is_held(order)
        ]  # fmt: skip

    def elect(self, which: int) -> None:
        """A price reaches one of them."""
        waiting = self.waiting()
        if not waiting:
            return
        self.clock += 1
        cid = waiting[which % len(waiting)]
        level = self.orders[cid].stop_px
        assert level is not None
        self.take(cid, LocalTriggered(cid, self.clock, TriggerSource.LAST, level, level))
        self.look()


Steps = list[tuple[str, int, int]]


@st.composite
def desks(draw: st.DrawFn) -> tuple[LocalDesk, Steps]:
    """A group, and what happens to it."""
    desk = LocalDesk(
        local_stops(draw(st.sampled_from(ROOTS))),
        amends=draw(st.booleans()),
        bounds=draw(st.booleans()),
        fee_rate=draw(st.sampled_from([D(0), D("0.001")])),
    )
    words = ["ack", "fill", "fill", "answer", "answer", "refuse", "end", "reject", "elect", "elect"]
    step = st.tuples(st.sampled_from(words), st.integers(0, 7), st.integers(1, 10))
    return desk, draw(st.lists(step, max_size=40))


def play(desk: LocalDesk, steps: Steps) -> None:
    """All of it, judged after each step."""
    for what, which, qty in steps:
        if what == "elect":
            desk.elect(which)
        else:
            happen(desk, what, which, qty)
        check(desk)


def check(desk: LocalDesk) -> None:
    """Where a venue lets exits open, those it has never come to more than is held: a stop leaves
    when nothing rests beside it. Nothing is resized by asking that never left.
    """
    assert all(not order.requests for order in desk.orders.values() if is_waiting(order))
    if desk.rules.bounds_exits:
        return
    both = desk.open_exits("s"), desk.open_exits("t")
    assert not all(both), f"stops and targets at the venue at once: {both}"
    if all(not order.requests for order in desk.orders.values()):
        exits = desk.open_exits()
        assert exits <= max(desk.held(), D(0)), f"{exits} of exits for {desk.held()} held"


@given(desks())
def test_exits_at_a_venue_that_bounds_nothing_never_exceed_what_is_held(
    drawn: tuple[LocalDesk, Steps],
) -> None:
    """Whatever is filled, refused and elected, in any order."""
    desk, steps = drawn
    play(desk, steps)
    assert desk.held() > -1, f"{desk.held()} is short by more than dust"


@given(desks())
def test_every_elected_stop_leaves_or_has_nothing_to_close(drawn: tuple[LocalDesk, Steps]) -> None:
    """Once the venue has answered everything: nothing that was elected still waits."""
    desk, steps = drawn
    play(desk, steps)
    for _ in range(200):
        asked = [cid for cid, one in desk.orders.items() if one.requests]
        sent = [cid for cid, one in desk.orders.items() if one.life is Life.SUBMITTED]
        if not asked and not sent:
            break
        for cid in sent:
            desk.ack(cid)
        for cid in asked:
            desk.answer(cid)
    stuck = [cid for cid, one in desk.orders.items() if one.trigger is Trigger.ELECTED]
    assert all(desk.orders[cid].life in TERMINAL for cid in stuck), stuck
    check(desk)


def test_the_roots_have_local_stops() -> None:
    """So that the properties above are about something."""
    for root in map(local_stops, ROOTS):
        inner = root.members[1]
        assert isinstance(inner, GroupTerms)
        stops = [one for one in inner.members if isinstance(one, Leg) and one.order.local]
        assert [LegRole.STOP] == [one.role for one in stops]
