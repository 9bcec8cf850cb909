"""API keys: made once, shown once, kept only as a hash.

A key is 256 bits from the operating system's generator. Slow hashes (scrypt, argon2) exist to make guessing dear where people choose
the secret; nobody guesses 256 random bits, so one SHA-256 is as safe, and it costs a microsecond instead of a tenth of a second on
every request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Literal

from agent.errors import InputError
from agent.service.database import Database
from agent.values import Value

Role = Literal["admin", "clinician", "reader"]
"""admin: also every owner's cases; clinician: own cases; reader: own cases, without changing anything."""
PREFIX = "fov_"
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LOCAL = "local"
"""The owner of everything while no key was ever made. No key can be made for it."""


class Key(Value):
    """What is known of a key: never the key itself. Limits of None are the settings' own."""

    key_id: str
    owner: str
    role: Role
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    requests_per_minute: int | None = None
    upload_bytes_per_minute: int | None = None

    def valid(self, now: datetime) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)


class Keys:
    """The keys of a data directory. Changes by another process count from the next request on."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def add(
        self,
        owner: str,
        role: Role,
        *,
        expires: datetime | None = None,
        requests_per_minute: int | None = None,
        upload_bytes_per_minute: int | None = None,
    ) -> tuple[str, Key]:
        """A new key and what is kept of it. A second key of the same owner sees the same cases: that is how a key is replaced.

        Raises `InputError` for a name that is none, or a time that is over.
        """
        if _OWNER.fullmatch(owner) is None or owner == LOCAL:
            raise InputError(f"{owner!r} is no owner's name: 1 to 64 letters, digits and . _ @ -, and not {LOCAL!r}")
        if expires is not None and expires <= self._now():
            raise InputError(f"a key that expires {expires.isoformat()} would never be valid: give a time to come")
        secret = PREFIX + secrets.token_urlsafe(32)
        key = Key(
            key_id=f"key-{secrets.token_hex(4)}",
            owner=owner,
            role=role,
            created=self._now(),
            expires=expires,
            requests_per_minute=requests_per_minute,
            upload_bytes_per_minute=upload_bytes_per_minute,
        )
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?)",
                (key.key_id, _digest(secret), owner, role, key.created.timestamp(), expires.timestamp() if expires else None,
                 requests_per_minute, upload_bytes_per_minute),
            )  # fmt: skip
        return secret, key

    def check(self, secret: str) -> Key | None:
        """The key this is, if it is one and still valid."""
        # The database is asked for the hash, so how long it looks says nothing about the secret; compared again in constant time.
        digest = _digest(secret)
        row = self._database.row("SELECT * FROM keys WHERE digest = ?", digest)
        if row is None or not hmac.compare_digest(bytes(row["digest"]), digest):
            return None
        key = _key(row)
        return key if key.valid(self._now()) else None

    def named(self, key_id: str) -> Key | None:
        row = self._database.row("SELECT * FROM keys WHERE key_id = ?", key_id)
        return _key(row) if row is not None else None

    def all(self) -> tuple[Key, ...]:
        return tuple(_key(row) for row in self._database.rows("SELECT * FROM keys ORDER BY created"))

    def revoke(self, key_id: str) -> Key:
        """The key no longer opens anything, nor does a sign-in made with it. Raises `InputError` when there is none."""
        with self._database.writing() as connection:
            connection.execute("UPDATE keys SET revoked = ? WHERE key_id = ? AND revoked IS NULL", (self._now().timestamp(), key_id))
            connection.execute("DELETE FROM sessions WHERE key_id = ?", (key_id,))
        key = self.named(key_id)
        if key is None:
            raise InputError(f"there is no key {key_id!r}: `fovea key list` shows them")
        return key

    def ever(self) -> bool:
        """Whether a key was ever made. Then one is needed for good: revoking the last key must not open the house."""
        return self._database.row("SELECT 1 FROM keys LIMIT 1") is not None

    def any_valid(self) -> bool:
        return any(key.valid(self._now()) for key in self.all())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _key(row: Row) -> Key:
    created = _time(row["created"])
    assert created is not None
    return Key(
        key_id=row["key_id"],
        owner=row["owner"],
        role=row["role"],
        created=created,
        expires=_time(row["expires"]),
        revoked=_time(row["revoked"]),
        requests_per_minute=row["requests_per_minute"],
        upload_bytes_per_minute=row["upload_bytes_per_minute"],
    )
