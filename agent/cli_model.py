"""`fovea model`: serve a model behind vLLM, and check a server."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agent.command import told
from agent.output import dump, standard_output

if TYPE_CHECKING:
    from agent.reasoners.capabilities import Capability

model_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The generating model: serve it behind vLLM, check a server.")
PASSED = {"allow_extra_args": True, "ignore_unknown_options": True}


@model_app.command(context_settings=PASSED)
def serve(
    context: typer.Context,
    profile: Annotated[str, typer.Option(help="Which model: its prompts, limits and needs.")] = "ophthareason-qwen-3b",
    model: Annotated[str, typer.Option(help="A directory, or a name on a hub, in place of the profile's own.")] = "",
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    tap: Annotated[bool, typer.Option(help="Load the entropy tap.")] = True,
    only_print: Annotated[bool, typer.Option("--print", help="Print the line and do not run it.")] = False,
) -> None:
    """Print the right `vllm serve` line for a profile and run it. What follows `--` goes to vLLM as it is."""
    from agent.reasoners import serving
    from agent.reasoners.profile import load_profile

    with told():
        chosen = load_profile(profile)
        line = serving.command(chosen, model=model, host=host, port=port, tap=tap, extra=context.args)
        for warning in serving.warnings(chosen, host):
            typer.echo(f"fovea: {warning}", err=True)
        typer.echo(shlex.join(line))
        if not only_print:
            serving.run(line)


@model_app.command()
def check(
    url: Annotated[str, typer.Argument(help="The server's address, with its /v1.")],
    profile: Annotated[str, typer.Option(help="Whose limits to try.")] = "ophthareason-qwen-3b",
    json_output: Annotated[bool, typer.Option("--json", help="One JSON array on standard output and nothing else.")] = False,
) -> None:
    """Try everything the agent needs against a running server: what it has, what is missing, and what will be used instead."""
    import asyncio

    from agent.reasoners.capabilities import Checker, as_data
    from agent.reasoners.profile import load_profile
    from agent.settings import load_settings

    with told():
        settings = load_settings().vllm.model_copy(update={"base_url": url, "attempts": 1, "deadline": 120.0})
        found = asyncio.run(Checker(settings, load_profile(profile)).check())
        with standard_output():
            if json_output:
                dump(as_data(found), sys.stdout)
                sys.stdout.write("\n")
            else:
                _show(url, profile, found)
        if any(each.needed and not each.there for each in found):
            raise SystemExit(3)


def _show(url: str, profile: str, found: list[Capability]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{url} for profile {profile}", title_justify="left")
    for heading in ("", "capability", "found", "without it the agent uses", "s"):
        table.add_column(heading, justify="right" if heading == "s" else "left", overflow="fold")
    for each in found:
        table.add_row("✓" if each.there else "✗", each.name, each.found, each.instead, f"{each.seconds:.1f}")
    Console(highlight=False, markup=False).print(table)
