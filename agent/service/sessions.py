"""Sign-in of the page: a cookie that stands for a key, signed, expiring, and revocable because the service remembers each one."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.errors import SettingsError
from agent.service.database import Database
from agent.service.keys import Key, Keys
from agent.values import Value

COOKIE = "fovea_session"
CSRF_HEADER = "x-fovea-csrf"
SECRET_FILE = "service.secret"


class SignIn(Value):
    """A cookie's value, the token that goes with every change made under it, and when both end."""

    cookie: str
    csrf: str
    expires: datetime


def signing_secret(directory: Path) -> bytes:
    """32 random bytes, made once per data directory and readable by its owner alone. Raises `SettingsError`."""
    path = directory / SECRET_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
        secret = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"the secret that signs sign-ins cannot be kept in {path}: {error}. Set FOVEA_DATA_DIRECTORY") from error
    if len(secret) != 32:
        raise SettingsError(f"{path} is damaged: delete it, and everyone signs in again")
    return secret


class Sessions:
    def __init__(
        self, database: Database, keys: Keys, secret: bytes, life: timedelta, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database, self._keys, self._secret, self._life, self._now = database, keys, secret, life, now

    def open(self, key: Key) -> SignIn:
        """A new sign-in with this key; it ends with the key at the latest."""
        name = secrets.token_urlsafe(32)
        expires = min(self._now() + self._life, key.expires or datetime.max.replace(tzinfo=UTC))
        with self._database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE expires < ?", (self._now().timestamp(),))
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?)", (_digest(name), key.key_id, expires.timestamp()))
        return SignIn(cookie=f"{name}.{self._signed('session', name)}", csrf=self._signed("csrf", name), expires=expires)

    def key(self, cookie: str) -> Key | None:
        """The key a cookie stands for; None when it was forged, signed out, has expired, or its key is no longer valid."""
        name = self._name(cookie)
        row = self._database.row("SELECT * FROM sessions WHERE digest = ?", _digest(name)) if name else None
        if row is None or row["expires"] <= self._now().timestamp():
            return None
        key = self._keys.named(row["key_id"])
        return key if key is not None and key.valid(self._now()) else None

    def may_change(self, cookie: str, csrf: str) -> bool:
        """Whether the token belongs to the cookie. Another web site can send the cookie along, at worst; it cannot read the token."""
        name = self._name(cookie)
        return bool(name) and hmac.compare_digest(self._signed("csrf", name).encode(), csrf.encode("utf-8", "replace"))

    def csrf(self, cookie: str) -> str:
        """The token of a valid cookie, for the page that was served under it; empty for a forged one."""
        name = self._name(cookie)
        return self._signed("csrf", name) if name else ""

    def close(self, cookie: str) -> None:
        """Signs out: the cookie opens nothing from now on, whoever kept a copy."""
        name = self._name(cookie)
        if name:
            with self._database.writing() as connection:
                connection.execute("DELETE FROM sessions WHERE digest = ?", (_digest(name),))

    def _name(self, cookie: str) -> str:
        name, _, signature = cookie.partition(".")
        genuine = hmac.compare_digest(self._signed("session", name).encode(), signature.encode("utf-8", "replace"))
        return name if genuine else ""

    def _signed(self, purpose: str, name: str) -> str:
        return hmac.new(self._secret, f"{purpose}:{name}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
