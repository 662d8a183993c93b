"""The facade's doors to its sessions: when they stand, and one that a venue has shut."""

from __future__ import annotations

from functools import partial

from engine.session_chart import SessionState

from .broker import BrokerActor
from .halting import Halting
from .runtime import Future

__all__ = ["Linking"]


class Linking(Halting):
    """What a host asks of sessions. Everything public may be called from any thread."""

    def ready(self, *, venue: str = "", account: str = "") -> Future[None]:
        """A future that is set once every session, or those of ``venue`` and ``account``, are up
        and reconciled, all at one moment.

        Before, entries wait and end EXPIRED ``not_sent`` after seconds; exits and cancels need not
        wait for it. It says nothing of trading modes, or of what a later moment brings: VenueDown
        tells. It waits as long as it takes: give it a timeout.

        Raises:
            InvalidOrder: there is no such account. InvalidValue: one is no text.
            SystemStopped: the system is not running; or, in the future, it has ended meanwhile.
        """
        self._check_accepting()
        brokers = [
            broker
            for (name, owner), broker in self.brokers.items()
            if venue in ("", name) and account in ("", owner)
        ] or [self._broker(venue, account)]  # which says what there is
        future: Future[None] = self.promises.keep(Future(self.dispatcher))
        self._look_soon(brokers, future)
        return future

    def reconnect(self, *, venue: str = "", account: str = "") -> Future[bool]:
        """Connect again to a venue that has shut us out (alarm ``barred``: login refused, key
        revoked, address banned), now that the cause is mended. The future: whether it had.

        Raises:
            InvalidOrder: there are several accounts, and it was not said which.
            SystemStopped: it is not running.
        """
        broker = self._broker(venue, account)
        return self._asked(broker.link.reconnect)

    # --- inside -----------------------------------------------------------------------------------

    def _look_soon(self, brokers: list[BrokerActor], future: Future[None]) -> None:
        self.dispatcher.call_soon(partial(self._look_ready, brokers, future))

    def _look_ready(self, brokers: list[BrokerActor], future: Future[None]) -> None:
        """Inside a turn: answer, or wait for the first session that is not there yet."""
        for broker in brokers:
            if broker.session.state is not SessionState.READY:
                again = partial(self._look_soon, brokers, future)
                broker.waiters.add_for_session(again, future)
                return
        self.turn.reply(future, None)
