"""A real HTTP server that speaks as much of the OpenAI chat interface as the reasoner uses, and misbehaves on request.

Each chat request takes the next `Reply` of the script; the last one repeats. Requests are kept in `requests` as parsed JSON.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from agent.reasoners.tap import PROMPT
from tools.entropy_tap.coding import ARGUMENT, encode

MODEL = "double-3b"


@dataclass(frozen=True)
class Reply:
    """What one request gets: `texts` become its choices; `fault` replaces the answer."""

    texts: tuple[str | None, ...] = ("<think>pale disc</think><answer>Glaucoma</answer>",)
    fault: Literal["", "hang", "drop", "garbage", "no_choices"] = ""
    status: int = 200
    message: str = "the engine is busy"
    headers: tuple[tuple[str, str], ...] = ()
    logprob: float | None = math.log(0.9)
    alternatives: dict[str, float] = field(default_factory=dict)
    """Probabilities in top_logprobs; the key "B|C" is that of C at the position where B was generated, "B|B" its own."""
    with_logprobs: bool = True
    finish_reason: str = "stop"
    entropy: float = 0.7
    """Nats, of every token, which a double that taps writes into its log-probabilities."""
    cut_after: int | None = None
    """Pieces after which a streamed answer breaks off: the connection with it, or `cut_cleanly` as if it were complete."""
    cut_cleanly: bool = False


def tokens_of(text: str) -> list[str]:
    """Cuts like a word-piece tokenizer would: tags apart, words with their leading space.

    >>> tokens_of("<answer>B. Open angle</answer>")
    ['<', 'answer', '>', 'B', '.', ' Open', ' angle', '</', 'answer', '>']
    """
    return re.findall(r"</|<|>| ?\w+|[^\w<>]", text)


class OpenAIDouble:
    """A context manager; `url` is the base URL with /v1. Listens on a free port of the loopback interface."""

    def __init__(self, *script: Reply, models: Sequence[str] = (MODEL,), tap: bool = False, context: int | None = None) -> None:
        """`tap`: whether it has the entropy tap; self-tests for it take nothing from the script. `context`: told with the models; with it the
        double also counts tokens, one for a word."""
        self.tap, self.context = tap, context
        self.self_tests = 0
        self.script = list(script) or [Reply()]
        self.models = list(models)
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.hanging, self.released = threading.Event(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next_reply(self) -> Reply:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                length = {} if double.context is None else {"max_model_len": double.context}
                self.send_json(200, {"object": "list", "data": [{"id": name, "object": "model", **length} for name in double.models]})

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path.endswith("/tokenize"):
                    self.send_tokens(request)
                    return
                if request["messages"][-1]["content"] == PROMPT:
                    double.self_tests += 1
                    self.send_json(200, completion(request, Reply(texts=("The lens.",)), tap=double.tap))
                    return
                double.requests.append(request)
                double.authorizations.append(self.headers.get("Authorization", ""))
                if request["model"] not in double.models:
                    self.send_error_json(404, f"The model `{request['model']}` does not exist.")
                    return
                reply = double.next_reply()
                if reply.fault == "hang":
                    double.hanging.set()
                    double.released.wait(30)
                    self.close_connection = True
                elif reply.fault == "drop":
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", "5000")
                    self.end_headers()
                    self.wfile.write(b'{"id": "cut')
                    self.close_connection = True
                elif reply.fault == "garbage":
                    self.send_bytes(200, b"<html>a captive portal</html>", "text/html")
                elif reply.status != 200:
                    self.send_error_json(reply.status, reply.message, reply.headers)
                elif request.get("stream"):
                    self.send_stream(completion(request, reply, tap=double.tap), reply)
                else:
                    self.send_json(200, completion(request, reply, tap=double.tap))

            def send_tokens(self, request: dict[str, Any]) -> None:
                if double.context is None:
                    self.send_error_json(404, "Not Found")
                else:
                    self.send_json(200, {"count": len(request["prompt"].split()), "max_model_len": double.context})

            def send_stream(self, whole: dict[str, Any], reply: Reply) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for number, chunk in enumerate(chunks(whole)):
                    if number == reply.cut_after:
                        self.close_connection = True
                        if reply.cut_cleanly:
                            self.wfile.write(b"0\r\n\r\n")
                        return
                    self.send_piece(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                self.send_piece(b"data: [DONE]\n\n")
                self.wfile.write(b"0\r\n\r\n")

            def send_piece(self, piece: bytes) -> None:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()

            def send_error_json(self, status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> None:
                self.send_json(status, {"error": {"message": message, "type": "Error", "code": status}}, headers)

            def send_json(self, status: int, body: dict[str, Any], headers: Sequence[tuple[str, str]] = ()) -> None:
                self.send_bytes(status, json.dumps(body).encode(), "application/json", headers)

            def send_bytes(self, status: int, body: bytes, media_type: str, headers: Sequence[tuple[str, str]] = ()) -> None:
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        return Handler


def chunks(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A completion with one choice as a stream sends it: a chunk for each token, one that ends it, one with the usage."""
    made = whole["choices"][0]
    base = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    told = (made["logprobs"] or {}).get("content") or [None] * 100
    for token, entry in zip(tokens_of(made["message"]["content"] or ""), told, strict=False):
        logprobs = {"content": [entry]} if entry else None
        yield {**base, "choices": [{"index": 0, "delta": {"content": token}, "logprobs": logprobs, "finish_reason": None}]}
    yield {**base, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": made["finish_reason"]}]}
    yield {**base, "choices": [], "usage": whole["usage"]}


def completion(request: dict[str, Any], reply: Reply, *, tap: bool = False) -> dict[str, Any]:
    """The answer a server would give: as many choices as texts, log-probabilities where they were asked for."""
    texts = [reply.texts[i % len(reply.texts)] for i in range(min(len(reply.texts), request.get("n") or 1))]
    choices = [] if reply.fault == "no_choices" else [choice(i, text, request, reply) for i, text in enumerate(texts)]
    if tap and (request.get("vllm_xargs") or {}).get(ARGUMENT):
        for made in choices:
            tapped(made, reply.entropy, request.get("temperature") or 0.0)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": request["model"],
        "choices": choices,
        "usage": {"prompt_tokens": 100, "completion_tokens": 10 * len(choices), "total_tokens": 100 + 10 * len(choices)},
    }


