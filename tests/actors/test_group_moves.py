"""A bracket is moved, trailed and brought to break-even, and is never without its stop."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.explaining_groups import explain_group
from actors.replay import replay
from actors.submitting import GroupTicket
from actors.testing import SPOT, SimulatedSystem
from engine import (
    Direction,
    EntrySignal,
    InvalidOrder,
    RiskLimits,
    even_after,
    limit,
    trail_by,
)
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.contingent import bracket
from engine.errors import UnknownOrder
from engine.group import legs_of
from engine.journal import decode_record
from engine.messages import (
    AmendGroup,
    BreakEven,
    GroupTerms,
    LegRole,
    Mover,
    ProtectionChanged,
    Trail,
)
from engine.policies.entries import plan_entry
from engine.policies.risk import RiskState
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, When
from engine.values import OrderState, Side, TriggerSource
from engine.views import OrderView

from .bracket_kit import BTC, SECOND, D, S, alarms, begun, held, market, state

NO_AMENDS = replace(FULL_CAPABILITIES, amend=False)
BOUNDS_NOTHING = replace(NO_AMENDS, reduce_only=ReduceOnlyRule.UNSUPPORTED)


def opened(
    system: SimulatedSystem,
    *,
    target: int | None = None,
    trail: Trail | None = None,
    break_even: BreakEven | None = None,
    targets: tuple[tuple[int, str], ...] = (),
) -> GroupTicket:
    """Bought one at 200 with a stop at 180."""
    ticket = system.system.submit_group(
        bracket(
            limit(BTC, "BUY", "1", 200), stop_px=180, target=target, targets=targets,
            trail=trail, break_even=break_even,
        ),
        intent_id="b",
    )  # fmt: skip
    market(system, "198", "199")
    assert S.LINKED is state(system)
    return ticket


def stops(system: SimulatedSystem) -> list[OrderView]:
    """Stops that work."""
    every = system.system.orders().get(timeout=1)
    return [one for one in every if one.stop_px is not None and one.state is not OrderState.HELD]


def stop_px(system: SimulatedSystem) -> Decimal | None:
    """Where the one stop is, which is for all that is held."""
    (one,) = stops(system)
    assert D(1) == one.leaves_qty
    return one.stop_px


def naked(system: SimulatedSystem) -> bool:
    """Whether at any time less was covered than before, of what was still held."""
    told = [one for one in system.heard if isinstance(one, ProtectionChanged)]
    return any(
        after.covered_qty < min(before.covered_qty, after.held_qty)
        for before, after in pairwise(told)
    )


def facts(system: SimulatedSystem) -> list[AmendGroup]:
    """The moves in the journal."""
    found = map(decode_record, system.journal.records(entity="group:b"))
    return [one for one in found if isinstance(one, AmendGroup)]


def test_a_stop_is_moved_in_place_where_the_venue_amends() -> None:
    """One amend; its fact outlives a restart, and the stop that comes later is at its new place."""
    system = begun()
    ticket = system.system.submit_group(
        bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=240), intent_id="b"
    )
    system.run(SECOND)
    system.system.amend_group(ticket, stop_px=185).get(timeout=1)  # held back: ours to change
    held = system.system.order(ticket.legs["stop"]).get(timeout=1)
    assert (OrderState.HELD, D(185)) == (held.state, held.stop_px)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    assert [(D(185), D("0.4"))] == [(one.stop_px, one.leaves_qty) for one in stops(system)]
    system.crash()
    system.restart()
    system.run(SECOND)
    assert S.LINKED is system.system.amend_group("b", stop_px=190).get(timeout=1)
    market(system, "198", "199")
    assert (D(190), False) == (stop_px(system), naked(system))
    market(system, "189", "190")
    system.run(5 * SECOND)
    assert S.DONE is state(system)
    assert not system.settle(60 * SECOND)


def test_a_new_stop_rests_beside_the_old_before_that_goes() -> None:
    """Where the venue does not amend: at no moment there is less than before."""
    system = begun(capabilities=NO_AMENDS)
    ticket = opened(system, target=240)
    system.inject(Fault(FaultKind.HANG, When(verb="place", nth=1)))
    system.system.amend_group(ticket, stop_px=190)
    system.run(SECOND)
    assert [D(180), D(190)] == [one.stop_px for one in stops(system)]
    system.run(60 * SECOND)
    assert (D(190), False, S.LINKED) == (stop_px(system), naked(system), state(system))
    market(system, "189", "190")
    system.run(5 * SECOND)
    assert S.DONE is state(system)
    assert not system.settle(60 * SECOND)


def test_where_two_cannot_rest_the_old_goes_first_and_that_is_said() -> None:
    """Both could open a position: the naked window is measured, short, and an alarm tells of it."""
    system = begun(capabilities=BOUNDS_NOTHING)
    ticket = opened(system)
    system.system.amend_group(ticket, stop_px=190)
    system.run(5 * SECOND)
    assert (D(190), S.LINKED) == (stop_px(system), state(system))
    assert naked(system)
    assert ["stop_away"] == alarms(system)
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("capabilities", [FULL_CAPABILITIES, NO_AMENDS])
def test_what_the_venue_refuses_leaves_the_old_stop_and_is_asked_again(
    capabilities: Capabilities,
) -> None:
    """Once refused it is tried again; refused on and on, a person is told. A new wish counts."""
    system = begun(capabilities=capabilities)
    ticket = opened(system, target=240)
    verbs = ("amend", "place") if capabilities.amend else ("place",)
    system.inject(Fault(FaultKind.REFUSED, When(verb=verbs[0], nth=1)))
    system.system.amend_group(ticket, stop_px=185)
    system.run(5 * SECOND)
    assert (D(185), False) == (stop_px(system), naked(system))
    for verb in verbs:
        for nth in range(1, 6):
            system.inject(Fault(FaultKind.REFUSED, When(verb=verb, nth=nth)))
    system.system.amend_group(ticket, stop_px=190)
    system.run(20 * SECOND)
    assert (D(185), False, S.LINKED) == (stop_px(system), naked(system), state(system))
    assert 1 == alarms(system).count("leg_not_moved")
    system.system.amend_group(ticket, stop_px=188)
    system.run(200 * SECOND)
    assert (D(188), False, S.LINKED) == (stop_px(system), naked(system), state(system))


def test_the_newest_wish_counts() -> None:
    """Wishes while one is under way come to one more request."""
    system = begun()
    ticket = opened(system)
    for px in (181, 182, 183, 190):
        system.system.amend_group(ticket, stop_px=px)
    system.run(5 * SECOND)
    assert D(190) == stop_px(system)
    kinds = [
        record.kind for record in system.journal.records(entity=stops(system)[0].client_order_id)
    ]
    assert 2 == kinds.count("AmendOrder")  # the first wish, and the newest when that was answered


def test_an_amend_of_its_order_is_a_move_where_the_leg_was_moved() -> None:
    """Else the group would take it back."""
    system = begun()
    ticket = opened(system)
    system.system.amend_group(ticket, stop_px=185)
    system.run(SECOND)
    system.system.amend(ticket.legs["stop"], stop_px=D(183))
    system.run(5 * SECOND)
    assert D(183) == stop_px(system)
    assert [D(185), D(183)] == [one.stop_px for one in facts(system)]


def test_a_move_that_cannot_be_meant_is_refused() -> None:
    """With the reason, and nothing changes."""
    system = begun()
    ticket = opened(system, target=220)
    system.system.on_price(BTC, last=198)
    system.run(SECOND)
    for kind, text, leg, terms in (
        (InvalidOrder, "must be below the market", "stop", {"stop_px": 199}),
        (InvalidOrder, "off the tick", "stop", {"stop_px": "190.3"}),
        (InvalidOrder, "has no leg 'stopp'", "stopp", {"stop_px": 190}),
        (InvalidOrder, "no price to be moved", "stop", {"price": 190}),
        (InvalidOrder, "must be below its targets", "target", {"price": 170}),
    ):
        with pytest.raises(kind, match=text):
            system.system.amend_group(ticket, leg, **terms).get(timeout=1)
    with pytest.raises(InvalidOrder, match="at least one"):
        system.system.amend_group(ticket)
    with pytest.raises(UnknownOrder, match="nobody"):
        system.system.amend_group("nobody", stop_px=190).get(timeout=1)
    assert (D(180), []) == (stop_px(system), facts(system))


def test_a_target_is_moved_too() -> None:
    """At a venue that does not amend it goes first: it protects nothing."""
    for capabilities in (FULL_CAPABILITIES, NO_AMENDS):
        system = begun(capabilities=capabilities)
        ticket = opened(system, target=240)
        system.system.amend_group(ticket, "target", price=210)
        system.run(5 * SECOND)
        assert (S.LINKED, False) == (state(system), naked(system))
        market(system, "210", "211")
        system.run(5 * SECOND)
        assert S.DONE is state(system)
        assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("capabilities", [FULL_CAPABILITIES, NO_AMENDS])
def test_a_trailing_stop_follows_the_price_and_never_falls_back(
    capabilities: Capabilities,
) -> None:
    """By steps, over a restart too, until it is hit."""
    system = begun(capabilities=capabilities)
    opened(system, trail=trail_by(10, step=2))
    assert D(189) == stop_px(system)
    market(system, "200", "201", 5 * SECOND)
    assert D(189) == stop_px(system)  # less than a step
    market(system, "207", "208", 5 * SECOND)
    assert D(197) == stop_px(system)
    system.crash()
    system.restart()
    market(system, "203", "204", 5 * SECOND)
    assert D(197) == stop_px(system)
    market(system, "215", "216", 5 * SECOND)
    assert (D(205), False) == (stop_px(system), naked(system))
    market(system, "204", "205", 5 * SECOND)
    assert S.DONE is state(system)
    assert not system.settle(60 * SECOND)


def test_a_trail_begins_at_its_price_and_remembers_that() -> None:
    """By percent; until then the stop stays, and after a restart it goes on where it was."""
    system = begun()
    opened(system, trail=trail_by(percent=10, activate_px=210))
    market(system, "209", "210", 5 * SECOND)
    assert (D(180), []) == (stop_px(system), facts(system))
    market(system, "210", "211", 5 * SECOND)
    assert D(189) == stop_px(system)
    system.crash()
    system.restart()
    market(system, "209", "210", 5 * SECOND)
    assert D(189) == stop_px(system)
    market(system, "220", "221", 5 * SECOND)
    assert D(198) == stop_px(system)


def test_break_even_comes_once() -> None:
    """When the price has gone far enough, to the average entry and a little; then no more."""
    system = begun()
    ticket = opened(system, break_even=even_after(10, offset="0.5"))
    market(system, "208", "209", 5 * SECOND)
    assert D(180) == stop_px(system)
    market(system, "211", "212", 5 * SECOND)
    entry_px = system.system.order(ticket.legs["entry"]).get(timeout=1).avg_px
    assert entry_px is not None
    assert entry_px + D("0.5") == stop_px(system)
    system.system.amend_group(ticket, stop_px=190)  # a person may loosen it again
    market(system, "215", "216", 5 * SECOND)
    assert D(190) == stop_px(system)


def test_break_even_after_the_first_target() -> None:
    """No price is needed for that."""
    system = begun()
    opened(system, targets=((220, "0.5"), (240, "0.5")), break_even=even_after())
    market(system, "220", "222", 5 * SECOND)
    (one,) = stops(system)
    assert (D("0.5"), D(199)) == (one.leaves_qty, one.stop_px)


def test_a_trail_and_a_break_even_follow_the_price_that_each_of_them_names() -> None:
    """A trail that names none follows the price that elects the stop, and not the other's."""
    for even_by, rises in ((TriggerSource.MARK, True), (None, False)):
        system = begun()
        even = even_after(10, source=even_by)
        trail = trail_by(10, source=None if even_by else TriggerSource.MARK)
        opened(system, trail=trail, break_even=even)
        market(system, "215", "216", 5 * SECOND)
        assert (D(205) if rises else D(199)) == stop_px(system)
        system.mark(BTC, D(222))
        system.run(SECOND)
        assert (D(205) if rises else D(212)) == stop_px(system)


