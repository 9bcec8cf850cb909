"""The passages of an index in SQLite: their text and source, BM25 over their words (FTS5), and those of every condition, ranked.

Written once; opened read-only and immutable, so that it may lie on a read-only file system and be read by any number of processes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from agent.evidence import Evidence
from agent.ports import Scope
from knowledge.retrieval.jurisdictions import applies
from knowledge.retrieval.passages import dated, lexical_words

MAX_WORDS = 64
"""Words of a query that are looked up; the rest of a long one adds time and no sense (ours)."""
_SCHEMA = """
CREATE TABLE passage (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, evidence TEXT NOT NULL, jurisdiction TEXT NOT NULL, year INTEGER,
    replaced INTEGER NOT NULL, review_by TEXT
);
CREATE VIRTUAL TABLE lexical USING fts5 (text, content = '', tokenize = 'unicode61');
CREATE TABLE concept_view (concept TEXT NOT NULL, rank INTEGER NOT NULL, passage INTEGER NOT NULL, PRIMARY KEY (concept, rank)) WITHOUT ROWID;
CREATE TABLE finding_text (id INTEGER PRIMARY KEY, finding TEXT NOT NULL, text TEXT NOT NULL);
"""


def write(
    path: Path,
    passages: Sequence[tuple[Evidence, str]],
    views: Mapping[str, Iterable[int]],
    finding_texts: Iterable[tuple[str, str]],
) -> None:
    """`passages`: evidence and the words it is found by; `views`: condition -> numbers of its passages, best first."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.executescript(_SCHEMA)
            connection.executemany(
                "INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (n, e.key, e.model_dump_json(exclude_defaults=True), e.source.jurisdiction, e.source.year, bool(e.outdated), _day(e))
                    for n, (e, _) in enumerate(passages)
                ),
            )
            connection.executemany("INSERT INTO lexical (rowid, text) VALUES (?, ?)", ((n, words) for n, (_, words) in enumerate(passages)))
            connection.executemany(
                "INSERT INTO concept_view VALUES (?, ?, ?)", ((c, rank, n) for c, view in views.items() for rank, n in enumerate(view))
            )
            connection.executemany("INSERT INTO finding_text VALUES (?, ?, ?)", ((n, *row) for n, row in enumerate(finding_texts)))
    finally:
        connection.close()


class Shelf:
    """Reads what `write` wrote. Callable from any thread."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        self._lock = threading.Lock()
        self.jurisdictions = tuple(place for (place,) in self._rows("SELECT DISTINCT jurisdiction FROM passage ORDER BY 1"))

    def passage(self, key: str, today: date) -> Evidence | None:
        rows = self._rows("SELECT evidence FROM passage WHERE key = ?", (key,))
        return dated(Evidence.model_validate_json(rows[0][0]), today) if rows else None

    def passages(self, keys: Sequence[str], scope: Scope, today: date) -> dict[str, Evidence]:
        """Those of the keys that lie within the scope."""
        if not keys:
            return {}
        within, values = self._within(scope, today)
        places = ", ".join("?" * len(keys))
        rows = self._rows(f"SELECT p.evidence FROM passage p WHERE p.key IN ({places}) AND {within}", (*keys, *values))
        found = (dated(Evidence.model_validate_json(row), today) for (row,) in rows)
        return {evidence.key: evidence for evidence in found}

    def of_concept(self, concept: str, count: int, scope: Scope, today: date) -> list[Evidence]:
        """The condition's passages, best first."""
        within, values = self._within(scope, today)
        rows = self._rows(
            f"SELECT p.evidence FROM concept_view v JOIN passage p ON p.id = v.passage WHERE v.concept = ? AND {within} "
            "ORDER BY v.rank LIMIT ?",
            (concept, *values, count),
        )
        return [dated(Evidence.model_validate_json(row), today) for (row,) in rows]

    def lexical(self, query: str, count: int, scope: Scope, today: date) -> list[tuple[str, float]]:
        """(key, BM25 score), best first; higher is better."""
        words = lexical_words(query)[:MAX_WORDS]
        if not words:
            return []
        within, values = self._within(scope, today)
        rows = self._rows(
            f"SELECT p.key, -bm25(lexical) AS score FROM lexical JOIN passage p ON p.id = lexical.rowid "
            f"WHERE lexical MATCH ? AND {within} ORDER BY score DESC, p.id LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), *values, count),
        )
        return [(key, float(score)) for key, score in rows]

    def finding_texts(self, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
        """number -> (finding id, text)."""
        places = ", ".join("?" * len(numbers))
        rows = self._rows(f"SELECT id, finding, text FROM finding_text WHERE id IN ({places})", tuple(numbers))
        return {n: (finding, text) for n, finding, text in rows}

    def count(self) -> int:
        return int(self._rows("SELECT count(*) FROM passage")[0][0])

    def _within(self, scope: Scope, today: date) -> tuple[str, list[object]]:
        """The scope as a condition on `p`, and its values."""
        parts: list[str] = ["1"]
        values: list[object] = []
        if not scope.outdated:
            parts.append("NOT p.replaced AND (p.review_by IS NULL OR p.review_by >= ?)")
            values.append(today.isoformat())
        if scope.since is not None:
            parts.append("(p.year IS NULL OR p.year >= ?)")
            values.append(scope.since)
        if scope.jurisdictions:
            places = [place for place in self.jurisdictions if applies(place, scope.jurisdictions)]
            parts.append(f"p.jurisdiction IN ({', '.join('?' * len(places))})")
            values += places
        return " AND ".join(parts), values

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(sql, tuple(values)).fetchall()


def _day(evidence: Evidence) -> str | None:
    return evidence.review_by.isoformat() if evidence.review_by is not None else None
