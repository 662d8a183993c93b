"""A pytest plugin for runs in a copy of the project: what is imported must be the copy's.

A fault that is put into a copy and a test that imports the original agree with each other and
prove nothing. As a program (``python -m tests.mutants.guard simulate ...``) it is the command line
of the copy, under the same guard.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

import actors
import engine

#: Where the copy is.
ROOT_VARIABLE = "ORDERWRIGHT_MUTANT_ROOT"

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


def check_imports() -> None:
    """See that the packages are those of the copy.

    Raises:
        RuntimeError: one of them is not.
    """
    root = Path(os.environ[ROOT_VARIABLE]).resolve()
    for package in (engine, actors):
        home = Path(str(package.__file__)).resolve()
        if not home.is_relative_to(root):
            raise RuntimeError(f"{package.__name__} is imported from {home}, not from {root}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop before the first test if the imports are wrong."""
    try:
        check_imports()
    except RuntimeError as error:
        raise pytest.UsageError(str(error)) from None


if __name__ == "__main__":
    from actors.cli import main

    check_imports()
    sys.exit(main(sys.argv[1:]))
