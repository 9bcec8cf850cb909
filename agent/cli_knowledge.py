"""`fovea knowledge`: build, check, search and extend what Fovea knows."""

from __future__ import annotations

import typer

from agent.command import told
from agent.errors import KnowledgeError
from agent.output import standard_output

knowledge_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The disease atlas, the guideline statements and the red-flag rules."
)


@knowledge_app.command("build")
def knowledge_build() -> None:
    """Build the knowledge index for the knowledge files as they are (done by itself when needed), and again when it is damaged."""
    from agent.settings import load_settings
    from knowledge import index
    from knowledge.embedding import SentenceEmbedder

    with told():
        settings = load_settings()
        embedder = SentenceEmbedder(settings.knowledge.embedding_model)
        target = index.ensure(settings.knowledge.directory or settings.data_directory / "index", embedder, verified=True)
        with standard_output():
            typer.echo(f"knowledge index {target.name} is ready")


@knowledge_app.command("check")
def knowledge_check() -> None:
    """Check every knowledge file: schema, duplicates, dangling references, findings nobody has. Any fault is an error (exit code 2)."""
    from knowledge import library
    from knowledge.checking import faults

    with told():
        checked = library.read()
        found = list(faults(checked))
        with standard_output():
            for fault in found:
                typer.echo(fault)
            typer.echo(f"{len(checked.conditions)} conditions, {len(checked.statements)} statements")
            typer.echo(
                f"{len(checked.findings)} findings, {len(checked.documents)} documents, {len(checked.conflicts)} conflicts, "
                f"{len(checked.rules)} red-flag rules"
            )
        if found:
            raise KnowledgeError(f"the knowledge files hold {len(found)} faults")
