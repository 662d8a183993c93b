"""Actors and their refs: everything we replace in Pykka, in this one file.

A Pykka actor owns a thread, an inbox, an Event, a ref and a uuid from birth. Ours owns one slot:
the dispatcher it lives on, ``None`` once it has stopped. Inbox, flag, ref and urn are made when
somebody asks for them, and none of them is stored where it could close a cycle, so a stopped actor
that nobody holds is gone at once.

Kept from Pykka: the class hierarchy, the hooks, proxies, the four control messages and
``_handle_receive`` that interprets them. Replaced, and pinned by
``tests/actors/runtime/test_pykka_pin.py``:

* ``Actor.__init__``, ``start``, ``stop``, ``_stop``, ``_handle_failure``, ``on_receive`` and the
  loop (a dispatcher drains);
* ``ActorRef.tell`` (never raises), ``ask`` (checks before it sends, futures that can be awaited)
  and ``stop``.

Nothing here touches ``pykka.ActorRegistry``: it is global, and belongs to the host.
"""

from __future__ import annotations

import logging
import sys
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, TypeVar, cast

import pykka
from pykka import ActorDeadError
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from engine.errors import MailboxFull, UserError

from .future import Driver, Future, running

__all__ = ["CONTROL", "Actor", "ActorRef", "ActorStart", "ActorStop", "Host", "Inbox"]

A = TypeVar("A", bound="Actor")

logger = logging.getLogger("actors.runtime")


class ActorStart(NamedTuple):
    """Ours, beside Pykka's four: run ``on_start``."""


ActorStop = _ActorStop

#: The messages that Pykka (or we, for the first) interpret; all others go straight to
#: ``on_receive``.
CONTROL: Final = frozenset({ActorStart, ActorStop, ProxyCall, ProxyGetAttr, ProxySetAttr})


