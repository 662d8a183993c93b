"""Venue adapters, each with one lie: what the suite for adapters has to catch.

Each is the paper venue but for the lie. :data:`LIES` names a test that has to fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec.structs import replace

from actors.testing.faulty_venue import FaultyVenue
from actors.venues.paper import PaperMarket, PaperVenue
from actors.venues.port import (
    Answer,
    Clock,
    Done,
    Duplicate,
    Outcome,
    Refused,
    Sink,
    StreamReport,
    Unknown,
    VenuePosition,
)
from engine.messages import (
    Accepted,
    Amend,
    Cancel,
    Cancelled,
    Filled,
    LinkUp,
    OrderReport,
    OrderSnapshot,
    Place,
    QueryOrder,
    VenueStatus,
)
from engine.values import OrderType, Side, TimeInForce, round_down, round_price


class Honest(PaperVenue):
    """No lie: every test passes."""


class Echoing(PaperVenue):
    """No lie: it declares that its stream echoes calls, and it does."""

    def __init__(self, name: str, account: str, exchange: PaperMarket) -> None:
        super().__init__(name, account, exchange)
        self.capabilities = replace(self.capabilities, stream_echoes=True)

    async def connect(self, sink: Sink, clock: Clock) -> None:
        self.tell = sink
        await super().connect(sink, clock)

    def echoed(self, outcome: Outcome) -> Outcome:
        for one in outcome.reports if isinstance(outcome, Done) else ():
            self.tell(one)
        return outcome

    async def place(self, request: Place) -> Outcome:
        return self.echoed(await super().place(request))

    async def cancel(self, request: Cancel) -> Outcome:
        return self.echoed(await super().cancel(request))


class DeclaresEchoes(Echoing):
    """It declares echoes, and tells none."""

    def echoed(self, outcome: Outcome) -> Outcome:
        return outcome


# --- placing --------------------------------------------------------------------------------------


class AcksAndForgets(PaperVenue):
    """An order is acknowledged, and not placed."""

    async def place(self, request: Place) -> Outcome:
        cid = request.client_order_id
        return Done((Accepted(cid, self.market.time_ns(), f"V-{cid}"),))


class PlacesTwice(PaperVenue):
    """A placement that succeeded is tried again, under another id."""

    async def place(self, request: Place) -> Outcome:
        outcome = await super().place(request)
        again = replace(request.order, client_order_id=f"{request.client_order_id}R")
        await super().place(Place(again))
        return outcome


class MakesDuplicatesUnique(PaperVenue):
    """A client id that was refused as a duplicate is made unique, and sent again."""

    async def place(self, request: Place) -> Outcome:
        outcome = await super().place(request)
        if not isinstance(outcome, Duplicate):
            return outcome
        unique = replace(request.order, client_order_id=f"{request.client_order_id}-2")
        return await super().place(Place(unique))


class CutsIds(PaperVenue):
    """Client ids are cut to 18 characters, which are fewer than declared."""

    async def place(self, request: Place) -> Outcome:
        cut = replace(request.order, client_order_id=request.client_order_id[:18])
        return await super().place(Place(cut))


class RoundsPrices(PaperVenue):
    """A price between two ticks is rounded."""

    async def place(self, request: Place) -> Outcome:
        order = request.order
        for one in self.market.exchange.instruments():
            if one.symbol == order.instrument and order.price is not None:
                px = round_price(order.price, one.tick_size, order.side)
                return await super().place(Place(replace(order, price=px)))
        return await super().place(request)


class RoundsQuantities(PaperVenue):
    """A quantity between two lots is rounded."""

    async def place(self, request: Place) -> Outcome:
        order = request.order
        for one in self.market.exchange.instruments():
            if one.symbol == order.instrument and order.order_qty is not None:
                qty = round_down(order.order_qty, one.lot_size)
                return await super().place(Place(replace(order, order_qty=qty)))
        return await super().place(request)


class RestsImmediateOrders(PaperVenue):
    """Time in force is not passed on."""

    async def place(self, request: Place) -> Outcome:
        plain = replace(request.order, time_in_force=TimeInForce.GTC)
        return await super().place(Place(plain))


class ForgetsPostOnly(PaperVenue):
    """``post_only`` is not passed on."""

    async def place(self, request: Place) -> Outcome:
        return await super().place(Place(replace(request.order, post_only=False)))


class ForgetsReduceOnly(PaperVenue):
    """``reduce_only`` is not passed on."""

    async def place(self, request: Place) -> Outcome:
        return await super().place(Place(replace(request.order, reduce_only=False)))


class SendsStopsAtOnce(PaperVenue):
    """A stop order becomes a market order."""

    async def place(self, request: Place) -> Outcome:
        order = request.order
        if order.order_type is OrderType.STOP:
            order = replace(order, order_type=OrderType.MARKET, stop_px=None)
        return await super().place(Place(order))


class RaisesRefusals(PaperVenue):
    """A refusal is an exception."""

    async def place(self, request: Place) -> Outcome:
        outcome = await super().place(request)
        if not isinstance(outcome, Refused):
            return outcome
        raise RuntimeError(outcome.detail)


class RefusesTheUnclear(FaultyVenue):
    """Nobody knows what became of a call: it is said to be refused."""

    async def place(self, request: Place) -> Outcome:
        outcome = await super().place(request)
        return Refused("TIMEOUT") if isinstance(outcome, Unknown) else outcome


class CancelsTheUnclear(FaultyVenue):
    """Nobody knows what became of a cancel: it is said to be done."""

    async def cancel(self, request: Cancel) -> Outcome:
        outcome = await super().cancel(request)
        return Done() if isinstance(outcome, Unknown) else outcome


# --- batches --------------------------------------------------------------------------------------


class StopsAtTheFirstNo(PaperVenue):
    """After a refused item nothing of a batch is placed, and all of it is called done."""

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for request in requests:
            ended = any(isinstance(one, Refused) for one in outcomes)
            outcomes.append(Done() if ended else await self.place(request))
        return outcomes


class PlacesBatchesAgain(PaperVenue):
    """A batch goes by another way, on which repeated client ids are made unique."""

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        return [
            await self.place(
                Place(replace(one.order, client_order_id=f"{one.client_order_id}B{n}"))
            )
            for n, one in enumerate(requests)
        ]


class ShortensBatches(PaperVenue):
    """A refused item is missing in the answer."""

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        outcomes = await super().place_batch(requests)
        return [one for one in outcomes if not isinstance(one, Refused)]


class CancelsTheFirstOfABatch(PaperVenue):
    """A batch of cancels is one answer, the first."""

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        return [await self.cancel(requests[0])] * len(requests)


# --- cancels and amends ---------------------------------------------------------------------------


class CancelsAnyway(PaperVenue):
    """A cancel that came too late is called a success."""

    async def cancel(self, request: Cancel) -> Outcome:
        outcome = await super().cancel(request)
        if not isinstance(outcome, Refused):
            return outcome
        cid, now_ns = request.client_order_id, self.market.time_ns()
        return Done((Cancelled(cid, now_ns, request.req_id),))


class CancelsQuietly(PaperVenue):
    """A cancel that came too late is done, and nothing is said of it."""

    async def cancel(self, request: Cancel) -> Outcome:
        outcome = await super().cancel(request)
        return Done() if isinstance(outcome, Refused) else outcome


class CancelsAll(PaperVenue):
    """A cancel of one order cancels all of the account."""

    async def cancel(self, request: Cancel) -> Outcome:
        outcome = await super().cancel(request)
        self.market.exchange.cancel_all(self.account, self.market.time_ns())
        self.market.advance()
        return outcome


class AmendsInItsMind(PaperVenue):
    """An amend is done, and nothing has changed."""

    async def amend(self, request: Amend) -> Outcome:
        return Done()


class AmendsTheRest(PaperVenue):
    """The quantity of an amend is taken for what is left."""

    async def amend(self, request: Amend) -> Outcome:
        cid, now_ns = request.client_order_id, self.market.time_ns()
        seen = self.market.exchange.order(self.account, cid, None, now_ns)
        if seen is not None and request.order_qty is not None and seen.cum_qty is not None:
            request = replace(request, order_qty=request.order_qty + seen.cum_qty)
        return await super().amend(request)


# --- questions ------------------------------------------------------------------------------------


class FindsNothing(PaperVenue):
    """A query by client id finds nothing, though it is declared."""

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        if request.venue_order_id is None:
            return Answer((), True, self.market.time_ns())
        return await super().query_order(request)


class FindsAnything(PaperVenue):
    """A query for an order that does not exist shows another."""

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        answer = await super().query_order(request)
        placed = self.market.exchange.placed(self.account)
        if answer.items or not placed:
            return answer
        return replace(answer, items=(placed[-1][1],))


class CountsWhatIsLeft(PaperVenue):
    """``cum_qty`` is what has not filled."""

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        answer = await super().query_order(request)
        return replace(
            answer,
            items=tuple(
                replace(one, cum_qty=one.order_qty - one.cum_qty)
                if one.order_qty is not None and one.cum_qty is not None
                else one
                for one in answer.items
            ),
        )


class CallsFilledCancelled(PaperVenue):
    """What has filled is called cancelled: both are "closed"."""

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        answer = await super().query_order(request)
        return replace(
            answer,
            items=tuple(
                replace(one, status=VenueStatus.CANCELLED)
                if one.status is VenueStatus.FILLED
                else one
                for one in answer.items
            ),
        )


class SpeaksInFloats(PaperVenue):
    """Prices of orders are floats."""

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        answer = await super().query_order(request)
        items: list[Any] = []
        for one in answer.items:
            wrong: Any = None if one.price is None else float(one.price)
            items.append(replace(one, price=wrong))
        return replace(answer, items=tuple(items))


class OmitsAnOpenOrder(PaperVenue):
    """The list of open orders is one page: of one order."""

    async def open_orders(self) -> Answer[OrderSnapshot]:
        answer = await super().open_orders()
        return replace(answer, items=answer.items[:1])


class SkipsAnExecution(PaperVenue):
    """The list of executions is one page: the newest two."""

    async def executions(self, since_ts: int) -> Answer[Filled]:
        answer = await super().executions(since_ts)
        return replace(answer, items=answer.items[-2:])


class SkipsTheMoment(PaperVenue):
    """The list of executions begins after the moment that was given, not at it."""

    async def executions(self, since_ts: int) -> Answer[Filled]:
        return await super().executions(since_ts + 1)


class ListsTwice(PaperVenue):
    """Two pages of executions overlap."""

    async def executions(self, since_ts: int) -> Answer[Filled]:
        answer = await super().executions(since_ts)
        return replace(answer, items=(*answer.items, *answer.items[-1:]))


class SwapsSides(PaperVenue):
    """The list of executions says the other's side."""

    async def executions(self, since_ts: int) -> Answer[Filled]:
        answer = await super().executions(since_ts)
        items = tuple(
            replace(one, side=Side.SELL if one.side is Side.BUY else Side.BUY)
            for one in answer.items
        )
        return replace(answer, items=items)


