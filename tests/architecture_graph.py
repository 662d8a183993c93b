"""Two rules that need more than one node: import cycles, and iteration over sets."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from .architecture import Breach, Source, imports

_SET_TYPES: Final = frozenset({"set", "frozenset", "Set", "AbstractSet", "MutableSet", "FrozenSet"})
_SET_METHODS: Final = frozenset({"union", "intersection", "difference", "symmetric_difference"})
#: Calls to which the order of their argument does not matter...
_ORDER_FREE_CALLS: Final = frozenset(
    {"sorted", "set", "frozenset", "len", "min", "max", "any", "all", "sum"}
)
#: ... and calls that keep it.
_ORDERED_CALLS: Final = frozenset(
    {"list", "tuple", "enumerate", "iter", "map", "filter", "zip", "reversed", "dict", "join"}
)


def import_graph(sources: Iterable[Source]) -> dict[str, list[str]]:
    """Who imports whom, among ``sources``; late and typing-only imports count."""
    sources = list(sources)
    known = frozenset(source.module for source in sources)
    graph: dict[str, list[str]] = {}
    for source in sources:
        targets: dict[str, None] = {}
        for _, module, names, _ in imports(source):
            for name in names or ("",):
                deep = f"{module}.{name}"
                target = deep if deep in known else module
                if target in known and target != source.module:
                    targets[target] = None
        graph[source.module] = list(targets)
    return graph


def cycles(sources: Iterable[Source]) -> Iterator[str]:
    """No import cycle anywhere: each back edge of a depth-first walk is one; shows its path."""
    sources = list(sources)
    graph = import_graph(sources)
    at_run_time = import_graph([_without_typing(source) for source in sources])
    done: dict[str, None] = {}
    path: list[str] = []

    def visit(module: str) -> Iterator[list[str]]:
        if module in path:
            yield [*path[path.index(module) :], module]
        elif module not in done:
            path.append(module)
            for target in graph[module]:
                yield from visit(target)
            path.pop()
            done[module] = None

    for start in graph:
        for cycle in visit(start):
            types_only = any(b not in at_run_time[a] for a, b in pairwise(cycle))
            advice = (
                "closed by an import for types: a Protocol in a module below both opens it"
                if types_only
                else "move what both need into a third module below them"
            )
            yield f"import cycle: {' -> '.join(cycle)}; {advice}"


def _without_typing(source: Source) -> Source:
    """The source without its ``if TYPE_CHECKING:`` blocks."""
    body = [
        node
        for node in source.tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
    ]
    return Source(source.path, source.text, ast.Module(body, []))


def set_iteration(source: Source) -> Iterator[Breach]:
    """Nothing in engine/ walks over a set: the order of its strings changes with each process."""
    if source.package != "engine":
        return
    names = _set_names(source.tree)
    harmless = [node for call in ast.walk(source.tree) for node in _order_free(call)]
    for node in ast.walk(source.tree):
        for walked in () if node in harmless else _walked(node):
            if _is_set(walked, names):
                text = ast.unparse(walked)
                advice = "use a dict, a sorted tuple, or sorted()"
                yield walked.lineno, f"walks over the set {text}: {advice}"


def _order_free(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of ``node`` that walk over something whose order is lost in ``node`` anyway."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.Set | ast.SetComp):
        parts = [node]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        parts = node.args if node.func.id in _ORDER_FREE_CALLS else []
    for part in parts:
        if isinstance(part, ast.GeneratorExp | ast.ListComp | ast.SetComp):
            yield part.generators[0]
        elif isinstance(part, ast.Tuple | ast.List | ast.Set):
            yield from part.elts


def _walked(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that a node takes items from, in order."""
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield node.iter
    elif isinstance(node, ast.Starred | ast.YieldFrom):
        yield node.value
    elif isinstance(node, ast.Call):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in _ORDERED_CALLS:
            yield from node.args
        elif called == "pop" and isinstance(node.func, ast.Attribute) and not node.args:
            yield node.func.value


def _set_names(tree: ast.Module) -> frozenset[str]:
    """Names (and attributes) that the file binds to a set or declares as one."""
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_set(node.value, frozenset(names)):
            for target in node.targets:
                names[ast.unparse(target).rpartition(".")[2]] = None
        elif isinstance(node, ast.AnnAssign):
            declared = _is_set_type(node.annotation)
            if declared or (node.value is not None and _is_set(node.value, frozenset(names))):
                names[ast.unparse(node.target).rpartition(".")[2]] = None
        elif isinstance(node, ast.arg) and node.annotation and _is_set_type(node.annotation):
            names[node.arg] = None
    return frozenset(names)


def _is_set_type(annotation: ast.expr) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return ast.unparse(outer).rpartition(".")[2] in _SET_TYPES


def _is_set(node: ast.expr, names: frozenset[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Attribute):
        return node.attr in names
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor) and (
            _is_set(node.left, names) or _is_set(node.right, names)
        )
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return node.func.id in {"set", "frozenset"}
        return isinstance(node.func, ast.Attribute) and node.func.attr in _SET_METHODS
    return False
