"""The rules of the house, as functions from a parsed file to what breaks them.

`test_architecture.py` applies them to the tree, and each of them to a sample it must catch. A
message says what to do instead, because a ban without a way out invites a way around.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60

#: Files that may be longer, with the most they may have. This list only shrinks; the page of the
#: vocabulary grows with it.
LONG_FILES: Final = {
    "engine/messages.py": 1480,  # the whole vocabulary on one page
}
#: Functions that may be longer ("file:name"). This list only shrinks.
LONG_FUNCTIONS: Final[dict[str, int]] = {
    "engine/order_fills.py:on_filled": 66,  # the hottest step: one positional construction, no call
}

#: A line and what is wrong with it.
Breach: TypeAlias = tuple[int, str]

_TIMERS: Final = "time comes in as `ts` fields and timers; ask the runtime's clock in actors/"
_THREADS: Final = "the engine has no threads: return what is to be done and let actors/ do it"
_FILES: Final = "the engine has no files or processes: take bytes or text, actors/ read and write"
#: What engine/ may not import, and what to do instead.
BANNED_IN_ENGINE: Final = {
    "threading": _THREADS,
    "_thread": _THREADS,
    "queue": _THREADS,
    "multiprocessing": _THREADS,
    "concurrent": _THREADS,
    "asyncio": _THREADS,
    "contextvars": _THREADS,
    "signal": _THREADS,
    "socket": "the network belongs to actors/venues: describe the call as a Request",
    "ssl": "the network belongs to actors/venues: describe the call as a Request",
    "http": "the network belongs to actors/venues: describe the call as a Request",
    "urllib": "the network belongs to actors/venues: describe the call as a Request",
    "time": _TIMERS,
    "datetime": "timestamps are UTC nanoseconds (int); parse text with calendar.timegm",
    "zoneinfo": "timestamps are UTC nanoseconds (int); a calendar is data, given by the host",
    "random": "take a seeded `draw` as an argument: same inputs, same journal bytes",
    "secrets": "take ids as arguments, or derive them from their inputs",
    "uuid": "ids are arguments, or pure functions of their inputs (values.format_client_order_id)",
    "os": _FILES,
    "pathlib": _FILES,
    "shutil": _FILES,
    "tempfile": _FILES,
    "subprocess": _FILES,
    "sqlite3": _FILES,
    "logging": "the engine's log is its events: return one",
    "warnings": "the engine's log is its events: return one",
}
_BANNED_CALLS: Final = {
    "open": _FILES,
    "print": "the engine's log is its events: return one",
    "input": _FILES,
    "hash": "hashes of text change with each process: use engine.journal's digest",
    "id": "addresses change with each process: use the entity's id",
}
#: Each third-party library behind one door: the paths it is imported in, by their beginning.
DOORS: Final = {
    "msgspec": ("engine/", "actors/", "benchmarks/"),
    "orjson": ("engine/journal", "engine/recordings/", "engine/testing/", "actors/", "benchmarks/"),
    "transitions": ("engine/statechart.py", "benchmarks/"),
    "hypothesis": ("engine/testing/", "actors/testing/"),
    "pytest": ("actors/testing/",),
    "databento_dbn": ("engine/recordings/", "actors/recordings", "benchmarks/replay.py"),
    "zstandard": ("engine/recordings/", "actors/recordings"),
    "pykka": ("actors/runtime/", "benchmarks/"),
    "sqlite3": ("actors/journal/", "benchmarks/"),
    "rich": ("actors/cli", "actors/report", "benchmarks/"),
    "graphviz": ("actors/cli",),
    "ccxt": ("actors/venues/ccxt",),
    "ib_insync": ("actors/venues/ib",),
    "ib_async": ("actors/venues/ib",),
    "nautilus_trader": ("benchmarks/",),
}
#: The only functions that may catch everything ("file:name"), and what becomes of what they catch.
CATCH_ALL: Final = {
    "actors/batches.py:_wait_for_all": "an adapter's exception: each call is of unknown outcome",
    "actors/prices.py:_ask_feed": "an adapter that fails to feed tells no prices; an alarm tells",
    "actors/prices.py:_tell": "a watcher that failed leaves no trace; an alarm tells, others hear",
    "actors/broker.py:deliver": "supervision: the order is frozen, the fact kept, an alarm raised",
    "actors/broker_link.py:_ask_venue": "a query that failed says nothing; it is asked again",
    "actors/broker_link.py:_connect": "the session is down, whatever the adapter raised",
    "actors/broker_link.py:close": "an adapter that fails to close must not keep us from stopping",
    "actors/link_calls.py:ask_instruments": "the venue is down; known instruments serve, an alarm",
    "actors/broker_words.py:__call__": "the asker gets it: not a failure of an actor",
    "actors/flat_asking.py:_ask": "a question that failed says nothing; it is asked again",
    "actors/groups.py:_guarded": "a look that failed leaves no trace; orders go on, an alarm tells",
    "actors/hub.py:publish": "a subscriber's bug ends its subscription and raises an alarm",
    "actors/lane.py:_resumed": "hands a coroutine what was thrown into it, as `await` does",
    "actors/lane.py:_start": "an adapter's exception: the call is of unknown outcome",
    "actors/lane.py:_wait_for": "an adapter's exception: the call is of unknown outcome",
    "actors/runtime/asyncio_dispatchers.py:_main": "kept as the crash that stop() raises",
    "actors/runtime/asyncio_dispatchers.py:_run": "the task's future gets it",
    "actors/runtime/commits.py:outcome_of": "what a commit raised goes to whoever runs the turn",
    "actors/runtime/dispatcher.py:_run_outside": "goes to the hook for background failures",
    "actors/runtime/future.py:_run_callbacks": "the other callbacks run all the same",
    "actors/runtime/hand_driven.py:step": "the task's future gets it",
    "actors/runtime/turn_loop.py:_crash": "the crash hook failed as well; both are kept",
    "actors/runtime/turn_loop.py:_drain": "supervision: decided by its table",
    "actors/runtime/turn_loop.py:_failed": "the supervisor itself failed: the dispatcher ends",
    "actors/runtime/turn_loop.py:_receive": "supervision: decided by its table",
    "actors/runtime/turn_loop.py:_guarded": "the dispatcher ends, and keeps it for stop()",
    "actors/runtime/turn_loop.py:deliver": "supervision: decided by its table",
    "actors/testing/exploring.py:_tried": "a violation, as for running.py:play",
    "actors/testing/running.py:play": "a violation: the system has ended, or the kit has a bug",
    "actors/turn.py:_let_out": "what is written stands; the other effects leave, an alarm tells",
}

_OURS: Final = frozenset({"engine", "actors", "benchmarks", "tests"})


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file; ``path`` is relative to the repository, with slashes."""

    path: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def package(self) -> str:
        """The top folder: engine, actors, benchmarks or tests."""
        return self.path.split("/", 1)[0]

    @property
    def module(self) -> str:
        """The dotted name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def comment(self, line: int) -> str:
        """The comment at the end of a line, if any."""
        return self.text.splitlines()[line - 1].partition("#")[2].strip()


def parse(path: str, text: str) -> Source:
    """Parse the text of one file."""
    return Source(path, text, ast.parse(text, path))


def load(root: Path, *folders: str) -> list[Source]:
    """Parse every Python file below the named folders of the repository."""
    files = sorted(file for folder in folders for file in (root / folder).rglob("*.py"))
    return [parse(file.relative_to(root).as_posix(), file.read_text("utf-8")) for file in files]


def imports(source: Source) -> Iterator[tuple[int, str, tuple[str, ...], int]]:
    """Every import as (line, absolute module, names taken from it, level of relativity)."""
    parents = source.module.split(".")
    if not source.path.endswith("/__init__.py"):
        parents.pop()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, (), 0
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            yield node.lineno, module, tuple(alias.name for alias in node.names), node.level


def functions(source: Source) -> Iterator[tuple[int, str, int]]:
    """Every function as (line, name, lines)."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def direction(source: Source) -> Iterator[Breach]:
    """One arrow between the packages; relative inside a package, absolute across."""
    allowed = {
        "engine": {"engine"},
        "actors": {"engine", "actors"},
        "benchmarks": {"engine", "actors", "benchmarks"},
    }.get(source.package, _OURS)
    for line, module, _, level in imports(source):
        top = module.split(".")[0]
        if top in _OURS and top not in allowed:
            yield line, f"{source.package} imports {module}; the arrow goes the other way"
        if top == source.package and not level and source.package in {"engine", "actors"}:
            yield line, f"import {module} relatively: `from .` inside a package"


