"""An order's whole life: submit, accepted, two fills, position booked; and other lives.

In: decoding each intent and each of the venue's messages from the bytes they come in; validation,
which is on by default and cannot be turned off, and the check of the intent's id; the broker, order
and position actors, the session that decides what leaves, the lane, invariants after each step,
supervision, the SQLite journal on disk, the order's tombstone, and a subscriber that takes every
event. Of risk what every order is held against: trading modes, kill switches, the hand-over list,
and whether groups or triggers are concerned. Orders are submitted as fast as they are taken; 100
are open at a time.

Out: the limits of signals (:mod:`engine.policies.risk`), which a plain order has none of; starting
and stopping, and the venue, which is a script that answers at once.

Against the floor programs (:mod:`benchmarks.floor`), which commit as many facts at a time as the
engine did in the same round, in us per order. The first two cases are the engine on a thread of its
own, as it runs by default, and inside the host's asyncio loop; all others run in the host's loop:

* *subscriber to fills*: it takes only what tells of an execution.
* *durability power*: each commit waits for the disk, on both sides. (Where the folder for temporary
  files is in memory, that costs nothing.)
* *cancelled*, *amended*, *rejected*: lives of four, five and two facts; the host cancels an order
  when 100 others are open, and amends one as soon as it is accepted.

Against peers, in orders a second, each side doing the same orders:

* threads (:mod:`benchmarks.peer_pykka`): a Pykka thread per order with a `transitions` machine in
  each, two fills, 1,000 orders open at a time.
* NautilusTrader (:mod:`benchmarks.peer_nautilus`), where the extra `bench` is installed: its
  backtest engine, market orders on one side, one fill each; at the number of orders that is best
  for it, and at ten times that. Ours is the whole system as above, journalled on disk.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final, cast

from engine.messages import OrderFilled, OrderPartiallyFilled

from .floor import PlainFloor, RowFloor
from .harness import Options, Result, Side, Unavailable, compare
from .lives import AMENDED, CANCELLED, FILLED_ONCE, FILLED_TWICE, REJECTED, encoded_lives
from .ours import HostLoop, Ours, OwnThread
from .peer_pykka import ActorsThroughout, ThreadPerOrder

SHRINK = 20  # how much smaller a quick run is
_ROUNDS: Final = 7  # of the lives that are held against a bound
_ROUNDS_MAX: Final = 3  # where a peer takes long
_ORDERS: Final = 10_000
_ORDERS_OTHER: Final = 5_000  # lives that are not the headline
_ORDERS_POWER: Final = 2_000
_ORDERS_THREADS: Final = 3_000
_OPEN_THREADS: Final = 1_000
_ORDERS_NAUTILUS: Final = (1_000, 10_000)
_FILLS: Final = (OrderPartiallyFilled, OrderFilled)


def run(options: Options) -> Iterator[Result]:
    """Measure the floors' cases, then the peers'.

    Raises:
        Unavailable: a peer is not installed; everything else was measured.
    """
    count, other, power = (_size(n, options) for n in (_ORDERS, _ORDERS_OTHER, _ORDERS_POWER))
    yield from _floors("own thread", OwnThread(count), count, options)
    yield from _floors("in the host's loop", HostLoop(count), count, options)
    fills = HostLoop(count, kinds=_FILLS)
    yield from _floors("subscriber to fills", fills, count, options)
    disk = HostLoop(power, durability="power")
    yield from _floors("durability power", disk, power, options)
    for story in (CANCELLED, AMENDED, REJECTED):
        ours = HostLoop(other, story)
        yield from _floors(story.name, ours, other, options)
    yield from _threads(options)
    yield from _nautilus(options)


def _floors(case: str, ours: Ours, count: int, options: Options) -> Iterator[Result]:
    lives = encoded_lives(count, None, ours.story)
    floors = [
        floor(lives, ours.facts_per_commit, ours.story, ours.durability)
        for floor in (RowFloor, PlainFloor)
    ]
    sides = [ours, *floors]
    is_whole = ours.story is FILLED_TWICE and not options.quick
    rounds = _ROUNDS if is_whole else options.rounds
    yield from compare("lifecycle", case, "us/order", lambda s: s / count * 1e6, sides, rounds)


def _threads(options: Options) -> Iterator[Result]:
    count, open_orders = _size(_ORDERS_THREADS, options), _size(_OPEN_THREADS, options)
    lives = encoded_lives(count)
    sides = [
        HostLoop(count, open_orders=open_orders),
        ThreadPerOrder(lives, open_orders),
        ActorsThroughout(lives, open_orders),
    ]
    case = f"two fills, {open_orders:,} open"
    yield from _peers(case, count, sides, options)


def _nautilus(options: Options) -> Iterator[Result]:
    if find_spec("nautilus_trader") is None:
        raise Unavailable(
            "against NautilusTrader, which is not installed (`pip install '.[bench]'`);"
            " all other cases were"
        )
    peer = importlib.import_module(f"{__package__}.peer_nautilus")
    for full in _ORDERS_NAUTILUS[: 1 if options.quick else None]:
        count = _size(full, options)
        theirs = cast("Side", peer.NautilusBacktest(count))
        sides = [HostLoop(count, FILLED_ONCE), theirs]
        yield from _peers(f"one fill, {count:,} orders", count, sides, options)


def _peers(case: str, count: int, sides: list[Side], options: Options) -> Iterator[Result]:
    rounds = min(options.rounds, _ROUNDS_MAX)
    yield from compare("lifecycle", case, "orders/s", lambda s: count / s, sides, rounds)


def _size(full: int, options: Options) -> int:
    return full // SHRINK if options.quick else full
