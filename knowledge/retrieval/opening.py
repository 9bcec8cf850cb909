"""Opens what the settings name: the current index, built when it is missing, and a retriever over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.ports import Scope
from agent.settings import Settings
from knowledge.ingest.evidence import StoredPassages
from knowledge.ingest.store import DocumentStore
from knowledge.retrieval import index
from knowledge.retrieval.embedding import SentenceEmbedder
from knowledge.retrieval.following import FollowingRetriever
from knowledge.retrieval.retriever import IndexRetriever


@dataclass(frozen=True)
class OpenKnowledge:
    """An index directory, and a retriever that goes on to the next one when it is built."""

    directory: Path
    retriever: FollowingRetriever


def place(settings: Settings) -> Path:
    """The directory in which the built indexes lie."""
    return settings.knowledge.directory or settings.data_directory / "index"


def documents_of(settings: Settings) -> DocumentStore:
    """The user's own documents."""
    return DocumentStore(settings.data_directory)


def build_index(settings: Settings, *, verified: bool = False) -> Path:
    """The current index directory; see `index.ensure`."""
    chosen = settings.knowledge
    own = StoredPassages(documents_of(settings))
    return index.ensure(place(settings), SentenceEmbedder(chosen.embedding_model), own=own, server=chosen.chroma_url, verified=verified)


def open_knowledge(settings: Settings) -> OpenKnowledge:
    """Raises `SettingsError` or `KnowledgeError` with what to do."""
    chosen = settings.knowledge
    embedder = SentenceEmbedder(chosen.embedding_model)
    scope = Scope(jurisdictions=chosen.jurisdictions, since=chosen.since)

    def opened(directory: Path) -> IndexRetriever:
        return IndexRetriever(directory, embedder, scope, server=chosen.chroma_url)

    directory = build_index(settings)
    return OpenKnowledge(directory, FollowingRetriever(opened(directory), place(settings), opened))
