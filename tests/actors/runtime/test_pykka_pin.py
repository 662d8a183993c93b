"""What we rely on in Pykka, and what we replace: a new Pykka that differs must fail here first."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pykka
import pytest
from pykka import messages

from actors.runtime import Actor, ActorRef, Future
from actors.runtime.actor import CONTROL


def test_the_version_is_one_we_know() -> None:
    """The pin in pyproject.toml holds here too."""
    major, minor = (int(part) for part in version("pykka").split(".")[:2])

    assert (4, 5) <= (major, minor) < (5, 0)


@pytest.mark.parametrize(
    ("owner", "name", "signature"),
    [
        (pykka.Actor, "__init__", "(self, *_args, **_kwargs)"),
        (pykka.Actor, "start", "(*args, **kwargs)"),
        (pykka.Actor, "stop", "(self)"),
        (pykka.Actor, "_stop", "(self)"),
        (pykka.Actor, "_handle_failure", "(self, exception_type, exception_value, traceback)"),
        (pykka.Actor, "_handle_receive", "(self, message)"),
        (pykka.Actor, "_create_actor_inbox", "()"),
        (pykka.Actor, "_create_future", "()"),
        (pykka.Actor, "_start_actor_loop", "(self)"),
        (pykka.Actor, "on_receive", "(self, message)"),
        (pykka.ActorRef, "__init__", "(self, actor)"),
        (pykka.ActorRef, "is_alive", "(self)"),
        (pykka.ActorRef, "tell", "(self, message)"),
        (pykka.ActorRef, "ask", "(self, message, *, block=True, timeout=None)"),
        (pykka.ActorRef, "stop", "(self, *, block=True, timeout=None)"),
        (pykka.Future, "get", "(self, *, timeout=None)"),
        (pykka.Future, "set", "(self, value=None)"),
        (pykka.Future, "set_exception", "(self, exc_info=None)"),
        (pykka.Future, "set_get_hook", "(self, func)"),
    ],
)
def test_signatures_are_the_ones_we_wrote_against(owner: type, name: str, signature: str) -> None:
    """What we override or call has the parameters it had."""
    found = inspect.signature(getattr(owner, name))
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
    ]

    assert signature == str(inspect.Signature(bare))


def test_nothing_was_added_to_what_we_replace() -> None:
    """Pykka's classes have the methods we know; a new one may need replacing as well."""
    actor = {
        "start", "stop", "on_start", "on_stop", "on_failure", "on_receive", "actor_ref",
        "_actor_loop", "_actor_loop_running", "_actor_loop_setup", "_actor_loop_teardown",
        "_create_actor_inbox", "_create_future", "_handle_failure", "_handle_receive",
        "_start_actor_loop", "_stop",
    }  # fmt: skip
    ref = {"is_alive", "tell", "ask", "stop", "proxy"}
    future = {"get", "set", "set_exception", "set_get_hook", "filter", "join", "map", "reduce"}

    for owner, known in ((pykka.Actor, actor), (pykka.ActorRef, ref), (pykka.Future, future)):
        own = {name for name in vars(owner) if not name.startswith(("__", "_abc"))}
        assert known == own


def test_control_messages_are_pykkas_four_and_our_start() -> None:
    """Pykka has no control message that we would hand to on_receive."""
    pykkas = {
        item
        for item in vars(messages).values()
        if inspect.isclass(item) and item.__module__ == "pykka.messages"
    }

    assert 4 == len(pykkas)
    assert pykkas < CONTROL
    assert 5 == len(CONTROL)


def test_making_ours_runs_none_of_pykkas_constructors() -> None:
    """An actor and a future of ours have no instance state from Pykka."""
    assert object.__init__ is Actor.__init__
    assert {} == vars(Actor())
    assert {} == vars(Future())
    assert issubclass(ActorRef, pykka.ActorRef)
