"""The pytest plugin, as a project sees it that has the kit installed."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess

from tests.test_examples import pytest_here

BYSTANDER = """
import sys

def test_nothing_of_the_kit_is_loaded():
    loaded = [m for m in sys.modules if m.split(".")[0] in ("engine", "pykka", "hypothesis")]
    assert [] == loaded
    assert "actors.system" not in sys.modules
"""
SEEDED = """
def test_seeded(orderwright_seed, faulty_venue, simulated_system):
    assert orderwright_seed in (0, 1, 2)
    assert faulty_venue(seed=orderwright_seed).name == "SIM"
    simulated_system(seed=orderwright_seed).run(1_000_000_000)

def test_not_seeded():
    pass
"""
UNJUDGED = """
from decimal import Decimal

def test_what_is_wrong_at_the_end_fails(simulated_system):
    system = simulated_system()
    system.exchange.move("main", "BTC/USDT", list(__import__("engine").PositionSlot)[0],
                         Decimal(1), None, system.now_ns())

def test_unless_it_is_not_to_be_judged(simulated_system):
    simulated_system(judged=False).crash()
"""
PROFILE = """
from hypothesis import settings

def test_the_profile_is_ours():
    assert settings().max_examples == 3_000
    assert not settings().derandomize
"""


def ran(
    tmp_path: Path, repository: Path, files: dict[str, str], *arguments: str
) -> CompletedProcess[str]:
    """Pytest in a project of these files, with every warning an error."""
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    place = ("-c", os.devnull, "--rootdir", str(tmp_path), "-W", "error")
    return pytest_here(tmp_path, repository, *place, *arguments, str(tmp_path))


def test_who_does_not_use_it_loads_nothing(repository: Path, tmp_path: Path) -> None:
    """Nor the engine, nor Hypothesis: a run without the kit is as fast as before."""
    ended = ran(tmp_path, repository, {"test_bystander.py": BYSTANDER})
    assert "1 passed" in ended.stdout, ended.stdout


def test_fixtures_and_seeds(repository: Path, tmp_path: Path) -> None:
    """One test for each seed; what a simulated system did wrong fails the test that had it."""
    files = {"test_seeded.py": SEEDED, "test_unjudged.py": UNJUDGED}
    ended = ran(tmp_path, repository, files, "--orderwright-seeds", "3")
    assert "6 passed, 1 error" in ended.stdout, ended.stdout
    assert "positions_agree" in ended.stdout
    refused = ran(tmp_path, repository, files, "--orderwright-seeds", "0")
    assert (4, True) == (refused.returncode, "at least 1, was '0'" in refused.stderr)


def test_profiles_are_there_when_asked_for(repository: Path, tmp_path: Path) -> None:
    """By the option, on a build server too; by a conftest that registers them."""
    conftest = (
        "from hypothesis import settings\n"
        "from actors.testing.profiles import register_profiles\n"
        "register_profiles()\n"
        'settings.load_profile("nightly")\n'
    )
    asked = ran(
        tmp_path, repository, {"test_profile.py": PROFILE}, "--hypothesis-profile", "nightly"
    )
    assert "1 passed" in asked.stdout, asked.stdout
    loaded = ran(tmp_path, repository, {"conftest.py": conftest})
    assert "1 passed" in loaded.stdout, loaded.stdout
