"""Who may call a hook that speaks a protocol (mcp, a2a): who shows its token, or one of the tenant's."""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import Facts, Received, Refused
from intellyhub_functions.parameters import is_unfilled
from intellyhub_functions.sources.lists import texts_of

__all__ = ["Callers", "examine", "make_callers"]

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
ORIGIN = re.compile(r"https?://[^/\s?#@]+")
"""https://datatracker.ietf.org/doc/html/rfc6454#section-6.1"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Callers:
    """Who may call."""

    facts: Facts
    token: bytes | None
    """The listener's own; None where it has none."""
    public: bool
    origins: frozenset[str]
    realm: str

    def __repr__(self) -> str:
        return f"Callers(of {self.facts.name})"

    def check(self, head: Received) -> None:
        """Raises `Refused`. A page in a browser may call from the origins that are named, and from this machine. What
        the request says of our own address counts for nothing: a page led here by DNS rebinding says its own."""
        origin = head.headers.get("origin")
        if origin is not None and origin not in self.origins and host_of(origin) not in LOOPBACK:
            raise Refused(403, "pages of this origin may not call")
        if self.public or self.shows_token(head.headers) or self.facts.admits(head.headers):
            return
        raise Refused(
            401,
            "show a bearer token: that of the listener, or an API token of the tenant",
            {"WWW-Authenticate": f'Bearer realm="{self.realm}"'},
        )

    def shows_token(self, headers: Mapping[str, str]) -> bool:
        """Whether it is the listener's own."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode("latin-1", "replace")
        return self.token is not None and scheme.lower() == "bearer" and hmac.compare_digest(given, self.token)


def make_callers(parameters: Mapping[str, Any], facts: Facts, realm: str) -> Callers:
    """Those that the parameters let in. Raises PermanentError for a token without a value: it opens nothing."""
    token = None
    if "auth_token" in parameters:
        token = text_of(parameters["auth_token"] or "").strip()
        if not token or is_unfilled(token):
            raise PermanentError("the auth_token is empty: the variable it comes from has no value")
    return Callers(
        facts=facts,
        token=None if token is None else token.encode(),
        public=bool(parameters.get("public", False)),
        origins=frozenset(origin.rstrip("/") for origin in texts_of(parameters.get("allowed_origins")) if origin),
        realm=realm,
    )


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """What can never be meant, told before anybody calls: a token without a value, pages of no origin."""
    if "auth_token" in known and not text_of(known["auth_token"] or "").strip():
        yield ParameterFault(("auth_token",), "the auth_token is empty: leave it out, or say which variable holds it")
    elif known.get("public") is True and ("auth_token" in known or "auth_token" in unknown):
        message = "with `public` everyone may call, and nobody is asked for the `auth_token`"
        yield ParameterFault(("public",), message, certain=False)
    written = known.get("allowed_origins")
    for number, origin in enumerate(texts_of(written)):
        if not ORIGIN.fullmatch(origin.rstrip("/")):
            path = ("allowed_origins", number) if isinstance(written, list) else ("allowed_origins",)
            yield ParameterFault(path, f"allowed_origins: {origin[:100]!r} is no origin such as https://chat.example")


def host_of(origin: str) -> str | None:
    """The host of an origin; None where it is none."""
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
