"""The facts of a group are found without reading the whole journal, by old journals too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from actors.journal import Batch, open_journal

_PLAN = "EXPLAIN QUERY PLAN SELECT seq FROM facts WHERE entity = ? AND {}"
_IS_GROUP = "entity >= 'group:' AND entity < 'group;'"


def written(path: Path) -> None:
    """A journal with facts of two groups among those of orders."""
    journal = open_journal(path, "process", engine_id="OW1")
    names = ["group:a", "order", "group:b", "group:a", "groups", "group"]
    batch = Batch()
    batch.facts += [(1, name, "Denied", b'{"type":"Denied"}') for name in names]
    journal.append(batch)
    journal.close()


def has_index(path: Path) -> bool:
    """Whether SQLite would find the facts of a group by an index."""
    db = sqlite3.connect(path)
    try:
        plan = db.execute(_PLAN.format(_IS_GROUP), ("group:a",)).fetchall()
    finally:
        db.close()
    return "group_facts" in str(plan)


def test_the_facts_of_a_group_have_an_index_and_those_of_orders_none(tmp_path: Path) -> None:
    """And each entity gets its own."""
    path = tmp_path / "j"
    written(path)
    assert has_index(path)
    journal = open_journal(path, "process", engine_id="OW1")
    found = {name: [r.seq for r in journal.records(entity=name)] for name in ("group:a", "group:b")}
    assert {"group:a": [1, 4], "group:b": [3]} == found
    assert [4] == [record.seq for record in journal.records(after=1, entity="group:a")]
    assert [5] == [record.seq for record in journal.records(entity="groups")]
    assert not journal.verify()
    journal.close()


def test_a_journal_of_before_there_was_the_index_gets_it_when_it_is_written_to(
    tmp_path: Path,
) -> None:
    """Only read, it is searched, and nothing in it changes."""
    path = tmp_path / "j"
    written(path)
    db = sqlite3.connect(path)
    db.execute("DROP INDEX group_facts")
    db.close()
    journal = open_journal(path, read_only=True)
    assert [1, 4] == [record.seq for record in journal.records(entity="group:a")]
    journal.close()
    assert not has_index(path)
    open_journal(path, "process", engine_id="OW1").close()
    assert has_index(path)
