"""What every venue adapter has to keep, as tests (needs ``orderwright[testing]``).

Subclass :class:`VenueConformance` as ``TestMyVenue``, give :meth:`VenueConformance.make_venue` and
:attr:`VenueConformance.symbol`, and run pytest: each test opens a session, trades the smallest
size there is, and cancels what it left. What the capabilities say the venue has not is skipped.

Against a real venue use its sandbox: the tests buy one least quantity at a time, at the ask, and
rest orders far below the bid. The clock and the loop are :meth:`VenueConformance.make_runner`'s.

What it cannot see: whether a list that came incomplete says so, what a rate limit is called, and
whether ids of executions stay the same when the adapter's process is another one.
"""

from __future__ import annotations

from typing import Final

from engine.messages import (
    Accepted,
    Cancelled,
    Filled,
    LinkUp,
    OrderReport,
    SubmitOrder,
    VenueStatus,
)

from ..venues.port import Done, Refused, Unknown
from .venue_desk import ENDED, Desk
from .venue_records import OPEN, VenueRecords
from .venue_suite import filled, needs

__all__ = ["VenueConformance"]

_HOUR: Final = 3_600_000_000_000


class VenueConformance(VenueRecords):
    """See the module's text, and :class:`~actors.testing.venue_suite.VenueSuite` for what to give
    and what may be changed.
    """

    # --- cancels and amends -----------------------------------------------------------------------

    def test_a_cancel_is_confirmed(self, desk: Desk) -> None:
        """An open order is cancelled, that is told, and the list shows it no more."""
        order = self.resting(desk)
        outcome = desk.cancel(order)
        assert isinstance(outcome, Done), f"an open order was not cancelled: {outcome}"
        desk.wait_for("Cancelled is told", lambda: _is_told_cancelled(desk, order))
        self.wait_until_cancelled(desk, order)
        desk.wait_for("open_orders() does not show it", lambda: not desk.is_listed(order))

    def test_a_cancel_of_what_has_ended_is_refused(self, desk: Desk) -> None:
        """A filled order is not cancelled, whatever is asked: a definite no."""
        order = self.bought(desk)
        outcome = desk.cancel(order)
        assert isinstance(outcome, Refused), f"it has filled, expected Refused, was {outcome}"
        self.see_lag_out(desk)
        assert not _is_told_cancelled(desk, order), "it has filled, and is told as cancelled"
        assert desk.status(order) is VenueStatus.FILLED

    def test_a_second_cancel_changes_nothing(self, desk: Desk) -> None:
        """Cancelled twice is cancelled once; the second call is answered."""
        order = self.resting(desk)
        desk.cancel(order)
        self.wait_until_cancelled(desk, order)
        again = desk.cancel(order)
        assert not isinstance(again, Unknown), f"a cancelled order leaves no doubt: {again}"
        assert desk.status(order) in (VenueStatus.CANCELLED, None)

    def test_a_cancel_of_nothing_is_refused(self, desk: Desk) -> None:
        """There is no such order: a definite no."""
        outcome = desk.cancel(desk.buy(desk.away(self.away)))
        assert isinstance(outcome, Refused), f"expected Refused, was {outcome}"

    def test_a_cancel_that_races_its_order_ends_one_way(self, desk: Desk) -> None:
        """Placed and cancelled at the same moment: afterwards it works or has ended, and the
        cancel's answer agrees.
        """
        order = desk.buy(desk.away(self.away))
        placed, cancelled = desk.place_and_cancel(order)
        assert isinstance(placed, Done), f"a plain limit order was not taken: {placed}"
        if isinstance(cancelled, Done):
            desk.wait_for("it has ended", lambda: desk.status(order) in (*ENDED, None))
        elif isinstance(cancelled, Refused):
            self.see_lag_out(desk)
            assert desk.status(order) in OPEN, "the cancel was refused, and the order is gone"

    def test_a_cancel_that_races_a_fill_ends_one_way(self, desk: Desk) -> None:
        """A marketable order, cancelled at the same moment: what filled was told, and the rest
        ended.
        """
        order = desk.buy(desk.away(-self.through))
        desk.place_and_cancel(order)
        desk.wait_for("it has ended", lambda: desk.status(order) in (*ENDED, None))
        desk.wait_for("the stream's fills are the list's", lambda: _told_is_listed(desk, order))

    def test_an_amend_states_totals(self, desk: Desk) -> None:
        """New total and price are the venue's afterwards, exactly; what is not named stays."""
        needs(desk.venue.capabilities.amend, "amends")
        order = self.resting(desk)
        assert order.order_qty is not None
        qty, px = order.order_qty * 2, desk.away(self.away * 2)
        for asked, then in (((qty, None), (qty, order.price)), ((None, px), (qty, px))):
            outcome = desk.amend(order, *asked)
            assert isinstance(outcome, Done), f"an open order was not amended: {outcome}"
            desk.wait_for(
                f"quantity and price are {then}",
                lambda then=then: (  # type: ignore[misc]  # mypy infers no type for a default
                    (seen := desk.seen(order)) is not None and (seen.order_qty, seen.price) == then
                ),
            )

    def test_an_amend_of_what_has_ended_is_refused(self, desk: Desk) -> None:
        """A filled order takes no new terms."""
        needs(desk.venue.capabilities.amend, "amends")
        order = self.bought(desk)
        assert order.order_qty is not None
        outcome = desk.amend(order, order.order_qty * 2)
        assert isinstance(outcome, Refused), f"expected Refused, was {outcome}"

    # --- parts ------------------------------------------------------------------------------------

    def test_a_part_is_a_part(self, desk: Desk) -> None:
        """A partly filled order works on, for the rest; its cancel takes nothing back."""
        order = self.resting(desk, lots=3)
        assert order.order_qty is not None
        part = order.order_qty / 3  # not what is left
        self.has_traded(desk, order, part)
        desk.wait_for("the part is told", lambda: filled(desk, order) == part)
        desk.wait_for("the query has it", lambda: self._totals(desk, order)[1] == part)
        assert desk.status(order) is VenueStatus.WORKING
        assert self._totals(desk, order) == (order.order_qty, part)
        outcome = desk.cancel(order)
        assert isinstance(outcome, Done), f"the rest was not cancelled: {outcome}"
        desk.wait_for("Cancelled is told", lambda: _is_told_cancelled(desk, order))
        self.wait_until_cancelled(desk, order)
        assert part == filled(desk, order)
        desk.wait_for("the stream's fills are the list's", lambda: _told_is_listed(desk, order))

    def test_an_amend_counts_what_has_filled(self, desk: Desk) -> None:
        """The quantity of an amend is the new total, fills included."""
        needs(desk.venue.capabilities.amend, "amends")
        order = self.resting(desk, lots=3)
        assert order.order_qty is not None
        part, total = order.order_qty / 3, order.order_qty * 2
        self.has_traded(desk, order, part)
        desk.wait_for("the query has it", lambda: self._totals(desk, order)[1] == part)
        outcome = desk.amend(order, total)
        assert isinstance(outcome, Done), f"an open order was not amended: {outcome}"
        want = (total, part)
        desk.wait_for(f"totals are {want}", lambda: self._totals(desk, order) == want)

    def _totals(self, desk: Desk, order: SubmitOrder) -> tuple[object, object]:
        seen = desk.seen(order)
        return (None, None) if seen is None else (seen.order_qty, seen.cum_qty)

    # --- the stream -------------------------------------------------------------------------------

    def test_the_stream_begins_with_a_link(self, desk: Desk) -> None:
        """LinkUp comes first, once."""
        assert type(desk.heard[0]) is LinkUp, f"the first report is {desk.heard[0]}"
        assert sum(type(one) is LinkUp for one in desk.heard) == 1

    def test_the_stream_tells_what_nobody_asked_for(self, desk: Desk) -> None:
        """A fill of a resting order is told without a question."""
        order = self.resting(desk)
        self.has_traded(desk, order)
        desk.wait_for("the stream tells the fill", lambda: bool(desk.fills(order)))
        assert any(type(one) is Filled for one in desk.heard)

    def test_the_stream_echoes_where_declared(self, desk: Desk) -> None:
        """What a call did is told by the stream as well, not by its answer alone."""
        needs(desk.venue.capabilities.stream_echoes, "echoes of calls in its stream")
        order = self.resting(desk)
        desk.wait_for("the stream tells Accepted", lambda: self._hears(desk, order, Accepted))
        desk.cancel(order)
        desk.wait_for("the stream tells Cancelled", lambda: self._hears(desk, order, Cancelled))

    def _hears(self, desk: Desk, order: SubmitOrder, kind: type[Accepted | Cancelled]) -> bool:
        cid = order.client_order_id
        return any(isinstance(one, kind) and one.client_order_id == cid for one in desk.heard)

    def test_reports_name_their_order(self, desk: Desk) -> None:
        """Each report about an order of ours carries our id, or the venue's, and a time."""
        order = self.bought(desk)
        known = desk.venue_order_id(order)
        now_ns = desk.runner.clock.time_ns()
        for one in desk.told:
            assert isinstance(one.ts, int), f"ts is UTC nanoseconds: {one}"
            assert abs(one.ts - now_ns) < _HOUR, f"ts is UTC nanoseconds, and about now: {one}"
            if not isinstance(one, OrderReport):
                continue
            theirs = getattr(one, "venue_order_id", None)
            named = one.client_order_id == order.client_order_id
            assert named or theirs == known, f"whose report is this? {one}"

    # --- reconnect --------------------------------------------------------------------------------

    def test_orders_outlive_a_session(self, desk: Desk) -> None:
        """After a reconnect an open order is still there, and can be cancelled."""
        order = self.resting(desk)
        desk.close()
        desk.connect()
        desk.wait_for("it works", lambda: desk.status(order) is VenueStatus.WORKING)
        assert isinstance(desk.cancel(order), Done)
        assert sum(type(one) is LinkUp for one in desk.heard) == 2

    def test_a_missed_fill_is_listed(self, desk: Desk) -> None:
        """What happened while no session was open is in executions() and in the query."""
        order = self.resting(desk)
        desk.close()
        try:
            self.has_traded(desk, order)
        finally:
            desk.connect()
        desk.wait_for("executions() has it", lambda: bool(desk.executed(order)))
        desk.wait_for("the query has it", lambda: desk.status(order) is VenueStatus.FILLED)

    def test_a_reconnect_makes_nothing_new(self, desk: Desk) -> None:
        """What the stream tells again after a reconnect are the executions that were told."""
        order = self.bought(desk)
        desk.wait_for("the fills add up", lambda: filled(desk, order) == order.order_qty)
        desk.close()
        desk.connect()
        self.see_lag_out(desk)
        assert filled(desk, order) == order.order_qty, "told again under another execution id"
        assert _told_is_listed(desk, order), "listed under another execution id"

    def test_a_closed_session_is_silent(self, desk: Desk) -> None:
        """After close() nothing is reported, and calls are answered with no or with unknown."""
        order = self.resting(desk)
        another = desk.buy(desk.away(self.away))
        assert order.order_qty is not None
        desk.close()
        heard = len(desk.heard)
        outcome = desk.place(another)
        assert isinstance(outcome, Refused | Unknown), f"nobody is connected: {outcome}"
        self.trade_with(desk, order, order.order_qty)
        desk.pause()
        assert heard == len(desk.heard)
        desk.connect()


def _is_told_cancelled(desk: Desk, order: SubmitOrder) -> bool:
    return any(type(one) is Cancelled for one in desk.reports(order))


def _told_is_listed(desk: Desk, order: SubmitOrder) -> bool:
    """Whether the executions that were told are those of the list."""
    return sorted(desk.fills(order)) == sorted(one.exec_id for one in desk.executed(order))