def bans(source: Source) -> Iterator[Breach]:
    """No clock, thread, file, randomness, log or address in engine/."""
    if source.package != "engine":
        return
    for line, module, _, _ in imports(source):
        advice = BANNED_IN_ENGINE.get(module.split(".")[0])
        if advice:
            yield line, f"engine imports {module}: {advice}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            advice = _BANNED_CALLS.get(node.func.id)
            if advice:
                yield node.lineno, f"engine calls {node.func.id}(): {advice}"


def doors(source: Source) -> Iterator[Breach]:
    """Each third-party library behind one door."""
    if source.package == "tests":
        return
    for line, module, _, _ in imports(source):
        top = module.split(".")[0]
        if top in DOORS:
            if not source.path.startswith(DOORS[top]):
                yield line, f"{top} is imported only in {', '.join(DOORS[top])}"
        elif top not in _OURS and top not in sys.stdlib_module_names:
            yield line, f"{top} has no door yet: name one in DOORS, with a reason"


def floats(source: Source) -> Iterator[Breach]:
    """No float in engine/, unless a comment ``# float: ...`` says why it is not money."""
    if source.package != "engine":
        return
    for node in ast.walk(source.tree):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        if literal or (isinstance(node, ast.Name) and node.id == "float"):
            line = node.lineno  # type: ignore[attr-defined]  # both kinds of node have a line
            if not source.comment(line).startswith("float:"):
                yield line, "float in engine: use Decimal or integer nanoseconds"


