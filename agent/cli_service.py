"""`fovea serve`, `fovea key` and `fovea audit`: the service, who may use it, and who did what."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agent.command import told
from agent.errors import InputError
from agent.output import dump, standard_output

if TYPE_CHECKING:
    from agent.service.audit import Audit
    from agent.service.keys import Key, Keys

key_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys: who may use the service.")
OPERATOR = "operator"
"""Who the audit log says made or revoked a key: whoever may write the data directory."""


class RoleChoice(StrEnum):
    admin = "admin"
    clinician = "clinician"
    reader = "reader"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; beyond loopback only once a key exists. Unset: the setting.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one. Unset: the setting.")] = None,
) -> None:
    """Serve consultations: the page, a typed JSON API with event streams, and OpenAI's protocol under /v1."""
    import asyncio
    import logging

    from agent.settings import load_settings

    with told():
        settings = load_settings()
        given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        settings = settings.model_copy(update={"service": settings.service.model_copy(update=given)})
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
        from agent.service.serving import serve as serving

        asyncio.run(serving(settings, lambda address: typer.echo(f"fovea: serving on {address}", err=True)))


@key_app.command("add")
def key_add(
    owner: Annotated[str, typer.Argument(help="Whose key: cases belong to this name; its second key sees the same ones.")],
    role: Annotated[
        RoleChoice, typer.Option(help="admin: everyone's cases. clinician: their own. reader: their own, without changing anything.")
    ] = RoleChoice.clinician,
    expires: Annotated[str | None, typer.Option(help="When it ends: a time from now (30d, 12h) or a date (2027-01-31). Unset: never.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Requests a minute. Unset: the setting.")] = None,
    upload_bytes: Annotated[int | None, typer.Option(min=1, help="Uploaded bytes a minute. Unset: the setting.")] = None,
) -> None:
    """Make a key and print it: once, for only its hash is kept."""
    with told(), _books() as (keys, audit):
        secret, key = keys.add(
            owner, role.value, expires=parse_expiry(expires), requests_per_minute=requests, upload_bytes_per_minute=upload_bytes
        )
        audit.note(OPERATOR, owner, role.value, "key.add", key.key_id)
        with standard_output():
            typer.echo(secret)
        typer.echo(f"{key.key_id}: {role.value} {owner}. It is not shown again.", err=True)


@key_app.command("list")
def key_list(json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List the keys, never what they are."""
    with told(), _books() as (keys, _), standard_output():
        for key in keys.all():
            if json_output:
                dump(key.model_dump(mode="json"), sys.stdout)
                sys.stdout.write("\n")
            else:
                typer.echo(f"{key.key_id}  {key.role:<9}  {key.owner:<24}  {_state(key)}")


@key_app.command("revoke")
def key_revoke(key_id: Annotated[list[str], typer.Argument(help="Ids, as `fovea key list` shows them.")]) -> None:
    """Revoke keys: they, and every sign-in made with them, open nothing from the next request on."""
    with told(), _books() as (keys, audit):
        for each in key_id:
            key = keys.revoke(each)
            audit.note(OPERATOR, key.owner, key.role, "key.revoke", each)
            typer.echo(f"{each} is revoked", err=True)


def audit(
    case: Annotated[str | None, typer.Option(help="Only what concerns this case, image or key.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many rows, the last.")] = None,
    head: Annotated[str | None, typer.Option(help="A last hash noted before: checks also that nothing was cut off since.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Check the audit log's chain, then print who saw, changed or deleted what. The last hash goes to standard error: note it elsewhere."""
    with told(), _books() as (_, log):
        count = log.verify(head)
        with standard_output():
            for row in log.rows(case, last):
                if json_output:
                    dump(row.model_dump(mode="json"), sys.stdout)
                    sys.stdout.write("\n")
                else:
                    who = f"{row.actor:<12}  {row.owner:<16}"
                    typer.echo(f"{row.number:>6}  {row.at[:19]}  {who}  {row.action:<12}  {row.outcome:<14}  {row.subject}")
        typer.echo(f"{count} rows, an unbroken chain; last hash {log.head()}", err=True)


def parse_expiry(text: str | None) -> datetime | None:
    """
    >>> parse_expiry("2027-01-31")
    datetime.datetime(2027, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)
    >>> parse_expiry("30d") > parse_expiry("12h")
    True
    """
    if text is None:
        return None
    span = re.fullmatch(r"(\d{1,5})([hd])", text.strip())
    if span is not None:
        hours = int(span.group(1)) * (24 if span.group(2) == "d" else 1)
        return datetime.now(UTC) + timedelta(hours=hours)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"--expires {text[:40]!r} is no time: give 30d, 12h, or a date such as 2027-01-31") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _state(key: Key) -> str:
    if key.revoked is not None:
        return f"revoked {key.revoked:%Y-%m-%d}"
    if key.expires is None:
        return "valid"
    return f"{'valid until' if key.valid(datetime.now(UTC)) else 'expired'} {key.expires:%Y-%m-%d %H:%M}"


@contextmanager
def _books() -> Iterator[tuple[Keys, Audit]]:
    from agent.service.audit import Audit
    from agent.service.database import Database
    from agent.service.keys import Keys
    from agent.settings import load_settings

    database = Database(load_settings().data_directory)
    try:
        yield Keys(database), Audit(database)
    finally:
        database.close()
