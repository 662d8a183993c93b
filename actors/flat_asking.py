"""The questions of a kill switch: what does the venue show of positions and open orders?"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from engine.flatten import Evidence
from engine.messages import OrderSnapshot

from .asking import asked_list
from .flat_words import FlatAnswered, read_positions
from .lane import note_raised
from .roles import BrokerRole
from .runtime import Task
from .venues.port import Answer, VenuePosition

__all__ = ["FlatAsking"]

_PACE_NS: Final = 1_000_000_000  # between two questions; longer where nothing changes
_PACE_MAX_NS: Final = 30_000_000_000
_KIND: Final = "positions and open orders"  # of call, where it does not end
_ANSWER_NS: Final = 15_000_000_000  # how long the venue may take to answer


class FlatAsking:
    """Asks, and keeps the last answer. Lives and dies with its broker, on the same thread.

    Attributes:
        evidence: what the venue showed last; None: nothing that counts.
    """

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self.evidence: Evidence | None = None
        self._question = 0
        self._waiting = False
        self._asked = 0  # how often about the same
        self._asked_ns = 0
        self._after_ns = 0

    def begin_anew(self) -> None:
        """Something has changed: the next question need not wait for long."""
        if self._asked > 1:
            self._asked = 1
            self._after_ns = self._asked_ns + _PACE_NS

    def ask(self, not_before_ts: int, differs: bool) -> int:
        """Ask after this turn, if it is time; in how many nanoseconds to see to it again.

        ``differs``: what was shown last is not flat, so there may be facts we were not told.
        """
        clock = self.broker.dispatcher
        if self._waiting:
            return _PACE_NS
        wait_ns = max(not_before_ts - clock.time_ns(), self._after_ns - clock.monotonic_ns())
        if wait_ns > 0:
            return wait_ns
        if differs:
            self.broker.link.fetch_lists()
        self.broker.turn.effects.append((self._ask_now, None, None))
        return _PACE_NS

    def _ask_now(self, _: None, __: None) -> None:
        if self._waiting or self.broker.link.closing:
            return
        clock = self.broker.dispatcher
        self._waiting = True
        self._question += 1
        self._asked += 1
        pause_ns = min(_PACE_NS << min(self._asked - 1, 8), _PACE_MAX_NS)
        self._asked_ns = clock.monotonic_ns()
        self._after_ns = self._asked_ns + pause_ns
        question = self._question
        nothing = FlatAnswered(question, 0, None, None)
        hung, task = self.broker.lane.hung, None
        if _KIND not in hung.full:
            task = clock.spawn(self._ask(question))
        clock.call_later(_ANSWER_NS, lambda: self._no_answer(nothing, task))

    def _no_answer(self, nothing: FlatAnswered, task: Task[None] | None) -> None:
        """Timer: by now it was answered, or it is not."""
        self.broker.dispatcher.post(self.broker, nothing)
        if task is not None:
            self.broker.turn.effects.append((self.broker.lane.hung.give_up, _KIND, task))

    async def _ask(self, question: int) -> None:
        """Both questions leave after ``sent_ts``."""
        broker = self.broker
        sent_ts = broker.dispatcher.time_ns()
        positions: Answer[VenuePosition] | None = None
        listed: Answer[OrderSnapshot] | None = None
        try:
            positions = await asked_list(broker, broker.venue.positions)
            listed = await asked_list(broker, broker.venue.open_orders)
        except Exception as error:  # a question that failed says nothing: it is asked again
            note_raised(error)
            positions = listed = None
        broker.dispatcher.post(broker, FlatAnswered(question, sent_ts, positions, listed))

    def answered(self, message: FlatAnswered) -> None:
        """Take in what the venue shows, if it is of the latest question."""
        if message.question != self._question or not self._waiting:
            return
        self._waiting = False
        if message.positions is None or message.open_orders is None:
            return
        broker, before = self.broker, self.evidence
        held, whole = read_positions(message.positions.items)
        snapshots: list[Any] = broker.link.admitted(message.open_orders.items)
        opened = tuple(
            (one.client_order_id or one.venue_order_id or "?", one.instrument) for one in snapshots
        )
        complete = (
            whole
            and message.positions.complete
            and message.open_orders.complete
            and len(opened) == len(message.open_orders.items)
            and broker.capabilities.lists_trigger_orders
        )
        self.evidence = Evidence(message.sent_ts, held, opened, complete)
        if before is not None:
            self.evidence = replace(
                self.evidence, earlier_ts=before.sent_ts, earlier=before.positions
            )
