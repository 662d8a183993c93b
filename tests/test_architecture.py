"""The rules of `architecture.py`, kept by the tree; and each rule shown to catch what it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from .architecture import (
    CATCH_ALL,
    FILE_LINES_MAX,
    FUNCTION_LINES_MAX,
    LONG_FILES,
    LONG_FUNCTIONS,
    Breach,
    Source,
    anys,
    bans,
    broad,
    catch_alls,
    direction,
    doors,
    floats,
    functions,
    lengths,
    load,
    manners_of_tests,
    parse,
)
from .architecture_graph import cycles, set_iteration

Rule: TypeAlias = Callable[[Source], Iterator[Breach]]

RULES: Final[tuple[Rule, ...]] = (
    direction,
    bans,
    doors,
    floats,
    anys,
    set_iteration,
    catch_alls,
    lengths,
    manners_of_tests,
)

#: (rule, path, code that breaks it, a word of the message)
BAD: Final[tuple[tuple[Rule, str, str, str], ...]] = (
    (direction, "engine/x.py", "from actors.system import ExecutionSystem", "other way"),
    (direction, "engine/x.py", "def f():\n    import actors", "other way"),
    (direction, "actors/x.py", "from benchmarks import floor", "other way"),
    (direction, "engine/x.py", "from tests.conftest import shared_path", "other way"),
    (direction, "actors/x.py", "from actors.lane import Lane", "relatively"),
    (bans, "engine/x.py", "import time", "ts"),
    (bans, "engine/x.py", "from datetime import datetime", "nanoseconds"),
    (bans, "engine/policies/x.py", "import os.path", "bytes or text"),
    (bans, "engine/x.py", "import asyncio as a", "threads"),
    (bans, "engine/x.py", "from random import choice", "draw"),
    (bans, "engine/x.py", "text = open('journal')", "bytes or text"),
    (bans, "engine/x.py", "key = hash('order')", "digest"),
    (doors, "engine/order.py", "from transitions import Machine", "engine/statechart.py"),
    (doors, "engine/x.py", "import transitions.extensions", "engine/statechart.py"),
    (doors, "actors/broker.py", "import pykka", "actors/runtime/"),
    (doors, "actors/system.py", "import sqlite3", "actors/journal/"),
    (doors, "actors/venues/paper.py", "import ccxt", "actors/venues/ccxt"),
    (doors, "actors/x.py", "from ib_async import IB", "actors/venues/ib"),
    (doors, "engine/order.py", "from hypothesis import given", "engine/testing/"),
    (doors, "actors/x.py", "import requests", "no door"),
    (floats, "engine/x.py", "rate = 0.002", "Decimal"),
    (floats, "engine/x.py", "def f(px: float) -> None: ...", "Decimal"),
    (floats, "engine/x.py", "px = float('0.1')", "Decimal"),
    (anys, "engine/x.py", "from typing import Any", "object"),
    (set_iteration, "engine/x.py", "for word in {'a', 'b'}: ...", "sorted"),
    (set_iteration, "engine/x.py", "ids = [i for i in set(names)]", "sorted"),
    (set_iteration, "engine/x.py", "ids = tuple({i for i in names})", "sorted"),
    (set_iteration, "engine/x.py", "OPEN = frozenset(names)\nfor o in OPEN: ...", "OPEN"),
    (set_iteration, "engine/x.py", "def f(ids: set[str]) -> None:\n    print(*ids)", "ids"),
    (set_iteration, "engine/x.py", "self.ids: set[str] = x\nfor i in self.ids: ...", "self.ids"),
    (set_iteration, "engine/x.py", "a = set(x)\ntext = ','.join(a | b)", "a | b"),
    (set_iteration, "engine/x.py", "a = {1, 2}\nfirst = a.pop()", "a"),
    (catch_alls, "actors/lane.py", "def f():\n  try: ...\n  except Exception: ...", "name what"),
    (catch_alls, "actors/system.py", "try: ...\nexcept Exception: ...", "name what"),
    (catch_alls, "engine/x.py", "try: ...\nexcept: ...", "name what"),
    (catch_alls, "engine/x.py", "try: ...\nexcept (KeyError, BaseException): ...", "name what"),
    (catch_alls, "actors/x.py", "with contextlib.suppress(Exception): ...", "name what"),
    (lengths, "engine/x.py", "x = 1\n" * (FILE_LINES_MAX + 1), "split it"),
    (lengths, "actors/x.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX, "f has 61"),
    (manners_of_tests, "tests/test_x.py", "import time\ntime.sleep(1)", "wait for the fact"),
    (manners_of_tests, "tests/test_x.py", "from time import sleep", "wait for the fact"),
    (manners_of_tests, "tests/test_x.py", "from unittest.mock import Mock", "fake"),
    (manners_of_tests, "tests/test_x.py", "from unittest import mock", "fake"),
    (manners_of_tests, "tests/test_x.py", "def test_f():\n    assert f()", "promises nothing"),
)

#: Code that looks like a breach and is none.
GOOD: Final[tuple[tuple[str, str], ...]] = (
    ("engine/x.py", "from .values import Side"),
    ("engine/policies/x.py", "from ..values import Side"),
    ("actors/x.py", "from engine.values import Side\nimport time\nimport asyncio"),
    ("actors/runtime/x.py", "import pykka"),
    ("actors/lane.py", "def _start():\n    try: ...\n    except Exception: ..."),
    ("actors/x.py", "try: ...\nexcept BaseException:\n    close()\n    raise"),
    ("engine/statechart.py", "import transitions"),
    ("engine/x.py", "load = 0.5  # float: a share of the queue, not money"),
    ("engine/x.py", "a = {1, 2}\nfor i in sorted(a): ...\nn = len(a)\nok = 1 in a"),
    ("engine/x.py", "a = {1, 2}\nb = sorted((*a, 3))\nc = all(i for i in a)\nd = {i for i in a}"),
    ("engine/x.py", "a = {'k': 1}\nfor k in a: ...\nlast = [1].pop()"),
    ("tests/x.py", "def helper():\n    return 1"),
)


@pytest.fixture(scope="module")
def tree() -> list[Source]:
    """The whole repository, parsed once."""
    return load(Path(__file__).parents[1], "engine", "actors", "benchmarks", "tests")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule, tree: list[Source]) -> None:
    """No file breaks the rule; the list shows every place that does, with what to do instead."""
    breaches = [
        f"{source.path}:{line}: {message}" for source in tree for line, message in rule(source)
    ]

    assert not breaches, "\n" + "\n".join(breaches)


def test_the_tree_has_no_import_cycle(tree: list[Source]) -> None:
    """No module needs itself, through whatever path, late and typing-only imports included."""
    found = list(cycles(tree))

    assert not found, "\n" + "\n".join(found)


def test_exceptions_to_lengths_only_shrink(tree: list[Source]) -> None:
    """An allowance that is no longer needed, or wider than needed, has to go."""
    files = {source.path: len(source.text.splitlines()) for source in tree}
    sizes = {
        f"{source.path}:{name}": size for source in tree for _, name, size in functions(source)
    }
    allowances = [(LONG_FILES, files, FILE_LINES_MAX), (LONG_FUNCTIONS, sizes, FUNCTION_LINES_MAX)]

    loose = [
        f"{key}: allowed {allowed}, has {actual.get(key, 0)}"
        for allowance, actual, limit in allowances
        for key, allowed in allowance.items()
        if actual.get(key, 0) <= max(limit, allowed * 9 // 10)
    ]

    assert not loose, "lower or remove these:\n" + "\n".join(loose)


def test_places_that_may_catch_everything_only_shrink(tree: list[Source]) -> None:
    """A place that no longer does, or is gone, leaves the list."""
    still = frozenset(place for source in tree for _, place, _ in broad(source))

    assert [] == [place for place in CATCH_ALL if place not in still]


@pytest.mark.parametrize(("rule", "path", "code", "word"), BAD)
def test_a_breach_is_caught(rule: Rule, path: str, code: str, word: str) -> None:
    """Each rule reports its bad sample once, and says what to do."""
    breaches = list(rule(parse(path, code)))

    assert 1 == len(breaches), breaches
    assert word in breaches[0][1]


@pytest.mark.parametrize(("path", "code"), GOOD)
def test_good_code_is_left_alone(path: str, code: str) -> None:
    """No rule fires on code that only resembles a breach."""
    source = parse(path, code)

    assert [] == [breach for rule in RULES for breach in rule(source)]


def test_every_rule_has_a_bad_sample() -> None:
    """A rule without a sample that breaks it might be asleep."""
    assert {rule.__name__ for rule in RULES} == {rule.__name__ for rule, *_ in BAD}


@pytest.mark.parametrize(
    "code",
    [
        "from .b import x",
        "def late():\n    from .b import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import b",
    ],
)
def test_a_cycle_is_caught(code: str) -> None:
    """Two modules that import each other are a cycle, however the import is hidden."""
    sources = [
        parse("engine/__init__.py", "from .a import y"),
        parse("engine/a.py", code),
        parse("engine/b.py", "from .a import y"),
    ]

    found = list(cycles(sources))

    assert 1 == len(found)
    assert "engine.a -> engine.b -> engine.a" in found[0]
    assert ("TYPE_CHECKING" in code) == ("Protocol" in found[0])
