"""CloudEvents 1.0 over HTTP: binary and structured mode in, binary mode out.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.serving.bodies import is_json, read_body, read_json, read_text
from intellyhub_engine.serving.message import Request, media_type
from intellyhub_engine.serving.plain_json import to_json
from intellyhub_engine.serving.problems import Fault, RequestRefused

__all__ = ["encode_data", "is_event", "make_headers", "read_document", "read_event"]

STRUCTURED = "application/cloudevents"
REQUIRED = ("id", "source", "type", "specversion")
OWN = frozenset(("id", "source", "type", "specversion", "subject", "time", "dataschema", "datacontenttype"))


@cache
def patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """An RFC 3339 time; a quoted part of a header; what a header must not carry as it is, which is all but printable
    ASCII, and blank, `"` and `%` (section 3.1.3.2). Compiled when first needed: a start has no use for them."""
    time = (
        r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
        r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
    )
    return re.compile(time, re.ASCII), re.compile(r'"((?:[^"\\]|\\.)*)"'), re.compile(r"[^!#-$&-~]")


def is_event(request: Request) -> bool:
    """Whether a request says that it is a CloudEvent, in either mode."""
    headers = request.headers
    return "ce-specversion" in headers or headers.get("content-type", "").lower().startswith(STRUCTURED)


def read_event(request: Request) -> Event:
    """The event a request carries. Raises `RequestRefused` with all that is wrong with it."""
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith(STRUCTURED):
        return read_structured(content_type, request.body)
    return read_binary(request.headers, request.body)


def read_binary(headers: Mapping[str, str], body: bytes) -> Event:
    """Attributes in `ce-` headers, data in the body."""
    attributes = {}
    for name, value in headers.items():
        if name.startswith("ce-"):
            attributes[name[3:]] = decode_value(name, value) if needs_decoding(value) else value
    attributes.pop("datacontenttype", None)  # in this mode it is Content-Type
    content_type = headers.get("content-type") or None
    return make_event(attributes, read_body(content_type, body), content_type)


def read_structured(content_type: str, body: bytes) -> Event:
    """Everything in one JSON document.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    """
    kind, parameters = media_type(content_type)
    if kind != "application/cloudevents+json":
        raise RequestRefused(
            Fault.UNSUPPORTED_TYPE, f"{kind!r} is not supported; send one event as application/cloudevents+json"
        )
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        body = read_text(body, parameters["charset"]).encode()
    document = read_json(body)
    if not isinstance(document, dict):
        raise RequestRefused(Fault.BAD_EVENT, "the body is JSON, but not an object with an event's attributes")
    return read_document(document)


def read_document(document: Mapping[str, Any]) -> Event:
    """An event from its JSON format, decoded. Raises `RequestRefused` with all that is wrong with it."""
    attributes = {name: value for name, value in document.items() if name not in ("data", "data_base64")}
    inner = attributes.pop("datacontenttype", None)
    if inner is not None and not isinstance(inner, str):
        raise RequestRefused(Fault.BAD_EVENT, "the attribute 'datacontenttype' is not a text")
    return make_event(
        {name: as_text(value) for name, value in attributes.items()}, structured_data(document, inner), inner
    )


def structured_data(document: Mapping[str, Any], content_type: str | None) -> Any:
    """The data of a structured event: a JSON value, or bytes in Base64 that are read as their type says."""
    if "data_base64" not in document:
        return document.get("data")
    import base64
    import binascii

    if "data" in document:
        raise RequestRefused(Fault.BAD_EVENT, "'data' and 'data_base64' are both given")
    try:
        content = base64.b64decode(document["data_base64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as fault:
        raise RequestRefused(Fault.BAD_EVENT, f"'data_base64' is not Base64: {fault}") from fault
    return read_body(content_type or "application/octet-stream", content)


def as_text(value: Any) -> str | None:
    """An attribute's value in its canonical text form; None is the same as leaving it out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    raise RequestRefused(Fault.BAD_EVENT, "an attribute holds neither text nor whole number nor truth value")


def make_event(attributes: Mapping[str, str | None], data: Any, content_type: str | None) -> Event:
    """Check attributes and build the event; all faults at once."""
    get = attributes.get
    faults = []
    if not (get("id") and get("source") and get("type") and get("specversion") == "1.0"):
        faults = [f"the attribute {name!r} is missing" for name in REQUIRED if not get(name)]
        if get("specversion") not in ("1.0", None, ""):
            faults.append(f"specversion {get('specversion')!r} is not supported; send 1.0")
    time = get("time")
    if time is not None and not patterns()[0].fullmatch(time):
        faults.append("the attribute 'time' is not an RFC 3339 time with a zone")
    extensions = {}
    for name, value in attributes.items():
        if name not in OWN and value is not None:
            extensions[name] = value
            if not is_name(name) or name == "data":
                faults.append(f"{name[:40]!r} cannot be an attribute: only lower-case letters and digits are allowed")
    if faults:
        raise RequestRefused(Fault.BAD_EVENT, "; ".join(faults))
    return Event(
        id=get("id") or "",
        source=get("source") or "",
        type=get("type") or "",
        subject=get("subject") or None,
        time=time,
        datacontenttype=content_type,
        dataschema=get("dataschema") or None,
        data=data,
        extensions=extensions,
    )


def is_name(name: str) -> bool:
    """Whether an attribute may be called so (CloudEvents, "Attribute Naming Convention")."""
    return name.isascii() and name.isalnum() and name == name.lower()


def needs_decoding(value: str) -> bool:
    """Whether a header's value is anything but itself."""
    return "%" in value or '"' in value or not value.isascii()


def decode_value(name: str, value: str) -> str:
    """Undo quoting, then percent-encoding, once each (section 3.1.3.2)."""
    if '"' in value:
        value = patterns()[1].sub(lambda match: re.sub(r"\\(.)", r"\1", match[1]), value)
    from urllib.parse import unquote_to_bytes

    try:
        return unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as fault:
        raise RequestRefused(Fault.BAD_EVENT, f"the header {name[:40]!r} is not percent-encoded UTF-8") from fault


def make_headers(event: Event) -> tuple[tuple[str, str], ...]:
    """An event's attributes in binary mode, all but its data's type."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "dataschema": event.dataschema,
        **event.extensions,
    }
    return tuple((f"ce-{name}", encode_value(str(value))) for name, value in attributes.items() if value is not None)


def encode_value(value: str) -> str:
    """Percent-encode what a header cannot carry."""
    return patterns()[2].sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace")), value
    )


def encode_data(event: Event) -> tuple[bytes, str | None]:
    """An event's data as bytes, with their type."""
    kind = media_type(event.datacontenttype or "")[0]
    if event.data is None:
        return b"", event.datacontenttype
    if isinstance(event.data, bytes):
        return event.data, event.datacontenttype or "application/octet-stream"
    if isinstance(event.data, str) and kind and not is_json(kind):
        return event.data.encode(), event.datacontenttype
    content_type = event.datacontenttype if is_json(kind) else "application/json"
    return to_json(event.data), content_type
