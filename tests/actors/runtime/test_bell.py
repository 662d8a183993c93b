"""The bell: heard in its loop from any thread, harmless after the loop's end."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from pathlib import Path

import pytest

from actors.runtime import ActorDeadError, Future, ThreadDispatcher
from actors.runtime.bell import hang_bell

from .fakes import Recorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has event counters")


def test_rings_of_another_thread_are_heard_once_in_the_loop() -> None:
    """What rang before the loop looked is one call, on the loop's thread; a later ring another."""
    loop = asyncio.new_event_loop()
    heard: list[int] = []

    def hear() -> None:
        heard.append(threading.get_ident())
        loop.stop()

    bell = hang_bell(loop, hear)
    assert bell is not None

    def ring() -> None:
        bell.ring()
        bell.ring()

    for _ in range(2):
        ringing = threading.Thread(target=ring)
        ringing.start()
        ringing.join()
        loop.run_forever()
    loop.close()

    assert [threading.get_ident()] * 2 == heard


def test_a_bell_of_a_closed_loop_keeps_its_number_until_nobody_can_ring_it() -> None:
    """A ring that comes too late does nothing, least of all to a file opened meanwhile."""
    loop = asyncio.new_event_loop()
    bell = hang_bell(loop, loop.stop)
    assert bell is not None
    number = bell._fd
    loop.close()

    bell.ring()

    assert "eventfd" in _what_is_open_as(number)
    del bell, loop
    gc.collect()
    assert "eventfd" not in _what_is_open_as(number)


def test_what_is_posted_while_the_dispatcher_ends_is_buried() -> None:
    """A message that rings a bell nobody hears any more still tells its asker."""
    dispatcher = ThreadDispatcher()
    actor = dispatcher.adopt(Recorder())
    dispatcher.start()
    dispatcher.stop()
    reply: Future[object] = Future()
    dispatcher._queue.append((actor, "late", reply))

    dispatcher._schedule()  # as a post that looked just before the end

    with pytest.raises(ActorDeadError):
        reply.get(timeout=0)


def _what_is_open_as(number: int) -> str:
    file = Path(f"/proc/self/fd/{number}")
    return str(file.readlink()) if file.is_symlink() else ""