def anys(source: Source) -> Iterator[Breach]:
    """No ``Any`` in engine/."""
    if source.package != "engine":
        return
    for line, module, names, _ in imports(source):
        if module == "typing" and "Any" in names:
            yield line, "Any in engine: name the type, or take `object` and check it"


def catch_alls(source: Source) -> Iterator[Breach]:
    """Catch everything only where it is decided what follows; clean-up that re-raises is fine."""
    if source.package == "tests":
        return
    for line, place, what in broad(source):
        if place not in CATCH_ALL:
            yield line, f"{place} {what} everything: name what can happen here"


def broad(source: Source) -> Iterator[tuple[int, str, str]]:
    """Whatever catches or suppresses everything, as (line, "file:function", the verb)."""
    for node, function in _with_function(source.tree, ""):
        place = f"{source.path}:{function}"
        if isinstance(node, ast.ExceptHandler):
            last = node.body[-1]
            is_broad = node.type is None or _mentions(node.type, {"Exception", "BaseException"})
            if is_broad and not (isinstance(last, ast.Raise) and last.exc is None):
                yield node.lineno, place, "catches"
        elif isinstance(node, ast.Call) and _mentions(node.func, {"suppress"}):
            if any(_mentions(arg, {"Exception", "BaseException"}) for arg in node.args):
                yield node.lineno, place, "suppresses"


def _with_function(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str]]:
    """Every node below, with the name of the innermost function around it."""
    for child in ast.iter_child_nodes(node):
        yield child, function
        inner = (ast.FunctionDef, ast.AsyncFunctionDef)
        yield from _with_function(child, child.name if isinstance(child, inner) else function)


def lengths(source: Source) -> Iterator[Breach]:
    """A file is read in one go, and a function fits a screen."""
    if source.package == "tests":
        return
    lines = len(source.text.splitlines())
    allowed = LONG_FILES.get(source.path, FILE_LINES_MAX)
    if lines > allowed:
        yield lines, f"{lines} lines, at most {allowed}: split it where the reader would pause"
    for line, name, size in functions(source):
        allowed = LONG_FUNCTIONS.get(f"{source.path}:{name}", FUNCTION_LINES_MAX)
        if size > allowed:
            yield line, f"{name} has {size} lines, at most {allowed}"


def manners_of_tests(source: Source) -> Iterator[Breach]:
    """Tests state a promise, do not sleep and do not mock."""
    if source.package != "tests":
        return
    sleeps = "a test that sleeps is slow and still flaky: wait for the fact"
    is_test_file = source.path.rpartition("/")[2].startswith("test_")
    for line, module, names, _ in imports(source):
        if module == "unittest.mock" or (module == "unittest" and "mock" in names):
            yield line, "mocks agree with anything: use the simulator, or a fake of the port"
        if module == "time" and "sleep" in names:
            yield line, sleeps
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
            yield node.lineno, sleeps
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_test = is_test_file and node.name.startswith("test_")
            if is_test and not ast.get_docstring(node):
                yield node.lineno, f"{node.name} promises nothing: give it a one-sentence docstring"


def _mentions(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression names one of ``names``, bare, qualified or in a tuple."""
    if isinstance(node, ast.Tuple):
        return any(_mentions(item, names) for item in node.elts)
    return ast.unparse(node).rpartition(".")[2] in names
