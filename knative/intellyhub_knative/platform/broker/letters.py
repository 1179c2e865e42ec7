"""An event as a Knative broker sends it to a subscriber: binary mode, its headers, and a signature for the flow."""

from __future__ import annotations

from dataclasses import replace
from time import gmtime, strftime
from typing import NamedTuple

from intellyhub_engine.serving.access import SIGNATURE, sign
from intellyhub_engine.serving.answers import TRACE
from intellyhub_engine.serving.cloudevents import encode_data, make_headers
from intellyhub_knative.platform.attributes import HOPS, without_extensions
from intellyhub_knative.platform.outbox import Due

__all__ = ["Letter", "make_letter", "make_post"]

ARRIVAL = "knativearrivaltime"
NOT_SENT = (SIGNATURE, "knativebrokerttl", "knativeerrordest", "knativeerrorcode", "knativeerrordata")


class Letter(NamedTuple):
    """One request."""

    headers: dict[str, str]
    body: bytes


def make_letter(due: Due, tenant_slug: str, key: bytes, now_seconds: float) -> Letter:
    """The request for one delivery."""
    event = replace(due.event, extensions={**due.event.extensions, ARRIVAL: arrival_time(due.accepted_ns)})
    letter = make_post(due._replace(event=event), key, now_seconds)
    return Letter({**letter.headers, "Kn-Namespace": tenant_slug, "Prefer": "reply"}, letter.body)


def make_post(due: Due, key: bytes, now_seconds: float) -> Letter:
    """The request that gives the event to a Broker, which adds what a delivery has beside."""
    event = without_extensions(due.event, *NOT_SENT)
    event = replace(event, extensions={**event.extensions, HOPS: str(due.hops)})
    body, content_type = encode_data(event)
    headers = dict(make_headers(sign(event, body, key, now_seconds)))
    headers |= {name: due.event.extensions[name] for name in TRACE if is_plain(due.event.extensions.get(name))}
    if content_type is not None:
        headers["Content-Type"] = content_type
    return Letter(headers, body)


def arrival_time(accepted_ns: int) -> str:
    """RFC 3339 with nanoseconds, as Go writes it."""
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(accepted_ns // 1_000_000_000)) + f".{accepted_ns % 1_000_000_000:09d}Z"


def is_plain(value: str | None) -> bool:
    """Whether a header can carry the value as it is."""
    return value is not None and value.isascii() and value.isprintable()
