"""The worked examples: the kit passes what is sound, and catches what is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

#: What each broken part breaks; every other test of the examples passes.
CAUGHT = {
    "test_target_position.TestHasty": {"runTest"},
    "test_helpful_venue.TestHelpful": {
        "test_a_client_id_is_taken_once",
        "test_a_client_id_is_taken_once_at_a_time",
        "test_a_client_id_is_kept_after_the_end",
        "test_a_cancel_of_what_has_ended_is_refused",
        "test_a_cancel_of_nothing_is_refused",
        "test_a_cancel_that_races_its_order_ends_one_way",
    },
}


def pytest_here(cwd: Path, repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user does who has the kit's plugin, whatever is installed here."""
    plugins = ("-p", "actors.testing.plugin", "-p", "hypothesispytest")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-p", "no:cacheprovider", *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_kit_catches_what_is_broken(repository: Path, tmp_path: Path) -> None:
    """The broken strategy and the broken adapter fail where they should, the sound ones nowhere;
    and what the broken strategy did is kept as a scenario that replays.
    """
    ended = pytest_here(
        tmp_path,
        repository,
        "--rootdir",
        str(repository / "examples"),
        "-c",
        os.devnull,
        "-p",
        "tests.examples_profile",
        "--hypothesis-profile=find",
        "--junitxml=found.xml",
        str(repository / "examples"),
    )

    failed: dict[str, set[str]] = {}
    passed: set[str] = set()
    for case in ET.parse(tmp_path / "found.xml").iter("testcase"):
        where = case.get("classname", "")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.setdefault(where, set()).add(case.get("name", ""))
        else:
            passed.add(where)
    assert CAUGHT == failed, ended.stdout[-3000:]
    sound = {
        "test_target_position.TestPatient",
        "test_helpful_venue.TestPaper",
        "test_toy_venue.TestToy",
        "test_toy_venue",
    }
    assert sound <= passed
    kept = list((tmp_path / ".orderwright").glob("HastyMachine-never_more_than_the_target.json"))
    assert [1] == [len(kept)]
    assert str(Path(".orderwright") / kept[0].name) in ended.stdout
