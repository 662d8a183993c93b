"""Write many rows of a table with one statement.

`sqlite3` gives up the interpreter lock at every statement, so one of many rows beats many of one
wherever another thread is busy; and each text is made once, so SQLite compiles it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["CHECKPOINTS", "CLOSED", "FACTS", "FILLS", "ROWS_MAX", "VENUE_IDS", "Table"]

#: Rows in one INSERT. The gain of more is small, each length is a cached statement with a size, and
#: even the widest table stays under the 999 variables of the oldest SQLite.
ROWS_MAX: Final = 64


class Table:
    """A table's INSERT for every number of rows; each text is made once, so it is compiled once."""

    def __init__(self, verb: str, width: int) -> None:
        row = "(" + ",".join("?" * width) + ")"
        self.width = width
        self.sql = [f"{verb} VALUES " + ",".join([row] * rows) for rows in range(ROWS_MAX + 1)]

    def insert(self, run: Callable[[str, Sequence[object]], object], cells: list[object]) -> None:
        """Insert rows given as one flat list of cells."""
        most = ROWS_MAX * self.width
        if len(cells) <= most:
            run(self.sql[len(cells) // self.width], cells)
            return
        for start in range(0, len(cells), most):
            piece = cells[start : start + most]
            run(self.sql[len(piece) // self.width], piece)


FACTS: Final = Table("INSERT INTO facts", 6)
FILLS: Final = Table("INSERT INTO fills", 6)
CLOSED: Final = Table("INSERT OR REPLACE INTO closed", 11)
VENUE_IDS: Final = Table("INSERT OR REPLACE INTO venue_ids", 4)
CHECKPOINTS: Final = Table("INSERT OR REPLACE INTO checkpoints", 4)
