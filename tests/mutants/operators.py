"""Small faults that nobody chose: one operator, constant or statement of the deciding files is
turned round, drawn at random.

The catalogue asks whether the suite finds what we are afraid of. A drawn sample asks how much it
finds of what nobody thought of. Some of these faults change nothing that can be seen (a bound that
is never met, a shortcut that is not taken): they survive, and have to be read.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .mutant import SIMULATE, Mutant, Stale

__all__ = ["drawn", "turned_round"]

_ORDERS: Final = (
    "tests/engine/test_order*.py tests/engine/test_f*.py tests/engine/test_ledger.py"
    " tests/engine/test_invariants.py tests/engine/test_reconcile.py"
    " tests/properties/test_order*.py"
)
_SESSIONS: Final = "tests/engine/test_session*.py tests/properties/test_session*.py"
_POSITIONS: Final = "tests/engine/test_position*.py tests/properties/test_position*.py"
_RUNS: Final = (f"{SIMULATE}rough 0:80", f"{SIMULATE}hell 0:40")
#: Who decides, and the tests to ask, fast ones first; whole systems are asked last.
_DECIDING: Final = (
    ("engine/order*.py", _ORDERS),
    ("engine/ledger.py", _ORDERS),
    ("engine/reconcile.py", _ORDERS),
    ("engine/session.py", _SESSIONS),
    ("engine/outbox.py", _SESSIONS),
    ("engine/budget.py", _SESSIONS),
    ("engine/position*.py", _POSITIONS),
    ("engine/pnl.py", _POSITIONS),
    ("engine/statechart.py", f"tests/engine/test_statechart.py {_ORDERS}"),
)
_SECONDS: Final = 180
#: What stands in an operator's place.
_OTHERS: Final = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "is": "is not", "is not": "is", "in": "not in", "not in": "in",
    "and": "or", "or": "and", "+": "-", "-": "+", "*": "+", "//": "*",
    "True": "False", "False": "True",
}  # fmt: skip
_OPERATORS: Final = re.compile(
    r"\bis\s+not\b|\bnot\s+in\b|\b(?:is|in|and|or)\b|\*\*|<<|>>|<=|>=|==|!=|//|[-<>+*]"
)


class _Change(NamedTuple):
    """Bytes of a file from ``start`` to ``end``, and what stands there instead."""

    start: int
    end: int
    line: int
    new: str


def drawn(root: Path, count: int, seed: int) -> list[Mutant]:
    """``count`` of all small faults, the same for a seed and the same code.

    Raises:
        Stale: there are not so many.
    """
    found = [
        mutant
        for pattern, tests in _DECIDING
        for path in sorted(root.glob(pattern))
        for mutant in turned_round(root, path, (_expanded(root, tests), *_RUNS))
    ]
    if count > len(found):
        raise Stale(f"there are only {len(found)} small faults to draw from")
    return random.Random(seed).sample(found, count)


def _expanded(root: Path, patterns: str) -> str:
    paths = [path for pattern in patterns.split() for path in sorted(root.glob(pattern))]
    return " ".join(str(path.relative_to(root)) for path in paths)


def turned_round(root: Path, path: Path, tests: tuple[str, ...]) -> Iterator[Mutant]:
    """All small faults of a file, from top to bottom; ``tests`` must catch them."""
    text = path.read_text("utf-8")
    source = text.encode()
    name = str(path.relative_to(root))
    for change in _changes(source):
        before = source[change.start : change.end].decode()
        after = (source[: change.start] + change.new.encode() + source[change.end :]).decode()
        shown = " ".join(before.split())
        line = source.splitlines()[change.line - 1].decode().strip()
        yield Mutant(
            f"{name}:{change.line}:{change.start}",
            f"{shown if len(shown) < 60 else f'{shown[:57]}...'} -> {change.new}, in: {line}",
            name, text, after, tests, _SECONDS, hangs=True,
        )  # fmt: skip


def _changes(source: bytes) -> list[_Change]:
    """What can be turned round in a file."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    finder = _Finder(source, starts)
    finder.visit(tree)
    return sorted(finder.found)


class _Finder(ast.NodeVisitor):
    """Walks a file; annotations, messages and what only a type checker reads are left alone."""

    def __init__(self, source: bytes, starts: list[int]) -> None:
        self.found: list[_Change] = []
        self._source = source
        self._starts = starts

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_all([*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        is_alias = isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
        if node.value is not None and not is_alias:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        """What an error says may change; that it is raised is seen where its condition turns."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """What is shown; and before Python 3.12 nobody tells where in it a node is."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """For the type checker: what could fail raises."""

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        left = node.left
        for right in node.comparators:
            self._turn(left, right)
            left = right
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._turn(node.values[0], node.values[1])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._turn(node.left, node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._put(node, self._text(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._put(node, _OTHERS[repr(node.value)])
        elif isinstance(node.value, int):
            self._put(node, str(node.value + 1))

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self._put(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._put(node, "pass")
        self.generic_visit(node)

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _turn(self, left: ast.expr, right: ast.expr) -> None:
        """The operator between two operands; it is no node of its own."""
        begin, end = self._span(left)[1], self._span(right)[0]
        blank = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment[0]), self._source[begin:end])
        between = blank.decode("ascii")  # but for comments, an operator and brackets
        found = _OPERATORS.search(between)
        words = "" if found is None else " ".join(found[0].split())
        if found is not None and words in _OTHERS:
            start = begin + found.start()
            line = left.end_lineno or left.lineno
            line += between[: found.start()].count("\n")
            self.found.append(_Change(start, start + len(found[0]), line, _OTHERS[words]))

    def _put(self, node: ast.stmt | ast.expr, new: str) -> None:
        start, end = self._span(node)
        self.found.append(_Change(start, end, node.lineno, new))

    def _text(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Where a node begins and ends, in bytes."""
        end_line, end_column = node.end_lineno, node.end_col_offset
        assert end_line is not None
        assert end_column is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[end_line - 1] + end_column,
        )
