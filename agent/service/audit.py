"""Who saw, changed or deleted which case: rows that only grow, each holding the hash of the one before.

SQLite refuses to change or delete them (triggers); whoever edits the file around SQLite breaks the chain, and `verify` names the row.
Cutting rows off the end leaves a chain that holds: note the last hash elsewhere and give it to `verify`. No row holds anything of a
case but its random id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Literal

from agent.errors import FoveaError
from agent.service.database import Database
from agent.values import Value

Action = Literal[
    "case.open", "case.list", "case.view", "case.events", "case.turn", "case.resume", "case.cancel", "case.delete", "case.expire",
    "image.put", "image.view", "chat", "key.add", "key.revoke", "sign_in", "sign_out", "refused",
]  # fmt: skip
START = "0" * 64
_FIELDS = ("number", "at", "actor", "owner", "role", "action", "subject", "outcome", "previous")


class AuditError(FoveaError):
    """The audit log was changed behind the service's back."""


class AuditRow(Value):
    """One row. `at` in ISO 8601, UTC; `actor` is a key's id or 'local'; `subject` a case, an image or a key."""

    number: int
    at: str
    actor: str
    owner: str
    role: str
    action: str
    subject: str
    outcome: str
    previous: str
    hash: str


class Audit:
    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._now = database, now

    def note(self, actor: str, owner: str, role: str, action: Action, subject: str = "", outcome: str = "done") -> None:
        """Appends a row, in one transaction with reading the row before it: two processes make one chain."""
        with self._database.writing() as connection:
            last = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
            number, previous = (last["number"] + 1, last["hash"]) if last is not None else (1, START)
            fields = (number, self._now().isoformat(), actor, owner, role, action, subject, outcome, previous)
            connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*fields, _hash(*fields)))

    def rows(self, subject: str | None = None, last: int | None = None) -> tuple[AuditRow, ...]:
        """Rows in order; only those about `subject`, only the `last` ones, where given."""
        where, values = ("WHERE subject = ?", [subject]) if subject is not None else ("", [])
        query = f"SELECT * FROM (SELECT * FROM audit {where} ORDER BY number DESC LIMIT ?) ORDER BY number"
        return tuple(AuditRow.model_validate(dict(row)) for row in self._database.rows(query, *values, -1 if last is None else last))

    def verify(self, head: str | None = None) -> int:
        """How many rows the chain has. Raises `AuditError` naming the first row that was changed, left out or put in; and, when `head`
        is given, when no row has that hash: then the end was cut off."""
        previous, count, seen = START, 0, head is None or head == START
        for row in self._rows():
            count += 1
            fields = tuple(row[name] for name in _FIELDS)
            if row["number"] != count or row["previous"] != previous or row["hash"] != _hash(*fields):
                raise AuditError(f"the audit log was changed at row {count} of {self._database.path}: rows from there on prove nothing")
            previous = row["hash"]
            seen = seen or previous == head
        if not seen:
            raise AuditError(f"no row of {self._database.path} has the hash {head}: rows were cut off, or the hash is of another log")
        return count

    def head(self) -> str:
        """The hash of the last row."""
        row = self._database.row("SELECT hash FROM audit ORDER BY number DESC LIMIT 1")
        return str(row["hash"]) if row is not None else START

    def _rows(self) -> Iterator[Row]:
        yield from self._database.rows("SELECT * FROM audit ORDER BY number")


def _hash(*fields: object) -> str:
    return hashlib.sha256(json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()
