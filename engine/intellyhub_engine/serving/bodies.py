"""What a body means, by its media type: JSON, a form, text, bytes."""

from __future__ import annotations

from typing import Any

import orjson

from intellyhub_engine.serving.message import media_type
from intellyhub_engine.serving.problems import Fault, RequestRefused

__all__ = ["is_json", "make_query", "read_body", "read_json", "read_text"]

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MAX_FIELDS = 1000
TEXTUAL = frozenset(("application/xml", "application/javascript", "application/yaml", "application/x-yaml"))


def read_body(content_type: str | None, body: bytes) -> Any:
    """The value of a body. None for an empty one; a type nobody can read raises 415, a broken body 400."""
    if not body:
        return None
    if content_type == "application/json":  # the usual case, without the pains of the general one
        return read_json(body)
    if not content_type:
        return guess(body)
    kind, parameters = media_type(content_type)
    if is_json(kind):
        return read_json(body)
    if kind == FORM:
        return read_form(body)
    if kind == MULTIPART:
        return read_multipart(content_type, body)
    if kind.startswith("text/") or kind.endswith("+xml") or kind in TEXTUAL:
        return read_text(body, parameters.get("charset", "utf-8"))
    if kind == "application/octet-stream":
        return body
    raise RequestRefused(
        Fault.UNSUPPORTED_TYPE,
        f"{kind!r} is not supported; send JSON, a form, text or application/octet-stream",
        headers=(("Accept", f"application/json, {FORM}, {MULTIPART}, text/plain"),),
    )


def is_json(kind: str) -> bool:
    """Whether a media type (without parameters) is JSON."""
    return kind in ("application/json", "text/json") or kind.endswith("+json")


def read_json(body: bytes | str, what: str = "the body") -> Any:
    """Parse JSON; a fault names line and column."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        place = f"line {fault.lineno}, column {fault.colno}" if body else "it is empty"
        message = fault.msg.partition(":")[0]
        raise RequestRefused(Fault.BAD_BODY, f"{what} is not JSON: {message} at {place}") from fault


def read_text(body: bytes, charset: str) -> str:
    """Decode text."""
    try:
        return body.decode(charset)
    except LookupError as fault:
        raise RequestRefused(Fault.UNSUPPORTED_TYPE, f"the charset {charset[:40]!r} is not known") from fault
    except UnicodeDecodeError as fault:
        raise RequestRefused(Fault.BAD_BODY, f"the body is not {charset}: byte {fault.start} cannot be read") from fault


def guess(body: bytes) -> Any:
    """A body without a type: JSON where it is JSON, else text, else bytes."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body


def read_form(body: bytes) -> Any:
    """A form's fields. JSON that a client sent under a form's type (`curl -d '{…}'` does) is still JSON."""
    if body[:1] in (b"{", b"["):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    return make_query(read_text(body, "utf-8"))


def make_query(written: str) -> dict[str, Any]:
    """Fields of a query or a form: a text each, a list where a name is repeated."""
    if not written:
        return {}
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(written, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as fault:
        raise RequestRefused(Fault.BAD_BODY, f"the form has more than {MAX_FIELDS} fields") from fault
    return gather(pairs)


def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Name -> value, or -> list of values where a name is repeated."""
    fields: dict[str, Any] = {}
    repeated = set()
    for name, value in pairs:
        if name in repeated:
            fields[name].append(value)
        elif name in fields:
            repeated.add(name)
            fields[name] = [fields[name], value]
        else:
            fields[name] = value
    return fields


def read_multipart(content_type: str, body: bytes) -> dict[str, Any]:
    """A multipart form's text fields; a file is known by its name, type and size, its content is left out."""
    from email.parser import BytesParser
    from email.policy import HTTP

    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body
    )
    if not message.is_multipart():
        raise RequestRefused(Fault.BAD_BODY, "the body is not the multipart form that its Content-Type says")
    pairs: list[tuple[str, Any]] = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise RequestRefused(Fault.BAD_BODY, "a part of the multipart form has no name")
        filename = part.get_filename()
        if filename is not None:
            pairs.append((name, {"filename": filename, "content_type": part.get_content_type(), "size": len(content)}))
        else:
            pairs.append((name, read_text(content, part.get_content_charset() or "utf-8")))
    return gather(pairs)
