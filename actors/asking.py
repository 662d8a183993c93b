"""Questions about the whole account, asked beside the lane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from engine.errors import SystemStopped
from engine.session_chart import SessionState

from .door import checked_answer
from .roles import BrokerRole
from .venues.port import Answer

__all__ = ["asked_list"]

T = TypeVar("T")


async def asked_list(broker: BrokerRole, ask: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
    """Ask for a list beside the lane, unless the venue has shut us out since that was decided: a
    call then knocks where we were told not to.

    Raises:
        SystemStopped: it has. Exception: whatever an adapter raises; InvalidValue: no answer.
    """
    if broker.session.state is SessionState.BARRED:
        raise SystemStopped("the venue has shut us out")
    return checked_answer(await ask())