def test_a_trail_without_prices_says_that_it_is_blind() -> None:
    """Once; the stop stays where it is, and follows the next price."""
    system = begun()
    opened(system, trail=trail_by(10, max_age_ns=30 * SECOND))
    system.run(120 * SECOND)
    assert (D(189), ["trail_blind"]) == (stop_px(system), alarms(system))
    market(system, "205", "206", 5 * SECOND)
    assert D(195) == stop_px(system)
    system.run(120 * SECOND)
    assert ["trail_blind"] * 2 == alarms(system)


def test_a_short_trade_is_trailed_the_other_way() -> None:
    """A stop above the market is tightened downwards."""
    system = begun()
    root = bracket(limit(BTC, "SELL", "1", 200), stop_px=220, trail=trail_by(10))
    assert Side.SELL is root.members[0].order.side  # type: ignore[union-attr]
    system.system.submit_group(root, intent_id="b")
    for bid, ask in (("201", "202"), ("195", "196"), ("199", "200"), ("185", "186")):
        market(system, bid, ask, 5 * SECOND)
    assert D(196) == stop_px(system)  # falling, its last price is the ask


def test_what_cannot_trail_is_refused() -> None:
    """Before anything is sent."""
    system = begun()
    entry = limit(BTC, "BUY", "1", 200)
    for trail, even, text in (
        (trail_by(), None, "exactly one"),
        (trail_by(1, percent=1), None, "exactly one"),
        (trail_by(percent=100), None, "below 100"),
        (trail_by(-1), None, "above 0"),
        (trail_by(1, step=-1), None, "step of 0 or more"),
        (None, even_after(0), "above 0"),
        (None, even_after(), "needs a target"),
    ):
        with pytest.raises(InvalidOrder, match=text):
            system.system.submit_group(bracket(entry, stop_px=180, trail=trail, break_even=even))
    assert () == system.system.orders().get(timeout=1)


