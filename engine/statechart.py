"""Statecharts: rows in, a validated total table out, and diagrams from the same rows.

A table is declared as data in the vocabulary of ``transitions`` (source, trigger, target), with a
verdict and a reason per row. ``transitions`` accepts unknown triggers, two rows for one cell,
unreachable states and silent cells; we do not, so a table that is wrong cannot be imported. What
runs is a dict: a lookup costs 0.1 us, a trigger of a ``transitions.Machine`` 8-17 us.
:meth:`Statechart.machine` builds that machine from the same rows, and
:meth:`Statechart.differences` compares the two on every cell.

This is the only file that imports ``transitions``. It holds no state of any entity, runs no
callback and draws no picture: it gives Mermaid and Graphviz text, and a program that may start
processes renders it.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from transitions import Machine

from .errors import StatechartError
from .values import Word

__all__ = ["Cell", "Row", "Statechart", "Verdict"]

S = TypeVar("S", bound=Word)
T = TypeVar("T", bound=Word)


class Verdict(Word):
    """What a trigger means in a state. Every cell has one; nothing is dropped."""

    MOVE = "MOVE"  # the state changes
    STAY = "STAY"  # expected here, or adds nothing: the state stands
    LATE = "LATE"  # came after the end: booked and flagged; may move where the row says so
    QUARANTINE = "QUARANTINE"  # contradicts what we know: kept, alarm, the venue is asked


class Row(NamedTuple, Generic[S, T]):
    """One line of a table; ``target`` None is the same state, MOVE and LATE may name another."""

    source: S | tuple[S, ...]
    trigger: T | tuple[T, ...]
    target: S | None
    verdict: Verdict
    why: str = ""  # required for LATE, QUARANTINE and moves out of a terminal state


class Cell(NamedTuple, Generic[S]):
    """What a (state, trigger) compiles to; ``target`` is the same state when nothing moves."""

    target: S
    verdict: Verdict
    why: str


class Statechart(Generic[S, T]):
    """A validated, total transition table.

    ``reopens`` lists the triggers that may MOVE out of a terminal state (a bust, an amended
    quantity, a false end); any other row leaving one must be LATE.

    Raises:
        StatechartError: at construction, naming the offending row, cell or state.
    """

    table: dict[tuple[S, T], Cell[S]]

    def __init__(
        self,
        name: str,
        *,
        states: type[S],
        triggers: type[T],
        initial: S,
        terminal: frozenset[S],
        rows: tuple[Row[S, T], ...],
        reopens: frozenset[T] = frozenset(),
        doc: str = "",
    ) -> None:
        self.name = name
        self.states: tuple[S, ...] = tuple(states)
        self.triggers: tuple[T, ...] = tuple(triggers)
        self.initial = initial
        self.terminal = terminal
        self.reopens = reopens
        self.rows = rows
        self.doc = doc
        self._check_words((initial, *sorted(terminal, key=repr)), states, "state")
        self._check_words(tuple(sorted(reopens, key=repr)), triggers, "trigger")
        self.table = {}
        for row in rows:
            self._compile(row, states, triggers)
        self._check_total()
        self._check_reachable()
        self._check_reopens()

    # --- compiling and validating -----------------------------------------------------------------

    def _fail(self, what: str) -> StatechartError:
        return StatechartError(f"statechart {self.name!r}: {what}")

    def _check_words(self, words: tuple[object, ...], kind: type[Word], what: str) -> None:
        for word in words:
            if not isinstance(word, kind):
                raise self._fail(f"{word!r} is not a {what} of {kind.__name__}")

    def _compile(self, row: Row[S, T], states: type[S], triggers: type[T]) -> None:
        sources = row.source if isinstance(row.source, tuple) else (row.source,)
        events = row.trigger if isinstance(row.trigger, tuple) else (row.trigger,)
        if not sources or not events:
            raise self._fail(f"{row!r} names no source or no trigger")
        self._check_words(sources, states, "state")
        self._check_words(events, triggers, "trigger")
        self._check_words((row.verdict,), Verdict, "verdict")
        if row.target is not None:
            self._check_words((row.target,), states, "state")
        for source in sources:
            for event in events:
                self._check_cell(source, event, row)
                target = source if row.target is None else row.target
                self.table[source, event] = Cell(target, row.verdict, row.why)

    def _check_cell(self, source: S, event: T, row: Row[S, T]) -> None:
        where = f"cell ({source.name}, {event.name})"
        verdict, target = row.verdict, row.target
        leaves_terminal = source in self.terminal and target not in (None, source)
        if (source, event) in self.table:
            raise self._fail(f"{where} has two rows; the second is {row!r}")
        if verdict is Verdict.MOVE:
            if target is None or target is source:
                raise self._fail(f"{where} is MOVE but names no other state; say STAY")
            if leaves_terminal and event not in self.reopens:
                raise self._fail(
                    f"{where} moves out of a terminal state; make it LATE or list {event.name}"
                    " in reopens"
                )
        elif verdict is not Verdict.LATE and target is not None:
            raise self._fail(
                f"{where} is {verdict.name}, so its target must be None, was {target.name}"
            )
        if not row.why and (leaves_terminal or verdict in (Verdict.LATE, Verdict.QUARANTINE)):
            raise self._fail(f"{where} is {verdict.name} and needs a reason in `why`")

    def _check_total(self) -> None:
        silent = [
            f"({state.name}, {trigger.name})"
            for state in self.states
            for trigger in self.triggers
            if (state, trigger) not in self.table
        ]
        if silent:
            shown = ", ".join(silent[:10]) + (", ..." if len(silent) > 10 else "")
            raise self._fail(f"{len(silent)} silent cells (every cell needs a row): {shown}")

    def _check_reachable(self) -> None:
        reached = {self.initial: True}
        queue = [self.initial]
        while queue:
            state = queue.pop()
            for trigger in self.triggers:
                target = self.table[state, trigger].target
                if target not in reached:
                    reached[target] = True
                    queue.append(target)
        lost = [state.name for state in self.states if state not in reached]
        if lost:
            raise self._fail(f"unreachable from {self.initial.name}: {', '.join(lost)}")

    def _check_reopens(self) -> None:
        used = {
            trigger: True
            for (state, trigger), cell in self.table.items()
            if state in self.terminal and cell.verdict is Verdict.MOVE
        }
        idle = [t.name for t in self.triggers if t in self.reopens and t not in used]
        if idle:
            raise self._fail(f"reopens lists triggers that reopen nothing: {', '.join(idle)}")

    # --- the same rows as a transitions.Machine ---------------------------------------------------

    def machine(self) -> Machine:
        """Build a ``transitions.Machine`` from the same rows, without a model.

        A cell that does not move is an internal transition (``dest=None``), so no trigger raises in
        any state.
        """
        transitions: list[list[str | None]] = []
        for row in self.rows:
            sources = row.source if isinstance(row.source, tuple) else (row.source,)
            events = row.trigger if isinstance(row.trigger, tuple) else (row.trigger,)
            for event in events:
                for source in sources:
                    moves = row.target is not None and row.target is not source
                    dest = row.target.name if moves and row.target is not None else None
                    transitions.append([event.name, source.name, dest])
        return Machine(
            model=None,
            name=self.name,
            states=[state.name for state in self.states],
            initial=self.initial.name,
            transitions=transitions,
            auto_transitions=False,
        )

    def differences(self) -> list[str]:
        """Fire every trigger in every state on :meth:`machine`; name the cells that disagree.

        Costs 10-20 us a cell: for tests.
        """
        machine = self.machine()
        found: list[str] = []
        for (state, trigger), cell in self.table.items():
            model = _Model()
            machine.add_model(model, initial=state.name)
            machine.events[trigger.name].trigger(model)
            if model.state != cell.target.name:
                found.append(
                    f"({state.name}, {trigger.name}): table {cell.target.name},"
                    f" machine {model.state}"
                )
            machine.remove_model(model)
        return found

    # --- diagrams ---------------------------------------------------------------------------------

    def mermaid(self, *, collapse_stays: bool = True) -> str:
        """A Mermaid ``stateDiagram-v2``: one arrow per pair of states, labelled with its triggers.

        ``collapse_stays=False`` also draws, as an arrow to itself, what each state stays on, books
        late or quarantines.
        """
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial.name}"]
        for (source, target), labels in self._arrows(collapse_stays).items():
            lines.append(f"    {source.name} --> {target.name} : {', '.join(labels)}")
        lines += [f"    {state.name} --> [*]" for state in self.states if state in self.terminal]
        return "\n".join(lines) + "\n"

    def dot(self, *, collapse_stays: bool = True) -> str:
        """The same diagram as Graphviz text, for the caller to render; ends have double borders."""
        lines = [
            f'digraph "{self.name}" {{',
            "    rankdir=LR;",
            '    node [shape=box, style=rounded, fontname="Helvetica"];',
            '    edge [fontname="Helvetica", fontsize=10];',
            "    start [shape=point];",
        ]
        for state in self.states:
            border = ", peripheries=2" if state in self.terminal else ""
            lines.append(f'    {state.name} [label="{state.name}"{border}];')
        lines.append(f"    start -> {self.initial.name};")
        for (source, target), labels in self._arrows(collapse_stays).items():
            text = "\\n".join(labels)
            lines.append(f'    {source.name} -> {target.name} [label="{text}"];')
        return "\n".join([*lines, "}"]) + "\n"

    def _arrows(self, collapse_stays: bool) -> dict[tuple[S, S], list[str]]:
        """Labels per (source, target) in declaration order: equal tables draw equal pictures."""
        arrows: dict[tuple[S, S], list[str]] = {}
        for source in self.states:
            for target in self.states:
                labels = [
                    _label(trigger, cell.verdict)
                    for trigger in self.triggers
                    if (cell := self.table[source, trigger]).target is target
                    and not (collapse_stays and target is source)
                ]
                if labels:
                    arrows[source, target] = labels
        return arrows


def _label(trigger: Word, verdict: Verdict) -> str:
    if verdict is Verdict.MOVE or verdict is Verdict.STAY:
        return trigger.name
    return f"{trigger.name} ({verdict.name.lower()})"


class _Model:
    """What ``transitions`` hangs its state on while cells are compared."""

    state: str = ""
