"""Small PDFs, written by hand so that a test says what is in them; Helvetica, one content stream a page."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """A line of text: its place in points from the lower left corner, its size in points."""

    text: str
    x: float = 72
    y: float = 700
    size: float = 10
    bold: bool = False


def column(*texts: str, x: float = 72, top: float = 720, step: float = 12, size: float = 10) -> list[Words]:
    """Lines below each other; an empty one leaves a gap."""
    return [Words(text, x, top - step * row, size) for row, text in enumerate(texts) if text]


def pdf(pages: Sequence[Sequence[Words]], title: str = "") -> bytes:
    """A PDF with these lines on its pages."""
    return assembled([("", _drawn(lines)) for lines in pages], title)


def scanned(pages: int = 1) -> bytes:
    """A PDF whose pages are pictures."""
    picture = b"q 400 0 0 400 50 200 cm BI /W 8 /H 8 /BPC 8 /CS /G ID " + bytes(range(64)) + b" EI Q"
    return assembled([("", picture)] * pages)


def bomb(expanded: int, layers: int = 1) -> bytes:
    """A PDF whose only page is a stream that grows to `expanded` bytes, compressed `layers` times over."""
    maker = zlib.compressobj(9)
    chunk = b"BT /F1 10 Tf 72 700 Td (eye) Tj ET\n" * 30_000
    stream = b"".join(maker.compress(chunk) for _ in range(expanded // len(chunk) + 1)) + maker.flush()
    for _ in range(layers - 1):
        stream = zlib.compress(stream, 9)
    return assembled([(f"/Filter [{'/FlateDecode ' * layers}]", stream)])


def encrypted(data: bytes, user_password: str) -> bytes:
    """A PDF that opens with this password."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password, "of the owner", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _drawn(lines: Sequence[Words]) -> bytes:
    drawn = []
    for line in lines:
        escaped = line.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("cp1252")
        drawn.append(b"BT /F%d %g Tf %g %g Td (%s) Tj ET" % (2 if line.bold else 1, line.size, line.x, line.y, escaped))
    return b"\n".join(drawn)


def assembled(streams: Sequence[tuple[str, bytes]], title: str = "") -> bytes:
    """A PDF of content streams, each with what its dictionary says beside its length."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    objects += [b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % f for f in (b"Helvetica", b"Helvetica-Bold")]
    objects.append(b"<< /Title (%s) >>" % title.encode("cp1252"))
    kids = []
    for entries, stream in streams:
        objects.append(b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(stream), entries.encode(), stream))
        resources = b"<< /Font << /F1 3 0 R /F2 4 0 R >> >>"
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources %s /Contents %d 0 R >>" % (resources, len(objects))
        objects.append(page)
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
