"""One deliberate fault, and what becomes of it.

A fault is a text of one of our files and what stands there instead. The text has to occur exactly
once: an entry whose text is gone, or is no longer the only one, is an error that says so.
"""

from __future__ import annotations

import ast
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["SIMULATE", "Mutant", "Result", "Stale", "Verdict"]

#: How a catcher begins that is no test: ``simulate PROFILE A:B``, simulated systems by their seeds.
SIMULATE: Final = "simulate "


class Stale(ValueError):
    """An entry of the list that does not fit the code any more."""


class Mutant(NamedTuple):
    """A fault. ``caught_by`` are pytest node ids or files, or simulations (:data:`SIMULATE`), tried
    in this order: each is known to catch it, so one of them is enough.
    """

    name: str
    loss: str  # one sentence: what would go wrong with real money
    file: str  # from the root of the project
    old: str
    new: str
    caught_by: tuple[str, ...]
    seconds: int = 60  # the budget of its tests
    hangs: bool = False  # the fault is known to hang: only then running out of time is a catch

    def applied_to(self, text: str) -> str:
        """The file's text with the fault in it.

        Raises:
            Stale: the text to replace is not there exactly once, or the fault changes nothing.
        """
        count = text.count(self.old)
        if count != 1:
            raise Stale(
                f"{self.name}: {self.old!r} stands {count} times in {self.file}, it must be once"
            )
        mutated = text.replace(self.old, self.new)
        try:
            tree = ast.parse(mutated, self.file)
        except SyntaxError as error:
            raise Stale(f"{self.name}: {self.file} does not compile with it: {error}") from None
        if ast.dump(tree) == _shape(text):
            raise Stale(f"{self.name}: {self.new!r} means the same as {self.old!r}")
        return mutated

    def check(self, root: Path) -> None:
        """See that the fault and the tests that must catch it are there.

        Raises:
            Stale: something of it is not.
        """
        path = root / self.file
        if not path.is_file():
            raise Stale(f"{self.name}: there is no file {self.file}")
        self.applied_to(path.read_text("utf-8"))
        if not self.caught_by:
            raise Stale(f"{self.name}: no test is named for it")
        for catcher in self.caught_by:
            if not catcher.startswith(SIMULATE):
                self._check_test(root, catcher)

    def _check_test(self, root: Path, node: str) -> None:
        file, *parts = node.split("[", 1)[0].split("::")
        path = root / file
        if not path.exists():
            raise Stale(f"{self.name}: there is no test {node}: {file} is not there")
        if not parts:
            return
        named: list[ast.stmt] = _parsed(path.read_text("utf-8")).body
        for part in parts:
            found = [one for one in named if part in _names(one)]
            if not found:
                raise Stale(f"{self.name}: there is no test {node}")
            named = found[0].body if isinstance(found[0], ast.ClassDef) else []


@lru_cache(maxsize=64)  # many faults are of one file, and of one test file
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@lru_cache(maxsize=64)
def _shape(text: str) -> str:
    return ast.dump(ast.parse(text))


def _names(statement: ast.stmt) -> list[str]:
    """What a statement of a test file gives a name to."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return []


class Verdict(Enum):
    """What came of a fault."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    TIMEOUT = "TIMEOUT"  # its tests took longer than their budget: nothing is known
    WRECKED = "WRECKED"  # the tests could not even be run: that is no fault, and no catch


class Result(NamedTuple):
    """One fault and its verdict."""

    mutant: Mutant
    verdict: Verdict
    by: str  # the first test that failed, "" when none did
    seconds: float
    detail: str = ""

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "name": self.mutant.name,
            "loss": self.mutant.loss,
            "file": self.mutant.file,
            "verdict": self.verdict.value.lower(),
            "by": self.by,
            "seconds": round(self.seconds, 2),
            "detail": self.detail,
        }
