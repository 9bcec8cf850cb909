"""Whose is what: keys, roles, limits, sign-in, and the log of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from agent.deps import Deps
from agent.service.schemas import SHIPPED_IMAGE
from tests.integration.test_service_api import CLEAR, opened
from tests.serving import TEXT, Served, application, listening

Make = Callable[..., Deps]
CASE = {"text": TEXT}


@pytest.fixture
def served(quick: Make) -> Iterator[Served]:
    with listening(application(quick())) as served:
        yield served


def test_without_any_key_everything_is_one_local_owners(served: Served) -> None:
    case_id = opened(served.client)
    assert served.client.get(f"/api/cases/{case_id}").json()["summary"]["owner"] == "local"
    assert served.client.get("/api/session").json() == {"owner": "local", "role": "admin", "csrf": "", "expires": None}


def test_the_first_key_closes_the_house_at_once_and_for_good(served: Served) -> None:
    paths = ("/api/cases", "/api/session", "/v1/models", "/metrics", "/api/passages/x", f"/api/images/{'0' * 64}")
    assert served.client.get("/api/cases").status_code == 200
    secret = served.key("alice", "admin")
    for path in paths:
        answer = served.client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
    with served.with_key(secret) as client:
        assert client.get("/api/cases").status_code == 200
        served.house.keys.revoke(served.house.keys.all()[0].key_id)
        assert client.get("/api/cases").status_code == 401, "a replayed token of a revoked key"
    assert served.client.get("/api/cases").status_code == 401
    assert served.client.get("/healthz").status_code == 200
    assert served.client.get("/readyz").status_code == 200


def test_another_owners_case_and_image_are_not_there(served: Served) -> None:
    with served.with_key(served.key("alice")) as alice, served.with_key(served.key("bob")) as bob, served.with_key(served.key("eve", "admin")) as admin:
        alice.post("/api/images", content=CLEAR)
        case_id = alice.post("/api/cases?wait=true", json={**CASE, "images": [SHIPPED_IMAGE]}).json()["case_id"]
        unknown = f"case-{'0' * 32}"
        for method, path, body in [
            ("GET", "", None), ("GET", "/events", None), ("POST", "/turns", CASE), ("POST", "/resume", None), ("POST", "/cancel", None), ("DELETE", "", None),
        ]:  # fmt: skip
            theirs, nobodys = (bob.request(method, f"/api/cases/{c}{path}", json=body) for c in (case_id, unknown))
            assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content), "nothing tells another's case from none"
            assert theirs.status_code == 404
        assert bob.get("/api/cases").json()["cases"] == []
        for path in (f"/api/images/{SHIPPED_IMAGE}", f"/api/images/{SHIPPED_IMAGE}/overlay", f"/api/images/{SHIPPED_IMAGE}?case_id={case_id}"):
            assert bob.get(path).status_code == 404
        refused = bob.post("/api/cases", json={**CASE, "images": [SHIPPED_IMAGE]})
        assert refused.status_code == 404, "knowing an image's hash is not having it"
        assert admin.get(f"/api/cases/{case_id}").json()["summary"]["owner"] == "alice"
        assert [c["case_id"] for c in admin.get("/api/cases").json()["cases"]] == [case_id]
        assert admin.get(f"/api/images/{SHIPPED_IMAGE}?case_id={case_id}").content == CLEAR
        assert alice.get(f"/api/cases/{case_id}").status_code == 200
        rows = served.house.audit.rows(case_id)
        assert [(r.owner, r.action, r.outcome) for r in rows if r.owner == "bob"] == [("bob", "refused", "not the owner")] * 7
        assert [(r.owner, r.action) for r in rows if r.outcome == "done"] == [("alice", "case.open"), ("eve", "case.view"), ("alice", "case.view")]
        assert served.house.audit.verify() == len(served.house.audit.rows())


def test_two_keys_of_one_owner_see_the_same_cases(served: Served) -> None:
    with served.with_key(served.key("alice")) as old, served.with_key(served.key("alice", "reader")) as new:
        case_id = opened(old)
        assert new.get(f"/api/cases/{case_id}").status_code == 200


def test_a_reader_looks_and_changes_nothing(served: Served) -> None:
    with served.with_key(served.key("alice")) as alice, served.with_key(served.key("alice", "reader")) as reader:
        case_id = alice.post("/api/cases?wait=true", json=CASE).json()["case_id"]
        attempts = [
            reader.post("/api/cases", json=CASE),
            reader.post(f"/api/cases/{case_id}/turns", json=CASE),
            reader.post(f"/api/cases/{case_id}/resume"),
            reader.post(f"/api/cases/{case_id}/cancel"),
            reader.delete(f"/api/cases/{case_id}"),
            reader.post("/api/images", content=CLEAR),
            reader.post("/v1/chat/completions", json={"model": "fovea-double", "messages": [{"role": "user", "content": TEXT}]}),
        ]
        assert [a.status_code for a in attempts] == [403] * len(attempts)
        assert attempts[-1].json()["error"]["type"] == "permission_error"
        assert reader.get(f"/api/cases/{case_id}").status_code == 200
        assert alice.get(f"/api/cases/{case_id}").json()["summary"]["turns"] == 1


def test_an_expired_key_is_told_so(served: Served) -> None:
    secret = served.key("alice", expires=datetime.now(UTC) + timedelta(seconds=0.3))
    with served.with_key(secret) as client:
        assert client.get("/api/cases").status_code == 200
        import time

        time.sleep(0.35)
        assert client.get("/api/cases").status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer fov_x", "Basic YTpi", "fov_x", "Bearer fov_\xff", "Bearer " + "x" * 5000])
def test_what_is_no_key_opens_nothing(served: Served, header: str) -> None:
    served.key()
    assert served.client.get("/api/cases", headers={"Authorization": header.encode("latin-1")}).status_code == 401


def test_requests_and_bytes_of_one_key_are_limited(served: Served) -> None:
    one = served.key("alice", requests_per_minute=5, upload_bytes_per_minute=len(CLEAR) // 2)
    with served.with_key(one) as client, served.with_key(served.key("bob")) as other:
        assert client.post("/api/images", content=CLEAR).status_code == 201
        refused = client.post("/api/images", content=CLEAR)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        for _ in range(3):
            assert client.get("/api/cases").status_code == 200
        assert client.get("/api/cases").status_code == 429
        assert other.get("/api/cases").status_code == 200
    assert 'fovea_refused_total{reason="key_limit"}' in served.house.metrics.text().decode()


def test_a_page_signs_in_changes_something_and_signs_out(served: Served) -> None:
    secret = served.key("alice")
    client = served.client
    assert client.post("/api/session", json={"key": "fov_wrong"}).status_code == 401
    signed = client.post("/api/session", json={"key": secret})
    cookie = signed.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "expires=", "Path=/"))
    assert "Secure" not in cookie, "plain HTTP on this machine: the browser would not send it back"
    assert "Secure" in client.post("/api/session", json={"key": secret}, headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    signed = client.post("/api/session", json={"key": secret})
    assert secret not in cookie
    token = signed.json()["csrf"]
    assert client.get("/api/session").json()["csrf"] == token
    assert client.post("/api/cases", json=CASE).status_code == 403, "a change without its token"
    assert client.post("/api/cases", json=CASE, headers={"X-Fovea-CSRF": "0" * 64}).status_code == 403
    assert client.post("/api/cases", json=CASE, headers={"X-Fovea-CSRF": token, "Origin": "http://evil.example"}).status_code == 403
    assert client.post("/api/cases", json=CASE, headers={"X-Fovea-CSRF": token}).status_code == 202
    stolen = client.cookies["fovea_session"]
    assert client.delete("/api/session").status_code == 204
    assert client.get("/api/cases").status_code == 401
    replayed = httpx.get(f"{served.url}/api/cases", headers={"Cookie": f"fovea_session={stolen}"})
    assert replayed.status_code == 401, "a replayed cookie"
    assert [r.action for r in served.house.audit.rows() if r.action.startswith("sign")] == ["sign_in"] * 3 + ["sign_out"]


def test_a_client_from_elsewhere_is_refused_while_there_is_no_key(quick: Make) -> None:
    """However the application is bound: a proxy or another server may have put it on the network."""
    import asyncio

    async def ask() -> int:
        transport = httpx.ASGITransport(application(quick()), client=("10.0.0.9", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get("/api/cases")).status_code

    assert asyncio.run(ask()) == 401
