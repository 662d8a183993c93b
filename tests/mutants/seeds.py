"""``python -m tests.mutants.seeds PROFILE A:B``: simulated systems, until one of them goes wrong.

Exit code 1: one did, and is named by its seed. Runs in a copy of the project only.
"""

from __future__ import annotations

import sys

from actors.testing.running import run_seed

from .copied import check_imports

__all__ = ["main"]


def main(profile: str, seeds: str) -> int:
    """Run the seeds in order, up to the first violation."""
    check_imports()
    first, _, end = seeds.partition(":")
    for seed in range(int(first), int(end)):
        for violation in run_seed(seed, profile).violations:
            sys.stdout.write(
                f"FAILED {profile}:{seed} {violation.invariant}: {violation.message}\n"
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