class Host(Driver, Protocol):
    """What actors and refs need of a dispatcher; explained there."""

    def post(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a message; never raises."""
        ...

    def post_bounded(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a command; raises MailboxFull."""
        ...

    def start_actor(self, actor: Actor) -> None:
        """Keep an actor and run its ``on_start``."""
        ...

    def release(self, actor: Actor) -> None:
        """Let go of an actor that has stopped."""
        ...

    def dead_letter(self, actor_urn: str, message: Any) -> None:
        """Record an undeliverable message."""
        ...

    def has_message_for(self, actor: Actor) -> bool:
        """Whether a message waits."""
        ...

    def is_accepting(self) -> bool:
        """Whether it has not stopped."""
        ...

    def check_may_block(self) -> None:
        """Raise BlockingCallError where a wait could never end."""
        ...

    def make_urn(self, actor: Actor) -> str:
        """A name for an actor that has none."""
        ...

    def stopped_future(self, actor: Actor) -> Future[Any]:
        """A future set when the actor stops."""
        ...


class Inbox:
    """A view of the dispatcher's queue that has the shape of a Pykka inbox."""

    __slots__ = ("_actor", "_host")

    _actor: weakref.ref[Any]
    _host: Host

    def put(self, envelope: Any, /) -> None:
        """Queue the envelope's message; to a vanished actor it is a dead letter."""
        actor = self._actor()
        if actor is not None:
            self._host.post(actor, envelope.message, envelope.reply_to)
        else:
            self._host.dead_letter("urn:actor:gone", envelope.message)

    def get(self) -> Any:
        """Not offered: the dispatcher takes messages out."""
        raise NotImplementedError(
            "the dispatcher drains its actors' messages; there is nothing to get"
        )

    def empty(self) -> bool:
        """Whether no message for this actor is queued; looks at the whole queue."""
        actor = self._actor()
        return actor is None or not self._host.has_message_for(actor)


class StoppedFlag:
    """Whether an actor has stopped, in the shape of the ``threading.Event`` Pykka has there."""

    __slots__ = ("_actor", "_host")

    def __init__(self, actor: weakref.ref[Any], host: Host) -> None:
        self._actor = actor
        self._host = host

    def is_set(self) -> bool:
        """Whether the actor has stopped or is gone."""
        actor = self._actor()
        return actor is None or actor._dispatcher is not self._host or not self._host.is_accepting()

    def set(self) -> None:
        """Stop the actor, after the messages sent to it before."""
        actor = self._actor()
        if actor is not None:
            actor.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it stopped; seconds; ``False`` on a timeout."""
        actor = self._actor()
        if actor is None or self.is_set():
            return True
        try:
            self._host.stopped_future(actor).get(timeout=timeout)
        except pykka.Timeout:
            return False
        return True


class Actor(pykka.Actor):
    """An actor that lives on a shared dispatcher.

    Subclass it, give ``__slots__`` if many will live, and override ``on_receive``. ``__init__``
    needs no ``super()``. Start it with ``Actor.start(..., dispatcher=...)``, or make it and
    :meth:`Dispatcher.adopt` it when its owner keeps it.
    """

    __slots__ = ("_dispatcher",)

    _dispatcher: Any  # a Host; None once stopped

    if not TYPE_CHECKING:
        # Pykka's would make a uuid, an Event, an inbox and a ref; nothing has to be initialised
        # here.
        __init__ = object.__init__

    @classmethod
    def start(cls, *args: Any, dispatcher: Host | None = None, **kwargs: Any) -> ActorRef[Self]:
        """Make an actor, start it and return its ref.

        ``dispatcher`` defaults to the one whose code runs now.

        The dispatcher keeps it until it stops. ``on_start`` runs before any message.

        Raises:
            UserError: no dispatcher given, and none runs on this thread. Nothing was started.
        """
        host = dispatcher if dispatcher is not None else cast("Host | None", running.dispatcher)
        if host is None:
            raise UserError(
                f"{cls.__name__}.start() needs a dispatcher:"
                " pass dispatcher=ThreadDispatcher() or another one"
            )
        actor = cls.__new__(cls)
        actor._dispatcher = host  # before __init__, which may already want actor_ref
        actor.__init__(*args, **kwargs)  # type: ignore[misc]
        ref = ActorRef(actor)  # before it runs: it may have stopped when the next line returns
        actor._start_actor_loop()
        return ref

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> Future[Any]:
        return Future(cast("Host | None", running.dispatcher))

    def _start_actor_loop(self) -> None:
        self._host().start_actor(self)

    def _host(self) -> Host:
        host: Host | None = getattr(self, "_dispatcher", None)  # empty before start or adopt
        if host is None:
            raise ActorDeadError(f"{type(self).__name__} is not running on a dispatcher")
        return host

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """A name unique to this actor on its dispatcher; made once asked for.

        Override it where a name exists.
        """
        urn: str | None = self.__dict__.get("_urn")
        if urn is None:
            host = getattr(self, "_dispatcher", None)
            if host is None:
                return f"urn:actor:stopped:{type(self).__name__}"
            urn = self.__dict__["_urn"] = host.make_urn(self)
        return urn

    @property
    def actor_inbox(self) -> Inbox:  # type: ignore[override]
        """A view of the dispatcher's queue, made on demand."""
        inbox = self._create_actor_inbox()
        inbox._actor = weakref.ref(self)
        inbox._host = self._host()
        return inbox

    @property
    def actor_stopped(self) -> StoppedFlag:  # type: ignore[override]
        """A view of the stopped flag, made on demand."""
        return StoppedFlag(weakref.ref(self), self._host())

    @property
    def actor_ref(self) -> ActorRef[Self]:
        """A new ref to this actor; long-lived senders keep theirs."""
        return ActorRef(self)

    def stop(self) -> None:
        """Ask this actor to stop after the messages sent before."""
        self._host().post(self, ActorStop())

    def _stop(self) -> None:
        """Stop now; called by Pykka's ``_handle_receive``.

        An exception of ``on_stop`` goes to supervision.
        """
        try:
            self.on_stop()
        finally:
            if getattr(self, "_dispatcher", None) is not None:
                self._host().release(self)

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop at once, without ``on_stop``; a supervisor that decided so calls this."""
        logger.error(
            "an actor failed and was stopped",
            exc_info=(exception_type, exception_value, traceback),  # type: ignore[arg-type]
            extra={"actor": self.actor_urn},
        )
        if getattr(self, "_dispatcher", None) is not None:
            self._host().release(self)

    def on_receive(self, message: Any) -> Any:
        """Override it.

        The default makes every message a dead letter: counted and shown, not just logged.
        """
        self._host().dead_letter(self.actor_urn, message)

    def _receive_control(self, message: Any) -> Any:
        if message.__class__ is ActorStart:
            return self.on_start()
        return self._handle_receive(message)


class ActorRef(pykka.ActorRef[A]):
    """A ref that may be passed around.

    It never keeps its actor alive, and ``tell`` never raises.
    """

    def __init__(self, actor: A) -> None:
        self._actor_weakref = weakref.ref(actor)
        self._host = actor._host()
        self.actor_class = actor.__class__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorRef) and self._actor_weakref is other._actor_weakref

    def __hash__(self) -> int:
        return id(self._actor_weakref)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The actor's urn, while it exists."""
        actor = self._actor_weakref()
        return "urn:actor:gone" if actor is None else actor.actor_urn

    @property
    def actor_inbox(self) -> Inbox:  # type: ignore[override]
        """A view of the queue, made on demand."""
        inbox = Inbox()
        inbox._actor = self._actor_weakref
        inbox._host = self._host
        return inbox

    @property
    def actor_stopped(self) -> StoppedFlag:  # type: ignore[override]
        """A view of the stopped flag, made on demand."""
        return StoppedFlag(self._actor_weakref, self._host)

    def is_alive(self) -> bool:
        """Whether the actor has not stopped, as far as this thread can see."""
        return not StoppedFlag(self._actor_weakref, self._host).is_set()

    def tell(self, message: Any) -> None:
        """Send and forget. Never raises: what cannot be delivered is a dead letter."""
        actor = self._actor_weakref()
        if actor is None:
            self._host.dead_letter("urn:actor:gone", message)
        else:
            self._host.post(actor, message)

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send and get the reply: its value (``block``), or a :class:`Future` of it.

        The reply follows the commit.

        Raises:
            ReplyTimeout: no reply within ``timeout`` seconds.
            BlockingCallError: ``block`` on a dispatcher's own thread; nothing was sent. Use
                ``await``.
            ActorDeadError, MailboxFull, Exception: in the future, or raised when blocking.
        """
        if block:
            self._host.check_may_block()
        future = self._ask(message)
        return future.get(timeout=timeout) if block else future

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """Stop the actor after the messages sent before.

        True: it was alive; False: it was dead already.
        """
        if block:
            self._host.check_may_block()
        asked = self._ask(ActorStop())
        stopped: Future[bool] = Future(self._host)

        def convert(wait: float | None) -> bool:
            try:
                asked.get(timeout=wait)
            except ActorDeadError:
                return False
            return True

        stopped.set_get_hook(convert)
        stopped._sources = (asked,)
        return stopped.get(timeout=timeout) if block else stopped

    def _ask(self, message: Any) -> Future[Any]:
        future: Future[Any] = Future(self._host)
        actor = self._actor_weakref()
        try:
            if actor is None or not self.is_alive():
                raise ActorDeadError(f"{self} is not alive")
            if message.__class__ is ActorStop:  # a full queue must not keep an actor alive
                self._host.post(actor, message, future)
            else:
                self._host.post_bounded(actor, message, future)
        except (ActorDeadError, MailboxFull):
            future.set_exception(sys.exc_info())
        return future
