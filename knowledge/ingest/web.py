"""Fetches a document from an address that somebody typed, without becoming a way into the network that Fovea runs in.

Every host is resolved here, each of its addresses is looked at, and the connection goes to the very address that was looked at: a name that
resolves to something else a moment later gains nothing. Redirections are checked the same way. Proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from agent.errors import DocumentError
from agent.settings import Ingestion
from knowledge.ingest.parsing import media_type_of
from knowledge.ingest.sources import SourceFile, name_of

if TYPE_CHECKING:
    import httpx

_TYPES = frozenset(
    "application/pdf application/x-pdf text/html application/xhtml+xml text/plain text/markdown text/x-markdown application/octet-stream "
    "binary/octet-stream".split()
)
_CHUNK = 64 * 1024
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_AGENT = "fovea-knowledge-ingest"
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def fetch(address: str, limits: Ingestion) -> SourceFile:
    """The document at an http or https address. Raises `DocumentError` when it cannot be had or must not be. Not for use in an event loop."""
    return asyncio.run(_in_time(address, limits))


async def _in_time(address: str, limits: Ingestion) -> SourceFile:
    """The whole of it has one limit of time: a server that sends a byte now and then would never be slow enough for a limit on each read."""
    import httpx

    try:
        async with asyncio.timeout(limits.fetch_seconds):
            return await _fetched(address, limits)
    except TimeoutError as error:
        raise DocumentError(f"it takes longer than {limits.fetch_seconds:g} seconds to arrive (ingestion.fetch_seconds)") from error
    except (httpx.HTTPError, httpx.InvalidURL, zlib.error) as error:
        raise DocumentError(f"it cannot be fetched: {str(error) or type(error).__name__}") from error


async def _fetched(address: str, limits: Ingestion) -> SourceFile:
    import httpx

    first = at = _plain(address)
    async with httpx.AsyncClient(verify=_trusted(), trust_env=False, follow_redirects=False, timeout=limits.fetch_seconds) as client:
        for _ in range(limits.max_redirects + 1):
            response = await client.send(await _request(client, at, limits), stream=True)
            try:
                if not response.has_redirect_location:
                    return await _received(first, at, response, limits)
                at = _followed(at, response.headers["location"])
            finally:
                await response.aclose()
    raise DocumentError(f"it redirects more than {limits.max_redirects} times (ingestion.max_redirects)")


def _trusted() -> ssl.SSLContext:
    """The certificate authorities of the system, where a hospital adds its own, and those that httpx brings along."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _plain(address: str) -> str:
    """An address as it may be fetched and kept: http or https, without a fragment. Raises `DocumentError`."""
    parts = _split(address)
    if parts.scheme not in ("http", "https"):
        raise DocumentError(f"it is no http or https address but {parts.scheme!r}")
    if parts.username is not None or parts.password is not None:
        raise DocumentError("it holds a user name or password, which would be kept: fetch it yourself and give the file")
    if not parts.hostname:
        raise DocumentError("it names no host")
    return parts._replace(fragment="").geturl()


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise DocumentError(f"it is no address: {error}") from error
    return parts


def _followed(at: str, location: str) -> str:
    following = _plain(urljoin(at, location))
    if at.startswith("https:") and not following.startswith("https:"):
        raise DocumentError("it redirects from https to http, where anybody on the way could change it")
    return following


async def _request(client: httpx.AsyncClient, at: str, limits: Ingestion) -> httpx.Request:
    """A request to the address that the host was found to have, for the host by name: TLS still checks the name."""
    import httpx

    parts = _split(at)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    ip = await _checked_ip(host, port, limits)
    url = httpx.URL(at).copy_with(host=str(ip))
    # A compressed answer is not asked for: it could be a bomb, and documents are small.
    headers = {"Host": parts.netloc, "User-Agent": _AGENT, "Accept-Encoding": "identity"}
    return client.build_request("GET", url, headers=headers, extensions={"sni_hostname": host})


async def _checked_ip(host: str, port: int, limits: Ingestion) -> _IP:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DocumentError(f"the host {host!r} cannot be found: {error}") from error
    ips = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for ip in ips:
        if not limits.allow_private_addresses and not is_public(ip):
            raise DocumentError(
                f"{host} is {ip}, an address inside a private network: fetch it yourself and give the file, or set "
                "ingestion.allow_private_addresses"
            )
    return ips[0]


def is_public(ip: _IP) -> bool:
    """Whether an address is one of the public internet, also when it is an IPv4 address in IPv6 clothing.

    >>> [is_public(ipaddress.ip_address(ip)) for ip in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if ip.teredo is not None or (inner is not None and not is_public(inner)):
            return False
    return ip.is_global and not ip.is_multicast


async def _received(uri: str, at: str, response: httpx.Response, limits: Ingestion) -> SourceFile:
    if response.status_code != 200:
        raise DocumentError(f"the server answers {response.status_code} {response.reason_phrase}")
    stated = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated and stated not in _TYPES:
        raise DocumentError(f"it is {stated!r}; PDF, HTML, Markdown and text can be read")
    data = b"".join([piece async for piece in _limited(response, limits)])
    kind = media_type_of(data, name_of(at), stated)
    return SourceFile(uri, kind, data, response.charset_encoding)


async def _limited(response: httpx.Response, limits: Ingestion) -> AsyncIterator[bytes]:
    """The body, decompressed piece by piece, until it is larger than it may be."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise DocumentError(f"the server compresses it as {encoding!r}, though it was asked not to")
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding != "identity" else None
    size = 0
    async for raw in response.aiter_raw():
        pending = raw
        while pending:
            piece, pending = (unpack.decompress(pending, _CHUNK), unpack.unconsumed_tail) if unpack else (pending, b"")
            size += len(piece)
            if size > limits.max_bytes:
                raise DocumentError(f"it is larger than {limits.max_bytes:,} bytes (ingestion.max_bytes)")
            yield piece
