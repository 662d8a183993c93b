"""Kill a real engine for as long as wanted: ``python -m tests.integration.kill_rounds --rounds
200``.

Prints one line a round and the report as JSON at the end; its exit code is 1 when anything was
lost, doubled or different. ``--seed`` draws the kinds and numbers of the kills; moments inside a
process are never the same twice, so a violation keeps its journal and says where it is.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from .kill_kit import Killing, as_json, kinds

_COMPARED_EVERY = 25  # rounds: each time it comes to rest, and stops in order once


def main() -> int:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orderwright-killed-"))
    sys.stderr.write(f"seed {options.seed}; journal and complaints are in {folder}\n")
    draw = random.Random(options.seed)
    with Killing(folder, options.seed) as killing:
        for number in range(1, options.rounds + 1):
            kind = draw.choice(kinds())
            killing.round(kind)
            name = "ANY" if kind is None else kind.name
            sys.stderr.write(f"round {number} of {options.rounds}: {name}\n")
            if number % _COMPARED_EVERY == 0 and killing.settle().violations:
                break
        report = killing.settle()
    sys.stdout.write(as_json(report) + "\n")
    if report.violations:
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
