"""What a host does with groups in a simulated system."""

from __future__ import annotations

from typing import Final

from engine.testing.scenario import SubmitsGroup

from .simulated_system import SimulatedSystem

__all__ = ["submit_group"]

_SECOND: Final = 1_000_000_000


def submit_group(system: SimulatedSystem, step: SubmitsGroup) -> None:
    """Submit a group; its legs are known as ``INTENT/LEG`` from now on.

    Raises:
        UserError, MailboxFull, JournalError: it was refused, and nothing has changed.
    """
    within = step.protect_within_ns / _SECOND
    ticket = system.system.submit_group(step.root, intent_id=step.intent, protect_within=within)
    for one in ticket.legs.values():
        system.ids[one.intent_id] = one.client_order_id
