"""The facade's word for moving a leg of a group: the stop of a bracket, a target."""

from __future__ import annotations

from engine.errors import InvalidOrder, UnknownOrder
from engine.intents import Number
from engine.messages import AmendGroup, GroupState
from engine.values import decimal_from

from .broker_words import Ask
from .pricing import Pricing
from .runtime import Future
from .submitting import GroupTicket

__all__ = ["Moving"]


class Moving(Pricing):
    """Moves of what groups have at their venues. May be called from any thread."""

    def amend_group(
        self,
        group: GroupTicket | str,
        leg: str = "stop",
        *,
        stop_px: Number | None = None,
        price: Number | None = None,
    ) -> Future[GroupState]:
        """Move a leg of a group: all of its orders, those that wait or come later included.

        The future is how the group stands once the wish is journalled; the venue follows. Nothing
        is without its stop meanwhile: it is amended in place, or a new one is confirmed before the
        old one goes; where two cannot rest side by side it is cancelled first, and the alarm
        ``stop_away`` says so. What the venue refuses is asked again with pauses, while the old
        terms stand; the alarm ``leg_not_moved`` says when that is in vain. The newest wish counts.
        A stop that is loosened ends its trail and its break-even.

        Raises:
            InvalidOrder: no new term. In the future: no such leg, off the tick, on the wrong side
                of the other exits, through the market; nothing has changed.
            UnknownOrder: here or in the future: no such group, or it is over.
            SystemStopped, JournalUnavailable: not accepted.
        """
        self._check_running()
        if stop_px is None and price is None:
            raise InvalidOrder("a move names at least one of stop_px and price", "BAD_TERMS")
        group_id = group if isinstance(group, str) else group.group_id
        command = AmendGroup(
            group_id,
            leg,
            self.dispatcher.time_ns(),
            None if stop_px is None else decimal_from(stop_px, "stop_px"),
            None if price is None else decimal_from(price, "price"),
        )
        for broker in self.brokers.values():
            if group_id in broker.groups.groups or len(self.brokers) == 1:
                future: Future[GroupState] = Future(self.dispatcher)
                self.dispatcher.post(broker, Ask(command, future))
                return future
        raise UnknownOrder(f"no group {group_id!a:.80} in this system that is not over")
