"""The list of deliberate faults fits the code it is about, and the command tells what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .mutants import __main__ as command
from .mutants import operators
from .mutants.catalogue import MUTANTS
from .mutants.mutant import Mutant, Stale, Verdict
from .mutants.operators import drawn, turned_round
from .mutants.workshop import Bench, broken_without

#: A project of one module, as small as a copy can be.
CODE = "def double(number: int) -> int:\n    return number + number\n"
TESTS = '''"""Tests."""
from engine import double

def test_double() -> None:
    """It doubles."""
    assert 6 == double(3)

def test_zero() -> None:
    """It keeps nothing nothing."""
    assert 0 == double(0)
'''
SMALL = '''"""What a small fault can be put into."""
from typing import Final, TypeAlias

Pair: TypeAlias = int | str
LIMIT: Final[int] = 3

def allowed(number: int, word: str = "", *, twice: bool = False) -> bool:
    """Whether 1 < 2."""
    if not word and number < LIMIT or number is not None:  # is and <
        raise ValueError(f"{number + 1} is not {True}")
    words: list[str] = []
    words.append(word)
    number += 1
    return (number
            in (0, LIMIT)) == twice
'''
FAULT = Mutant(
    "thrice", "Everything is there three times.", "engine/__init__.py",
    "number + number", "3 * number", ("tests/test_double.py::test_double",),
)  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_fault_still_fits_the_code(mutant: Mutant, repository: Path) -> None:
    """Its text is there once, what stands in its place compiles, and its tests are there."""
    mutant.check(repository)


def test_the_list_names_each_fault_once_and_says_what_it_would_cost() -> None:
    """Names are different, and each has a sentence."""
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(dict.fromkeys(names)) == sorted(names)
    assert len(names) >= 45
    for mutant in MUTANTS:
        assert mutant.loss.endswith("."), mutant.name
        assert not mutant.hangs or mutant.seconds <= 60, mutant.name


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"old": "number - number"}, "0 times"),
        ({"old": "number"}, "3 times"),
        ({"new": "number +"}, "does not compile"),
        ({"new": "(number + number)"}, "means the same"),
        ({"file": "engine/gone.py"}, "no file"),
        ({"caught_by": ()}, "no test is named"),
        ({"caught_by": ("tests/test_gone.py",)}, "is not there"),
        ({"caught_by": ("tests/test_double.py::test_gone",)}, "no test"),
    ],
)
def test_an_entry_that_does_not_fit_says_so(
    project: Path, change: dict[str, object], word: str
) -> None:
    """Nothing is skipped in silence: the list cannot rot."""
    with pytest.raises(Stale, match=word):
        FAULT._replace(**change).check(project)  # type: ignore[arg-type]


def test_a_fault_is_caught_survives_hangs_or_wrecks(project: Path, tmp_path: Path) -> None:
    """Each verdict for its own reason, and the copy is afterwards as it was."""
    bench = Bench.copied(project, tmp_path / "copy")
    assert [] == broken_without(bench, [FAULT])
    caught = bench.try_out(FAULT)
    assert (Verdict.CAUGHT, "tests/test_double.py::test_double") == (caught.verdict, caught.by)
    blind = FAULT._replace(caught_by=("tests/test_double.py::test_zero",))
    assert Verdict.SURVIVED is bench.try_out(blind).verdict
    wreck = FAULT._replace(new="number + number\n\nimport nothing_of_that_name")
    assert Verdict.WRECKED is bench.try_out(wreck).verdict
    endless = FAULT._replace(old="    return number", new="    while True: ...\n    return number")
    assert Verdict.TIMEOUT is bench.try_out(endless._replace(seconds=3)).verdict
    assert Verdict.CAUGHT is bench.try_out(endless._replace(seconds=3, hangs=True)).verdict
    assert CODE == (bench.root / "engine" / "__init__.py").read_text("utf-8")


def test_what_fails_without_a_fault_catches_nothing(project: Path, tmp_path: Path) -> None:
    """A test that is red anyway would catch everything."""
    code = project / "engine" / "__init__.py"
    code.write_text(CODE.replace("number + number", "number"), "utf-8")
    bench = Bench.copied(project, tmp_path / "copy")
    assert ["tests/test_double.py::test_double"] == broken_without(bench, [FAULT])


def test_a_copy_that_imports_the_original_is_refused(
    project: Path, tmp_path: Path, repository: Path
) -> None:
    """Else a fault that is put into a copy is never run, and every test passes."""
    (project / "tests" / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(repository)!r})\n"
        "for name in [name for name in sys.modules if name.split('.')[0] == 'engine']:\n"
        "    del sys.modules[name]\n"
        "import engine\n"
        "from tests.mutants import copied\n"
        "copied.engine = engine\n",
        "utf-8",
    )
    bench = Bench.copied(project, tmp_path / "copy")
    result = bench.try_out(FAULT)
    assert Verdict.WRECKED is result.verdict
    assert "is imported from" in result.detail


def test_the_command_lists_names_and_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON for machines, a survivor by its name, and an exit code for each way it can end."""
    blind = FAULT._replace(name="blind", caught_by=("tests/test_double.py::test_zero",))
    monkeypatch.setattr(command, "_ROOT", project)
    monkeypatch.setattr(command, "MUTANTS", (FAULT, blind))
    assert 0 == command.main(["thrice", "--json", "--jobs", "1"])
    report = json.loads(capsys.readouterr().out)
    assert (1, []) == (report["caught"], report["survivors"])
    assert "caught" == report["mutants"][0]["verdict"]
    assert 1 == command.main([])
    assert "not caught: blind" in capsys.readouterr().out
    assert 2 == command.main(["nobody"])
    assert 0 == command.main(["--list"])
    assert "thrice" in capsys.readouterr().out


