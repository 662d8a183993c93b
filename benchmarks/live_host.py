"""A process with an engine in it and as many live orders as it is told to have.

`live_orders` starts it as ``python -m benchmarks.live_host FOLDER INSTRUMENTS KEEP_FACTS``: a
process of its own, so that what it occupies is nobody else's, and caches, heap and collector are
not shared with the side it is compared to. It reads commands (JSON lines, a name and a number),
each of which it answers with a line of numbers. KEEP_FACTS is for automatic retention; 0: none.

Host and engine share an asyncio loop. What is timed comes in bursts of :data:`BURST` messages, each
of which is one turn and one commit, however fast the machine is and however many orders are open.
Opening orders and soaking, of which no time is told, take larger ones, to be done sooner.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import sys
import time
import tracemalloc
from array import array
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

import msgspec

from actors.retention import Retention
from actors.runtime import LoopDispatcher
from actors.system import ExecutionSystem
from engine.messages import SubmitOrder

from .quiet_venue import QuietVenue

__all__ = ["BURST", "SAMPLES", "Host"]

BURST: Final = 16
_LARGE: Final = 128
SAMPLES: Final = 60  # of a soak
_SOAK_OPEN: Final = 1_000
_TURN_NS: Final = 60_000_000_000  # never over by time
_FIRST: Final = b"0.001"
_FURTHER: Final = 10
_PAGE: Final = 4096


class Host:
    """The engine and its host. Its public methods are the commands, and :meth:`close`."""

    def __init__(self, folder: Path, instruments: int, keep_facts: int = 0) -> None:
        self._folder = folder
        self._venue = QuietVenue(instruments)
        self._runner = asyncio.Runner()
        self._system = ExecutionSystem(
            [self._venue],
            journal=folder / "orders.journal",
            engine_id="BEN",
            dispatcher=LoopDispatcher(turn_ns=_TURN_NS),
            retention=Retention(keep_facts=keep_facts) if keep_facts else None,
            cross_check=None,  # a script has no lists to compare with
        )
        self._runner.run(self._system.__aenter__())
        self._decode = msgspec.json.Decoder(SubmitOrder).decode
        self._ids: list[str] = []  # of the orders that stay open
        self._numbers = array("q")  # ... and their numbers at the venue
        self._submitted = 0
        self._random = random.Random(1)

    def close(self) -> None:
        """Stop in order; a process that is killed instead has lost nothing."""
        self._runner.run(self._system.astop())
        self._runner.close()

    def open(self, count: int) -> list[float]:
        """Open orders, each with one fill, until there are ``count``; seconds."""
        missing = count - len(self._ids)
        return [self._measured(self._open(missing), 3 * missing)]

    def fill(self, count: int) -> list[float]:
        """Fill ``count`` of them once more, each a bit, in no order; seconds of one fill, as the
        median over the bursts.
        """
        count = min(count, len(self._ids))
        chosen = self._random.sample(range(len(self._ids)), count)
        said = [self._venue.execution(self._numbers[one], self._ids[one], _FIRST) for one in chosen]
        each: list[float] = []
        self._measured(self._say(said, each), count)
        return [statistics.median(each)]

    def live(self, count: int) -> list[float]:
        """Have ``count`` more orders live their lives, of two fills, and go; seconds of one."""
        return [self._measured(self._lives(count), 4 * count) / count]

    def memory(self, _: int) -> list[float]:
        """What the process occupies, in bytes, once the collector has been through it."""
        gc.collect()
        return [_resident()]

    def collect(self, _: int) -> list[float]:
        """Seconds of a full collection, and of one after `gc.freeze()`."""
        times = []
        for prepare in (gc.collect, gc.freeze):
            prepare()
            began = time.perf_counter()
            gc.collect()
            times.append(time.perf_counter() - began)
        return times

    def trace(self, count: int) -> list[float]:
        """Bytes as Python counts them, and objects that the collector sees: for each of ``count``
        orders with one fill; then bytes for each of its further fills.
        """
        tracemalloc.start()
        before, seen = _traced()
        self.open(len(self._ids) + count)
        with_one, seen_after = _traced()
        for _ in range(_FURTHER):
            self.fill(len(self._ids))
        further = (_traced()[0] - with_one) / _FURTHER / len(self._ids)
        tracemalloc.stop()
        return [(with_one - before) / count, (seen_after - seen) / count, further]

    def soak(self, count: int) -> list[float]:
        """Let ``count`` orders through, :data:`_SOAK_OPEN` of them open at a time; seconds, then
        bytes occupied, then bytes of the journal's files, both :data:`SAMPLES` times.
        """
        resident: list[float] = []
        written: list[float] = []
        seconds = self._measured(self._soak(count, resident, written), 3 * count)
        return [seconds, *resident, *written]

    def _measured(self, work: Coroutine[object, object, None], facts: int) -> float:
        """Seconds of ``work``, which writes so many facts, and leaves open who was open before."""
        expected = self._facts + facts
        began = time.perf_counter()
        self._runner.run(work)
        seconds = time.perf_counter() - began
        assert expected == self._facts, (expected, self._facts)
        live = sum(len(broker.orders) for broker in self._system.brokers.values())
        assert len(self._ids) == live, (len(self._ids), live)
        return seconds

    # --- the work ---------------------------------------------------------------------------------

    async def _open(self, count: int) -> None:
        for begin in range(0, count, _LARGE):
            opened = self._submit(min(_LARGE, count - begin))
            await self._idle()
            for number, cid in opened:
                self._venue.say(self._venue.execution(number, cid, _FIRST))
                self._numbers.append(number)
                self._ids.append(cid)
            await self._idle()

    async def _say(self, executions: Sequence[bytes], each: list[float]) -> None:
        """Burst by burst; ``each`` takes the seconds of one execution in each of them."""
        for begin in range(0, len(executions), BURST):
            burst = executions[begin : begin + BURST]
            began = time.perf_counter()
            for execution in burst:
                self._venue.say(execution)
            await self._idle()
            each.append((time.perf_counter() - began) / len(burst))

    async def _lives(self, count: int) -> None:
        venue = self._venue
        for begin in range(0, count, BURST):
            opened = self._submit(min(BURST, count - begin))
            await self._idle()
            for number, cid in opened:
                venue.say(venue.execution(number, cid, _FIRST))
                venue.say(venue.execution(number, cid, venue.rest(number)))
            await self._idle()

    async def _soak(self, count: int, resident: list[float], written: list[float]) -> None:
        waiting: deque[tuple[int, str]] = deque()
        done = 0
        while done < count:
            opened = self._submit(min(_LARGE, count - done))
            waiting += opened
            done += len(opened)
            while len(waiting) > _SOAK_OPEN:
                self._fill_whole(*waiting.popleft())
            await self._idle()
            while len(resident) < SAMPLES * done // count:
                resident.append(_resident())
                written.append(sum(file.stat().st_size for file in self._folder.iterdir()))
        for order in waiting:
            self._fill_whole(*order)
        await self._idle()

    def _fill_whole(self, number: int, client_order_id: str) -> None:
        venue = self._venue
        venue.say(venue.execution(number, client_order_id, venue.whole(number)))

    def _submit(self, count: int) -> list[tuple[int, str]]:
        submit, decode, intent = self._system.submit, self._decode, self._venue.intent
        first = self._submitted
        self._submitted += count
        return [
            (number, submit(decode(intent(number))).client_order_id)
            for number in range(first, first + count)
        ]

    async def _idle(self) -> None:
        dispatcher = self._system.dispatcher
        await asyncio.sleep(0)
        while dispatcher.queued():  # noqa: ASYNC110  # turns are callbacks of this loop
            await asyncio.sleep(0)

    @property
    def _facts(self) -> int:
        return self._system.journal.last_seq


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _traced() -> tuple[int, int]:
    gc.collect()
    return tracemalloc.get_traced_memory()[0], len(gc.get_objects())


_COMMANDS: Final[dict[str, Callable[[Host, int], list[float]]]] = {
    "open": Host.open,
    "fill": Host.fill,
    "live": Host.live,
    "memory": Host.memory,
    "collect": Host.collect,
    "trace": Host.trace,
    "soak": Host.soak,
}


def main(folder: str, instruments: str, keep_facts: str) -> None:
    """Do what is asked, until nobody asks any more."""
    host = Host(Path(folder), int(instruments), int(keep_facts))
    for line in sys.stdin:
        name, number = msgspec.json.decode(line, type=tuple[str, int])
        answer = _COMMANDS[name](host, number)
        print(msgspec.json.encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
