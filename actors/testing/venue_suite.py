"""The first part of :mod:`actors.testing.venue_conformance`: how its tests work at a venue, and
those of placing and of client ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

import pytest
from msgspec.structs import replace

from engine.capabilities import IdScope
from engine.messages import (
    Accepted,
    SubmitOrder,
    VenueStatus,
)
from engine.values import TimeInForce

from ..venues.port import Done, Refused, Venue
from .venue_desk import ENDED, Desk, LoopRunner, Runner

__all__ = ["VenueSuite", "filled", "needs"]


class VenueSuite:
    """See the module's text.

    Attributes:
        symbol: what is traded. away: how far below the best bid an order rests, as a share of it.
        through: how far above the best ask an order is sure to trade, as a share of it.
        patience_ns: how long a report may take, beyond the declared visibility lag.
    """

    symbol: ClassVar[str]
    away: ClassVar[Decimal] = Decimal("0.05")
    through: ClassVar[Decimal] = Decimal("0.01")
    patience_ns: ClassVar[int] = 10_000_000_000

    # --- for subclasses ---------------------------------------------------------------------------

    def make_venue(self) -> Venue:
        """A venue that is not connected yet; one for each test."""
        raise NotImplementedError(f"{type(self).__name__} needs make_venue()")

    def make_runner(self) -> Runner:
        """What runs the adapter's coroutines: an asyncio loop, unless you say otherwise."""
        return LoopRunner()

    def open_market(self, desk: Desk) -> None:
        """See to a bid and an ask; a real venue has them."""

    def trade_with(self, desk: Desk, order: SubmitOrder) -> bool:
        """Have somebody trade with a resting order. False: it cannot be arranged here."""
        return False

    @pytest.fixture
    def desk(self) -> Iterator[Desk]:
        """A connected desk; what the test leaves open is cancelled."""
        desk = Desk(
            self.make_venue(), self.make_runner(), self.symbol, patience_ns=self.patience_ns
        )
        self.open_market(desk)
        yield desk
        desk.clean_up()

    def resting(self, desk: Desk) -> SubmitOrder:
        """A placed order that works, far below the bid."""
        order = desk.buy(desk.away(self.away))
        outcome = desk.place(order)
        assert isinstance(outcome, Done), f"a plain limit order was not taken: {outcome}"
        self.wait_until_it_works(desk, order)
        return order

    def wait_until_it_works(self, desk: Desk, order: SubmitOrder) -> None:
        """Until a query says so."""
        desk.wait_for("the order works", lambda: desk.status(order) is VenueStatus.WORKING)

    def bought(self, desk: Desk) -> SubmitOrder:
        """A placed order that has filled."""
        order = desk.buy(desk.away(-self.through))
        outcome = desk.place(order)
        assert isinstance(outcome, Done), f"an order at the ask was not taken: {outcome}"
        desk.wait_for("the order fills", lambda: desk.status(order) is VenueStatus.FILLED)
        return order

    # --- placing ----------------------------------------------------------------------------------

    def test_a_resting_order_is_acknowledged(self, desk: Desk) -> None:
        """Answer or stream say that it works, under the venue's id, and the list shows it."""
        order = self.resting(desk)
        desk.wait_for(
            "Accepted is told", lambda: any(type(r) is Accepted for r in desk.reports(order))
        )
        assert desk.venue_order_id(order), "no report carries the venue's id"
        desk.wait_for("open_orders() shows it", lambda: desk.is_listed(order))

    def test_a_marketable_order_fills(self, desk: Desk) -> None:
        """Its executions are told, one by one, and add up to what was asked."""
        order = self.bought(desk)
        desk.wait_for("the fills add up", lambda: filled(desk, order) == order.order_qty)

    def test_an_immediate_order_does_not_rest(self, desk: Desk) -> None:
        """IOC far from the market ends at once, unfilled."""
        needs(TimeInForce.IOC in desk.venue.capabilities.times_in_force, "IOC orders")
        order = replace(desk.buy(desk.away(self.away)), time_in_force=TimeInForce.IOC)
        desk.place(order)
        desk.wait_for("it has ended", lambda: desk.status(order) in (*ENDED, None))
        assert not desk.fills(order)
        assert not desk.is_listed(order)

    def test_post_only_never_takes(self, desk: Desk) -> None:
        """A post-only order that would trade at once is refused or cancelled, never filled."""
        needs(desk.venue.capabilities.post_only, "post_only")
        order = replace(desk.buy(desk.away(-self.through)), post_only=True)
        desk.place(order)
        desk.pause(desk.venue.capabilities.visibility_lag_ns + 100_000_000)
        assert not desk.fills(order)
        assert not desk.executed(order)

    def test_a_refusal_has_no_effect(self, desk: Desk) -> None:
        """An order for an instrument that does not exist is a definite no, and leaves nothing."""
        order = replace(desk.buy(desk.away(self.away)), instrument="NO-SUCH-THING")
        outcome = desk.place(order)
        assert isinstance(outcome, Refused), f"expected Refused, was {outcome}"
        assert outcome.reason, "a refusal says why"
        assert not desk.is_listed(order)

    def test_a_batch_answers_each_item(self, desk: Desk) -> None:
        """One outcome for each order, in order; a bad one is refused alone."""
        px = desk.away(self.away)
        orders = [desk.buy(px), replace(desk.buy(px), instrument="NO-SUCH-THING"), desk.buy(px)]
        outcomes = desk.place_batch(orders)
        assert [Done, Refused, Done] == [type(one) for one in outcomes]
        for order in (orders[0], orders[2]):
            self.wait_until_it_works(desk, order)
        assert [Done, Done] == [type(one) for one in desk.cancel_batch([orders[0], orders[2]])]

    # --- idempotency ------------------------------------------------------------------------------

    def test_a_client_id_is_taken_once(self, desk: Desk) -> None:
        """The same client id again, while its order is open, makes no second order."""
        needs(desk.venue.capabilities.client_id_scope is not IdScope.NONE, "client ids")
        order = self.resting(desk)
        again = desk.place(order)
        assert not isinstance(again, Done), f"a repeated client id was taken: {again}"
        self._is_alone(desk, order)

    def test_a_client_id_is_taken_once_at_a_time(self, desk: Desk) -> None:
        """The same client id twice at the same moment makes one order."""
        needs(desk.venue.capabilities.client_id_scope is not IdScope.NONE, "client ids")
        order = desk.buy(desk.away(self.away))
        both = desk.place_twice(order)
        assert sum(isinstance(one, Done) for one in both) == 1, f"one of two is taken: {both}"
        self._is_alone(desk, order)

    def test_a_client_id_is_kept_after_the_end(self, desk: Desk) -> None:
        """Where ids are unique for longer than their orders are open, a filled order's id is not
        taken again.
        """
        kept = (IdScope.FOREVER, IdScope.WINDOW)
        needs(desk.venue.capabilities.client_id_scope in kept, "client ids that outlive orders")
        order = self.bought(desk)
        again = desk.place(order)
        assert not isinstance(again, Done), f"the id of a filled order was taken again: {again}"
        desk.pause(desk.venue.capabilities.visibility_lag_ns + 100_000_000)
        assert filled(desk, order) == order.order_qty

    def _is_alone(self, desk: Desk, order: SubmitOrder) -> None:
        desk.wait_for("open_orders() shows it", lambda: desk.is_listed(order))
        listed = [
            one
            for one in desk.ask(desk.venue.open_orders()).items
            if one.client_order_id == order.client_order_id
        ]
        assert len(listed) == 1, f"one client id, {len(listed)} orders: {listed}"


def filled(desk: Desk, order: SubmitOrder) -> Decimal:
    """How much of an order was told to have filled."""
    return sum((one.last_qty for one in desk.fills(order).values()), Decimal(0))


def needs(has: bool, what: str) -> None:
    """Skip what a venue says it has not."""
    if not has:
        pytest.skip(f"this venue declares no {what}")
