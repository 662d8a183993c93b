"""Where the recordings are: beside the repository, or where ``ORDERWRIGHT_SHARED`` says.

They belong to their publishers and are never copied into the repository, so a clone may be without
them; whoever needs one says so and goes on without.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["shared_file"]


def shared_file(*parts: str) -> Path | None:
    """The shared file or folder named by ``parts``, or None when it is not on this machine."""
    named = os.environ.get("ORDERWRIGHT_SHARED")
    root = Path(named) if named else Path(__file__).parents[2] / "shared"
    path = root.joinpath(*parts)
    return path if path.exists() else None
