"""Looks at the system on behalf of signals, and what is remembered between them.

What has to outlive the process (how slots stood when the day began, when a trade lost, when entries
were taken) is one row of the journal, written in the turn in which it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from engine.capabilities import ReduceOnlyRule
from engine.errors import InvalidOrder, InvalidValue, JournalCorrupt
from engine.given import check_kind, check_text_of
from engine.group import legs_of
from engine.messages import PositionChanged, SubmitOrder
from engine.policies.entries import EntryPlan
from engine.policies.risk import (
    MINUTE_NS,
    Held,
    RiskDay,
    RiskLimits,
    RiskState,
    SlotFact,
    SlotMark,
    day_pnl,
    follow,
)
from engine.policies.validation import Reason
from engine.signals import EntrySignal, Signal
from engine.values import CONTEXT, ZERO, Instrument, Side

from .broker import BrokerActor
from .door import nanoseconds
from .signal_book import SignalBook
from .signal_facts import Rates, SlotScene, doubt_of, held_now, scene_of, slot_fact
from .stamping import only_one
from .submitting import GroupTicket
from .system import ExecutionSystem
from .tickets import Ticket

__all__ = ["Decision", "Looks", "Scene", "check_capital", "check_desk", "check_number"]

_DAY: Final = msgspec.json.Decoder(RiskDay)
_encode: Final = msgspec.json.Encoder().encode


class Decision(msgspec.Struct, frozen=True):
    """What was decided about a signal.

    ``is_new``: False when it had been carried out before. ``loss``: what the stop costs, in the
    currency of the risk. ``reason`` is a short constant when it was refused, ``detail`` the
    sentence. ``group``: the bracket of an entry; ``order``: that of an exit beside groups.
    """

    signal_id: str
    accepted: bool
    is_new: bool
    qty: Decimal = ZERO
    loss: Decimal = ZERO
    reason: str = ""
    detail: str = ""
    group: GroupTicket | None = None
    order: Ticket | None = None


class Scene(msgspec.Struct, frozen=True):
    """All that a decision about a signal is taken from. ``known``: an order of it, if there is."""

    signal: Signal
    venue: str
    account: str
    instrument: Instrument
    reduce_only: ReduceOnlyRule
    state: RiskState
    slot: SlotScene
    rate: Decimal | None
    known: SubmitOrder | None
    group: GroupTicket | None

    @property
    def is_clear(self) -> bool:
        """Whether nothing is held and nothing works where the signal is to open."""
        slot = self.slot
        return slot.is_flat and not slot.has_groups and not slot.closing_qty


class Looks:
    """Lives with its desk; called on the dispatcher's thread, inside a turn where not said."""

    def __init__(
        self,
        system: ExecutionSystem,
        limits: RiskLimits,
        capital: dict[str, Decimal],
        name: str,
    ) -> None:
        self.capital = capital
        self.rates = Rates(limits, lambda: system.accounts.money.table)
        self._system = system
        self._limits = limits
        self._row = name
        self._found = self._read()
        self._begun = False
        self._day = RiskDay(0, {})
        self._written: RiskDay | None = None
        #: By intent of their entry: accepted, and not in any broker's hands yet.
        self._coming: dict[str, tuple[str, Held]] = {}

    def _read(self) -> RiskDay | None:
        found = self._system.journal.checkpoint(self._row)
        try:
            return None if found is None else _DAY.decode(found[1])
        except msgspec.MsgspecError as error:
            raise JournalCorrupt(f"the row {self._row!r} cannot be read: {error}") from None

    def begin(self) -> None:
        """Take up what was remembered; on a new journal the day begins now."""
        if self._begun:
            return
        self._begun = True
        facts = self._facts()
        if self._found is None:
            slots = {fact.key: SlotMark(fact.net, fact.net, fact.side, fact.net) for fact in facts}
            self._day = RiskDay(self._limits.day_of(self._system.dispatcher.time_ns()), slots)
        else:
            self._day = self._found
        for fact in facts:
            self._day = follow(self._day, fact, self._limits)
        self._write()

    def follow(self, event: PositionChanged) -> None:
        """A slot has changed."""
        self.begin()
        broker = self._system.brokers[event.venue, event.account]
        held = broker.positions[event.instrument, event.slot]
        self._day = follow(self._day, slot_fact(held.position, held.instrument), self._limits)
        self._write()

    def entered(self, signal: EntrySignal, scene: Scene, plan: EntryPlan, ts: int) -> None:
        """An entry was handed in; outside a turn."""
        worth = None
        if scene.rate is not None:
            value = scene.instrument.notional(plan.qty, signal.entry_px).copy_abs()
            worth = CONTEXT.multiply(value, scene.rate)
        is_long = signal.direction.side is Side.BUY
        symbol, slot = scene.instrument.symbol, signal.slot.text
        account = f"{scene.venue}/{scene.account}"
        held = Held(account, symbol, slot, ZERO, worth, is_long, not is_long)
        self._coming[f"{signal.signal_id}/entry"] = f"{account}/{symbol}/{slot}", held
        recent = tuple(one for one in self._day.entries if ts - one < MINUTE_NS)
        self._day = msgspec.structs.replace(self._day, entries=(*recent, ts))
        self._system.call_soon(self._write)

    def arrived(self, intent_id: str) -> None:
        """A broker has the order of an intent; outside a turn."""
        self._coming.pop(intent_id, None)

    def take(self, signal: Signal) -> Scene:
        """Look.

        Raises:
            InvalidOrder: no such venue, account or instrument.
        """
        self.begin()
        system = self._system
        broker = only_one(system.brokers, signal.venue, signal.account)
        instrument = broker.instruments.get(signal.instrument)
        if instrument is None:
            raise InvalidOrder(
                f"instrument {signal.instrument[:64]!a} is not known at {broker.name}",
                Reason.UNKNOWN_INSTRUMENT.name,
            )
        ts = system.dispatcher.time_ns()
        known = system.terms_of_intent(f"{signal.signal_id}/entry") or system.terms_of_intent(
            f"{signal.signal_id}/exit"
        )
        return Scene(
            signal,
            broker.name,
            broker.account,
            instrument,
            broker.capabilities.reduce_only,
            self._state(broker, instrument, signal, ts),
            scene_of(broker, self._book(broker), instrument, signal),
            self.rates.of(instrument.settle_currency, ts),
            known,
            self._ticket(broker, signal.signal_id),
        )

    def _state(
        self, broker: BrokerActor, instrument: Instrument, signal: Signal, ts: int
    ) -> RiskState:
        books = [(one, self._book(one)) for one in self._system.brokers.values()]
        held = held_now(books, self.rates, ts)
        for key, one in self._coming.values():
            held[key] = _both(held.get(key), one)
        key = f"{broker.name}/{broker.account}/{instrument.symbol}/{signal.slot.text}"
        return RiskState(
            ts=ts,
            equity=self._equity(),
            held=tuple(held.values()),
            here=held.get(key),
            day_pnl=day_pnl(self._day, self._limits, ts),
            entries=self._day.entries,
            last_loss_ts=self._day.last_loss_ts,
            in_doubt=doubt_of(broker, self._book(broker), instrument.symbol),
        )

    def _book(self, broker: BrokerActor) -> SignalBook:
        """What works there, counted up to now."""
        if broker.signal_book is None:
            broker.signal_book = SignalBook(broker)
        broker.signal_book.settle()
        return broker.signal_book

    def _equity(self) -> Decimal | None:
        currency = self._limits.currency
        total = self.capital.get(currency)
        if total is None:
            return None
        for fact in self._facts():
            total += dict(fact.net).get(currency, ZERO)
        return total

    def _facts(self) -> list[SlotFact]:
        return [
            slot_fact(held.position, held.instrument)
            for broker in self._system.brokers.values()
            for held in broker.positions.values()
        ]

    def _ticket(self, broker: BrokerActor, group_id: str) -> GroupTicket | None:
        """The ticket of a signal's group, while it is not over."""
        actor = broker.groups.groups.get(group_id)
        if actor is None:
            return None
        tickets = {
            leg.name: Ticket(leg.order.client_order_id, leg.order.intent_id, self._system.watch)
            for leg in legs_of(actor.group.terms.root)
        }
        watch = partial(self._system.watch_group, venue=broker.name, account=broker.account)
        return GroupTicket(group_id, tickets, self._system.group_state, watch)

    def _write(self) -> None:
        """Stage the row; whether it was written is known after the commit."""
        if self._day != self._written:
            turn, day = self._system.turn, self._day
            turn.batch.checkpoints[self._row] = _encode(day)
            turn.effects.append((self._keep, day, None))

    def _keep(self, day: RiskDay, _: None) -> None:
        self._written = day