class HoldsNothing(PaperVenue):
    """No position is shown."""

    async def positions(self) -> Answer[VenuePosition]:
        return replace(await super().positions(), items=())


class StampsAnswers(PaperVenue):
    """``sent_ts`` is when the answer came."""

    async def open_orders(self) -> Answer[OrderSnapshot]:
        return replace(await super().open_orders(), sent_ts=self.market.time_ns())


# --- reports --------------------------------------------------------------------------------------


class Retelling(PaperVenue):
    """Tells every report in words of its own: stream, answers and executions alike."""

    def retold(self, report: OrderReport) -> OrderReport:
        raise NotImplementedError

    async def connect(self, sink: Sink, clock: Clock) -> None:
        def tell(report: StreamReport) -> None:
            sink(self.retold(report) if isinstance(report, OrderReport) else report)

        await super().connect(tell, clock)

    def _said(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Done):
            return outcome
        return Done(tuple(self.retold(one) for one in outcome.reports))

    async def place(self, request: Place) -> Outcome:
        return self._said(await super().place(request))

    async def cancel(self, request: Cancel) -> Outcome:
        return self._said(await super().cancel(request))

    async def executions(self, since_ts: int) -> Answer[Filled]:
        answer = await super().executions(since_ts)
        items = [self.retold(one) for one in answer.items]
        return replace(answer, items=tuple(one for one in items if isinstance(one, Filled)))


