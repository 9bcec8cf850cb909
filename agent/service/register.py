"""Which cases and images there are, and whose. What stands in a case is the conversation's to keep; here are its outer facts."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from sqlite3 import Row

from agent.domain import Urgency
from agent.service.database import Database
from agent.values import Value


class CaseRow(Value):
    """A case from outside. `headline` is the last report's in a few words; `problem` is why its last turn failed, in words."""

    case_id: str
    owner: str
    created: datetime
    updated: datetime
    turns: int
    headline: str
    urgency: Urgency | None
    problem: str


class Unsettled(Value):
    """A turn that was accepted and has not ended: `turn` as JSON (empty: a resumption), `earlier` the turns the case had before it."""

    case_id: str
    turn: str
    earlier: int


class Register:
    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._now = database, now

    def open(self, owner: str) -> CaseRow:
        """A new, empty case. Its id is random and says nothing: neither what is in it nor how many there are."""
        case_id, now = f"case-{secrets.token_hex(16)}", self._now().timestamp()
        with self._database.writing() as connection:
            connection.execute("INSERT INTO cases (case_id, owner, created, updated) VALUES (?, ?, ?, ?)", (case_id, owner, now, now))
        found = self.case(case_id)
        assert found is not None
        return found

    def case(self, case_id: str) -> CaseRow | None:
        row = self._database.row("SELECT * FROM cases WHERE case_id = ?", case_id)
        return _case(row) if row is not None else None

    def cases(self, owner: str | None, limit: int, offset: int) -> tuple[CaseRow, ...]:
        """The last changed first; `owner` None: everyone's."""
        where, values = ("", ()) if owner is None else ("WHERE owner = ?", (owner,))
        query = f"SELECT * FROM cases {where} ORDER BY updated DESC, case_id LIMIT ? OFFSET ?"
        return tuple(_case(row) for row in self._database.rows(query, *values, limit, offset))

    def accept(self, case_id: str, turn: str, images: Iterable[str], earlier: int) -> bool:
        """Remembers a turn until it is settled: after a crash or a stop it is walked on from what is kept here.

        False when the case is gone: it was deleted meanwhile.
        """
        now = self._now().timestamp()
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM cases WHERE case_id = ?", (case_id,)).fetchone() is None:
                return False
            connection.execute("INSERT OR REPLACE INTO unsettled VALUES (?, ?, ?, ?)", (case_id, turn, earlier, now))
            connection.execute("UPDATE cases SET updated = ?, problem = '' WHERE case_id = ?", (now, case_id))
            for sha256 in images:
                connection.execute("INSERT OR IGNORE INTO case_images VALUES (?, ?)", (case_id, sha256))
        return True

    def settle(self, case_id: str, *, turns: int | None = None, headline: str = "", urgency: Urgency | None = None, problem: str = "") -> None:
        """Forgets the accepted turn: it was answered (`turns` so far), or failed with a `problem`."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM unsettled WHERE case_id = ?", (case_id,))
            if turns is None:
                connection.execute("UPDATE cases SET problem = ? WHERE case_id = ?", (problem, case_id))
            else:
                connection.execute(
                    "UPDATE cases SET updated = ?, turns = ?, headline = ?, urgency = ?, problem = '' WHERE case_id = ?",
                    (self._now().timestamp(), turns, headline, urgency, case_id),
                )

    def unsettled(self) -> tuple[Unsettled, ...]:
        rows = self._database.rows("SELECT case_id, turn, earlier FROM unsettled ORDER BY accepted")
        return tuple(Unsettled.model_validate(dict(row)) for row in rows)

    def uploaded(self, sha256: str, owner: str) -> None:
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", (sha256, owner, self._now().timestamp()))

    def not_uploaded(self, sha256: str, owner: str) -> None:
        """Takes back `uploaded` for bytes that turned out to be no image."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM images WHERE sha256 = ? AND owner = ?", (sha256, owner))

    def holds(self, owner: str, sha256: str) -> bool:
        """Whether this owner handed the image in: knowing its hash is not having it."""
        return self._database.row("SELECT 1 FROM images WHERE sha256 = ? AND owner = ?", sha256, owner) is not None

    def held(self, sha256: str) -> bool:
        return self._database.row("SELECT 1 FROM images WHERE sha256 = ?", sha256) is not None

    def images(self, case_id: str) -> tuple[str, ...]:
        return tuple(row["sha256"] for row in self._database.rows("SELECT sha256 FROM case_images WHERE case_id = ?", case_id))

    def forget(self, case_id: str) -> tuple[str, ...]:
        """Removes a case, and its owner's hold on images that no other case of theirs uses.

        Returns the images that nobody holds any more: their bytes are to go."""
        with self._database.writing() as connection:
            row = connection.execute("SELECT owner FROM cases WHERE case_id = ?", (case_id,)).fetchone()
            if row is None:
                return ()
            used = [r["sha256"] for r in connection.execute("SELECT sha256 FROM case_images WHERE case_id = ?", (case_id,))]
            connection.execute("DELETE FROM cases WHERE case_id = ?", (case_id,))
            for sha256 in used:
                connection.execute(
                    "DELETE FROM images WHERE sha256 = ? AND owner = ? AND sha256 NOT IN "
                    "(SELECT i.sha256 FROM case_images i JOIN cases c USING (case_id) WHERE c.owner = ?)",
                    (sha256, row["owner"], row["owner"]),
                )
            orphans = tuple(s for s in used if not _wanted(connection.execute(_WANTED, (s, s)).fetchone()))
        self._database.scrub()
        return orphans

    def forget_unused_images(self, older_than: timedelta) -> tuple[str, ...]:
        """Removes uploads that no case took up; returns those whose bytes are to go."""
        before = (self._now() - older_than).timestamp()
        with self._database.writing() as connection:
            rows = connection.execute(
                "SELECT sha256, owner FROM images WHERE uploaded < ? AND sha256 NOT IN "
                "(SELECT i.sha256 FROM case_images i JOIN cases c USING (case_id) WHERE c.owner = images.owner)",
                (before,),
            ).fetchall()
            for row in rows:
                connection.execute("DELETE FROM images WHERE sha256 = ? AND owner = ?", (row["sha256"], row["owner"]))
            return tuple(dict.fromkeys(r["sha256"] for r in rows if not _wanted(connection.execute(_WANTED, (r["sha256"],) * 2).fetchone())))

    def untouched_since(self, age: timedelta) -> tuple[str, ...]:
        """Cases that nothing happened to for so long."""
        before = (self._now() - age).timestamp()
        return tuple(row["case_id"] for row in self._database.rows("SELECT case_id FROM cases WHERE updated < ?", before))


_WANTED = "SELECT (SELECT count(*) FROM images WHERE sha256 = ?) + (SELECT count(*) FROM case_images WHERE sha256 = ?) AS holders"


def _wanted(row: Row) -> bool:
    return bool(row["holders"])


def _case(row: Row) -> CaseRow:
    return CaseRow(
        case_id=row["case_id"],
        owner=row["owner"],
        created=datetime.fromtimestamp(row["created"], UTC),
        updated=datetime.fromtimestamp(row["updated"], UTC),
        turns=row["turns"],
        headline=row["headline"],
        urgency=row["urgency"],
        problem=row["problem"],
    )
