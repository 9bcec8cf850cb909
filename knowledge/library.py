"""All knowledge files as one checked value, and its fast compiled form."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agent.errors import KnowledgeError
from knowledge.schema import Condition, Conflict, Document, Entry, FindingEntry, Rule, Statement

HERE = Path(__file__).parent
FOLDERS = ("lexicon", "atlas", "guidelines", "rules")
NAMES_PREFIX = "names_"
"""A narrative that names a condition carries the finding `names_<condition id>`; it needs no lexicon entry."""
T = TypeVar("T")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which only true and false are booleans: ON is optic neuritis, NO is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not (tag.endswith(":bool") and first not in "tTfF")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Guidelines(Entry):
    documents: tuple[Document, ...] = ()
    statements: tuple[Statement, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


class Library(BaseModel):
    """Findings, conditions, documents, statements and rules, each unique by id and with every reference resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    findings: tuple[FindingEntry, ...]
    conditions: tuple[Condition, ...]
    documents: tuple[Document, ...]
    statements: tuple[Statement, ...]
    conflicts: tuple[Conflict, ...] = ()
    rules: tuple[Rule, ...]

    @cached_property
    def finding(self) -> dict[str, FindingEntry]:
        return {entry.id: entry for entry in self.findings}

    @cached_property
    def condition(self) -> dict[str, Condition]:
        return {entry.id: entry for entry in self.conditions}

    @cached_property
    def statement(self) -> dict[str, Statement]:
        return {entry.id: entry for entry in self.statements}

    @cached_property
    def document(self) -> dict[str, Document]:
        return {entry.id: entry for entry in self.documents}

    def disputes(self, statement_id: str) -> tuple[str, ...]:
        """Ids of the statements that some conflict sets against this one."""
        sides = [c.statements for c in self.conflicts if statement_id in c.statements]
        return tuple(dict.fromkeys(other for side in sides for other in side if other != statement_id))

    def problems(self) -> Iterator[str]:
        """Every duplicate and dangling reference, in words."""
        for kind, ids in (
            ("finding", [e.id for e in self.findings]),
            ("condition", [e.id for e in self.conditions]),
            ("document", [e.id for e in self.documents]),
            ("statement", [e.id for e in self.statements]),
            ("conflict", [e.id for e in self.conflicts]),
            ("rule", [e.id for e in self.rules]),
        ):
            yield from (f"{kind} {name!r} is defined {n} times" for name, n in Counter(ids).items() if n > 1)
        for document in self.documents:
            yield from self._unknown("document", document.id, "document", [document.superseded_by or document.id], self.document)
        for conflict in self.conflicts:
            yield from self._unknown("conflict", conflict.id, "statement", conflict.statements, self.statement)
        for statement in self.statements:
            yield from self._unknown("statement", statement.id, "document", [statement.document], self.document)
            yield from self._unknown("statement", statement.id, "condition", statement.concepts, self.condition)
        for entry in self.findings:
            yield from self._unknown("finding", entry.id, "finding", entry.implies, self.finding)
        for condition in self.conditions:
            listed = [finding for level in condition.findings.values() for finding in level]
            yield from self._unknown("condition", condition.id, "finding", listed, self.finding)
            yield from self._unknown("condition", condition.id, "finding", [d.finding for d in condition.discriminators], self.finding)
            yield from self._unknown("condition", condition.id, "condition", [d.against for d in condition.discriminators], self.condition)
            yield from self._unknown("condition", condition.id, "condition", [condition.parent or condition.id], self.condition)
            cited = [basis.source for basis in condition.basis.values() if basis.kind == "statement"]
            yield from self._unknown("condition", condition.id, "statement", cited, self.statement)
        for rule in self.rules:
            yield from self._unknown("rule", rule.id, "document", [rule.document], self.document)
            used = [finding for when in rule.when for finding in (*when.all, *when.any, *when.none)]
            named = [finding for finding in used if not finding.startswith(NAMES_PREFIX)]
            yield from self._unknown("rule", rule.id, "finding", named, self.finding)
            diseases = [finding.removeprefix(NAMES_PREFIX) for finding in used if finding.startswith(NAMES_PREFIX)]
            yield from self._unknown("rule", rule.id, "condition", diseases, self.condition)

    @staticmethod
    def _unknown(kind: str, name: str, target: str, ids: object, known: dict[str, object] | dict[str, T]) -> Iterator[str]:
        assert isinstance(ids, list | tuple)
        yield from (f"{kind} {name!r} refers to unknown {target} {missing!r}" for missing in ids if missing not in known)


def digest(root: Path = HERE) -> str:
    """sha256 over names and bytes of every knowledge file."""
    total = hashlib.sha256()
    for path in _files(root):
        total.update(f"{path.relative_to(root)}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def read(root: Path = HERE) -> Library:
    """Reads and checks the YAML files. Raises `KnowledgeError` naming file, entry and field."""
    findings = [e for p in _files(root, "lexicon") for e in _entries(p, FindingEntry)]
    conditions = [parsed(p, Condition) for p in _files(root, "atlas")]
    guidelines = [parsed(p, Guidelines) for p in _files(root, "guidelines")]
    rules = [e for p in _files(root, "rules") for e in _entries(p, Rule)]
    library = Library(
        digest=digest(root),
        findings=tuple(findings),
        conditions=tuple(conditions),
        documents=tuple(d for g in guidelines for d in g.documents),
        statements=tuple(s for g in guidelines for s in g.statements),
        conflicts=tuple(c for g in guidelines for c in g.conflicts),
        rules=tuple(rules),
    )
    problems = list(library.problems())
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise KnowledgeError(f"knowledge files under {root}: {problems[0]}{more}")
    return library


def _files(root: Path, *folders: str) -> list[Path]:
    return sorted(path for folder in folders or FOLDERS for path in (root / folder).rglob("*.yaml"))


def _entries(path: Path, kind: type[T]) -> list[T]:
    return parsed(path, list[kind])  # type: ignore[valid-type]


def parsed(path: Path, kind: type[T]) -> T:
    """One knowledge file, checked against its schema. Raises `KnowledgeError` with the file and what is wrong."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise KnowledgeError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        problem = error.errors()[0]
        place = problem["loc"]
        name = data[place[0]].get("id") if isinstance(data, list) and place and isinstance(place[0], int) else None
        raise KnowledgeError(f"{path}: entry {name or place!r}: {problem['msg']} at {'.'.join(map(str, place))}") from error