def test_a_journal_tells_who_moved_what() -> None:
    """Beside the looks of the group, in the order it happened."""
    system = begun()
    ticket = opened(system, trail=trail_by(10, activate_px=205))
    system.system.amend_group(ticket, stop_px=185)
    market(system, "206", "207", 5 * SECOND)
    told = explain_group(system.journal, "b")
    notes = [one.note for one in told.moments if one.fact == "AmendGroup"]
    assert ["person moves stop to stop 185", "trail moves stop to stop 196.0"] == notes
    assert {"LINKED"} == {one.state for one in told.moments if one.fact == "AmendGroup"}


def test_a_signal_may_carry_a_trail_and_a_break_even() -> None:
    """Its bracket has them."""
    signal = EntrySignal(
        signal_id="s", instrument=BTC, direction=Direction.LONG, entry_px=D(200), stop_px=D(190),
        ts=1, trail=trail_by(5), break_even=even_after(3),
    )  # fmt: skip
    limits = RiskLimits(currency="USDT", risk_fraction=D("0.01"))
    state_ = RiskState(ts=1, equity=D(10_000), held=())
    plan = plan_entry(signal, SPOT, limits, state_, D(1))
    assert plan.root is not None, plan
    (stop,) = [leg for leg in legs_of(plan.root) if leg.role is LegRole.STOP]
    assert (trail_by(5), even_after(3)) == (stop.trail, stop.break_even)


