"""Where an adapter's reports come in: what can be written down goes on, what cannot is an alarm."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import InvalidValue
from engine.messages import LinkDown, LinkUp

from .door import admit
from .nonsense import Nonsense
from .roles import BrokerRole

__all__ = ["LinkDoor"]

#: How far beyond the bound of commands the queue may grow by reports before they are not taken.
_TIMES: Final = 2
#: The queue is looked at so seldom (a mask) while there is room, for that costs time.
_LOOK: Final = 0xFF


class LinkDoor:
    """The part of a broker's link that reports pass. Lives and dies with it."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self._nonsense = Nonsense(broker)
        self._came = 0
        self._is_full = False
        self._exact = broker.capabilities.inline  # an adapter that makes no mistakes of this kind

    def sink(self, report: Any) -> None:
        """Take what the venue pushes; from any thread."""
        broker = self.broker
        if not self._exact:
            try:
                report = admit(report)
            except InvalidValue as error:
                self._nonsense.tell("malformed_report", str(error), str(error))
                return
        self._came += 1
        if (self._is_full or not self._came & _LOOK) and self._has_no_room(report):
            return
        broker.dispatcher.post(broker, report)

    def _has_no_room(self, report: Any) -> bool:
        """Whether so much waits that a report about an order is not taken: a gap."""
        dispatcher = self.broker.dispatcher
        self._is_full = dispatcher.queued() >= _TIMES * dispatcher.capacity
        if not self._is_full or isinstance(report, LinkUp | LinkDown):
            return False
        self.broker.surplus.add("reports in the queue", report.ts)
        return True

    def admitted(self, reports: Any) -> list[Any]:
        """Reports out of an answer, fit to be journalled; inside a turn."""
        if self._exact:
            return reports  # type: ignore[no-any-return]
        fit: list[Any] = []
        if not isinstance(reports, tuple | list):
            self.broker.alarm(
                "malformed_report", f"{self.broker.name}: {type(reports).__name__} is no tuple"
            )
            return fit
        for report in reports:
            try:
                fit.append(admit(report))
            except InvalidValue as error:
                self.broker.alarm("malformed_report", f"{self.broker.name}: {error}")
        return fit
