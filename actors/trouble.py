"""What a system does about trouble on its dispatcher: dead letters, a queue that is too long, a
background failure.

Nothing is logged and continued. A dead letter is counted, shown as an alarm, and journalled where
it is a command or a report of ours. A queue of reports beyond its bound means we are behind the
venues, so what we believe is stale: that is a gap, and a gap is reconciled. A timer or coroutine
that raised is a bug in us: alarmed, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.errors import SystemStopped
from engine.messages import Alarm, PriceUpdate, Report

from .broker import BrokerActor
from .broker_words import Ask, InTurn, WaitFor
from .prices import PricesWaiting
from .runtime import Dispatcher
from .turn import Turn

__all__ = ["wire"]


def wire(dispatcher: Dispatcher, turn: Turn, brokers: Iterable[BrokerActor]) -> None:
    """Set the dispatcher's hooks; before it is started. ``brokers`` is read when it is needed."""
    if turn.journal.durability == "power":
        dispatcher.commit_aside()  # where others share its thread, they do not wait for the disk

    def dead_letter(actor_urn: str, message: Any) -> None:
        kind = type(message).__name__
        if isinstance(message, PriceUpdate | PricesWaiting):
            return  # no fact, and the next one says the same
        if isinstance(message, Ask | WaitFor | InTurn):
            future = message.future  # done where a turn held the message, and had put it off too
            if future is not None and not dispatcher.is_accepting() and not future.done():
                future.set_exception(SystemStopped("the system has stopped"))
        elif isinstance(message, Report) and dispatcher.in_turn():
            ts = getattr(message, "ts", dispatcher.time_ns())
            fact: Any = message  # a fact by its class
            turn.record(ts, f"dead:{actor_urn}", fact)
        alarm = Alarm(dispatcher.time_ns(), "dead_letter", f"{kind} reached nobody", actor_urn)
        turn.tell(alarm)

    def too_long() -> None:
        for broker in brokers:
            turn.effects.append((broker.link.open_gap, None, None))
            broker.alarm(
                "queue_full",
                f"{dispatcher.queued()} messages wait: reconciling before entries go on",
            )

    def background(what: object, error: BaseException) -> None:
        name = getattr(what, "__qualname__", type(what).__name__)
        detail = f"{name} raised {type(error).__name__}: {error!s:.200}"
        turn.tell(Alarm(dispatcher.time_ns(), "background_failed", detail))

    dispatcher.dead_letters.hook = dead_letter
    dispatcher.on_full = too_long
    dispatcher.on_background_failure = background
