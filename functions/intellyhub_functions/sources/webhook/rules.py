"""Which requests a webhook accepts, and the event that an accepted one becomes. Pure; the platform's hooks and
`run --listen` share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import Received, Refused
from intellyhub_functions.parameters import is_unfilled
from intellyhub_functions.sources.lists import texts_of
from intellyhub_functions.sources.webhook.challenges import answer_challenge, answer_subscription
from intellyhub_functions.sources.webhook.checks import Network, is_allowed_address, make_networks
from intellyhub_functions.sources.webhook.requests import identity_of, make_event, read_body
from intellyhub_functions.sources.webhook.signatures import Proven, Verify, hide_secret, make_verify

__all__ = ["UNPROVABLE", "Challenge", "Refused", "Rules", "make_rules"]

UNPROVABLE = "a `signature` needs the `secret` it is made with"


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """The sender only wants to see that somebody is here: this text is the answer, and there is no event."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a listener's parameters say."""

    path: str
    methods: frozenset[str]
    networks: tuple[Network, ...]
    max_body_bytes: int
    reply_seconds: float
    secret: str | None
    verify: Verify | None

    def __repr__(self) -> str:
        return f"Rules({', '.join(sorted(self.methods))} {self.path})"

    def admit(self, method: str, address: str, query: str) -> Challenge | None:
        """What can be said before the body is read: raises Refused, or answers a subscription's challenge."""
        if not is_allowed_address(address, self.networks):
            raise Refused(403, "this address may not call")
        challenge = answer_subscription(query, self.secret) if method == "GET" and self.secret else None
        if challenge is None and method not in self.methods:
            allowed = {"Allow": ", ".join(sorted(self.methods))}
            raise Refused(405, f"{method} is not accepted here", allowed)
        return None if challenge is None else Challenge(text=challenge)

    def accept(self, received: Received, *, source: str, now_ns: int) -> Event | Challenge:
        """The event of a complete request; raises Refused."""
        if len(received.body) > self.max_body_bytes:
            raise Refused(413, f"the request is larger than {self.max_body_bytes} bytes")
        proven: Proven | None = Proven()
        if self.verify is not None and self.secret is not None:
            proven = self.verify(received.headers, received.body, now_ns / 1e9)
            received = received._replace(headers=hide_secret(received.headers, self.secret))
        if proven is None:
            raise Refused(401, "the secret or the signature is missing, wrong or too old")
        try:
            body = read_body(received.body, received.headers.get("content-type", ""))
        except (ValueError, RecursionError) as fault:
            raise Refused(400, f"the body is not what its content type says: {fault}") from fault
        challenge = answer_challenge(body)
        if challenge is not None:
            return Challenge(text=challenge)
        identity = signed_identity(proven, body) or identity_of(received.headers)
        try:
            return make_event(received, body, identity=identity, source=source, now_ns=now_ns)
        except ValueError as fault:
            raise Refused(400, "the query has too many fields") from fault


def signed_identity(proven: Proven, body: Any) -> str | None:
    """The delivery's name where the proof covers it: then no other header can make a replay look new."""
    named = body.get(proven.field) if proven.field and isinstance(body, Mapping) else None
    return named if isinstance(named, str) and named else proven.id


def make_rules(parameters: Mapping[str, Any]) -> Rules:
    """The rules of resolved parameters. Raises PermanentError where they cannot be followed; never opens a hook whose
    author wanted it closed."""
    secret = None
    if "secret" in parameters:
        secret = text_of(parameters["secret"]) if parameters["secret"] is not None else ""
        if not secret.strip() or is_unfilled(secret):
            raise PermanentError("the secret is empty: the variable it comes from has no value")
    elif parameters.get("signature") is not None:
        raise PermanentError(UNPROVABLE)
    path = text_of(parameters.get("path") or "/webhook")
    return Rules(
        path="/" + path.strip("/"),
        methods=frozenset(method.upper() for method in texts_of(parameters.get("methods", ["POST", "PUT"]))),
        networks=make_networks(parameters.get("allowed_ips")),
        max_body_bytes=int(parameters.get("max_body_bytes", 1024 * 1024)),
        reply_seconds=float(parameters.get("reply_timeout", 30)),
        secret=secret,
        verify=None
        if secret is None
        else make_verify(parameters.get("signature"), secret, float(parameters.get("replay_seconds", 300))),
    )
