"""The turn: what a burst of messages changed, written down once, then let out.

While messages are handled, everything they want goes on lists here: facts for the journal, requests
for lanes, events for subscribers, replies. :meth:`Turn.finish` commits the facts in one transaction
and only then lets the rest leave, so nothing is visible outside that is not written. If the commit
fails, the changes are undone and the inputs stay queued.

Lists instead of objects, because this is the hot path; :meth:`mark` and :meth:`rollback` make one
failing step vanish without a trace while the rest of the turn stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from engine.errors import JournalError
from engine.fold import tombstone
from engine.journal import encode
from engine.messages import Alarm, Event, Fact
from engine.order import Booking, Ledger, Order, public_state
from engine.order_tables import TERMINAL

from .journal import Batch, DuplicateExecution
from .runtime import Future, TurnDiscarded

if TYPE_CHECKING:
    from .hub import Hub
    from .journal import FactRow, FillKey, Journal
    from .runtime import Input

__all__ = ["Mark", "Restorable", "Turn"]

logger = logging.getLogger("actors.turn")

Mark: TypeAlias = tuple[int, ...]


class Restorable(Protocol):
    """An entity that can take back what a step did to it."""

    def restore(self, before: Any, extra: Any) -> None:
        """Become ``before`` again."""
        ...


class Retires(Protocol):
    """Who lets a closed order leave memory."""

    def retire(self, actor: Any) -> None:
        """After the commit of its closed row."""
        ...


class ClosingOrder(Protocol):
    """An order that ended in this turn, as far as a turn needs to know it."""

    order: Order
    ledger: Ledger | None
    revived: bytes | None

    @property
    def broker(self) -> Retires: ...

    def is_done(self) -> bool: ...


class Turn:
    """One turn after another; reused, never replaced. Belongs to the dispatcher's thread."""

    __slots__ = (
        "_again_now",
        "_done",
        "_monotonic_ns",
        "_on_failure",
        "_on_recovery",
        "batch",
        "booked",
        "checkpoint",
        "closing",
        "committed",
        "effects",
        "events",
        "facts_written",
        "failing_since_ns",
        "first_words",
        "hub",
        "journal",
        "refused_execution",
        "replies",
        "running",
        "time_ns",
        "undo",
    )

    def __init__(
        self,
        journal: Journal,
        hub: Hub,
        on_failure: Callable[[JournalError, list[Input]], None],
        on_recovery: Callable[[], None],
        time_ns: Callable[[], int],
        monotonic_ns: Callable[[], int],
        again_now: Callable[[], None],
    ) -> None:
        self.journal = journal
        self.hub = hub
        self.batch = Batch()
        self.undo: list[tuple[Restorable, Any, Any]] = []
        #: Run after the commit, in order: requests that leave, actors that retire.
        self.effects: list[tuple[Callable[..., object], Any, Any]] = []
        #: What was booked in this turn, with the bytes that its ledger keeps of it meanwhile.
        self.booked: list[tuple[ClosingOrder, tuple[Booking, ...], Fact, bytes]] = []
        self.events: list[Event] = []
        self.replies: list[tuple[Future[Any], Any, BaseException | None]] = []
        #: Execution keys that the journal refused because another order booked them: (key) -> that
        #: order.
        self.refused_execution: dict[tuple[str, str, str, str, str], str] = {}
        #: Orders that ended in this turn; those that are done at its end get their closed row and
        #: leave memory.
        self.closing: dict[str, ClosingOrder] = {}
        #: Called once, just before a commit, while a checkpoint is written: it stages rows of it.
        self.checkpoint: Callable[[], None] | None = None
        #: Called with the facts of each commit, right after it.
        self.committed: Callable[[list[FactRow]], object] | None = None
        #: Run at the beginning of every turn until one is committed: what left while nothing could
        #: be written.
        self.first_words: list[Callable[[], None]] = []
        self._done: Sequence[ClosingOrder] = ()
        self.running = False
        self.facts_written = 0
        #: Since when the journal cannot be written (monotonic); None while it can.
        self.failing_since_ns: int | None = None
        self._on_failure = on_failure
        self._on_recovery = on_recovery
        self.time_ns = time_ns
        self._monotonic_ns = monotonic_ns
        self._again_now = again_now  # resume without the pause that a failing disk needs

    # --- staging ----------------------------------------------------------------------------------

    def record(self, ts: int, entity: str, fact: Fact) -> bytes:
        """Stage one fact for the journal; gives the bytes it will have there."""
        body = encode(fact)
        self.batch.facts.append((ts, entity, type(fact).__name__, body))
        return body

    def is_claimed(self, key: FillKey) -> bool:
        """Whether an execution has its row, on disk or in this turn; asked only in trouble."""
        return self.journal.has_fill(*key) is not None or any(
            row[:5] == key for row in self.batch.fills
        )

    def mark(self) -> Mark:
        """Remember this point; :meth:`rollback` to it takes back everything staged since."""
        batch = self.batch
        return (
            len(batch.facts),
            len(batch.fills),
            len(self.undo),
            len(self.effects),
            len(self.events),
        )

    def rollback(self, mark: Mark) -> None:
        """Undo and forget everything staged after ``mark``; replies stand, an asker is told of the
        failure. Rows of closed orders are not among it: they are staged after the last step.
        """
        batch, undo = self.batch, self.undo
        while len(undo) > mark[2]:
            entity, before, extra = undo.pop()
            entity.restore(before, extra)
        staged: tuple[list[Any], ...] = (batch.facts, batch.fills)
        for items, length in zip(staged, mark[:2], strict=True):
            del items[length:]
        del self.effects[mark[3] :]
        del self.events[mark[4] :]

    def tell(self, event: Event) -> None:
        """Publish an event that has no fact of its own: with the turn that runs, or at once
        between turns.
        """
        if self.running:
            self.events.append(event)
        else:
            self.hub.publish([event])

    def waited_ns(self) -> int:
        """How long this turn's inputs have waited for a journal that failed; 0 while it works."""
        since = self.failing_since_ns
        return 0 if since is None else self._monotonic_ns() - since

    # --- TurnHooks --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Write first what left while the journal failed; a finished or discarded turn left
        everything else empty.
        """
        self.running = True
        for say in self.first_words:
            say()

    def reply(self, future: Future[Any], value: Any) -> None:
        """Stage a reply to an ask: an effect like any other."""
        self.replies.append((future, value, None))

    def reply_exception(self, future: Future[Any], exc: BaseException) -> None:
        """Stage the failure of an ask."""
        self.replies.append((future, None, exc))

    def finish(self, inputs: list[Input]) -> None:
        """Commit, then let the effects leave.

        Raises:
            TurnDiscarded: the journal could not be written, or refused an execution that another
            order has booked. Everything is as before the turn; the inputs are handled again.
        """
        self._close_all()
        if self.batch:
            try:
                self.journal.append(self.batch)
            except JournalError as error:
                raise self._refused(error, inputs) from error
            self._written()
        self._leave()

    def stage(self) -> Callable[[], object] | None:
        """What commits this turn, for another thread; see
        :class:`~actors.runtime.turns.TurnHooks`.
        """
        self._close_all()
        self.running = False
        return partial(self.journal.append, self.batch) if self.batch else None

    def complete(self, inputs: list[Input], error: BaseException | None) -> None:
        """The rest, after that commit.

        Raises:
            TurnDiscarded: as :meth:`finish`.
        """
        self.running = True
        if isinstance(error, JournalError):
            raise self._refused(error, inputs) from error
        if error is not None:
            raise error
        if self.batch:
            self._written()
        self._leave()

    def _close_all(self) -> None:
        self._done = self._close() if self.closing else ()
        if self.checkpoint is not None:
            self.checkpoint()

    def _leave(self) -> None:
        """What was written stands: let everything out."""
        self.undo.clear()
        if self.booked:
            self._pack()
        if self._done:
            for actor in self._done:
                actor.broker.retire(actor)
            self._done = ()
        if self.refused_execution:
            self.refused_execution.clear()
        if self.effects:
            self._let_out()
        self.running = False
        if self.events:
            events, self.events = self.events, []
            self.hub.publish(events)
        if self.replies:
            self._answer()

    def _refused(self, error: JournalError, inputs: list[Input]) -> TurnDiscarded:
        """The commit failed: take everything back."""
        self._discard()
        if isinstance(error, DuplicateExecution):
            self.refused_execution[error.key] = error.owner
            self._again_now()
        else:
            if self.failing_since_ns is None:
                self.failing_since_ns = self._monotonic_ns()
            self._on_failure(error, inputs)
        return TurnDiscarded(str(error))

    def _written(self) -> None:
        batch = self.batch
        self.facts_written += len(batch.facts)
        self.checkpoint = None
        if self.committed is not None:
            self.committed(batch.facts)
        batch.clear()
        self.first_words.clear()
        if self.failing_since_ns is not None:
            self.failing_since_ns = None
            self._on_recovery()

    def _pack(self) -> None:
        """Make room: ledgers of orders that ended are about to leave, the others become small."""
        for actor, bookings, fact, body in self.booked:
            if actor.ledger is not None and actor.order.life not in TERMINAL:
                actor.ledger.pack(bookings, fact, body)
        self.booked.clear()

    def _let_out(self) -> None:
        """Run the effects. What is written stands: the failure of one must not stop the others."""
        effects, self.effects = self.effects, []
        for run, one, two in effects:
            try:
                run(one, two)
            except Exception as error:  # alarmed, not swallowed
                self._effect_failed(run, error)

    def _answer(self) -> None:
        replies, self.replies = self.replies, []
        for future, value, exc in replies:
            if exc is None:
                future.set(value)
            else:
                future.set_exception(exc)

    def _effect_failed(self, run: Callable[..., object], error: Exception) -> None:
        logger.error("an effect failed after its commit", exc_info=error)
        name = getattr(run, "__qualname__", repr(run))
        detail = f"{name} raised {type(error).__name__}: {error}"
        self.events.append(Alarm(self.time_ns(), "effect_failed", detail))

    def _close(self) -> list[ClosingOrder]:
        """Stage the closed rows; an order that was closed before and now is not any more loses its
        row.
        """
        done: list[ClosingOrder] = []
        batch = self.batch
        for cid, actor in self.closing.items():
            order = actor.order
            if not actor.is_done():
                batch.reopened.append(cid)
                continue
            done.append(actor)
            if actor.revived is not None:
                continue  # taken up and not changed: its row stands
            terms = order.terms
            batch.closed.append(
                (
                    cid,
                    terms.intent_id,
                    terms.venue,
                    terms.account,
                    terms.instrument,
                    public_state(order).text,
                    str(order.cum_qty),
                    order.ts,
                    tombstone(order, actor.ledger),
                )
            )
            for venue_order_id in order.venue_order_ids:
                batch.venue_ids.append((terms.venue, terms.account, venue_order_id, cid))
        self.closing.clear()
        return done

    def _discard(self) -> None:
        self.running = False
        undo = self.undo
        while undo:
            entity, before, extra = undo.pop()
            entity.restore(before, extra)
        self.batch.clear()
        self.closing.clear()
        self.booked.clear()
        self.effects.clear()
        self.events.clear()
        self.replies.clear()
