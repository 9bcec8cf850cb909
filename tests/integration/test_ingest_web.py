"""Addresses: a server on this machine plays the web."""

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest import web
from knowledge.ingest.ingesting import ingest
from knowledge.ingest.store import DocumentStore
from tests.pdf_maker import column, pdf

TEXT = "Refer everybody with sudden loss of vision within one day."
INSIDE = Ingestion(allow_private_addresses=True)
Answer = tuple[int, dict[str, str], bytes]


class Site:
    """Pages by path; `asked` are the requests that came, with their headers."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, dict(self.headers)))
                page = site.pages.get(self.path, (404, {}, b""))
                if callable(page):
                    page(self)
                    return
                status, headers, body = page
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server.server_port}"

    def serve(self, path: str, body: bytes, kind: str = "text/plain; charset=utf-8", status: int = 200, **headers: str) -> str:
        self.pages[path] = (status, {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}, body)
        return self.root + path


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def refusal(address: str, limits: Ingestion = INSIDE) -> str:
    with pytest.raises(DocumentError) as error:
        web.fetch(address, limits)
    return str(error.value)


def test_pages_of_every_kind_are_fetched(site: Site) -> None:
    assert web.fetch(site.serve("/a.txt", TEXT.encode()), INSIDE).data == TEXT.encode()
    found = web.fetch(site.serve("/b", b"<p>Beh\xe7et", "text/html; charset=iso-8859-1"), INSIDE)
    assert (found.media_type, found.charset) == ("text/html", "iso-8859-1")
    assert web.fetch(site.serve("/c", pdf([column(TEXT)]), "application/octet-stream"), INSIDE).media_type == "application/pdf"
    assert web.fetch(site.serve("/d.md", b"# Eye", ""), INSIDE).media_type == "text/markdown"
    assert not any("gzip" in headers.get("Accept-Encoding", "") for _, headers in site.asked)


def test_an_address_is_ingested_again_and_removed_as_a_file_is(site: Site, tmp_path: Path) -> None:
    store = DocumentStore(tmp_path)
    address = site.serve("/guide.html", f"<h1>Loss</h1><p>{TEXT}".encode(), "text/html")
    assert [o.state for o in ingest([f"{address}#part"], store, INSIDE).outcomes] == ["added"]
    assert [o.state for o in ingest([address], store, INSIDE).outcomes] == ["unchanged"]
    site.serve("/guide.html", f"<h1>Loss</h1><p>{TEXT} Then again.".encode(), "text/html")
    assert [o.state for o in ingest([address], store, INSIDE).outcomes] == ["changed"]
    (document,) = store.documents()
    assert document.uri == address
    site.serve("/guide.html", b"", status=500)
    (failed,) = ingest([address], store, INSIDE).outcomes
    assert "the server answers 500" in failed.reason
    assert "stays until" in failed.reason
    store.remove(document.id)
    assert store.passages() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "169.254.169.254", "10.0.0.1", "2130706433", "0x7f000001"])
def test_addresses_inside_a_network_are_refused_before_anything_is_sent(site: Site, host: str) -> None:
    port = site.server.server_port
    try:
        socket.getaddrinfo(host.strip("[]"), port)
    except OSError:
        pytest.skip("this system does not resolve that form")
    assert "inside a private network" in refusal(f"http://{host}:{port}/", Ingestion())
    assert site.asked == []


def test_every_redirection_is_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "is_public", lambda ip: str(ip) == "127.0.0.1")
    port = site.server.server_port
    site.serve("/goal", TEXT.encode())
    assert web.fetch(site.serve("/ok", b"", status=302, Location="/goal"), Ingestion()).data == TEXT.encode()
    assert "127.0.0.2" in refusal(site.serve("/in", b"", status=302, Location=f"http://127.0.0.2:{port}/goal"), Ingestion())
    assert "'file'" in refusal(site.serve("/file", b"", status=302, Location="file:///etc/passwd"), Ingestion())
    assert "more than 5 times" in refusal(site.serve("/loop", b"", status=301, Location="/loop"), Ingestion())


def test_the_connection_goes_to_the_address_that_was_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real, answers = socket.getaddrinfo, iter(["127.0.0.1", "127.0.0.9"])

    def changing(host: str, *rest: object, **options: object) -> object:
        return real(next(answers) if host == "rebinding.example" else host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(web.socket, "getaddrinfo", changing)
    site.serve("/a.txt", TEXT.encode())
    assert web.fetch(f"http://rebinding.example:{site.server.server_port}/a.txt", INSIDE).data == TEXT.encode()
    assert site.asked[0][1]["Host"] == f"rebinding.example:{site.server.server_port}"
    assert next(answers) == "127.0.0.9", "the name was asked for once"


@pytest.fixture
def secure_site(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site over TLS, with a certificate for the name eye.example that this process trusts."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    wanted = ["-subj", "/CN=eye.example", "-addext", "subjectAltName=DNS:eye.example", "-days", "2", "-nodes", "-newkey", "rsa:2048"]
    subprocess.run([openssl, "req", "-x509", *wanted, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    real = socket.getaddrinfo
    monkeypatch.setattr(
        web.socket, "getaddrinfo", lambda host, *rest, **options: real("127.0.0.1" if host.endswith(".example") else host, *rest, **options)
    )
    return site


def test_the_certificate_must_be_for_the_name_though_the_connection_is_to_the_address(secure_site: Site) -> None:
    secure_site.serve("/a.txt", TEXT.encode())
    port = secure_site.server.server_port
    assert web.fetch(f"https://eye.example:{port}/a.txt", INSIDE).data == TEXT.encode()
    assert "CERTIFICATE_VERIFY_FAILED" in refusal(f"https://other.example:{port}/a.txt")


def test_https_does_not_fall_back_to_http() -> None:
    with pytest.raises(DocumentError, match="from https to http"):
        web._followed("https://example.org/a", "http://example.org/b")
    assert web._followed("https://example.org/a", "b") == "https://example.org/b"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ftp://example.org/a.pdf", "no http or https"),
        ("javascript://alert(1)", "no http or https"),
        ("http://user:secret@example.org/", "user name or password"),
        ("http:///a", "names no host"),
        ("http://[::1/", "no address"),
        ("http://example.org:99999/", "no address"),
        ("http://no-such-host.invalid/", "cannot be found"),
    ],
)
def test_what_is_no_address_is_refused(address: str, reason: str) -> None:
    assert reason in refusal(address)


def test_what_is_no_document_is_refused(site: Site) -> None:
    assert "404" in refusal(f"{site.root}/nothing")
    assert "'image/png'" in refusal(site.serve("/a.png", b"\x89PNG", "image/png"))
    assert "holds none" in refusal(site.serve("/a.pdf", b"<html>log in", "application/pdf"))
    assert "empty" in refusal(site.serve("/empty", b""))


def test_a_compressed_answer_is_read_and_a_bomb_is_not(site: Site) -> None:
    small = Ingestion(allow_private_addresses=True, max_bytes=100_000)
    assert web.fetch(site.serve("/z", gzip.compress(TEXT.encode()), Content_Encoding="gzip"), small).data == TEXT.encode()
    bomb = gzip.compress(b"eye " * 25_000_000)
    assert len(bomb) < small.max_bytes
    assert "larger than 100,000 bytes" in refusal(site.serve("/bomb", bomb, Content_Encoding="gzip"), small)
    assert "compresses it as 'gzip, gzip'" in refusal(site.serve("/twice", gzip.compress(bomb), Content_Encoding="gzip, gzip"), small)
    assert "cannot be fetched" in refusal(site.serve("/broken", b"no gzip", Content_Encoding="gzip"), small)


def test_an_endless_or_slow_answer_ends(site: Site) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b"eye ")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass  # the reader has gone

    site.pages["/drip"] = drip
    began = time.monotonic()
    limits = Ingestion(allow_private_addresses=True, fetch_seconds=0.5)
    assert "ingestion.fetch_seconds" in refusal(f"{site.root}/drip", limits)
    assert time.monotonic() - began < 5

    def dawdle(handler: BaseHTTPRequestHandler) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Eye: red\r\n" * 20:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    site.pages["/dawdle"] = dawdle
    began = time.monotonic()
    assert "ingestion.fetch_seconds" in refusal(f"{site.root}/dawdle", limits)
    assert time.monotonic() - began < 5
    assert "larger than 10 bytes" in refusal(site.serve("/long", TEXT.encode()), Ingestion(allow_private_addresses=True, max_bytes=10))
