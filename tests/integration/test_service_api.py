"""The JSON API over a real uvicorn with the real atlas: what a client sees from upload to deletion."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from agent.deps import Deps
from agent.domain import CaseReport
from agent.service.schemas import SHIPPED_IMAGE
from tests.serving import TEXT, GatedReasoner, Served, application, listening, wait_for

ROOT = Path(__file__).parents[2]
CLEAR = (ROOT / "examples/clear.jpg").read_bytes()
CLEAR_TEXT = (ROOT / "examples/clear.txt").read_text().strip()
Make = Callable[..., Deps]


@pytest.fixture
def served(whole: Deps) -> Iterator[Served]:
    with listening(application(whole, heartbeat_seconds=0.2)) as served:
        yield served


@pytest.fixture
def gated(quick: Make) -> Iterator[tuple[Served, GatedReasoner]]:
    reasoner = GatedReasoner()
    with listening(application(quick(reasoner=reasoner), turns_at_once=1, turns_waiting=1, heartbeat_seconds=0.1)) as served:
        yield served, reasoner
        reasoner.gate.set()


def heard(response: httpx.Response) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Id, name and data of each event."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


def opened(client: httpx.Client, text: str = TEXT, **body: object) -> str:
    answer = client.post("/api/cases", json={"text": text, **body})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["case_id"])


def test_from_upload_to_a_cited_report_and_a_follow_up(served: Served) -> None:
    client = served.client
    uploaded = client.post("/api/images", content=CLEAR, headers={"Content-Type": "text/html"})
    assert uploaded.status_code == 201
    assert uploaded.json() == {
        "sha256": SHIPPED_IMAGE, "size": len(CLEAR), "media_type": "image/jpeg", "width": 1600, "height": 1067, "laterality": "unknown",
    }  # fmt: skip
    answer = client.post("/api/cases?wait=true", json={"text": CLEAR_TEXT, "images": [SHIPPED_IMAGE]})
    assert answer.status_code == 202, answer.text
    case_id, reply = answer.json()["case_id"], answer.json()["reply"]
    assert answer.headers["location"] == f"/api/cases/{case_id}"
    report = CaseReport.model_validate(reply["report"])
    assert report.diagnosis is not None
    assert report.diagnosis.concept_id == "diabetic_macular_oedema"
    assert report.images[0].image.sha256 == SHIPPED_IMAGE
    assert any(claim.supported for claim in report.claims)

    follow_up = client.post(f"/api/cases/{case_id}/turns?wait=true", json={"text": "Why not a central retinal vein occlusion?"}).json()["reply"]
    assert follow_up["turn"] == 2
    assert follow_up["kind"] == "answer"
    view = client.get(f"/api/cases/{case_id}").json()
    assert [r["turn"] for r in view["replies"]] == [1, 2]
    assert [i["text"] for i in view["inputs"]] == [CLEAR_TEXT, "Why not a central retinal vein occlusion?"]
    assert view["inputs"][0]["images"] == [SHIPPED_IMAGE]
    assert view["summary"]["state"] == "idle"
    assert view["summary"]["headline"] == "Diabetic macular oedema"
    assert view["summary"]["urgency"] == report.triage.urgency
    listed = client.get("/api/cases").json()["cases"]
    assert listed == [view["summary"]]


def test_events_name_every_stage_and_end_with_the_reply(served: Served) -> None:
    case_id = opened(served.client, CLEAR_TEXT)
    with served.client.stream("GET", f"/api/cases/{case_id}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = list(heard(response))
    names = [name for _, name, _ in events]
    started = [data["stage"] for _, name, data in events if name == "stage_started"]
    ended = [data["stage"] for _, name, data in events if name == "stage_ended"]
    assert started[:3] == ["intake", "localize", "screen"]
    assert started[-1] == "verify"
    assert set(ended) >= set(started[:-1])
    assert names[-1] == "reply"
    assert names.count("reply") == 1
    assert CaseReport.model_validate(events[-1][2]["report"]).path == tuple(started)


def test_a_listener_who_comes_back_hears_what_it_missed(gated: tuple[Served, GatedReasoner]) -> None:
    served, reasoner = gated
    case_id = opened(served.client)
    first: list[tuple[str, str, dict[str, object]]] = []
    beats = 0
    with served.client.stream("GET", f"/api/cases/{case_id}/events") as response:
        for line in response.iter_lines():
            beats += line.startswith(":")
            if line.startswith("id: "):
                first.append((line.removeprefix("id: "), "", {}))
            if beats == 2:
                break
    assert first
    reasoner.gate.set()
    with served.client.stream("GET", f"/api/cases/{case_id}/events", headers={"Last-Event-ID": first[-1][0]}) as response:
        rest = [event_id for event_id, _, _ in heard(response)]
    with served.client.stream("GET", f"/api/cases/{case_id}/events", headers={"Last-Event-ID": "another-7"}) as response:
        everything = [event_id for event_id, _, _ in heard(response)]
    assert [event_id for event_id, _, _ in first] + rest == everything
    assert served.house.pool.running(case_id) is None


def test_events_that_are_no_longer_kept(quick: Make) -> None:
    with listening(application(quick(), events_kept_seconds=0)) as served:
        case_id = opened(served.client)
        wait_for(lambda: served.client.get(f"/api/cases/{case_id}/events").status_code == 204)


def test_cancel_and_resume(gated: tuple[Served, GatedReasoner]) -> None:
    served, reasoner = gated
    client = served.client
    case_id = opened(client)
    wait_for(lambda: reasoner.entered == 1)
    assert client.post(f"/api/cases/{case_id}/turns", json={"text": "More."}).status_code == 409
    stopped = client.post(f"/api/cases/{case_id}/cancel")
    assert stopped.status_code == 200
    assert stopped.json()["state"] == "interrupted"
    with client.stream("GET", f"/api/cases/{case_id}/events") as response:
        assert [name for _, name, _ in heard(response)][-1] == "stopped"
    assert client.post(f"/api/cases/{case_id}/cancel").status_code == 409
    assert client.post(f"/api/cases/{case_id}/turns", json={"text": "More."}).status_code == 409
    reasoner.gate.set()
    resumed = client.post(f"/api/cases/{case_id}/resume?wait=true")
    assert resumed.status_code == 202
    assert resumed.json()["reply"]["turn"] == 1
    assert client.post(f"/api/cases/{case_id}/resume").status_code == 409
    assert client.get(f"/api/cases/{case_id}").json()["summary"]["state"] == "idle"


def test_overload_refuses_new_turns_and_loses_none(gated: tuple[Served, GatedReasoner]) -> None:
    """One is walked, one waits; the third is told when to come back, and both of the others get their answers."""
    served, reasoner = gated
    client = served.client
    one, two = opened(client), opened(client)
    refused = client.post("/api/cases", json={"text": TEXT})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["retryable"] is True
    wait_for(lambda: reasoner.entered == 1)
    states = {case["case_id"]: case["state"] for case in client.get("/api/cases").json()["cases"]}
    assert states == {one: "running", two: "waiting"}
    scraped = client.get("/metrics").text
    assert "fovea_turns_running 1.0" in scraped
    assert "fovea_turns_waiting 1.0" in scraped
    assert 'fovea_refused_total{reason="full"} 1.0' in scraped
    assert len(client.get("/api/cases").json()["cases"]) == 2, "the refused case was not opened"
    reasoner.gate.set()
    wait_for(lambda: all(c["state"] == "idle" for c in client.get("/api/cases").json()["cases"]))
    scraped = client.get("/metrics").text
    assert 'fovea_turns_total{kind="walk",outcome="diagnosed"} 2.0' in scraped
    assert 'fovea_stage_seconds_count{stage="assess"} 2.0' in scraped


def test_images_and_overlays_are_shown(served: Served) -> None:
    client = served.client
    sha256 = client.post("/api/images", files={"file": ("../../etc/passwd", CLEAR, "text/plain")}).json()["sha256"]
    assert sha256 == SHIPPED_IMAGE
    shown = client.get(f"/api/images/{sha256}")
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.content == CLEAR
    answer = client.post("/api/cases?wait=true", json={"text": CLEAR_TEXT, "images": [sha256]}).json()
    for query in ("", f"?case_id={answer['case_id']}"):
        overlay = client.get(f"/api/images/{sha256}/overlay{query}")
        assert overlay.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(overlay.content)) as drawn, Image.open(io.BytesIO(CLEAR)) as given:
            assert drawn.size == given.size
            assert drawn.convert("RGB").tobytes() != given.convert("RGB").tobytes()
    tiff = io.BytesIO()
    Image.open(io.BytesIO(CLEAR)).save(tiff, "TIFF")
    sha256 = client.post("/api/images", content=tiff.getvalue()).json()["sha256"]
    assert client.get(f"/api/images/{sha256}").headers["content-type"] == "image/png", "no browser shows TIFF"


def test_a_citation_is_opened_at_its_quote(served: Served) -> None:
    reply = served.client.post("/api/cases?wait=true", json={"text": CLEAR_TEXT}).json()["reply"]
    citation = next(c for claim in reply["claims"] for c in claim["citations"])
    opened_ = served.client.get(f"/api/passages/{citation['key']}", params={"quote": citation["quote"]}).json()
    start, end = opened_["span"]
    assert opened_["passage"]["text"][start:end] == citation["quote"]
    assert opened_["passage"]["source"]["url"] == citation["source"]["url"]
    assert served.client.get("/api/passages/none").status_code == 404
    assert served.client.get(f"/api/passages/{citation['key']}", params={"quote": "never said"}).json()["span"] is None


def test_case_ids_are_random_and_not_derived_from_content(served: Served) -> None:
    assert len({opened(served.client), opened(served.client)}) == 2


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "empty"),
        ({"text": " \n"}, 400, "empty"),
        ({"text": "x", "unknown": True}, 400, "not known"),
        ({"text": "x", "images": ["https://example.org/eye.jpg"]}, 400, "fetches nothing"),
        ({"text": "x", "images": ["file:///etc/passwd"]}, 400, "fetches nothing"),
        ({"text": "x", "images": ["data:image/png;base64,%%%"]}, 400, "base64"),
        ({"text": "x", "images": ["0" * 64]}, 404, "uploaded no image"),
        ({"text": "x", "images": ["0"] * 7}, 400, "at most 6"),
        ({"text": 3}, 422, "text"),
        ({"text": "x", "order": "routine"}, 422, "order"),
        ({"text": "\ud800"}, 422, ""),
    ],
)
def test_bad_input_is_told_in_words(served: Served, body: dict[str, object], status: int, words: str) -> None:
    answer = served.client.post("/api/cases", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]["message"]
    assert served.client.get("/api/cases").json()["cases"] == []


def test_what_a_walk_refuses_is_told_by_events_and_by_the_case(served: Served) -> None:
    limit = served.house.settings.intake.max_narrative_characters
    case_id = opened(served.client, "x" * (limit + 1))
    with served.client.stream("GET", f"/api/cases/{case_id}/events") as response:
        *_, (_, name, data) = heard(response)
    assert name == "failed"
    assert "characters" in str(data["message"])
    summary = served.client.get(f"/api/cases/{case_id}").json()["summary"]
    assert summary["state"] == "failed"
    assert summary["problem"] == data["message"]
    waited = served.client.post("/api/cases?wait=true", json={"text": "x" * (limit + 1)})
    assert waited.status_code == 400
    assert waited.json()["error"]["code"] == "narrative_error"


def test_an_image_as_a_data_url_is_kept_as_the_callers(served: Served) -> None:
    import base64

    url = f"data:image/jpeg;base64,{base64.b64encode(CLEAR).decode()}"
    answer = served.client.post("/api/cases?wait=true", json={"text": CLEAR_TEXT, "images": [url]})
    assert answer.json()["reply"]["report"]["images"][0]["image"]["sha256"] == SHIPPED_IMAGE
    assert served.client.get(f"/api/images/{SHIPPED_IMAGE}").status_code == 200


def test_health_and_readiness(served: Served) -> None:
    assert served.client.get("/healthz").json() == {"status": "ok"}
    assert served.client.get("/readyz").json() == {"status": "ok"}


def test_the_system_asks_and_accepts_not_known(served: Served) -> None:
    """A thin case lacks the fact that would change most: it is asked for, and 'not known' is an answer."""
    client = served.client
    answer = client.post("/api/cases?wait=true", json={"text": "A 58-year-old man has a little blurred vision in the left eye."}).json()
    asked = answer["reply"]["question"]
    assert asked["text"]
    assert asked["expected_gain"] > 0
    case_id = answer["case_id"]
    assert client.get(f"/api/cases/{case_id}").json()["pending"] == asked
    after = client.post(f"/api/cases/{case_id}/turns?wait=true", json={"unknown": True})
    assert after.status_code == 202, after.text
    following = after.json()["reply"]["question"]
    assert following is None or following["finding_id"] != asked["finding_id"], "what is not known is not asked again"


def test_a_new_fact_says_what_it_changed(served: Served) -> None:
    client = served.client
    case_id = client.post("/api/cases?wait=true", json={"text": "A 74-year-old woman has a new headache."}).json()["case_id"]
    more = "She has jaw claudication, scalp tenderness and sudden loss of vision in the right eye. ESR 95 mm/h."
    change = client.post(f"/api/cases/{case_id}/turns?wait=true", json={"text": more}).json()["reply"]["change"]
    assert change["urgency_after"] == "emergency"
    assert change["diagnosis_after"]["concept_id"] == "giant_cell_arteritis"
    assert change["summary"]


def test_two_turns_of_one_case_at_once_are_one(gated: tuple[Served, GatedReasoner]) -> None:
    """Of many that come together one is taken and the others are told to wait; none replaces another."""
    served, reasoner = gated
    reasoner.gate.set()
    case_id = served.client.post("/api/cases?wait=true", json={"text": TEXT}).json()["case_id"]
    reasoner.gate.clear()

    def say(number: int) -> int:
        with httpx.Client(base_url=served.url, timeout=30) as client:
            return client.post(f"/api/cases/{case_id}/turns", json={"text": f"She is {number} years old and has a headache."}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(say, range(30, 38)))
    assert statuses == [202] + [409] * 7
    reasoner.gate.set()
    wait_for(lambda: served.client.get(f"/api/cases/{case_id}").json()["summary"]["state"] == "idle")
    view = served.client.get(f"/api/cases/{case_id}").json()
    assert len(view["replies"]) == 2
    assert served.house.register.unsettled() == ()


def test_a_waiting_turn_that_is_cancelled_is_gone(gated: tuple[Served, GatedReasoner]) -> None:
    served, reasoner = gated
    opened(served.client)
    wait_for(lambda: reasoner.entered == 1)
    case_id = opened(served.client)
    assert served.client.post(f"/api/cases/{case_id}/cancel").json()["state"] == "new"
    with served.client.stream("GET", f"/api/cases/{case_id}/events") as response:
        *_, (_, name, data) = heard(response)
    assert (name, data) == ("stopped", {"why": "cancelled", "resumable": False})
    assert served.client.post(f"/api/cases/{case_id}/resume").status_code == 409
    reasoner.gate.set()
    assert served.client.post(f"/api/cases/{case_id}/turns?wait=true", json={"text": TEXT}).status_code == 202
