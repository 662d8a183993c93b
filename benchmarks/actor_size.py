"""How much memory actors take, seen from outside: ``python -m benchmarks.actor_size KIND COUNT``.

Each look is a process of its own, so that no memory which something else has given back hides what
the actors take. What is counted is resident memory, thread stacks included, with nothing to do and
no message waiting. ``own`` and ``stock`` actors are started, and a ref to each is kept; ``adopted``
ones are kept by their owner and have no ref, which is how the engine keeps its orders.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from actors.runtime import ThreadDispatcher

from .crowds import OwnCrowd, OwnMember, StockCrowd
from .harness import Unavailable

__all__ = ["Kind", "bytes_each"]

Kind: TypeAlias = Literal["own", "adopted", "stock"]

_STATM: Final = Path("/proc/self/statm")
_UNAVAILABLE: Final = 3  # exit code
_FIRST: Final = 10  # actors made before, so that what is made once is not counted
_PATIENCE_S: Final = 120.0
_SETTLES_S: Final = 0.2  # for threads on their way to their first wait


def bytes_each(kind: Kind, count: int) -> float:
    """Look at ``count`` actors in a fresh process; resident bytes for each.

    Raises:
        Unavailable: there is no /proc, or so many threads are not to be had.
    """
    looked = subprocess.run(
        [sys.executable, "-m", __name__, kind, str(count)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if looked.returncode == _UNAVAILABLE:
        raise Unavailable(looked.stderr.strip())
    looked.check_returncode()
    return float(looked.stdout)


def _look(kind: Kind, count: int) -> float:
    kept: list[object] = [_make(kind, _FIRST)]
    gc.collect()
    before = _resident()
    kept.append(_make(kind, count))
    gc.collect()
    return (_resident() - before) / count


def _make(kind: Kind, count: int) -> object:
    """Actors at rest, and whatever keeps them."""
    if kind == "adopted":
        dispatcher = ThreadDispatcher("owner")
        return dispatcher, [dispatcher.adopt(OwnMember()) for _ in range(count)]
    crowd = OwnCrowd(count) if kind == "own" else StockCrowd(count)
    crowd.refs[-1].ask(1, timeout=_PATIENCE_S)
    time.sleep(_SETTLES_S)
    return crowd


def _resident() -> int:
    if not _STATM.exists():
        raise Unavailable("resident memory is read from /proc, which is not here")
    return int(_STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


def main(argv: Sequence[str]) -> int:
    """Print the bytes; the process then ends at once, with all its threads."""
    kind, count = argv
    assert kind in ("own", "adopted", "stock"), kind
    try:
        print(_look(kind, int(count)), flush=True)  # type: ignore[arg-type]
    except Unavailable as missing:
        print(missing, file=sys.stderr, flush=True)
        return _UNAVAILABLE
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
