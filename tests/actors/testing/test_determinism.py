"""The same seed gives the same journal, byte for byte, on every Python; another seed another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.testing.running import play, simulated
from engine.testing.drawing import scenario

ROOT = Path(__file__).parents[3]
NEEDS = "import msgspec, orjson, pykka, transitions"
PRINTS = """
import hashlib
from actors.testing.running import play, simulated
from engine.testing.drawing import scenario
for profile in ("calm", "rough", "hell"):
    for seed in range(6):
        drawn = scenario(seed, profile)
        with simulated(drawn) as system:
            result = play(system, drawn)
            text = system.journal_bytes() + repr(result).encode()
        print(profile, seed, system.journal.last_seq, hashlib.sha256(text).hexdigest())
"""


def printed(python: str, hash_seed: str) -> list[str]:
    """What another interpreter makes of the same seeds."""
    done = subprocess.run(
        [python, "-c", PRINTS],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=100,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.splitlines()


def test_hash_seeds_change_nothing() -> None:
    """No order of a set, no hash of a text, gets into a journal."""
    first = printed(sys.executable, "1")
    assert 18 == len(first) == len(set(first))
    assert printed(sys.executable, "2") == first


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_python_writes_the_same_journal(version: str) -> None:
    """Facts, their order, their times and their bytes do not depend on the interpreter."""
    python = shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"python{version} is not on the PATH")
    able = subprocess.run([python, "-c", NEEDS], capture_output=True, check=False, cwd=ROOT)
    if able.returncode:
        pytest.skip(f"{python} has not the dependencies: {able.stderr.decode()[-80:]}")
    assert printed(python, "0") == printed(sys.executable, "3")


def test_other_seeds_are_other_interleavings() -> None:
    """The steps stay the same, who runs next does not: journals differ, the truth is reached."""
    drawn = next(
        one for one in (scenario(seed, "calm") for seed in range(99)) if one.turn_messages > 3
    )
    journals = []
    for seed in range(12):
        again = replace(drawn, seed=seed)
        with simulated(again) as system:
            assert () == play(system, again).violations
            journals.append([record.body for record in system.journal.records()])
    assert len({tuple(one) for one in journals}) > 6
    assert len({tuple(sorted(one)) for one in journals}) < 12  # the same facts in another order
