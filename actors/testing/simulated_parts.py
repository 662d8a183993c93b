"""The parts of a simulated system that differ from a real one: what keeps time, what is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from typing import Final

from engine.flatten import Scope
from engine.group import legs_of
from engine.messages import GroupState, LegRole, SetMode, TradingMode
from engine.session_chart import SessionState
from engine.simulator import Exchange, ExchangeConfig
from engine.simulator.orders import Answer, Refusal
from engine.values import Instrument, PositionSlot, Side

from ..broker import BrokerActor
from ..checkpoints import Pace
from ..group import GroupActor
from ..journal import FactRow
from ..runtime import Future, SimulatedDispatcher
from ..signals import SignalDesk
from ..system import ExecutionSystem
from ..venues.paper_market import PaperMarket, sleep_until

__all__ = ["KitExchange", "TimedMarket", "WatchedSystem", "deepen"]

_LOTS: Final = 1_000_000
_TICKS: Final = 400  # where a market stands that nobody has ever quoted
_CLOSES: Final = (GroupState.EXITING, GroupState.FLATTENING)


class TimedMarket(PaperMarket):
    """A paper market that keeps the time by itself: what is due happens when it is due."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._dispatcher: SimulatedDispatcher | None = None
        self._wakes_ns: int | None = None

    def wakes_on(self, dispatcher: SimulatedDispatcher | None) -> None:
        """Keep the time on this clock from now on, or not at all: the host lets it pass. What is on
        its way to the exchange arrives when it should, whether or not anybody asks.
        """
        self._dispatcher, self._wakes_ns = dispatcher, None
        self._come_back()

    def flush(self, now_ns: int) -> None:
        """Push what is visible, and come back for what is due next."""
        super().flush(now_ns)
        self._come_back()

    def _come_back(self) -> None:
        due_ns = self.exchange.next_event_ns()
        if self._dispatcher is None or due_ns is None:
            return
        if self._wakes_ns is None or due_ns < self._wakes_ns:
            self._wakes_ns = due_ns
            self._dispatcher.spawn(self._wake(due_ns, self._dispatcher))

    async def _wake(self, due_ns: int, dispatcher: SimulatedDispatcher) -> None:
        await sleep_until(due_ns, dispatcher)
        if self._wakes_ns == due_ns and self._dispatcher is dispatcher:
            self._wakes_ns = None
            self.advance(max(due_ns, dispatcher.time_ns()))


class KitExchange(Exchange):
    """An exchange that lets its judge see an execution before it is taken back."""

    __slots__ = ("before_bust", "disturbed_ns", "others")

    before_bust: Callable[[], object]
    disturbed_ns: int  # when it last changed what had been executed, or a holding
    others: dict[str, str]  # orders that a person placed beside us: their instruments, by name

    def __init__(self, config: ExchangeConfig, instruments: Iterable[Instrument] = ()) -> None:
        super().__init__(config, instruments)
        self.disturbed_ns = 0
        self.others = {}

    def seen(self, symbol: str) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """The best bid, the best ask and the last price of an instrument, as the market shows."""
        book = self._book(symbol)
        return book.bids.top()[0], book.asks.top()[0], book.last

    def echo(self, account: str, answer: Answer) -> None:
        """Tell the account's stream what came of a request that was made on another way."""
        if not isinstance(answer, Refusal):
            visible_ns = self.now_ns + self.config.latency_in_ns
            self._outbox[account].extend((visible_ns, report) for report in answer)

    def bust(self, symbol: str, exec_id: str, now_ns: int) -> int:
        """As :meth:`Exchange.bust`."""
        self.before_bust()
        self.disturbed_ns = now_ns
        return super().bust(symbol, exec_id, now_ns)

    def correct(self, symbol: str, exec_id: str, px: Decimal, qty: Decimal, now_ns: int) -> int:
        """As :meth:`Exchange.correct`."""
        self.before_bust()
        self.disturbed_ns = now_ns
        return super().correct(symbol, exec_id, px, qty, now_ns)

    def move(
        self,
        account: str,
        symbol: str,
        slot: PositionSlot,
        qty: Decimal,
        px: Decimal | None,
        now_ns: int,
    ) -> None:
        """As :meth:`Exchange.move`."""
        self.disturbed_ns = now_ns
        super().move(account, symbol, slot, qty, px, now_ns)


