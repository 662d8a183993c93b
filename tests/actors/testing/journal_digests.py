"""Digests of the journals that a few seeds write: the same on every Python and machine.

``python -m tests.actors.testing.journal_digests`` prints them; with ``--write`` they are kept
beside this file. A change of ours that changes journals (a new fact, another order of facts) writes
them anew; a Python that prints others has found a hole.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Final

from actors.testing.running import play, simulated
from engine.testing.drawing import scenario

__all__ = ["KEPT", "digests"]

#: What every Python has to come to.
KEPT: Final = Path(__file__).with_suffix(".txt")
_SEEDS: Final = (9, 15, 25, 36)


def digests() -> list[str]:
    """A line for each run: profile, seed, records, and one digest of journal and result."""
    lines: list[str] = []
    for profile in ("calm", "rough", "hell"):
        for seed in _SEEDS:
            drawn = scenario(seed, profile)
            with simulated(drawn) as system:
                result = play(system, drawn)
                text = system.journal_bytes() + repr(result).encode()
            digest = hashlib.sha256(text).hexdigest()
            lines.append(f"{profile} {seed} {system.journal.last_seq} {digest}")
    return lines


if __name__ == "__main__":
    printed = "\n".join(digests()) + "\n"
    if sys.argv[1:] == ["--write"]:
        KEPT.write_text(printed)
    else:
        sys.stdout.write(printed)
