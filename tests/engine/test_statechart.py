"""A statechart is total, well-formed and equal to transitions' machine, or it cannot be built."""

from __future__ import annotations

import pytest

from engine.errors import StatechartError
from engine.statechart import Cell, Row, Statechart, Verdict
from engine.values import Word


class Door(Word):
    """States."""

    OPEN = "OPEN"
    SHUT = "SHUT"
    GONE = "GONE"


class Push(Word):
    """Triggers."""

    CLOSE = "CLOSE"
    OPEN = "OPEN"
    BURN = "BURN"
    RESTORE = "RESTORE"


class Alien(Word):
    """Words that belong to no table here."""

    OPEN = "OPEN"


R = Row[Door, Push]

ROWS: tuple[R, ...] = (
    R(Door.OPEN, Push.CLOSE, Door.SHUT, Verdict.MOVE),
    R(Door.OPEN, Push.OPEN, None, Verdict.STAY),
    R((Door.OPEN, Door.SHUT), Push.BURN, Door.GONE, Verdict.MOVE),
    R((Door.OPEN, Door.SHUT), Push.RESTORE, None, Verdict.QUARANTINE, "nothing is lost yet"),
    R(Door.SHUT, Push.OPEN, Door.OPEN, Verdict.MOVE),
    R(Door.SHUT, Push.CLOSE, None, Verdict.STAY),
    R(Door.GONE, (Push.OPEN, Push.CLOSE), None, Verdict.LATE, "the fire was faster"),
    R(Door.GONE, Push.BURN, None, Verdict.STAY),
    R(Door.GONE, Push.RESTORE, Door.SHUT, Verdict.MOVE, "the fire was a false alarm"),
)


def door(
    rows: tuple[R, ...] = ROWS,
    *,
    terminal: frozenset[Door] = frozenset({Door.GONE}),
    reopens: frozenset[Push] = frozenset({Push.RESTORE}),
    initial: Door = Door.OPEN,
) -> Statechart[Door, Push]:
    return Statechart(
        "door",
        states=Door,
        triggers=Push,
        initial=initial,
        terminal=terminal,
        rows=rows,
        reopens=reopens,
    )


def test_every_cell_is_compiled() -> None:
    """The table answers every (state, trigger) with a target, a verdict and the row's reason."""
    table = door().table
    assert len(Door) * len(Push) == len(table)
    assert Cell(Door.SHUT, Verdict.MOVE, "") == table[Door.OPEN, Push.CLOSE]
    assert Cell(Door.GONE, Verdict.LATE, "the fire was faster") == table[Door.GONE, Push.OPEN]
    assert Cell(Door.SHUT, Verdict.STAY, "") == table[Door.SHUT, Push.CLOSE]


def test_dict_equals_transitions_machine_on_every_cell() -> None:
    """A transitions machine made from the rows goes where the table says, cell by cell."""
    chart = door()
    machine = chart.machine()

    class Model:
        state = ""

    for (state, trigger), cell in chart.table.items():
        model = Model()
        machine.add_model(model, initial=state.name)
        machine.events[trigger.name].trigger(model)
        assert cell.target.name == model.state, (state, trigger)
    assert [] == chart.differences()


def test_a_difference_is_found() -> None:
    """differences() names the cell in which table and machine disagree."""
    chart = door()
    chart.table[Door.OPEN, Push.CLOSE] = Cell(Door.GONE, Verdict.MOVE, "")
    assert ["(OPEN, CLOSE): table GONE, machine SHUT"] == chart.differences()


def test_the_machine_has_no_model_and_no_automatic_triggers() -> None:
    """The machine knows our triggers only: no to_STATE shortcuts, nobody attached."""
    machine = door().machine()
    assert [] == machine.models
    assert sorted(t.name for t in Push) == sorted(machine.events)


def without(index: int) -> tuple[R, ...]:
    return ROWS[:index] + ROWS[index + 1 :]


