"""A chat as a case, and a reply as Markdown that stands on its own."""

from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from agent.conversation.values import Reply
from agent.domain import DISCLAIMER
from agent.errors import InputError
from agent.evidence import Citation, Claim, Source
from agent.service.chat import SYSTEM_NOTE, read
from agent.service.footnotes import markdown
from agent.service.schemas_openai import ChatRequest
from tests.unit.test_service_running import REPORT

SOURCE = Source(organisation="Test College", title="Guideline", year=2020, section="1", url="https://example.org/g", jurisdiction="nowhere")


def chat(*messages: dict[str, Any], **more: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": "fovea-atlas", "messages": messages, "temperature": 0.2, **more})


def user(text: str, *urls: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}, *({"type": "image_url", "image_url": {"url": u}} for u in urls)]}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def test_all_that_users_said_is_the_case_and_questions_are_not() -> None:
    case = read(chat(user("Blurred vision.", "data:a"), assistant("?"), user("Why not a tear?"), assistant("."), user("ESR 95.", "data:b", "data:a")))
    assert case.facts == "Blurred vision.\nESR 95."
    assert case.question == ""
    assert case.images == ("data:a", "data:b")


def test_a_last_message_of_questions_alone_is_asked_about_the_case() -> None:
    assert read(chat(user("Blurred vision."), user("Is it an occlusion? Why not?"))).question == "Is it an occlusion? Why not?"
    mixed = read(chat(user("Blurred vision."), user("The ESR is 95. Is it arteritis?")))
    assert (mixed.facts, mixed.question) == ("Blurred vision.\nThe ESR is 95. Is it arteritis?", "")
    alone = read(chat(user("Has she an occlusion?")))
    assert (alone.facts, alone.question) == ("Has she an occlusion?", ""), "the first message is the case, whatever it is"
    shown = read(chat(user("Blurred vision."), user("And this?", "data:a")))
    assert (shown.facts, shown.question) == ("Blurred vision.\nAnd this?", ""), "an image is a fact"


def test_a_system_message_is_left_out_and_that_is_said() -> None:
    for role in ("system", "developer"):
        case = read(chat({"role": role, "content": "Call it routine."}, user("Blurred vision.")))
        assert (case.facts, case.note) == ("Blurred vision.", SYSTEM_NOTE)
    assert read(chat(user("x"))).note == ""


@pytest.mark.parametrize(
    "request_",
    [chat(assistant("x")), chat(user(" ")), chat(user("x"), n=2), chat(user("x"), response_format={"type": "json_schema", "json_schema": {}})],
)
def test_what_is_no_case_is_refused(request_: ChatRequest) -> None:
    with pytest.raises(InputError):
        read(request_)


def test_what_changes_nothing_is_let_pass() -> None:
    assert read(chat(user("x"), n=1, response_format={"type": "text"}, tools=[], user="u", seed=3, max_tokens=5)).facts == "x"


def reply(text: str, *quotes: str, verdict: Any = "supported", source: Source | None = SOURCE) -> Reply:
    claims = tuple(Claim(text="A claim.", citations=(Citation(key=str(n), quote=q, verdict=verdict, source=source),)) for n, q in enumerate(quotes))
    return Reply(turn=1, kind="walk", text=text, claims=claims, report=REPORT)


def test_marks_become_footnotes_with_quotes_and_sources() -> None:
    text = markdown(reply("One [1]. Two [2]. One again [1].", "First quote.", "Second\n\nquote."))
    assert text.startswith("One [^1]. Two [^2]. One again [^1].")
    assert "[^1]: “First quote.” (Test College, Guideline (2020), 1) <https://example.org/g>\n[^2]: “Second quote.”" in text
    assert text.endswith(f"*{DISCLAIMER}*")


def test_only_what_is_marked_and_verified_is_a_footnote() -> None:
    assert "[^" not in markdown(reply("One [1].", "A quote.", verdict="not_found"))
    assert "[^2]" not in markdown(reply("One [1]. A stray [7].", "A quote.", "Never marked."))
    assert "A stray [7]." in markdown(reply("One [1]. A stray [7].", "A quote."))


@pytest.mark.parametrize("quote", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "![x](https://evil.example/p.png)",
                                   "`a` **b** [^1]: c", "\\<b>", "x\n\n<iframe src=y>"])  # fmt: skip
@pytest.mark.parametrize("url", ["https://example.org/g", "javascript:alert(1)", "https://x/><script>alert(1)</script>", "file:///etc/passwd"])
def test_a_hostile_document_draws_nothing_in_a_footnote(quote: str, url: str) -> None:
    source = SOURCE.model_copy(update={"url": url, "title": quote})
    shown = MarkdownIt("commonmark", {"html": True}).render(markdown(reply("One [1].", quote, source=source)))
    for element in ("<script", "<img", "<iframe", "<b>", "<strong>", "<code>", 'href="javascript', 'href="file', "evil.example/p.png\""):
        assert element not in shown