def watched_here(node: Any) -> Any:
    """The same with stops whose triggers the engine watches."""
    if isinstance(node, GroupTerms):
        return replace(node, members=tuple(map(watched_here, node.members)))
    return replace(node, order=replace(node.order, local=node.role is LegRole.STOP))


@pytest.mark.parametrize("local", [False, True])
def test_moves_replay_to_the_same_digest(tmp_path: Path, local: bool) -> None:
    """By a person, by the trail, and by an amend of the leg's order; a stop that the engine watches
    does not leave in a replay either. Each move is a fact, and is not made once more.
    """
    system = begun()
    terms = bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=260, trail=trail_by(10))
    terms = watched_here(terms) if local else terms
    ticket = system.system.submit_group(terms, intent_id="b")
    market(system, "198", "199")
    for px in (205, 215, 225):
        market(system, str(px), str(px + 1))
    system.system.amend_group(ticket, stop_px=216)
    system.run(SECOND)
    system.system.amend(ticket.legs["stop"], stop_px=D(217))
    system.run(SECOND)
    assert {Mover.TRAIL, Mover.PERSON} <= {one.mover for one in facts(system)}
    digest = system.system.state_digest()
    system.run_until_idle()
    system.save_journal(tmp_path / "j.db")
    report = replay([tmp_path / "j.db"])
    assert (digest.get(timeout=0), []) == (
        report.digest,
        [check.name for check in report.checks if check.failed],
    )


def test_a_stop_that_the_engine_watches_is_trailed_and_brought_to_break_even_too() -> None:
    """Where a venue has no stops: the watched one is moved, and elects where it was moved to."""
    for terms, wanted in (
        ({"trail": trail_by(10)}, D(215)),
        ({"break_even": even_after(20)}, D(199)),  # what it was bought at
    ):
        system = begun()
        made = bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=260, **terms)
        ticket = system.system.submit_group(watched_here(made), intent_id="b")
        market(system, "198", "199")
        for px in (205, 215, 225):
            market(system, str(px), str(px + 1))
        stop = system.system.order(ticket.legs["stop"]).get(timeout=1)
        assert (OrderState.HELD, wanted) == (stop.state, stop.stop_px)
        assert D(1) == held(system)
        market(system, str(wanted - 1), str(wanted))
        system.run(SECOND)
        assert (S.DONE, D(0)) == (state(system), held(system))