class TurnsFees(Retelling):
    """A fee that was paid is below 0."""

    def retold(self, report: OrderReport) -> OrderReport:
        if isinstance(report, Filled) and report.fee is not None:
            return replace(report, fee=-report.fee)
        return report


class TellsMilliseconds(Retelling):
    """Times are in milliseconds."""

    def retold(self, report: OrderReport) -> OrderReport:
        return replace(report, ts=report.ts // 1_000_000)


class NumbersByOrder(Retelling):
    """The first execution of each order has the same id."""

    def retold(self, report: OrderReport) -> OrderReport:
        return replace(report, exec_id="1") if isinstance(report, Filled) else report


class MixesOrdersUp(Retelling):
    """A fill is told as one of the order that was placed last."""

    last: ClassVar[str] = ""

    async def place(self, request: Place) -> Outcome:
        type(self).last = request.client_order_id
        return await super().place(request)

    def retold(self, report: OrderReport) -> OrderReport:
        return replace(report, client_order_id=self.last) if isinstance(report, Filled) else report


class NumbersListsOtherwise(PaperVenue):
    """The list has other execution ids than the stream."""

    async def executions(self, since_ts: int) -> Answer[Filled]:
        answer = await super().executions(since_ts)
        items = tuple(replace(one, exec_id=f"L{one.exec_id}") for one in answer.items)
        return replace(answer, items=items)


class TellsNoFills(PaperVenue):
    """What a resting order fills is not told."""

    async def connect(self, sink: Sink, clock: Clock) -> None:
        def tell(report: StreamReport) -> None:
            if not isinstance(report, Filled):
                sink(report)

        await super().connect(tell, clock)


# --- sessions -------------------------------------------------------------------------------------


class TellsAgainAsNew(PaperVenue):
    """After a reconnect executions come again, with new ids."""

    sessions: int = 0

    async def connect(self, sink: Sink, clock: Clock) -> None:
        await super().connect(sink, clock)
        self.sessions += 1
        if self.sessions > 1:
            executions, _ = self.market.exchange.executions(self.account, 0)
            for one in executions:
                sink(replace(one, exec_id=f"{one.exec_id}-{self.sessions}"))


class LinksTwice(PaperVenue):
    """A session tells its link twice."""

    async def connect(self, sink: Sink, clock: Clock) -> None:
        await super().connect(sink, clock)
        sink(LinkUp(clock.time_ns()))


class ComesBackSilently(PaperVenue):
    """A reconnect tells no link."""

    sessions: int = 0

    async def connect(self, sink: Sink, clock: Clock) -> None:
        self.sessions += 1
        is_first = self.sessions == 1

        def tell(report: StreamReport) -> None:
            if is_first or not isinstance(report, LinkUp):
                sink(report)

        await super().connect(tell, clock)


class StaysOpen(PaperVenue):
    """A closed session goes on telling."""

    async def close(self) -> None:
        return


class CancelsOnClose(PaperVenue):
    """Closing the session cancels what is open."""

    async def close(self) -> None:
        self.market.exchange.cancel_all(self.account, self.market.time_ns())
        await super().close()


#: Each lie, and a test of the suite that has to fail for it.
LIES: dict[type[PaperVenue | FaultyVenue], str] = {
    AcksAndForgets: "test_a_resting_order_is_acknowledged",
    PlacesTwice: "test_positions_follow_executions",
    MakesDuplicatesUnique: "test_a_client_id_is_taken_once",
    CutsIds: "test_the_longest_client_id_is_kept",
    RoundsPrices: "test_numbers_are_not_repaired",
    RoundsQuantities: "test_numbers_are_not_repaired",
    RestsImmediateOrders: "test_an_immediate_order_does_not_rest",
    ForgetsPostOnly: "test_post_only_never_takes",
    ForgetsReduceOnly: "test_reduce_only_never_adds",
    SendsStopsAtOnce: "test_trigger_orders_are_listed_where_declared",
    RaisesRefusals: "test_a_refusal_has_no_effect",
    RefusesTheUnclear: "test_a_lost_answer_is_no_answer",
    CancelsTheUnclear: "test_a_lost_answer_is_no_answer",
    StopsAtTheFirstNo: "test_a_batch_answers_each_item",
    PlacesBatchesAgain: "test_a_batch_takes_a_client_id_once",
    ShortensBatches: "test_a_batch_answers_each_item",
    CancelsTheFirstOfABatch: "test_a_batch_of_cancels_answers_each_item",
    CancelsAnyway: "test_a_cancel_of_what_has_ended_is_refused",
    CancelsQuietly: "test_a_cancel_of_what_has_ended_is_refused",
    CancelsAll: "test_two_orders_are_two",
    AmendsInItsMind: "test_an_amend_states_totals",
    AmendsTheRest: "test_an_amend_counts_what_has_filled",
    FindsNothing: "test_a_query_finds_open_and_closed",
    FindsAnything: "test_a_query_for_nothing_is_empty",
    CountsWhatIsLeft: "test_a_part_is_a_part",
    CallsFilledCancelled: "test_a_query_finds_open_and_closed",
    SpeaksInFloats: "test_numbers_are_exact",
    OmitsAnOpenOrder: "test_two_orders_are_two",
    SkipsAnExecution: "test_executions_since_a_moment_are_complete",
    SkipsTheMoment: "test_executions_since_a_moment_are_complete",
    ListsTwice: "test_executions_are_those_that_were_told",
    SwapsSides: "test_executions_are_those_that_were_told",
    HoldsNothing: "test_positions_follow_executions",
    StampsAnswers: "test_answers_say_when_they_were_asked",
    TurnsFees: "test_fees_are_what_was_paid",
    TellsMilliseconds: "test_reports_name_their_order",
    NumbersByOrder: "test_executions_since_a_moment_are_complete",
    MixesOrdersUp: "test_two_orders_are_two",
    NumbersListsOtherwise: "test_executions_are_those_that_were_told",
    DeclaresEchoes: "test_the_stream_echoes_where_declared",
    TellsNoFills: "test_the_stream_tells_what_nobody_asked_for",
    TellsAgainAsNew: "test_a_reconnect_makes_nothing_new",
    LinksTwice: "test_the_stream_begins_with_a_link",
    ComesBackSilently: "test_orders_outlive_a_session",
    StaysOpen: "test_a_closed_session_is_silent",
    CancelsOnClose: "test_orders_outlive_a_session",
}
