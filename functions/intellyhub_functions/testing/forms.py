"""Reads a request's arguments as servers do that take JSON, forms and forms with files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from intellyhub_functions.testing.server import Call

__all__ = ["SentFile", "read_arguments"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SentFile:
    """A file as it arrived."""

    name: str
    media_type: str
    content: bytes


def read_arguments(call: Call) -> tuple[dict[str, Any], dict[str, SentFile]]:
    """The arguments of query and body, and the files that came along, by field."""
    arguments: dict[str, Any] = dict(parse_qsl(urlsplit(call.path).query, keep_blank_values=True))
    kind = call.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return arguments | (json.loads(call.body) if call.body else {}), {}
    if kind.startswith("multipart/form-data"):
        return read_parts(call.body, kind, arguments)
    if kind.startswith("application/x-www-form-urlencoded"):
        arguments |= parse_qsl(call.body.decode(), keep_blank_values=True)
    return arguments, {}


def read_parts(body: bytes, kind: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, SentFile]]:
    """The parts of a form with files (RFC 7578)."""
    message = BytesParser(policy=HTTP).parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
    files = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename() is None:
            arguments[name] = content.decode()
        else:
            files[name] = SentFile(name=str(part.get_filename()), media_type=part.get_content_type(), content=content)
    return arguments, files
