"""The second part of :mod:`actors.testing.venue_conformance`: tests of what a venue tells when it
is asked, and of the numbers in it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from engine.messages import Filled, QueryOrder, SubmitOrder, VenueStatus
from engine.values import ZERO, InstrumentKind, OrderType, Side, TimeInForce, is_on_step

from ..venues.port import Answer, Done, Refused
from .venue_desk import Desk
from .venue_suite import VenueSuite, filled, needs

__all__ = ["OPEN", "VenueRecords"]

_MS: Final = 1_000_000
OPEN: Final = (VenueStatus.PENDING, VenueStatus.WORKING)


class VenueRecords(VenueSuite):
    """See the module's text."""

    # --- queries ----------------------------------------------------------------------------------

    def test_a_query_finds_open_and_closed(self, desk: Desk) -> None:
        """With its terms and totals; a closed order by client id where that is declared."""
        working, bought = self.resting(desk), self.bought(desk)
        for order, total in ((working, Decimal(0)), (bought, bought.order_qty)):
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
        assert [order.client_order_id] == [one.client_order_id for one in items], (
            f'query_order() for venue_order_id {venue_order_id!r}, client_order_id "", shows'
            f" {items}"
        )

    def test_a_query_for_nothing_is_empty(self, desk: Desk) -> None:
        """No exception, no other order: nothing."""
        self.resting(desk)
        order = desk.buy(desk.away(self.away))
        answer = desk.ask(desk.venue.query_order(QueryOrder(order.client_order_id, self.symbol)))
        assert tuple(answer.items) == ()

    def test_answers_say_when_they_were_asked(self, desk: Desk) -> None:
        """``sent_ts`` is when the question left, not when its answer came."""
        clock, venue = desk.runner.clock, desk.venue
        questions: tuple[Callable[[], Coroutine[Any, Any, Answer[Any]]], ...] = (
            venue.open_orders,
            venue.positions,
            venue.balances,
            lambda: venue.executions(desk.begun_ns),
        )
        for question in questions:
            before = clock.time_ns()
            sent = desk.ask(question()).sent_ts
            after = clock.time_ns()
            assert before <= sent <= after
            if after - before > 5 * _MS:  # shorter: nothing can be told apart
                assert sent - before < (after - before) // 2, "stamped when the answer came"

    def test_trigger_orders_are_listed_where_declared(self, desk: Desk) -> None:
        """open_orders() shows an idle stop, or does not call itself complete."""
        kinds = desk.venue.capabilities.order_types
        needs(OrderType.STOP in kinds, "stop orders")
        px = desk.away(-5 * self.away)
        stop = replace(desk.buy(px), order_type=OrderType.STOP, price=None, stop_px=px)
        outcome = desk.place(stop)
        assert isinstance(outcome, Done), f"a stop above the market was not taken: {outcome}"
        desk.wait_for("the stop is there", lambda: desk.status(stop) in OPEN)
        answer = desk.ask(desk.venue.open_orders())
        assert desk.is_listed(stop) or not answer.complete
        assert desk.is_listed(stop) or not desk.venue.capabilities.lists_trigger_orders

    # --- executions and positions -----------------------------------------------------------------

    def test_executions_are_those_that_were_told(self, desk: Desk) -> None:
        """The list has the stream's executions: same ids, quantities, prices, fees; each once."""
        order = self.bought(desk)
        desk.wait_for("the fills add up", lambda: filled(desk, order) == order.order_qty)
        told = desk.fills(order)
        desk.wait_for("they are listed", lambda: len(desk.executed(order)) >= len(told))
        listed = desk.executed(order)
        assert sorted(told) == sorted(one.exec_id for one in listed)
        for one in listed:
            same = told[one.exec_id]
            assert (same.last_qty, same.last_px) == (one.last_qty, one.last_px)
            if same.fee is not None and one.fee is not None:
                assert (same.fee, same.fee_currency) == (one.fee, one.fee_currency)
            assert (self.symbol, Side.BUY) == (one.instrument, one.side)

    def test_executions_since_a_moment_are_complete(self, desk: Desk) -> None:
        """None that happened then or later is missing, and each has an id of its own."""
        orders: list[SubmitOrder] = []
        firsts: list[int] = []
        for _ in range(3):
            order = self.bought(desk)
            self._wait_until_listed(desk, order)
            orders.append(order)
            firsts.append(min(one.ts for one in desk.executed(order)))
            desk.pause()
        for order in orders:
            self._wait_until_listed(desk, order)
        ids = [one.exec_id for order in orders for one in desk.executed(order)]
        assert len(ids) == len(dict.fromkeys(ids)), f"an execution id was given twice: {ids}"
        for since, later in ((firsts[1], orders[1:]), (firsts[2], orders[2:])):
            items = desk.ask(desk.venue.executions(since)).items
            shown = [one.client_order_id for one in items]
            assert all(order.client_order_id in shown for order in later), (
                f"executions({since}) leaves out what happened then or later"
            )

    def _wait_until_listed(self, desk: Desk, order: SubmitOrder) -> None:
        """Until the list of executions has all of a filled order."""

        def is_whole() -> bool:
            return sum((one.last_qty for one in desk.executed(order)), ZERO) == order.order_qty

        desk.wait_for(f"executions() shows all of {order.client_order_id}", is_whole)

    def test_positions_follow_executions(self, desk: Desk) -> None:
        """What was bought is held, and what is sold is not."""
        before = desk.held()
        order = self.bought(desk, lots=2)  # one may be too little to be sold at a lower price
        assert order.order_qty is not None
        self._wait_until_listed(desk, order)
        bought = before + order.order_qty - _in_kind(desk, desk.executed(order))
        desk.wait_for(f"the position is {bought}", lambda: desk.held() == bought)
        px = desk.away(self.through)
        sale = replace(desk.sell(px, order.order_qty), time_in_force=self._at_once(desk))
        if not isinstance(desk.place(sale), Done):
            return  # a fee was taken out of it, and less is left than can be sold
        desk.wait_for("it is sold", lambda: desk.status(sale) is VenueStatus.FILLED)
        sold = bought - order.order_qty
        desk.wait_for(f"the position is {sold}", lambda: desk.held() == sold)
        self._wait_until_listed(desk, sale)
        assert all(one.side is Side.SELL for one in desk.executed(sale))

    def _at_once(self, desk: Desk) -> TimeInForce:
        has_ioc = TimeInForce.IOC in desk.venue.capabilities.times_in_force
        return TimeInForce.IOC if has_ioc else TimeInForce.GTC

    def test_fees_are_what_was_paid(self, desk: Desk) -> None:
        """A fee above 0 has left the account, a rebate has come in: balances say which."""
        before, held = desk.totals(), desk.held()
        order = self.bought(desk)
        self._wait_until_listed(desk, order)
        one = desk.instrument
        if one.kind is not InstrumentKind.CASH and held < 0:
            pytest.skip("the account was short: a profit or loss moves the balance, too")
        fees: dict[str, Decimal] = {}
        for fill in desk.executed(order):
            assert fill.fee is None or fill.fee_currency or not fill.fee, f"a fee of what? {fill}"
            if fill.fee:
                fees[fill.fee_currency] = fees.get(fill.fee_currency, ZERO) + fill.fee
        if not fees:
            pytest.skip("no fee was taken")
        if not desk.ask(desk.venue.balances()).complete:
            pytest.skip("balances() says that it does not show all")
        for currency, fee in fees.items():
            other = self._moved(desk, order, currency)
            self._agree(desk, currency, before.get(currency, ZERO) + other, fee)

    def _moved(self, desk: Desk, order: SubmitOrder, currency: str) -> Decimal:
        """How a buy itself moves a balance."""
        one, fills = desk.instrument, desk.executed(order)
        if one.kind is not InstrumentKind.CASH:
            return ZERO
        if currency == one.base:
            return sum((fill.last_qty for fill in fills), ZERO)
        if currency == one.quote:
            return -sum((one.notional(fill.last_qty, fill.last_px) for fill in fills), ZERO)
        return ZERO

    def _agree(self, desk: Desk, currency: str, without_fee: Decimal, fee: Decimal) -> None:
        def is_paid() -> bool:
            left = desk.totals().get(currency, ZERO)
            return abs(without_fee - fee - left) < abs(without_fee + fee - left)

        desk.wait_for(f"the balance of {currency} shows a fee of {fee}", is_paid)

    # --- precision --------------------------------------------------------------------------------

    def test_numbers_are_exact(self, desk: Desk) -> None:
        """Prices and quantities are Decimals on the instrument's grid, as they were sent."""
        order = self.resting(desk)
        seen = desk.seen(order)
        assert seen is not None
        assert (order.price, order.order_qty) == (seen.price, seen.order_qty)
        bought = self.bought(desk)
        desk.wait_for("the fills add up", lambda: filled(desk, bought) == bought.order_qty)
        numbers: list[tuple[object, Decimal]] = [
            (seen.price, desk.instrument.tick_size),
            (seen.order_qty, desk.instrument.lot_size),
            (seen.cum_qty, desk.instrument.lot_size),
        ]
        for one in [*desk.fills(bought).values(), *desk.executed(bought)]:
            numbers.append((one.last_qty, desk.instrument.lot_size))
            numbers.append((one.last_px, desk.instrument.tick_size))
        for value, step in numbers:
            assert isinstance(value, Decimal), f"{value!r} is no Decimal"
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


def _in_kind(desk: Desk, fills: list[Filled]) -> Decimal:
    """Fees that were taken in the traded asset itself."""
    one = desk.instrument
    if one.kind is not InstrumentKind.CASH:
        return ZERO
    return sum((f.fee for f in fills if f.fee and f.fee_currency == one.base), ZERO)