def test_small_faults_are_found_wherever_something_is_decided(tmp_path: Path) -> None:
    """Operators, constants, negations and statements; no annotation, no message, no comment."""
    path = tmp_path / "small.py"
    path.write_text(SMALL, "utf-8")
    found = list(turned_round(tmp_path, path, ("tests",)))
    expected = [
        "3 -> 4", "False -> True", "not word -> word", "and -> or", "< -> <=", "or -> and",
        "is not -> is", "words.append(word) -> pass", "number += 1 -> pass", "1 -> 2",
        "in -> not in", "0 -> 1", "== -> !=",
    ]  # fmt: skip
    assert expected == [one.loss.partition(", in: ")[0] for one in found]
    for one in found:
        assert one.new == one.applied_to(SMALL)


def test_small_faults_are_drawn_alike_for_a_seed(repository: Path) -> None:
    """A score can be repeated; and what is drawn fits the code."""
    some = drawn(repository, 20, 1)
    assert some == drawn(repository, 20, 1) != drawn(repository, 20, 2)
    for one in some:
        one.applied_to((repository / one.file).read_text("utf-8"))
    with pytest.raises(Stale, match="to draw from"):
        drawn(repository, 10**6, 1)


def test_the_command_tries_what_it_draws(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample has a score, and a survivor is shown with its line."""
    zero = TESTS.replace("3", "0").replace("6", "0")
    (project / "tests" / "test_zero.py").write_text(zero, "utf-8")
    monkeypatch.setattr(command, "_ROOT", project)
    monkeypatch.setattr(operators, "_DECIDING", (("engine/*.py", "tests/test_zero.py"),))
    monkeypatch.setattr(operators, "_RUNS", ())
    assert 1 == command.main(["--operators", "1", "--seed", "3", "--jobs", "1"])
    told = capsys.readouterr().out
    assert "0 of 1 faults caught (0.0 %)" in told
    assert "not caught: engine/__init__.py:2" in told
    assert "+ -> -, in: return number + number" in told


@pytest.fixture(name="project")
def _project(tmp_path: Path, repository: Path) -> Path:
    """A small project with the parts that a copy needs."""
    root = tmp_path / "project"
    files: dict[str, str] = {
        "engine/__init__.py": CODE,
        "actors/__init__.py": "",
        "tests/__init__.py": "",
        "tests/test_double.py": TESTS,
        "pyproject.toml": "[tool.pytest.ini_options]\n"
        'addopts = "--import-mode=importlib -ra"\npythonpath = ["."]\n',
    }
    for name in ("__init__.py", "copied.py", "guard.py"):
        files[f"tests/mutants/{name}"] = (repository / "tests" / "mutants" / name).read_text()
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root
