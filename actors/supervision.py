"""What a failure of a broker or of anything beside it leads to.

Orders are supervised by their broker itself.

A broker that fails on a message is not stopped: stopping it would leave its orders unattended. Its
step left no trace, the message is kept as a dead letter, a person is told, and entries of that
account stop; cancels and exits go on. Too many failures in a window end the system, because then
nothing it says can be trusted: the journal has everything.
"""

from __future__ import annotations

from .broker import BrokerActor
from .runtime import Decision, Dispatcher, Failure, FailureKind, TableSupervisor

__all__ = ["TABLE", "supervisor_for"]

#: failure -> decision. Read with the handlers below.
TABLE = {
    FailureKind.STEP_FAILED: Decision.QUARANTINE,
    FailureKind.INVARIANT: Decision.QUARANTINE,
    FailureKind.START_FAILED: Decision.ESCALATE,
    FailureKind.REPEATED: Decision.ESCALATE,
}


def supervisor_for(dispatcher: Dispatcher) -> TableSupervisor:
    """The supervisor of a system's dispatcher."""

    def quarantine(failure: Failure) -> None:
        actor = failure.actor
        kind, error = type(failure.message).__name__, failure.exc
        dispatcher.dead_letter(actor.actor_urn, failure.message)
        if isinstance(actor, BrokerActor):
            actor.counters.failures += 1
            actor.flattening.shut_entries(f"the broker failed: {type(error).__name__}")
            actor.alarm(
                "broker_failed",
                f"{kind}: {type(error).__name__}: {error}; entries of this account stop, cancels"
                " and exits go on",
                actor.actor_urn,
            )

    return TableSupervisor(dispatcher.monotonic_ns, {Decision.QUARANTINE: quarantine}, TABLE, k=10)
