"""What is imported in a copy of the project must be the copy's.

A fault that is put into a copy and a test that imports the original agree with each other, and
prove nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

import actors
import engine

__all__ = ["ROOT_VARIABLE", "check_imports"]

#: Where the copy is.
ROOT_VARIABLE = "ORDERWRIGHT_MUTANT_ROOT"


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
