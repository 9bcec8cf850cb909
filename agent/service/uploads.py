"""Image bytes out of a request: the raw body, or one file of a form. Nothing the client says about them is believed."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from agent.errors import ImageError
from agent.service.problems import TooLarge

FORM_ROOM = 64 * 2**10
"""Bytes of a form around its file: boundaries and headers."""
_DATA_URL = re.compile(r"data:[^,;]*(?:;[^,;]*)*;base64,", re.IGNORECASE)
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
"""How an upload is described in OpenAPI. A raw body may say it is anything: its bytes decide."""


async def image_bytes(request: Request, most: int) -> bytes:
    """At most `most` bytes. Raises `TooLarge`, or `ImageError` when the form holds no file. A file's name is not read."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > most:
                raise TooLarge(f"the image has more than the {most:,} bytes accepted (intake.max_image_bytes)")
        return bytes(data)
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=8)
    parser.spool_max_size = most + FORM_ROOM  # in memory: a patient's picture leaves no temporary file
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError) as error:
        raise ImageError("the form cannot be read: send one file, or the image as the body itself") from error
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if not files:
            raise ImageError("the form holds no file: send the image as one, or as the body itself")
        data_ = await files[0].read(most + 1)
    finally:
        await form.close()
    if len(data_) > most:
        raise TooLarge(f"the image has more than the {most:,} bytes accepted (intake.max_image_bytes)")
    return data_


def from_data_url(url: str, most: int) -> bytes:
    """The bytes a data URL carries. Raises `ImageError` for any other address: the server fetches nothing.

    >>> from_data_url("data:image/png;base64,aGk=", most=9)
    b'hi'
    """
    match = _DATA_URL.match(url[:200])
    if match is None:
        raise ImageError("an image is given as a data URL (data:image/jpeg;base64,...): this server fetches nothing from anywhere")
    encoded = url[match.end() :]
    if len(encoded) * 3 // 4 > most + 3:
        raise TooLarge(f"an image has more than the {most:,} bytes accepted (intake.max_image_bytes)")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("an image's data URL is not valid base64") from error
