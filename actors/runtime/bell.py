"""A bell: one thread wakes the asyncio loop of another.

What asyncio has for that (``call_soon_threadsafe``) writes to a socket, and the loop reads it empty
again: two system calls and an exception, after the turn that was asked for and before the calls
that it lets leave. An event counter is one call to ring and one to hear, and that before the turn.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

__all__ = ["Bell", "hang_bell"]


class Bell:
    """Rings in one loop, from any thread."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ring(self) -> None:
        """Have the loop call what the bell was hung for, once for all that rang meanwhile.

        When the loop is closed nothing happens.
        """
        os.eventfd_write(self._fd, 1)

    def hear(self, fn: Callable[[], object]) -> None:
        """In the loop: it rang."""
        os.eventfd_read(self._fd)
        fn()

    def __del__(self) -> None:
        # Not when the loop closes: a thread that rings just then must not write into another file
        # that got the same number.
        os.close(self._fd)


def hang_bell(loop: asyncio.AbstractEventLoop, fn: Callable[[], object]) -> Bell | None:
    """A bell that has ``loop`` call ``fn()``; before the loop runs, or on its thread.

    None where the system has no event counters (all but Linux): use asyncio's own way there.
    """
    if sys.platform != "linux":
        return None
    bell = Bell(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
    loop.add_reader(bell._fd, bell.hear, fn)
    return bell