class WatchedSystem(ExecutionSystem):
    """The real system; its judge sees every commit before anything leaves."""

    on_commit: Callable[[list[FactRow]], object]
    checkpoint_facts: int
    desk: SignalDesk | None = None  # of a scenario's strategy, once it has signalled
    reconnects: int = 0  # how often somebody has asked to connect again
    lifted: tuple[str, ...] = ()  # instruments ("": all) of switches that somebody has lifted

    def lift(self, scope: Scope, statement: str) -> Future[None]:
        """As :meth:`ExecutionSystem.lift`; its judge knows that somebody has asked for it."""
        self.lifted = (*self.lifted, scope.instrument)
        return super().lift(scope, statement)

    def reconnect(self, *, venue: str = "", account: str = "") -> Future[bool]:
        """As :meth:`ExecutionSystem.reconnect`; its judge knows that somebody has asked for it."""
        self.reconnects += 1
        return super().reconnect(venue=venue, account=account)

    def launch(self) -> None:
        """Start, without waiting until the venues are connected: all of it is still to run."""
        self._prepare()
        self._spawn(self._connect_all())

    def _compose(self) -> None:
        super()._compose()
        follow, look = self.turn.committed, self.on_commit
        assert follow is not None  # the checkpoints

        def committed(facts: list[FactRow]) -> None:
            follow(facts)
            look(facts)

        self.turn.committed = committed
        few = self.checkpoint_facts
        if few < Pace().facts:  # in small pieces too, so that a crash finds one half written
            self._checkpoints.pace = Pace(few, least=1, most=4)


def deepen(broker: BrokerActor, market: TimedMarket, exchange: KitExchange, now_ns: int) -> None:
    """Where a group waits to close something, show plenty to trade with, at a better price than any
    order of our own, and to what a monitor closes. What people let not leave at all may leave to
    close; and who was shut out is let in when they ask again.
    """
    _let_go(broker, now_ns)
    if broker.session.state is SessionState.BARRED:
        broker.dispatcher.call_soon(broker.link.reconnect)
    for symbol in {one.terms.instrument: None for one, _ in broker.triggers.waiting()}:
        told = exchange.prices(symbol)  # the host says again what it is: a word of it is news
        if told is not None:
            broker.prices.sink(told)
    closing: dict[str, Side] = {}
    fired = any(one.fired for one in broker.watched.now.monitors)
    for (symbol, _), held in broker.positions.items():
        closes = broker.flattening.control.switch_over(symbol) is not None or fired
        if held.position.qty and closes:
            closing[symbol] = Side.SELL if held.position.qty > 0 else Side.BUY
    for actor in broker.groups.groups.values():
        for symbol, side in _closes(actor) if actor.group.state in _CLOSES else ():
            closing.setdefault(symbol, side)
    for symbol, side in closing.items():
        instrument = broker.instruments[symbol]
        tick, many = instrument.tick_size, _LOTS * instrument.lot_size
        facing = side.opposite
        mine = [
            actor.order.price
            for actor in broker.orders.values()
            if (actor.order.terms.instrument, actor.order.terms.side) == (symbol, facing)
            and actor.order.price is not None
        ]
        bid, ask, last = exchange.seen(symbol)
        middle = bid or ask or last or _TICKS * tick
        if side is Side.SELL:
            bid = max([middle, *(px + tick for px in mine)])
            ask = bid + tick if ask is None or ask <= bid else ask
        else:
            ask = max(min([ask or middle, *(px - tick for px in mine)]), 2 * tick)
            bid = ask - tick if bid is None or bid >= ask else bid
        market.on_quote(symbol, bid, many, ask, many, now_ns)


def _let_go(broker: BrokerActor, now_ns: int) -> None:
    """Where a person lets nothing leave, not even exits, the person lets them go in the end."""
    control = broker.flattening.control
    of = control.venue, control.account
    for instrument, mode in control.modes:
        if mode is TradingMode.NONE:
            opened = SetMode(*of, instrument, TradingMode.REDUCE_ONLY, now_ns, "all is to rest")
            broker.dispatcher.call_soon(partial(broker.flattening.take, opened))


def _closes(actor: GroupActor) -> Iterator[tuple[str, Side]]:
    """What a group has to trade at market: first of what it holds, as far as it is whole lots."""
    undoes = actor.group.state is GroupState.FLATTENING
    for (symbol, _, side), qty in actor.holds.items():
        if qty >= actor.broker.instruments[symbol].lot_size and not undoes:
            yield symbol, side.opposite
    for leg in legs_of(actor.group.terms.root):
        if leg.role is not LegRole.ENTRY:
            yield leg.order.instrument, leg.order.side.opposite if undoes else leg.order.side
