"""Names of a package that are loaded when they are first used.

``import actors`` is then cheap for whoever does not trade: pytest, which loads our plugin in every
project that has the kit installed, or a command that only prints its help.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["loader"]


def loader(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package: ``homes`` says which submodule defines each name."""

    def load(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(f".{home}", package), name)
        setattr(sys.modules[package], name, found)  # once
        return found

    return load
