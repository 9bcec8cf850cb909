"""Keys and sign-ins: hashed at rest, expiring, revocable, and never a way back into an open house."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors import InputError, SettingsError
from agent.service.database import Database
from agent.service.keys import PREFIX, Keys
from agent.service.sessions import SECRET_FILE, Sessions, signing_secret
from tests.serving import all_bytes

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def keys(database: Database, clock: Clock) -> Keys:
    return Keys(database, clock)


@pytest.fixture
def sessions(database: Database, keys: Keys, clock: Clock, tmp_path: Path) -> Sessions:
    return Sessions(database, keys, signing_secret(tmp_path / "data"), timedelta(hours=12), clock)


def test_a_key_is_random_prefixed_and_kept_only_as_a_hash(keys: Keys, database: Database, tmp_path: Path) -> None:
    secrets = {keys.add("alice", "clinician")[0] for _ in range(20)}
    assert len(secrets) == 20
    assert all(s.startswith(PREFIX) and len(s) >= len(PREFIX) + 43 for s in secrets), "43 characters of base64 are 256 bits"
    database.scrub()
    kept = all_bytes(tmp_path / "data")
    assert not any(s.encode() in kept or s.removeprefix(PREFIX).encode() in kept for s in secrets)
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600


def test_a_key_opens_until_it_expires_or_is_revoked(keys: Keys, clock: Clock) -> None:
    lasting, _ = keys.add("alice", "admin")
    short, short_key = keys.add("bob", "reader", expires=START + timedelta(days=1))
    assert keys.check(lasting) is not None
    found = keys.check(short)
    assert found == short_key
    assert found.role == "reader"
    clock.time += timedelta(days=1)
    assert keys.check(short) is None
    revoked = keys.revoke(keys.all()[0].key_id)
    assert revoked.revoked == clock.time
    assert keys.check(lasting) is None
    assert not keys.any_valid()
    assert keys.ever(), "revoking the last key does not open the house"


@pytest.mark.parametrize("wrong", ["", "fov_", "fov_x", "\ud800", "' OR 1=1 --", "x" * 10_000])
def test_what_is_no_key_opens_nothing(keys: Keys, wrong: str) -> None:
    secret, _ = keys.add("alice", "admin")
    for attempt in (wrong, secret + wrong if wrong else secret[:-1], secret.lower() if secret.lower() != secret else wrong):
        assert keys.check(attempt) is None


@pytest.mark.parametrize("owner", ["", "local", "a b", "../x", "a" * 65, "é", "x\n"])
def test_an_owners_name_is_plain(keys: Keys, owner: str) -> None:
    with pytest.raises(InputError, match="owner"):
        keys.add(owner, "reader")


def test_a_key_that_is_over_is_not_made(keys: Keys) -> None:
    with pytest.raises(InputError, match="never be valid"):
        keys.add("alice", "reader", expires=START)
    with pytest.raises(InputError, match="fovea key list"):
        keys.revoke("key-none")


def test_a_sign_in_ends_by_time_by_signing_out_and_with_its_key(keys: Keys, sessions: Sessions, clock: Clock) -> None:
    secret, key = keys.add("alice", "clinician")
    one, two, three = (sessions.open(key) for _ in range(3))
    assert sessions.key(one.cookie) == key
    sessions.close(one.cookie)
    assert sessions.key(one.cookie) is None, "a copy of a signed-out cookie opens nothing"
    assert sessions.key(two.cookie) == key
    clock.time += timedelta(hours=12)
    assert sessions.key(two.cookie) is None
    clock.time -= timedelta(hours=1)
    assert sessions.key(three.cookie) == key
    keys.revoke(key.key_id)
    assert sessions.key(three.cookie) is None
    assert secret not in three.cookie


def test_a_sign_in_never_outlives_its_key(keys: Keys, sessions: Sessions) -> None:
    _, key = keys.add("alice", "clinician", expires=START + timedelta(hours=1))
    assert sessions.open(key).expires == START + timedelta(hours=1)


def test_a_forged_cookie_opens_nothing(keys: Keys, sessions: Sessions, database: Database, clock: Clock) -> None:
    _, key = keys.add("alice", "clinician")
    signed = sessions.open(key).cookie
    name, _, signature = signed.partition(".")
    other = Sessions(database, keys, b"x" * 32, timedelta(hours=12), clock)
    for forged in ("", ".", name, f"{name}.", f"{name}.{'0' * 64}", f"{name[:-1]}.{signature}", other.open(key).cookie, "\ud800.\ud800"):
        assert sessions.key(forged) is None


def test_the_token_of_one_sign_in_is_no_other_ones(keys: Keys, sessions: Sessions) -> None:
    _, key = keys.add("alice", "clinician")
    one, two = sessions.open(key), sessions.open(key)
    assert sessions.may_change(one.cookie, one.csrf)
    assert sessions.csrf(one.cookie) == one.csrf
    for token in (two.csrf, "", one.cookie.partition(".")[2], "\ud800"):
        assert not sessions.may_change(one.cookie, token)


def test_the_signing_secret_is_private_and_stays(tmp_path: Path) -> None:
    secret = signing_secret(tmp_path)
    assert signing_secret(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600
    (tmp_path / SECRET_FILE).write_bytes(b"short")
    with pytest.raises(SettingsError, match="damaged"):
        signing_secret(tmp_path)


def test_a_database_of_another_version_is_left_alone(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.writing() as connection:
        connection.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(SettingsError, match="another version"):
        Database(tmp_path)