def _both(one: Held | None, more: Held) -> Held:
    if one is None:
        return more
    known = one.notional is not None and more.notional is not None
    worth = (one.notional or ZERO) + (more.notional or ZERO) if known else None
    return Held(
        one.account, one.instrument, one.slot, one.qty, worth,
        one.long or more.long, one.short or more.short,
    )  # fmt: skip


def check_desk(
    system: object, limits: object, capital: object, protect_within: object, name: object
) -> None:
    """Refuse arguments of a desk that are of other kinds; ``protect_within`` in seconds.

    Raises:
        InvalidValue: nothing has happened.
    """
    check_kind("system", system, ExecutionSystem)
    check_kind("limits", limits, RiskLimits)
    check_text_of("name", name, empty=False)
    nanoseconds("protect_within", protect_within)
    if capital is not None:
        if not isinstance(capital, Mapping):
            raise InvalidValue(f"capital is Decimals by currency, was {capital!r:.80}")
        for currency, amount in capital.items():
            check_capital(currency, amount)


def check_capital(currency: str, amount: Decimal) -> None:
    """Refuse what is no amount of a currency.

    Raises:
        InvalidValue: nothing has happened.
    """
    check_text_of("a currency of capital", currency, empty=False)
    check_number("capital", amount)


def check_number(what: str, number: Decimal) -> None:
    """Refuse what is no exact, finite number."""
    if type(number) is not Decimal or not number.is_finite():
        raise InvalidValue(f"{what} must be a finite Decimal, was {number!r:.80}")