def replaced(index: int, row: R) -> tuple[R, ...]:
    return (*ROWS[:index], row, *ROWS[index + 1 :])


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        pytest.param(without(1), "silent cells.*OPEN, OPEN", id="silent cell"),
        pytest.param((*ROWS, ROWS[0]), r"\(OPEN, CLOSE\) has two rows", id="two rows"),
        pytest.param(
            replaced(1, R(Alien.OPEN, Push.OPEN, None, Verdict.STAY)),  # type: ignore[arg-type]
            "Alien.OPEN.* is not a state of Door",
            id="foreign state",
        ),
        pytest.param(
            replaced(1, R(Door.OPEN, Alien.OPEN, None, Verdict.STAY)),  # type: ignore[arg-type]
            "Alien.OPEN.* is not a trigger of Push",
            id="foreign trigger",
        ),
        pytest.param(
            replaced(0, R(Door.OPEN, Push.CLOSE, Alien.OPEN, Verdict.MOVE)),  # type: ignore[arg-type]
            "Alien.OPEN.* is not a state of Door",
            id="foreign target",
        ),
        pytest.param(
            replaced(0, R("OPEN", Push.CLOSE, Door.SHUT, Verdict.MOVE)),  # type: ignore[arg-type]
            "'OPEN' is not a state of Door",
            id="string for a state",
        ),
        pytest.param(
            replaced(1, R(Door.OPEN, Push.OPEN, Door.OPEN, Verdict.MOVE)),
            r"\(OPEN, OPEN\) is MOVE but names no other state",
            id="move to itself",
        ),
        pytest.param(
            replaced(1, R(Door.OPEN, Push.OPEN, None, Verdict.MOVE)),
            r"\(OPEN, OPEN\) is MOVE but names no other state",
            id="move nowhere",
        ),
        pytest.param(
            replaced(1, R(Door.OPEN, Push.OPEN, Door.SHUT, Verdict.STAY)),
            r"\(OPEN, OPEN\) is STAY, so its target must be None, was SHUT",
            id="stay that moves",
        ),
        pytest.param(
            replaced(3, R((Door.OPEN, Door.SHUT), Push.RESTORE, None, Verdict.QUARANTINE)),
            r"\(OPEN, RESTORE\) is QUARANTINE and needs a reason",
            id="quarantine without reason",
        ),
        pytest.param(
            replaced(6, R(Door.GONE, (Push.OPEN, Push.CLOSE), None, Verdict.LATE)),
            r"\(GONE, OPEN\) is LATE and needs a reason",
            id="late without reason",
        ),
        pytest.param(
            replaced(8, R(Door.GONE, Push.RESTORE, Door.SHUT, Verdict.MOVE)),
            r"\(GONE, RESTORE\) is MOVE and needs a reason",
            id="reopening without reason",
        ),
        pytest.param(
            replaced(6, R(Door.GONE, (Push.OPEN, Push.CLOSE), Door.OPEN, Verdict.MOVE, "magic")),
            r"\(GONE, OPEN\) moves out of a terminal state; make it LATE or list OPEN in reopens",
            id="leaves a terminal state",
        ),
        pytest.param(
            replaced(1, R(Door.OPEN, Push.OPEN, None, Alien.OPEN)),  # type: ignore[arg-type]
            "Alien.OPEN.* is not a verdict of Verdict",
            id="foreign verdict",
        ),
        pytest.param(
            replaced(0, R(Door.OPEN, (), Door.SHUT, Verdict.MOVE)),
            "names no source or no trigger",
            id="empty row",
        ),
    ],
)
def test_a_malformed_row_is_refused_by_name(rows: tuple[R, ...], names: str) -> None:
    """A table that is not total and well-formed raises, naming the row or cell."""
    with pytest.raises(StatechartError, match=names):
        door(rows)


def test_a_late_row_may_move_out_of_a_terminal_state() -> None:
    """LATE needs no entry in reopens: a late fill can complete a cancelled order."""
    late = R(Door.GONE, Push.RESTORE, Door.SHUT, Verdict.LATE, "found again")
    chart = door(replaced(8, late), reopens=frozenset())
    assert Cell(Door.SHUT, Verdict.LATE, "found again") == chart.table[Door.GONE, Push.RESTORE]
    assert [] == chart.differences()


def test_an_unreachable_state_is_refused_by_name() -> None:
    """A state no row leads to from the initial one is an error, not decoration."""
    never = (
        R(Door.OPEN, Push.BURN, None, Verdict.STAY),
        R(Door.SHUT, Push.BURN, None, Verdict.STAY),
    )
    with pytest.raises(StatechartError, match="unreachable from OPEN: GONE"):
        door(ROWS[:2] + never + ROWS[3:])


def test_reopens_lists_only_triggers_that_reopen() -> None:
    """A stale entry in reopens is refused: it would hide a later mistake."""
    with pytest.raises(StatechartError, match="reopen nothing: BURN"):
        door(reopens=frozenset({Push.RESTORE, Push.BURN}))


def test_foreign_words_outside_rows_are_refused() -> None:
    """initial, terminal and reopens are checked like rows."""
    with pytest.raises(StatechartError, match="is not a state of Door"):
        door(initial=Alien.OPEN)  # type: ignore[arg-type]
    with pytest.raises(StatechartError, match="is not a state of Door"):
        door(terminal=frozenset({Door.GONE, Alien.OPEN}))  # type: ignore[arg-type]
    with pytest.raises(StatechartError, match="is not a trigger of Push"):
        door(reopens=frozenset({Push.RESTORE, Alien.OPEN}))  # type: ignore[arg-type]


def test_mermaid_merges_triggers_and_leaves_stays_out() -> None:
    """The diagram shows moves only, one arrow per pair of states, in declaration order."""
    expected = (
        "stateDiagram-v2\n"
        "    [*] --> OPEN\n"
        "    OPEN --> SHUT : CLOSE\n"
        "    OPEN --> GONE : BURN\n"
        "    SHUT --> OPEN : OPEN\n"
        "    SHUT --> GONE : BURN\n"
        "    GONE --> SHUT : RESTORE\n"
        "    GONE --> [*]\n"
    )
    assert expected == door().mermaid()
    assert "GONE --> GONE : CLOSE (late), OPEN (late), BURN" in door().mermaid(collapse_stays=False)


def test_diagrams_do_not_depend_on_the_order_of_rows() -> None:
    """Equal tables draw equal pictures, however the rows are sorted."""
    shuffled = tuple(reversed(ROWS))
    assert door().mermaid(collapse_stays=False) == door(shuffled).mermaid(collapse_stays=False)
    assert door().dot() == door(shuffled).dot()


def test_dot_marks_terminal_states() -> None:
    """Graphviz text has every state, a double border on terminal ones, and the merged labels."""
    text = door().dot()
    assert 'GONE [label="GONE", peripheries=2];' in text
    assert 'SHUT [label="SHUT"];' in text
    assert 'OPEN -> SHUT [label="CLOSE"];' in text