def tapped(made: dict[str, Any], entropy: float, temperature: float) -> None:
    """Writes the entropy into a choice's log-probabilities, as the entropy tap does."""
    entries = made["logprobs"]["content"] if made["logprobs"] else []
    values = encode([entry["logprob"] for entry in entries], [entropy] * len(entries), temperature)
    for entry, value in zip(entries, values, strict=True):
        lowered = value - entry["logprob"] / (temperature or 1.0)
        entry["logprob"] = value
        for other in entry["top_logprobs"]:
            other["logprob"] = other["logprob"] / (temperature or 1.0) + lowered


def choice(index: int, text: str | None, request: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """One choice; NaN goes over the wire as the bare word, as Python servers write it."""
    made: dict[str, Any] = {
        "index": index,
        "finish_reason": reply.finish_reason,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
    }
    end = () if reply.finish_reason == "length" else ("<|im_end|>",)
    if request.get("logprobs") and reply.with_logprobs:
        made["logprobs"] = {"content": [token_entry(token, reply) for token in [*tokens_of(text or ""), *end]]}
    return made


def token_entry(token: str, reply: Reply) -> dict[str, Any]:
    """A token with its own log-probability and whatever `alternatives` names for it."""
    beside = {key.split("|")[1]: p for key, p in reply.alternatives.items() if key.split("|")[0] == token}
    own = math.log(beside[token]) if token in beside else reply.logprob
    top = [{"token": other, "logprob": math.log(p), "bytes": None} for other, p in beside.items() if other != token]
    return {"token": token, "logprob": own, "bytes": None, "top_logprobs": [{"token": token, "logprob": own, "bytes": None}, *top]}
