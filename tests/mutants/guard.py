"""A pytest plugin for runs in a copy of the project: its imports, and its Hypothesis profile."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings

from .copied import check_imports

# The same examples in every run. Nobody reads what a fault leads to, so it is not shrunk.
settings.register_profile(
    "mutants",
    deadline=None,
    max_examples=100,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=tuple(HealthCheck),
)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop before the first test if the imports are wrong."""
    try:
        check_imports()
    except RuntimeError as error:
        raise pytest.UsageError(str(error)) from None
