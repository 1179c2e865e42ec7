"""What a stock Knative Broker does to an event's attributes on the way, and how an event gets through unchanged. Pure.

Its ingress reads an event into an object of the CloudEvents SDK for Go and writes it out again. Texts and extensions
stay as they stand in the headers; `time` comes out in Go's own form, in UTC; `source` comes out as Go's URLs print
themselves. The signature is over both, and `source` is a part of what makes an event the same one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from intellyhub_engine.events import Event
from intellyhub_engine.serving.cloudevents import encode_value
from intellyhub_knative.platform.flow_socket import fits_a_header

__all__ = ["comes_through", "is_plain", "normal_time"]

TIME = re.compile(
    r"(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<zone>Z|[+-]\d\d:\d\d)", re.ASCII
)
"""RFC 3339 as Go reads it: capital letters, no leap second."""
CHANGED = re.compile(r"[^/?#]*[A-Z][^/?#]*:|//|[a-z][a-z0-9+.-]*://[^/?#]*@|.*#$", re.ASCII | re.DOTALL)
"""Sources that Go may print in another way: a scheme in capitals, `//` at the beginning, a user's name in a host, an
empty fragment."""


def comes_through(event: Event) -> Event | None:
    """The event as it can be posted to a Broker so that what arrives is what was posted; None where it cannot be."""
    if CHANGED.match(event.source) or not fits_a_header(event.datacontenttype or ""):
        return None
    if event.time is None:
        return event
    time = normal_time(event.time)
    return None if time is None else replace(event, time=time)


def is_plain(event: Event) -> bool:
    """Whether Triggers see the attributes as they are: they compare with what stands in the headers, where anything
    but plain ASCII is percent-encoded."""
    values = (event.id, event.source, event.type, event.subject or "", *event.extensions.values())
    return all(encode_value(str(value)) == str(value) for value in values)


def normal_time(written: str) -> str | None:
    """The moment as Go writes it: UTC, `Z`, no zeros at the end of the fraction. None for what Go does not read."""
    found = TIME.fullmatch(written)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found["moment"] + found["zone"].replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    fraction = (found["fraction"] or "")[:9].rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}".zfill(19) + (f".{fraction}" if fraction else "") + "Z"
