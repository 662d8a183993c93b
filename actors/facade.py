"""What every part of the facade checks before it accepts something, and its groups.

Users meet :class:`~actors.system.ExecutionSystem`, which is all of this in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NoReturn, TypeVar

from engine.errors import (
    InvalidOrder,
    InvalidValue,
    JournalUnavailable,
    MailboxFull,
    SystemStopped,
    UnknownOrder,
)
from engine.given import check_flag, check_kind, check_text_of
from engine.group import check_swap, legs_of
from engine.messages import (
    PLAIN_SWAP,
    CancelGroup,
    GroupState,
    GroupTerms,
    Leg,
    SubmitOrder,
    Swap,
)
from engine.policies.validation import ID_LENGTH_MAX, check_text
from engine.views import OrderView

from .broker import BrokerActor
from .broker_words import Ask, WaitFor
from .door import nanoseconds
from .groups import WatchGroup
from .kept import GROUP_TERMS, SWAP, check_kept, tags_of
from .lifecycle import Lifecycle
from .protection import ProtectionReport, report_of
from .runtime import Future
from .stamping import id_of, only_one
from .submitting import GroupTicket, check_legs, group_id_of, local_legs, new_group
from .tickets import Ticket, Until

__all__ = ["Facade"]

T = TypeVar("T")


class Facade(Lifecycle):
    """Groups, and what all commands share. Everything public may be called from any thread."""

    def submit_group(
        self,
        root: GroupTerms,
        *,
        intent_id: str = "",
        venue: str = "",
        account: str = "",
        protect_within: float = 5.0,
        tags: Mapping[str, str] | None = None,
        swap: Swap = PLAIN_SWAP,
    ) -> GroupTicket:
        """Submit contingent orders: a bracket, an OCO, any tree of :mod:`engine.contingent`.

        Journalled whole before any of them leaves. What its entries fill is protected by its stops
        for as much as they filled; without a confirmed stop for ``protect_within`` seconds it is
        closed at market. With an ``intent_id`` the same group again sends nothing. ``swap`` says
        when stop and target change places, where a venue locks the coins of one of them.

        Raises:
            InvalidValue: ``root`` is no group, ``protect_within`` no time, or ``swap`` never comes
                to an end.
            InvalidOrder: it, or a leg of it, cannot be submitted as asked; nothing has happened.
            DuplicateIntent: the intent id was used before with other terms; nothing was sent.
            JournalUnavailable, MailboxFull, SystemStopped: not accepted.
        """
        self._check_running()
        if not self.dispatcher.has_room():
            self._refuse_more()
        given: tuple[object, object] = root, swap  # not every caller has a type checker
        if not isinstance(given[0], GroupTerms | Leg):  # of a leg alone its check says more
            kind = type(root).__name__
            raise InvalidValue(f"bracket(), oco(), oto(), ouo() make groups, this is a {kind}")
        if not isinstance(given[1], Swap):
            raise InvalidValue(f"swap must be a Swap, was {swap!r:.80}")
        check_text_of("intent_id", intent_id)
        check_kept("a group", root, GROUP_TERMS, partial(InvalidOrder, reason="BAD_TERMS"))
        check_kept("a swap", swap, SWAP)
        named = tags_of(tags)
        broker = only_one(self.brokers, venue, account)
        if self._emulates:
            root = local_legs(root, broker.capabilities)
        check_legs(root, broker)
        check_swap(swap)
        within = nanoseconds("protect_within", protect_within)
        ts = self.dispatcher.time_ns()
        new, is_new = new_group(root, broker, self._intents, intent_id, within, named, ts, swap)
        if is_new:
            self.dispatcher.post(broker, new)
        group_id = new.command.group_id
        tickets = {
            leg.name: Ticket(leg.order.client_order_id, leg.order.intent_id, self.watch)
            for leg in legs_of(new.command.root)
        }
        watch = partial(self.watch_group, venue=broker.name, account=broker.account)
        return GroupTicket(group_id, tickets, self.group_state, watch)

    def cancel_group(
        self, group: GroupTicket | str, *, close: bool = False, reason: str = ""
    ) -> Future[GroupState]:
        """Call a group off: entries and targets go. What is held keeps its stop until it is closed,
        at market and at once with ``close``.

        Raises:
            UnknownOrder: here or in the future: no such group, or it is over.
            JournalUnavailable, SystemStopped: not accepted.
        """
        self._check_running()
        group_id = group_id_of(group)
        check_flag("close", close)
        check_text_of("reason", reason)
        future: Future[GroupState] = Future(self.dispatcher)
        command = CancelGroup(group_id, self.dispatcher.time_ns(), close, reason)
        for broker in self.brokers.values():
            if group_id in broker.groups.groups or len(self.brokers) == 1:
                self.dispatcher.post(broker, Ask(command, future))
                return future
        raise UnknownOrder(f"no group {group_id!a:.80} in this system that is not over")

    def protection(self) -> Future[ProtectionReport]:
        """How long positions waited for their stops, and what is without one now."""
        return self._asked(lambda: report_of(b.protections for b in self.brokers.values()))

    def watch_group(
        self, group_id: str, *, venue: str = "", account: str = ""
    ) -> Future[GroupState]:
        """A future of a group, set when it is done; UnknownOrder in it when there is none.

        Raises:
            InvalidOrder: there are several accounts, and it was not said which.
        """
        self._check_accepting()
        broker, group_id = self._broker(venue, account), group_id_of(group_id)
        future: Future[GroupState] = self.promises.keep(Future(self.dispatcher))
        self.dispatcher.post(broker, WatchGroup(group_id, future))
        return future

    def group_state(self, group_id: str) -> Future[GroupState]:
        """How a group stands; UnknownOrder in the future when there is none."""
        group_id = group_id_of(group_id)

        def look() -> GroupState:
            for broker in self.brokers.values():
                actor = broker.groups.groups.get(group_id)
                group = broker.groups.read_back(group_id) if actor is None else actor.group
                if group is not None:
                    return group.state
            raise UnknownOrder(f"no group {group_id!a:.80} in this system")

        return self._asked(look)

    def terms_of_intent(self, intent_id: str) -> SubmitOrder | None:
        """The order that an intent id stands for, queued, live or closed; None: it is free.

        Raises:
            JournalUnavailable, SystemStopped: nothing could be submitted now.
        """
        self._check_running()
        check_text(intent_id, "intent_id", ID_LENGTH_MAX)
        return self._intents.known(intent_id)

    def watch(self, client_order_id: str, until: Until = Until.CLOSED) -> Future[OrderView]:
        """A future of an order, set when ``until`` is reached."""
        self._check_accepting()
        check_kind("until", until, Until)
        client_order_id = id_of(client_order_id)
        future: Future[OrderView] = Future(self.dispatcher)
        broker = self._owner(client_order_id)
        self.dispatcher.post(broker, WaitFor(client_order_id, until, future))
        return future

    # --- inside -----------------------------------------------------------------------------------

    def _check_running(self) -> None:
        if not self._running:
            raise SystemStopped("the system is not running; start it with `with` or start()")
        if self._journal_error is not None:
            raise JournalUnavailable(
                f"entries halt until the journal works again: {self._journal_error}"
            )

    def _refuse_more(self) -> NoReturn:
        """Say why there is no room; before a number is drawn, so that each stands behind a fact."""
        dispatcher = self.dispatcher
        if not dispatcher.is_accepting():
            raise SystemStopped("the system has ended; stop() says why")
        raise MailboxFull(
            f"{dispatcher.queued()} messages are waiting and the bound is {dispatcher.capacity};"
            " the order was not accepted: slow down and submit it again"
        )

    def _check_accepting(self) -> None:
        """Refuse what would wait for ever: nobody handles messages before the start or after the
        end.
        """
        if not self.brokers or not self.dispatcher.is_accepting():
            raise SystemStopped("the system is not running; start it with `with` or start()")

    def _asked(self, fn: Callable[[], T]) -> Future[T]:
        self._check_accepting()
        return self.in_turn(fn)

    def _broker(self, venue: str, account: str) -> BrokerActor:
        try:
            found = self.brokers.get((venue, account))
        except TypeError:
            found = None  # it cannot be a key, so it is no text
        return found or only_one(self.brokers, venue, account)

    def _owner(self, cid: str) -> BrokerActor:
        """The broker that holds an order; for one still queued or closed, by its journal row or
        the only broker.
        """
        brokers = list(self.brokers.values())
        if len(brokers) == 1:
            return brokers[0]
        for broker in brokers:
            if cid in broker.orders:
                return broker
        terms = self._intents.terms_of(cid)
        if terms is not None:
            return self.brokers[terms.venue, terms.account]
        raise UnknownOrder(f"no order {cid!a:.80} in this system, live or closed")
