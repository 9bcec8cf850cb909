"""A PostgreSQL of the tests' own: made in a temporary directory, listening on a socket there, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin")
USER = "fovea"


def _programs() -> Path | None:
    """The directory that holds initdb and pg_ctl, the newest version first."""
    found = [place for pattern in PLACES for place in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True) if (place / "initdb").exists()]
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else next((place for place in found if (place / "pg_ctl").exists()), None)


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def _run(user: str | None, *command: str) -> None:
    done = subprocess.run(command, user=user, capture_output=True, text=True, timeout=120, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}{done.stdout[-2000:]}")


@contextmanager
def running() -> Iterator[str]:
    """The URL of an empty database. Skips the test, saying why, where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (no initdb found): its savers are NOT tested here")
    user = _unprivileged()
    if os.geteuid() == 0 and user is None:
        pytest.skip("PostgreSQL does not run as root and there is no other user: its savers are NOT tested here")
    root = Path(tempfile.mkdtemp(prefix="fovea-pg-", dir="/tmp"))  # short: a socket's path has at most 107 characters
    try:
        if user is not None:
            shutil.chown(root, user)
        data, socket = root / "data", root
        _run(user, str(programs / "initdb"), "-D", str(data), "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses='' -c unix_socket_directories='{socket}' -c fsync=off"
        _run(user, str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", "60", "-l", str(root / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{USER}@/postgres?host={socket}"
        finally:
            _run(user, str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)
