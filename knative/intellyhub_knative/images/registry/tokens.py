"""How a registry learns who asks: the challenge it gives, and the tokens that are fetched for it.

Basic (RFC 7617), and Bearer as the distribution project specifies it: a token per set of scopes, from the address that
the challenge names, for credentials or for nobody; with a refresh token by OAuth 2.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlencode, urlsplit

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.errors import RegistryRefused
from intellyhub_knative.images.registry.access import Credentials

__all__ = ["Challenge", "TokenKeeper", "read_challenge"]

SCHEME = re.compile(r"(?:^|,)\s*(?P<scheme>Basic|Bearer)(?=\s|,|$)", re.IGNORECASE)
PARAMETER = re.compile(r'(?P<name>[A-Za-z]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))')
CLIENT = "intellyhub"


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What a registry asks for."""

    bearer: bool
    realm: str = ""
    service: str = ""
    scopes: frozenset[str] = frozenset()


def read_challenge(header: str) -> Challenge | None:
    """A `WWW-Authenticate` header; Bearer where both are offered, None where neither is."""
    found: dict[str, Mapping[str, str]] = {}
    marks = list(SCHEME.finditer(header))
    ends = [*(mark.start() for mark in marks[1:]), len(header)]
    for mark, end in zip(marks, ends, strict=False):
        part = header[mark.end() : end]
        found[mark["scheme"].lower()] = {
            match["name"].lower(): match["plain"] or (match["quoted"] or "").replace("\\", "")
            for match in PARAMETER.finditer(part)
        }
    if "bearer" in found:
        facts = found["bearer"]
        scopes = frozenset(facts.get("scope", "").split())
        return Challenge(bearer=True, realm=facts.get("realm", ""), service=facts.get("service", ""), scopes=scopes)
    return Challenge(bearer=False) if "basic" in found else None


Fetch = Callable[[str, str, Mapping[str, str], bytes | None], tuple[int, bytes]]
"""`fetch(method, url, headers, body)`: status and body, both as they came."""


class TokenKeeper:
    """What is shown to one registry."""

    def __init__(self, address: str, who: Credentials | None, fetch: Fetch) -> None:
        self._secure = address.startswith("https:")
        self._who = who
        self._fetch = fetch
        self._challenge: Challenge | None = None
        self._tokens: dict[frozenset[str], str] = {}

    def header(self, scopes: frozenset[str]) -> str | None:
        """The `Authorization` for a request that needs these scopes; None while nothing was asked for. Raises
        `RegistryRefused`."""
        if self._challenge is None:
            return None
        if not self._challenge.bearer:
            return self._who.basic if self._who is not None else None
        if scopes not in self._tokens:
            self._tokens[scopes] = self._obtain(self._challenge, scopes)
        return f"Bearer {self._tokens[scopes]}"

    def learn(self, header: str, scopes: frozenset[str]) -> bool:
        """Take in a challenge; whether it is worth asking again. Raises `RegistryRefused`."""
        challenge = read_challenge(header)
        if challenge is None:
            return False
        if not challenge.bearer:
            was_known = self._challenge is not None
            self._challenge = challenge
            return self._who is not None and bool(self._who.username) and not was_known
        self._challenge = challenge
        self._tokens[scopes] = self._obtain(challenge, scopes | challenge.scopes)
        return True

    def _obtain(self, challenge: Challenge, scopes: frozenset[str]) -> str:
        """A new token."""
        place = urlsplit(challenge.realm)
        if place.scheme not in ("http", "https") or (self._secure and place.scheme != "https"):
            raise RegistryRefused(
                f"its tokens come from {challenge.realm[:200]!r}, which is not encrypted: nothing is sent there",
                status=401,
            )
        if self._who is not None and self._who.identity_token:
            status, body = self._refresh(challenge, scopes, self._who.identity_token)
        else:
            asked = [*([("service", challenge.service)] if challenge.service else [])]
            asked += [("scope", scope) for scope in sorted(scopes)]
            address = challenge.realm + ("&" if place.query else "?") + urlencode(asked)
            known = self._who is not None and self._who.username
            status, body = self._fetch("GET", address, {"Authorization": self._who.basic} if known else {}, None)  # type: ignore[union-attr]
        return read_token(status, body)

    def _refresh(self, challenge: Challenge, scopes: frozenset[str], token: str) -> tuple[int, bytes]:
        form = {
            "grant_type": "refresh_token",
            "service": challenge.service,
            "client_id": CLIENT,
            "scope": " ".join(sorted(scopes)),
            "refresh_token": token,
        }
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch("POST", challenge.realm, kind, urlencode(form).encode())


def read_token(status: int, body: bytes) -> str:
    """The token in an answer. Raises `RegistryRefused`."""
    try:
        document = json.loads(body) if status == 200 else {}
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str) or not token.isprintable():
        raise RegistryRefused(
            f"its token service answers {status} and no token: are the credentials right?", status=401
        )
    return token
