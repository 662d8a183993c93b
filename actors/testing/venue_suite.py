"""The first part of :mod:`actors.testing.venue_conformance`: how its tests work at a venue, and
those of placing, of client ids and of batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import ClassVar, Final

import pytest
from msgspec.structs import replace

from engine.capabilities import IdScope, ReduceOnlyRule
from engine.messages import (
    Accepted,
    SubmitOrder,
    VenueStatus,
)
from engine.values import TimeInForce

from ..venues.port import Done, Refused, Unknown, Venue
from .venue_desk import ENDED, Desk, LoopRunner, Runner

__all__ = ["VenueSuite", "filled", "needs"]

_MS: Final = 1_000_000


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

    def trade_with(self, desk: Desk, order: SubmitOrder, qty: Decimal) -> bool:
        """Have somebody trade ``qty`` with a resting order. False: it cannot be arranged here."""
        return False

    def lose_next_answer(self, desk: Desk) -> bool:
        """Have the venue act on the next call, and its answer get lost on the way: cut the
        connection, let the stub of your transport time out. False: it cannot be arranged here.
        """
        return False

    # --- how the tests work -----------------------------------------------------------------------

    @contextmanager
    def opened(self) -> Iterator[Desk]:
        """A connected desk; what is left open at the end is cancelled."""
        desk = Desk(
            self.make_venue(), self.make_runner(), self.symbol, patience_ns=self.patience_ns
        )
        self.open_market(desk)
        try:
            yield desk
        finally:
            desk.clean_up()

    @pytest.fixture
    def desk(self) -> Iterator[Desk]:
        """A connected desk, for one test."""
        with self.opened() as desk:
            yield desk

    def resting(self, desk: Desk, lots: int = 1) -> SubmitOrder:
        """A placed order that works, far below the bid, of so many times the least quantity."""
        px = desk.away(self.away)
        order = desk.buy(px, desk.least(px) * lots)
        outcome = desk.place(order)
        assert isinstance(outcome, Done), f"a plain limit order was not taken: {outcome}"
        self.wait_until_it_works(desk, order)
        return order

    def wait_until_it_works(self, desk: Desk, order: SubmitOrder) -> None:
        """Until a query says so."""
        desk.wait_for("the order works", lambda: desk.status(order) is VenueStatus.WORKING)

    def wait_until_cancelled(self, desk: Desk, order: SubmitOrder) -> None:
        """Until a query says so, or finds it no more."""
        desk.wait_for(
            "it is cancelled", lambda: desk.status(order) in (VenueStatus.CANCELLED, None)
        )

    def bought(self, desk: Desk, lots: int = 1) -> SubmitOrder:
        """A placed order that has filled, of so many times the least quantity."""
        px = desk.away(-self.through)
        order = desk.buy(px, desk.least(px) * lots)
        outcome = desk.place(order)
        assert isinstance(outcome, Done), f"an order at the ask was not taken: {outcome}"
        desk.wait_for("the order fills", lambda: desk.status(order) is VenueStatus.FILLED)
        return order

    def has_traded(self, desk: Desk, order: SubmitOrder, qty: Decimal | None = None) -> None:
        """Somebody has traded with a resting order; a test that needs it is skipped without."""
        qty = order.order_qty if qty is None else qty
        assert qty is not None
        if not self.trade_with(desk, order, qty):
            pytest.skip("trade_with() cannot have somebody trade here")

    def see_lag_out(self, desk: Desk) -> None:
        """Wait until whatever has happened can be seen."""
        desk.pause(desk.venue.capabilities.visibility_lag_ns + 100 * _MS)

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

    def test_two_orders_are_two(self, desk: Desk) -> None:
        """Each has a venue's id of its own and is listed; what happens to one leaves the other."""
        first, second = self.resting(desk), self.resting(desk)
        desk.wait_for(
            "open_orders() shows both", lambda: desk.is_listed(first) and desk.is_listed(second)
        )
        assert desk.venue_order_id(first) != desk.venue_order_id(second)
        desk.cancel(second)
        self.wait_until_cancelled(desk, second)
        assert desk.status(first) is VenueStatus.WORKING, "a cancel of another order ended it"
        self.has_traded(desk, first)
        desk.wait_for("the fill is told", lambda: filled(desk, first) == first.order_qty)
        assert not desk.fills(second), "the fill of another order was told as its own"

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
        self.see_lag_out(desk)
        assert not desk.fills(order)
        assert not desk.executed(order)

    def test_reduce_only_never_adds(self, desk: Desk) -> None:
        """A reduce-only buy at the ask, with nothing sold short, is refused or cancelled."""
        rule = desk.venue.capabilities.reduce_only
        needs(rule is not ReduceOnlyRule.UNSUPPORTED, "reduce_only")
        if desk.held() < 0:
            pytest.skip("the account is short: a reduce-only buy may fill")
        order = replace(desk.buy(desk.away(-self.through)), reduce_only=True)
        desk.place(order)
        self.see_lag_out(desk)
        assert not desk.fills(order)
        assert not desk.executed(order)

    def test_a_refusal_has_no_effect(self, desk: Desk) -> None:
        """An order for an instrument that does not exist is a definite no, and leaves nothing."""
        order = replace(desk.buy(desk.away(self.away)), instrument="NO-SUCH-THING")
        outcome = desk.place(order)
        assert isinstance(outcome, Refused), f"expected Refused, was {outcome}"
        assert outcome.reason, "a refusal says why"
        assert not desk.is_listed(order)

    def test_a_lost_answer_is_no_answer(self, desk: Desk) -> None:
        """The venue acts and its answer is lost: the outcome is Unknown, and nothing else."""
        order = desk.buy(desk.away(self.away))
        if not self.lose_next_answer(desk):
            pytest.skip("lose_next_answer() cannot lose one here")
        outcome = desk.place(order)
        assert isinstance(outcome, Unknown), f"nobody knows whether it was placed: {outcome}"
        self.wait_until_it_works(desk, order)
        self.lose_next_answer(desk)
        outcome = desk.cancel(order)
        assert isinstance(outcome, Unknown), f"nobody knows whether it was cancelled: {outcome}"
        self.wait_until_cancelled(desk, order)

    # --- batches ----------------------------------------------------------------------------------

    def test_a_batch_answers_each_item(self, desk: Desk) -> None:
        """One outcome for each order, in order; a bad one is refused alone."""
        most = desk.venue.capabilities.place_batch
        needs(most > 1, "batches of placements")
        px = desk.away(self.away)
        bad = replace(desk.buy(px), instrument="NO-SUCH-THING")
        orders = [desk.buy(px), bad, desk.buy(px)][:most]
        outcomes = desk.place_batch(orders)
        assert [type(one) for one in outcomes] == [Done, Refused, Done][:most]
        for order in orders[::2]:
            self.wait_until_it_works(desk, order)

    def test_a_batch_takes_a_client_id_once(self, desk: Desk) -> None:
        """What works already is not placed again by a batch."""
        needs(desk.venue.capabilities.place_batch > 1, "batches of placements")
        needs(desk.venue.capabilities.client_id_scope is not IdScope.NONE, "client ids")
        order = self.resting(desk)
        (again,) = desk.place_batch([order])
        assert not isinstance(again, Done), f"a repeated client id was taken: {again}"
        self._is_alone(desk, order)

    def test_a_batch_of_cancels_answers_each_item(self, desk: Desk) -> None:
        """Each open order is cancelled; what does not exist is refused alone."""
        most = desk.venue.capabilities.cancel_batch
        needs(most > 1, "batches of cancels")
        open_ones = [self.resting(desk) for _ in range(2 if most > 2 else 1)]
        nobody = desk.buy(desk.away(self.away))
        outcomes = desk.cancel_batch([open_ones[0], nobody, *open_ones[1:]])
        assert [type(one) for one in outcomes] == [Done, Refused, Done][:most]
        for order in open_ones:
            self.wait_until_cancelled(desk, order)

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
        self.see_lag_out(desk)
        assert filled(desk, order) == order.order_qty

    def test_the_longest_client_id_is_kept(self, desk: Desk) -> None:
        """An id of the declared length arrives whole, and is told whole."""
        plain = desk.buy(desk.away(self.away))
        longest = plain.client_order_id.ljust(desk.venue.capabilities.client_id_length_max, "Z")
        order = replace(plain, client_order_id=longest)
        outcome = desk.place(order)
        assert isinstance(outcome, Done), f"a client id of {len(longest)} characters: {outcome}"
        desk.wait_for("open_orders() shows it under its id", lambda: desk.is_listed(order))
        desk.wait_for("its reports carry its id", lambda: bool(desk.reports(order)))

    def _is_alone(self, desk: Desk, order: SubmitOrder) -> None:
        """One order stands at the venue, whatever was asked: its own, and no copy of it."""
        desk.wait_for("open_orders() shows it", lambda: desk.is_listed(order))
        self.see_lag_out(desk)
        found = [
            one
            for one in desk.ask(desk.venue.open_orders()).items
            if one.instrument == self.symbol and one.client_order_id not in desk.before
        ]
        assert [order.client_order_id] == [one.client_order_id for one in found], (
            f"one client id, {len(found)} orders: {found}"
        )


def filled(desk: Desk, order: SubmitOrder) -> Decimal:
    """How much of an order was told to have filled."""
    return sum((one.last_qty for one in desk.fills(order).values()), Decimal(0))


def needs(has: bool, what: str) -> None:
    """Skip what a venue says it has not."""
    if not has:
        pytest.skip(f"this venue declares no {what}")
