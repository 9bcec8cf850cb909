"""The audit log only grows, and shows when it was changed behind SQLite's back."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.service.audit import START, Audit, AuditError
from agent.service.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def audit(database: Database) -> Audit:
    log = Audit(database, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    for number in range(5):
        log.note("key-1", "alice", "clinician", "case.view", f"case-{number}")
    return log


def unguarded(database: Database, statement: str) -> None:
    """Someone with the file and a SQLite shell: the triggers dropped first, and put back after."""
    connection = sqlite3.connect(database.path, isolation_level=None)
    triggers = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
    connection.execute("DROP TRIGGER audit_keeps_rows")
    connection.execute("DROP TRIGGER audit_keeps_words")
    connection.execute(statement)
    for trigger in triggers:
        connection.execute(trigger)
    connection.close()


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "DELETE FROM audit WHERE number = 5",
                                       "REPLACE INTO audit SELECT * FROM audit WHERE number = 1"])  # fmt: skip
def test_sqlite_refuses_to_change_it(audit: Audit, database: Database, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"), database.writing() as connection:
        connection.execute(statement)
    assert audit.verify() == 5


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE number = 3", 3),
        ("UPDATE audit SET hash = 'x' WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("INSERT INTO audit SELECT 6, at, actor, owner, role, action, subject, outcome, previous, hash FROM audit WHERE number = 5", 6),
    ],
)
def test_a_change_around_sqlite_is_found_at_its_row(audit: Audit, database: Database, statement: str, row: int) -> None:
    unguarded(database, statement)
    with pytest.raises(AuditError, match=f"row {row} "):
        audit.verify()


def test_a_cut_off_end_is_found_by_a_noted_hash(audit: Audit, database: Database) -> None:
    head = audit.head()
    audit.note("key-1", "alice", "clinician", "case.delete", "case-1")
    assert audit.verify(head) == 6
    unguarded(database, "DELETE FROM audit WHERE number >= 5")
    assert audit.verify() == 4, "a chain that was only shortened holds"
    with pytest.raises(AuditError, match="cut off"):
        audit.verify(head)


def test_two_writers_make_one_chain(audit: Audit, database: Database, tmp_path: Path) -> None:
    other = Database(tmp_path)
    logs = [audit, Audit(other)]

    def write(log: Audit) -> None:
        for _ in range(50):
            log.note("key-2", "bob", "reader", "case.list")

    threads = [threading.Thread(target=write, args=(log,)) for log in logs for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert audit.verify() == 205


def test_rows_by_subject_and_the_last_ones(audit: Audit) -> None:
    assert [row.subject for row in audit.rows(last=2)] == ["case-3", "case-4"]
    (row,) = audit.rows("case-2")
    assert (row.number, row.at, row.actor, row.owner, row.action) == (3, "2026-01-01T00:00:00+00:00", "key-1", "alice", "case.view")
    assert audit.rows()[0].previous == START
    assert audit.rows()[-1].hash == audit.head()


def test_a_scrub_that_another_reader_holds_up_says_so(tmp_path: Path) -> None:
    """What was deleted stays in the write-ahead log while somebody reads; the next scrub takes it away."""
    database = Database(tmp_path, patience=0.1)
    with database.writing() as connection:
        connection.execute("INSERT INTO cases (case_id, owner, created, updated, problem) VALUES ('case-1', 'a', 0, 0, 'MARKER-4711')")
    reader = sqlite3.connect(database.path, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM cases").fetchone() == (1,)
    with database.writing() as connection:
        connection.execute("DELETE FROM cases")
    assert not database.scrub()
    reader.execute("COMMIT")
    reader.close()
    assert database.scrub()
    assert b"MARKER-4711" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
    database.close()
