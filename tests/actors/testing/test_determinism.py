"""The same seed gives the same journal, byte for byte, on every Python; another seed another."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from actors.testing import SPOT, SimulatedSystem
from engine import limit
from engine.simulator import ExchangeConfig

from .journal_digests import KEPT, digests

ROOT = Path(__file__).parents[3]
ANEW = "if the change is meant: python -m tests.actors.testing.journal_digests --write"


def test_every_python_writes_the_same_journals() -> None:
    """Facts, their order, their times and their bytes: this Python's are those that are kept."""
    kept = KEPT.read_text().splitlines()
    assert 12 == len(dict.fromkeys(line.split()[-1] for line in kept))
    assert kept == digests(), ANEW


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_hash_seeds_change_nothing(hash_seed: str) -> None:
    """No order of a set, no hash of a text, gets into a journal."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.actors.testing.journal_digests"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=100,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert KEPT.read_text() == done.stdout, ANEW


def test_other_seeds_are_other_interleavings() -> None:
    """The same facts are written, in another order: who runs next is the seed's choice."""
    journals: list[tuple[tuple[str, str], ...]] = []
    for seed in range(12):
        with SimulatedSystem(seed=seed, config=ExchangeConfig(latency_out_ns=5_000_000)) as system:
            system.quote(SPOT.symbol, Decimal(100), Decimal(5), Decimal(101), Decimal(5))
            system.run(1_000_000_000)
            for number in range(5):
                system.submit(limit(SPOT.symbol, "BUY", 1, 90 + number, intent_id=f"i{number}"))
            system.run(1_000_000_000)
            assert [] == system.settle()
            journals.append(tuple((one.entity, one.kind) for one in system.journal.records()))
    assert len(dict.fromkeys(journals)) > 6
    assert 1 == len(dict.fromkeys(tuple(sorted(one)) for one in journals))
