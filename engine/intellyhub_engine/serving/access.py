"""Who may ask: bearer tokens of the platform for callers, signatures of the ingress for deliveries.

Shared gateways do not separate tenants, and a Broker passes nothing but CloudEvents attributes on. The ingress
therefore signs each event it stores, and the signature travels as an extension attribute, in binary mode:

    ce-intellyhubsig: <Unix seconds>.<hex HMAC-SHA256 of the lines below, with the tenant's key>

The lines: `intellyhub-v1`, the Unix seconds, then `id`, `source`, `type`, `time`, `subject` and the extension `flow`,
percent-encoded as in a header (nothing where absent), then the hex SHA-256 of the body.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

from intellyhub_engine.events import Event
from intellyhub_engine.serving.cloudevents import decode_value, encode_value, needs_decoding
from intellyhub_engine.serving.message import Request
from intellyhub_engine.serving.problems import Fault, RequestRefused

__all__ = ["SIGNATURE", "Access", "sign", "without_signature"]

SIGNATURE = "intellyhubsig"
"""The extension attribute that carries a signature."""

HEADER = "ce-" + SIGNATURE
CLOCK_SKEW_SECONDS = 300
CHALLENGE = (("WWW-Authenticate", 'Bearer realm="worker"'),)
SIGNED = ("ce-id", "ce-source", "ce-type", "ce-time", "ce-subject", "ce-flow")
PREAMBLE = "intellyhub-v1"
LONGEST_STAMP = 12


class Access(NamedTuple):
    """The keys of one worker. `open_to_all` lets everyone in."""

    tokens: tuple[bytes, ...] = ()
    secrets: tuple[bytes, ...] = ()
    signature_seconds: float = 86_400.0
    open_to_all: bool = False

    def __repr__(self) -> str:
        return f"Access({len(self.tokens)} tokens, {len(self.secrets)} keys)"

    def admit(self, request: Request, now_seconds: float) -> None:
        """Let a request in, or raise `RequestRefused` with 401."""
        if self.open_to_all:
            return
        authorization = request.headers.get("authorization")
        signature = request.headers.get(HEADER)
        if authorization is not None and self.knows_token(authorization):
            return
        if signature is not None:  # an event may come with somebody else's Authorization, an OIDC token of the broker
            self.check_signature(signature, request, now_seconds)
        elif authorization is not None:
            raise refused("the bearer token is not one of this flow's")
        else:
            raise refused("show a bearer token, or an event signed by the ingress")

    def admit_caller(self, request: Request) -> None:
        """Let in who shows a bearer token; a signature will not do. Raises `RequestRefused` with 401."""
        authorization = request.headers.get("authorization")
        if not self.open_to_all and (authorization is None or not self.knows_token(authorization)):
            raise refused("show a bearer token of this flow")

    def knows_token(self, authorization: str) -> bool:
        """Whether this is one of the tokens, compared in constant time."""
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode("latin-1", "replace")
        known = [hmac.compare_digest(given, expected) for expected in self.tokens]
        return scheme.lower() == "bearer" and any(known)

    def check_signature(self, signature: str, request: Request, now_seconds: float) -> None:
        """Signed with one of the keys, not too long ago."""
        if request.headers.get("content-type", "").strip().lower().startswith("application/cloudevents"):
            raise refused("a signed event comes in binary mode: the signature is over its headers")
        stamp = signature.partition(".")[0]
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= LONGEST_STAMP):
            raise refused("the event's signature cannot be read")
        if not -CLOCK_SKEW_SECONDS <= now_seconds - int(stamp) <= self.signature_seconds:
            raise refused("the event's signature is too old, or from the future")
        values = [attribute(request.headers, name) for name in SIGNED]
        given = signature.encode("latin-1", "replace")
        known = [hmac.compare_digest(given, seal(key, stamp, values, request.body).encode()) for key in self.secrets]
        if not any(known):
            raise refused("the event's signature is not one of this tenant's")


def refused(detail: str) -> RequestRefused:
    """401, with what the client would have to show."""
    return RequestRefused(Fault.UNAUTHENTICATED, detail, headers=CHALLENGE)


def attribute(headers: Mapping[str, str], name: str) -> str:
    """An attribute as the signer knew it."""
    value = headers.get(name, "")
    return decode_value(name, value) if needs_decoding(value) else value


def seal(key: bytes, stamp: str, values: list[str], body: bytes) -> str:
    """The signature's text. Values are percent-encoded as in headers, so that none can reach into the next line."""
    lines = (PREAMBLE, stamp, *(encode_value(value) for value in values), sha256(body).hexdigest())
    return f"{stamp}.{hmac.digest(key, chr(10).join(lines).encode(), 'sha256').hex()}"


def sign(event: Event, body: bytes, key: bytes, now_seconds: float) -> Event:
    """Give an event the signature that a worker with this key accepts; `body` is its data as it will be sent."""
    values = [event.id, event.source, event.type, event.time, event.subject, event.extensions.get("flow")]
    signature = seal(key, str(int(now_seconds)), [value or "" for value in values], body)
    return replace(event, extensions={**event.extensions, SIGNATURE: signature})


def without_signature(event: Event) -> Event:
    """The event as a flow may see it."""
    if SIGNATURE not in event.extensions:
        return event
    return replace(event, extensions={name: value for name, value in event.extensions.items() if name != SIGNATURE})
