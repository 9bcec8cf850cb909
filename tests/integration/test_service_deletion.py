"""What is deleted is gone: from answers, from the database, from the disk."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from PIL import Image

from agent.deps import Deps
from agent.errors import BusyError
from agent.service.retention import sweep
from tests.serving import TEXT, GatedReasoner, all_bytes, application, listening, wait_for

Make = Callable[..., Deps]
MARKER = "Zaphod-Quintillion-4711"
NARRATIVE = f"{TEXT} Her name is {MARKER}."


def picture(seed: int) -> bytes:
    noise = random.Random(seed).randbytes(96 * 96 * 3)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (96, 96), noise).save(buffer, "PNG")
    return buffer.getvalue()


def case_with(client: httpx.Client, data: bytes) -> tuple[str, str]:
    sha256 = str(client.post("/api/images", content=data).json()["sha256"])
    answer = client.post("/api/cases?wait=true", json={"text": NARRATIVE, "images": [sha256]})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["case_id"]), sha256


def test_deleting_a_case_leaves_nothing_on_disk(quick: Make) -> None:
    data = picture(1)
    deps = quick()
    with listening(application(deps)) as served:
        directory = served.house.settings.data_directory
        case_id, _ = case_with(served.client, data)
        served.client.post(f"/api/cases/{case_id}/turns?wait=true", json={"text": f"And {MARKER} has a headache."})
        assert data[100:400] in all_bytes(directory)
        assert served.client.delete(f"/api/cases/{case_id}").status_code == 204
        kept = all_bytes(directory)
        assert MARKER.encode() not in kept
        assert data[100:400] not in kept
        assert not list((directory / "images").rglob("*.json"))
        assert served.client.get(f"/api/cases/{case_id}").status_code == 404
        assert served.client.get(f"/api/cases/{case_id}/events").status_code == 404
        assert served.client.delete(f"/api/cases/{case_id}").status_code == 404
    assert MARKER.encode() not in all_bytes(directory)


def test_an_accepted_turn_is_on_disk_and_goes_with_its_case(quick: Make) -> None:
    """A waiting turn is kept so that a restart does not lose it; deleting its case deletes it."""
    reasoner = GatedReasoner()
    with listening(application(quick(reasoner=reasoner), turns_at_once=1)) as served:
        first = served.client.post("/api/cases", json={"text": TEXT}).json()["case_id"]
        wait_for(lambda: reasoner.entered)
        case_id = served.client.post("/api/cases", json={"text": NARRATIVE}).json()["case_id"]
        directory = served.house.settings.data_directory
        assert MARKER.encode() in all_bytes(directory)
        assert served.client.delete(f"/api/cases/{case_id}").status_code == 204
        assert MARKER.encode() not in all_bytes(directory)
        assert served.client.delete(f"/api/cases/{first}").status_code == 204, "also while it is walked"
        assert served.house.pool.running(first) is None
        reasoner.gate.set()


def test_an_image_stays_while_someone_else_holds_it(quick: Make) -> None:
    data = picture(2)
    with listening(application(quick())) as served, served.with_key(served.key("alice")) as alice, served.with_key(served.key("bob")) as bob:
        one, sha256 = case_with(alice, data)
        two, _ = case_with(alice, data)
        three, _ = case_with(bob, data)
        directory = served.house.settings.data_directory
        for client, case_id, left in ((alice, one, True), (alice, two, True), (bob, three, False)):
            assert client.delete(f"/api/cases/{case_id}").status_code == 204
            assert (data[100:400] in all_bytes(directory)) is left
        assert alice.get(f"/api/images/{sha256}").status_code == 404


def test_an_upload_without_a_case_outlives_anothers_deletion(quick: Make) -> None:
    data = picture(3)
    with listening(application(quick())) as served, served.with_key(served.key("alice")) as alice, served.with_key(served.key("bob")) as bob:
        case_id, sha256 = case_with(alice, data)
        bob.post("/api/images", content=data)
        alice.delete(f"/api/cases/{case_id}")
        assert bob.get(f"/api/images/{sha256}").content == data
        assert bob.post("/api/cases?wait=true", json={"text": TEXT, "images": [sha256]}).status_code == 202


class Ahead:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return 0.0


async def test_old_cases_and_unused_uploads_go_by_themselves(quick: Make, tmp_path: Path) -> None:
    clock = Ahead()
    app = application(quick(clock=clock), retention_days=30, unused_image_hours=24)
    house = app.state.house
    used, unused = picture(4), picture(5)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        await client.post("/api/images", content=unused)
        sha256 = (await client.post("/api/images", content=used)).json()["sha256"]
        case_id = (await client.post("/api/cases?wait=true", json={"text": NARRATIVE, "images": [sha256]})).json()["case_id"]
        assert await sweep(house) == 0
        clock.ahead = timedelta(hours=25)
        assert await sweep(house) == 0
        kept = all_bytes(house.settings.data_directory)
        assert used[100:400] in kept
        assert unused[100:400] not in kept, "nobody took it up"
        clock.ahead = timedelta(days=29)
        await client.post(f"/api/cases/{case_id}/turns?wait=true", json={"text": "A headache too."})
        clock.ahead = timedelta(days=58)
        assert await sweep(house) == 0, "something happened to it 29 days ago"
        clock.ahead = timedelta(days=60)
        assert await sweep(house) == 1
        kept = all_bytes(house.settings.data_directory)
        assert used[100:400] not in kept
        assert MARKER.encode() not in kept
        assert (await client.get(f"/api/cases/{case_id}")).status_code == 404
        (row,) = [r for r in house.audit.rows(case_id) if r.action == "case.expire"]
        assert row.actor == "retention"


async def test_nothing_of_a_case_is_in_the_metrics_or_the_log(quick: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"), listening(application(quick())) as served:
        case_id, sha256 = case_with(served.client, picture(6))
        served.client.post("/api/cases?wait=true", json={"text": NARRATIVE * 2000})
        scraped = served.client.get("/metrics").text
        for text in (scraped, "\n".join(r.getMessage() for r in caplog.records if r.name.startswith(("fovea", "agent", "uvicorn")))):
            for secret in (MARKER, case_id, sha256, "pain on eye movement"):
                assert secret not in text


def test_a_turn_that_comes_while_its_case_is_deleted_starts_nothing(quick: Make) -> None:
    """Whichever comes first, no walk goes on in a case that is gone, and nothing of it is written afterwards."""
    with listening(application(quick())) as served:
        directory = served.house.settings.data_directory
        for _ in range(8):
            case_id = str(served.client.post("/api/cases?wait=true", json={"text": TEXT}).json()["case_id"])

            def say(number: int, case_id: str = case_id) -> int:
                with httpx.Client(base_url=served.url, timeout=30) as client:
                    if number == 2:
                        return client.delete(f"/api/cases/{case_id}").status_code
                    return client.post(f"/api/cases/{case_id}/turns", json={"text": NARRATIVE}).status_code

            with ThreadPoolExecutor(5) as pool:
                statuses = list(pool.map(say, range(5)))
            assert statuses[2] == 204, statuses
            assert set(statuses) <= {202, 204, 404, 409}
            wait_for(lambda: served.house.pool.busy == served.house.pool.waiting == 0)
            assert served.client.get(f"/api/cases/{case_id}").status_code == 404
            assert MARKER.encode() not in all_bytes(directory)
        assert served.house.register.unsettled() == ()


async def test_one_case_that_cannot_be_deleted_keeps_no_other(quick: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Ahead()
    app = application(quick(clock=clock), retention_days=1)
    house = app.state.house
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        ids = [(await client.post("/api/cases?wait=true", json={"text": TEXT})).json()["case_id"] for _ in range(3)]
        real = house.conversations.delete

        async def stuck(case_id: str, **options: bool) -> None:
            if case_id == ids[0]:
                raise BusyError("the database's log is being read")
            await real(case_id, **options)

        monkeypatch.setattr(house.conversations, "delete", stuck)
        clock.ahead = timedelta(days=2)
        assert await sweep(house) == 2
        monkeypatch.undo()
        assert await sweep(house) == 1
