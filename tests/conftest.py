"""What all tests share: Hypothesis profiles, and the way to the recordings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from benchmarks.shared import shared_file

# No deadlines: a busy machine is not a bug, and pytest-timeout catches what hangs.
settings.register_profile("dev", deadline=None, max_examples=60)
# `ci` draws the same examples on every machine, so a red run is a red change.
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=100,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=(HealthCheck.too_slow,),
)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=3000,
    print_blob=True,
    suppress_health_check=(HealthCheck.too_slow,),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def shared_path(*parts: str) -> Path:
    """The shared file or folder named by ``parts``; where it is absent the test is skipped."""
    path = shared_file(*parts)
    if path is None:
        pytest.skip(f"the shared recordings are not here: {'/'.join(parts) or 'shared'}")
    return path


@pytest.fixture(name="shared_path")
def _shared_path() -> Callable[..., Path]:
    """:func:`shared_path` for tests that prefer a fixture to an import."""
    return shared_path


@pytest.fixture
def repository() -> Path:
    """The root of the working tree."""
    return Path(__file__).parents[1]
