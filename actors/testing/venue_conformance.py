"""What every venue adapter has to keep, as tests (needs ``orderwright[testing]``).

Subclass :class:`VenueConformance` as ``TestMyVenue``, give :meth:`VenueConformance.make_venue` and
:attr:`VenueConformance.symbol`, and run pytest: each test opens a session, trades the smallest
size there is, and cancels what it left. What the capabilities say the venue has not is skipped.

Against a real venue use its sandbox: the tests buy one least quantity at a time, at the ask, and
rest orders far below the bid. The clock and the loop are :meth:`VenueConformance.make_runner`'s.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.messages import (
    Cancelled,
    Filled,
    LinkUp,
    QueryOrder,
    VenueStatus,
)
from engine.values import OrderType, PositionSlot, Side, is_on_step

from ..venues.port import Done, Refused, Unknown
from .venue_desk import ENDED, Desk
from .venue_suite import VenueSuite, filled, needs

__all__ = ["VenueConformance"]

_OPEN = (VenueStatus.PENDING, VenueStatus.WORKING)


class VenueConformance(VenueSuite):
    """See the module's text, and :class:`VenueSuite` for what to give and what may be changed."""

    # --- cancels and amends -----------------------------------------------------------------------

    def test_a_cancel_is_confirmed(self, desk: Desk) -> None:
        """An open order is cancelled, that is told, and the list shows it no more."""
        order = self.resting(desk)
        outcome = desk.cancel(order)
        assert isinstance(outcome, Done), f"an open order was not cancelled: {outcome}"
        desk.wait_for(
            "Cancelled is told", lambda: any(type(r) is Cancelled for r in desk.reports(order))
        )
        desk.wait_for(
            "it is cancelled", lambda: desk.status(order) in (VenueStatus.CANCELLED, None)
        )
        desk.wait_for("open_orders() does not show it", lambda: not desk.is_listed(order))

    def test_a_cancel_of_what_has_ended_changes_nothing(self, desk: Desk) -> None:
        """A filled order is not cancelled, whatever is asked; the answer does not claim it."""
        order = self.bought(desk)
        outcome = desk.cancel(order)
        assert not isinstance(outcome, Unknown), f"a filled order leaves no doubt: {outcome}"
        claimed = outcome.reports if isinstance(outcome, Done) else ()
        assert not any(type(one) is Cancelled for one in claimed), f"it has filled: {claimed}"
        assert desk.status(order) is VenueStatus.FILLED

    def test_a_second_cancel_changes_nothing(self, desk: Desk) -> None:
        """Cancelled twice is cancelled once; the second call is answered."""
        order = self.resting(desk)
        desk.cancel(order)
        desk.wait_for(
            "it is cancelled", lambda: desk.status(order) in (VenueStatus.CANCELLED, None)
        )
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
            desk.pause(desk.venue.capabilities.visibility_lag_ns + 100_000_000)
            assert desk.status(order) in _OPEN, "the cancel was refused, and the order is gone"

    def test_a_cancel_that_races_a_fill_ends_one_way(self, desk: Desk) -> None:
        """A marketable order, cancelled at the same moment: what filled was told, and the rest
        ended.
        """
        order = desk.buy(desk.away(-self.through))
        desk.place_and_cancel(order)
        desk.wait_for("it has ended", lambda: desk.status(order) in (*ENDED, None))
        desk.wait_for(
            "the stream's fills are the list's",
            lambda: (
                sorted(desk.fills(order)) == sorted(one.exec_id for one in desk.executed(order))
            ),
        )

    def test_an_amend_states_totals(self, desk: Desk) -> None:
        """New total and price are the venue's afterwards, exactly."""
        needs(desk.venue.capabilities.amend, "amends")
        order = self.resting(desk)
        assert order.order_qty is not None
        qty, px = order.order_qty * 2, desk.away(self.away * 2)
        outcome = desk.amend(order, qty, px)
        assert isinstance(outcome, Done), f"an open order was not amended: {outcome}"
        desk.wait_for(
            "the new terms are shown",
            lambda: (
                (seen := desk.seen(order)) is not None and (seen.order_qty, seen.price) == (qty, px)
            ),
        )

    def test_an_amend_of_what_has_ended_is_refused(self, desk: Desk) -> None:
        """A filled order takes no new terms."""
        needs(desk.venue.capabilities.amend, "amends")
        order = self.bought(desk)
        assert order.order_qty is not None
        outcome = desk.amend(order, order.order_qty * 2)
        assert isinstance(outcome, Refused), f"expected Refused, was {outcome}"

    # --- queries ----------------------------------------------------------------------------------

    def test_a_query_finds_open_and_closed(self, desk: Desk) -> None:
        """With its terms and totals; a closed order by client id where that is declared."""
        working, filled = self.resting(desk), self.bought(desk)
        for order, total in ((working, Decimal(0)), (filled, filled.order_qty)):
            seen = desk.seen(order)
            assert seen is not None
            told = (seen.client_order_id, seen.instrument, seen.side, seen.order_qty, seen.cum_qty)
            cid = order.client_order_id
            assert (cid, order.instrument, Side.BUY, order.order_qty, total) == told

    def test_a_query_by_the_venues_id_finds_the_same(self, desk: Desk) -> None:
        """Both ids lead to one order."""
        order = self.resting(desk)
        venue_order_id = desk.venue_order_id(order)
        request = QueryOrder("", order.instrument, venue_order_id)
        items = desk.ask(desk.venue.query_order(request)).items
        assert [order.client_order_id] == [one.client_order_id for one in items]

    def test_a_query_for_nothing_is_empty(self, desk: Desk) -> None:
        """No exception, no other order: nothing, and complete."""
        order = desk.buy(desk.away(self.away))
        answer = desk.ask(desk.venue.query_order(QueryOrder(order.client_order_id, self.symbol)))
        assert tuple(answer.items) == ()

    def test_answers_say_when_they_were_asked(self, desk: Desk) -> None:
        """``sent_ts`` lies between the moment we asked and the moment we got it."""
        before = desk.runner.clock.time_ns()
        asked = [
            desk.ask(desk.venue.open_orders()).sent_ts,
            desk.ask(desk.venue.positions()).sent_ts,
            desk.ask(desk.venue.balances()).sent_ts,
        ]
        assert sorted(asked) == asked
        assert before <= asked[0] <= asked[-1] <= desk.runner.clock.time_ns()

    def test_trigger_orders_are_listed_where_declared(self, desk: Desk) -> None:
        """open_orders() shows an idle stop, or does not call itself complete."""
        kinds = desk.venue.capabilities.order_types
        needs(OrderType.STOP in kinds, "stop orders")
        px = desk.away(-5 * self.away)
        stop = replace(desk.buy(px), order_type=OrderType.STOP, price=None, stop_px=px)
        outcome = desk.place(stop)
        assert isinstance(outcome, Done), f"a stop above the market was not taken: {outcome}"
        desk.wait_for("the stop is there", lambda: desk.status(stop) in _OPEN)
        answer = desk.ask(desk.venue.open_orders())
        assert desk.is_listed(stop) or not answer.complete
        assert desk.is_listed(stop) or not desk.venue.capabilities.lists_trigger_orders

    def test_executions_are_those_that_were_told(self, desk: Desk) -> None:
        """The list has the stream's executions: same ids, quantities, prices; each once."""
        order = self.bought(desk)
        desk.wait_for("the fills add up", lambda: filled(desk, order) == order.order_qty)
        listed = desk.executed(order)
        told = {one.exec_id: (one.last_qty, one.last_px) for one in desk.fills(order).values()}
        assert sorted(told) == sorted(one.exec_id for one in listed)
        assert told == {one.exec_id: (one.last_qty, one.last_px) for one in listed}
        assert all(one.instrument and one.side for one in listed), (
            "an entry says what and which side"
        )

    def test_positions_follow_executions(self, desk: Desk) -> None:
        """What was bought is held."""
        before = self._held(desk)
        order = self.bought(desk)
        assert order.order_qty is not None
        want = before + order.order_qty
        desk.wait_for(f"the position is {want}", lambda: self._held(desk) == want)

    def _held(self, desk: Desk) -> Decimal:
        slots = desk.ask(desk.venue.positions()).items
        mine = [s.qty for s in slots if (s.instrument, s.slot) == (self.symbol, PositionSlot.NET)]
        return sum(mine, Decimal(0))

    # --- the stream -------------------------------------------------------------------------------

    def test_the_stream_begins_with_a_link(self, desk: Desk) -> None:
        """LinkUp comes first, once."""
        assert type(desk.heard[0]) is LinkUp, f"the first report is {desk.heard[0]}"
        assert sum(type(one) is LinkUp for one in desk.heard) == 1

    def test_the_stream_tells_what_nobody_asked_for(self, desk: Desk) -> None:
        """A fill of a resting order is told without a question."""
        order = self.resting(desk)
        if not self.trade_with(desk, order):
            pytest.skip("trade_with() cannot have somebody trade here")
        desk.wait_for("the stream tells the fill", lambda: bool(desk.fills(order)))
        assert any(type(one) is Filled for one in desk.heard)

    def test_reports_name_their_order(self, desk: Desk) -> None:
        """Each report about an order of ours carries our id, or the venue's, and a time."""
        order = self.bought(desk)
        known = desk.venue_order_id(order)
        for one in desk.told:
            if type(one) is LinkUp:
                continue
            theirs = getattr(one, "venue_order_id", None)
            named = getattr(one, "client_order_id", "") == order.client_order_id
            assert named or theirs == known, f"whose report is this? {one}"
            assert isinstance(one.ts, int), f"ts is UTC nanoseconds: {one}"

    # --- precision --------------------------------------------------------------------------------

    def test_numbers_are_exact(self, desk: Desk) -> None:
        """Prices and quantities are Decimals on the instrument's grid, as they were sent."""
        order = self.resting(desk)
        seen = desk.seen(order)
        assert seen is not None
        assert (order.price, order.order_qty) == (seen.price, seen.order_qty)
        filled = self.bought(desk)
        for one in [*desk.fills(filled).values(), *desk.executed(filled)]:
            for value, step in (
                (one.last_qty, desk.instrument.lot_size),
                (one.last_px, desk.instrument.tick_size),
            ):
                assert type(value) is Decimal, f"{value!r} is no Decimal"
                assert is_on_step(value, step), f"{value} is off the step {step}"

    def test_numbers_are_not_repaired(self, desk: Desk) -> None:
        """A price between two ticks and a quantity between two lots are refused, not rounded."""
        plain = desk.buy(desk.away(self.away))
        assert plain.price is not None
        assert plain.order_qty is not None
        between = plain.price + desk.instrument.tick_size / 3
        finer = plain.order_qty + desk.instrument.lot_size / 3
        for order in (replace(plain, price=between), replace(plain, order_qty=finer)):
            outcome = desk.place(order)
            assert isinstance(outcome, Refused), f"expected Refused, was {outcome} for {order}"

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
        arranged = self.trade_with(desk, order)
        desk.connect()
        if not arranged:
            pytest.skip("trade_with() cannot have somebody trade here")
        desk.wait_for("executions() has it", lambda: bool(desk.executed(order)))
        desk.wait_for("the query has it", lambda: desk.status(order) is VenueStatus.FILLED)

    def test_a_closed_session_is_silent(self, desk: Desk) -> None:
        """After close() nothing is reported, and calls are answered with no or with unknown."""
        order = self.resting(desk)
        another = desk.buy(desk.away(self.away))
        desk.close()
        heard = len(desk.heard)
        outcome = desk.place(another)
        assert isinstance(outcome, Refused | Unknown), f"nobody is connected: {outcome}"
        self.trade_with(desk, order)
        desk.pause()
        assert heard == len(desk.heard)
        desk.connect()
