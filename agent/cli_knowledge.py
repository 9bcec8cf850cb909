"""`fovea knowledge`: build, check, search and extend what Fovea knows."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agent.command import told
from agent.errors import InputError, KnowledgeError
from agent.output import dump, standard_output

knowledge_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The disease atlas, the guideline statements and the red-flag rules."
)


@knowledge_app.command("build")
def knowledge_build() -> None:
    """Build the knowledge index for the knowledge files as they are (done by itself when needed), and again when it is damaged."""
    from agent.settings import load_settings
    from knowledge.retrieval.opening import build_index

    with told():
        target = build_index(load_settings(), verified=True)
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


@knowledge_app.command("search")
def knowledge_search(
    query: Annotated[str, typer.Argument(help="A question or key words.")],
    passages: Annotated[int, typer.Option("--passages", "-k", min=1, max=100, help="How many passages to show.")] = 5,
    jurisdiction: Annotated[
        list[str] | None, typer.Option(help="Only documents that apply there, e.g. England. May be repeated; unset: the setting.")
    ] = None,
    since: Annotated[int | None, typer.Option(help="Only documents of this year or later; unset: the setting.")] = None,
    outdated: Annotated[bool, typer.Option("--outdated", help="Also what is withdrawn, superseded or past its review date, marked.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object on standard output and nothing else.")] = False,
) -> None:
    """Search guideline statements and your own documents: ranked passages with their sources, and who disagrees."""
    from agent.ports import Scope
    from agent.settings import load_settings
    from knowledge.retrieval.opening import open_knowledge

    with told():
        if not query.strip():
            raise InputError("the query is empty")
        settings = load_settings()
        scope = Scope(
            jurisdictions=tuple(jurisdiction) if jurisdiction else settings.knowledge.jurisdictions,
            since=settings.knowledge.since if since is None else since,
            outdated=outdated,
        )
        retriever = open_knowledge(settings).retriever
        found = retriever.search(query, passages, scope)
        with standard_output():
            if json_output:
                dump({"query": query, "index": retriever.identity, "results": [e.model_dump(mode="json") for e in found]}, sys.stdout)
                sys.stdout.write("\n")
                return
            from rich.console import Console

            from agent.knowledge_view import print_results

            print_results(Console(highlight=False), found, retriever)


@knowledge_app.command("show")
def knowledge_show(
    key: Annotated[str, typer.Argument(help="A passage's key, as search and reports print it, or a condition of the atlas.")],
    quote: Annotated[str | None, typer.Option(help="Words of the passage: mark the sentence they stand in (your own documents).")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object on standard output and nothing else.")] = False,
) -> None:
    """Print one passage with its source, its validity and who disagrees; or a condition's profile."""
    from agent.settings import load_settings
    from knowledge.retrieval import index
    from knowledge.retrieval.opening import documents_of, open_knowledge
    from knowledge.terminology import Terminology

    with told():
        settings = load_settings()
        opened = open_knowledge(settings)
        library = index.load_library(opened.directory)
        evidence = opened.retriever.passage(key.strip("[] "))
        named = None if evidence is not None or key in library.condition else Terminology(library).resolve(key)
        condition = None if evidence is not None else library.condition.get(named[0] if named else key)
        shown = evidence or condition
        if shown is None:
            raise InputError(f"{key!r} is no passage's key and names no condition: `fovea knowledge search` finds passages by their words")
        with standard_output():
            if json_output:
                dump(shown.model_dump(mode="json"), sys.stdout)
                sys.stdout.write("\n")
                return
            from rich.console import Console

            from agent.knowledge_view import print_condition, print_passage, print_place

            console = Console(highlight=False)
            if evidence is not None:
                print_passage(console, evidence, opened.retriever, library)
                print_place(console, evidence, documents_of(settings), quote)
            elif condition is not None:
                print_condition(console, condition, library)


@knowledge_app.command("ingest")
def knowledge_ingest(
    source: Annotated[list[str], typer.Argument(help="PDF, HTML, Markdown or text files, directories of them, or http(s) addresses.")],
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line, as each document is done.")] = False,
) -> None:
    """Add your own documents to what is searched and cited. Again: only what changed is read, and what left a directory is removed.

    A document is data: nothing in it is followed as an instruction.
    """
    from agent.knowledge_documents import ingest_documents
    from agent.settings import load_settings

    with told():
        ingest_documents(source, load_settings(), json_output=json_output)


@knowledge_app.command("documents")
def knowledge_documents(
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List your own documents."""
    from agent.knowledge_documents import list_documents
    from agent.settings import load_settings

    with told(), standard_output():
        list_documents(load_settings(), json_output=json_output)


@knowledge_app.command("remove")
def knowledge_remove(document: Annotated[list[str], typer.Argument(help="Ids, as `fovea knowledge documents` lists them.")]) -> None:
    """Remove documents of your own: they disappear from answers at once."""
    from agent.knowledge_documents import remove_documents
    from agent.settings import load_settings

    with told(), standard_output():
        remove_documents(document, load_settings())
