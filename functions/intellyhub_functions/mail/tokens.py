"""Access tokens for mail servers that know no passwords: OAuth 2.0 (RFC 6749), shown by XOAUTH2.

https://developers.google.com/gmail/imap/xoauth2-protocol
"""

from __future__ import annotations

import functools
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any
from urllib.parse import urlencode

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.mail.keeping import Keeping, RefreshToken, find_kept, keep
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send

__all__ = ["AccessTokens", "Grant", "read_grant", "tokens_of"]

TOKEN_URLS = {
    "google": "https://oauth2.googleapis.com/token",
    "microsoft": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
}
MAX_ANSWER_BYTES = 64 * 1024
ANSWER_SECONDS = 30.0
EARLY_SECONDS = 60.0
"""A token is renewed so long before it ends."""
USUAL_SECONDS = 3600.0
"""How long a token holds where the answer does not say."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What access tokens are had for: either one itself, or what one is asked with."""

    access_token: str = field(default="", repr=False)
    token_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    """Without one the client asks for itself (`client_credentials`)."""
    scope: str = ""

    @property
    def place(self) -> str:
        """Under which the last refresh token is kept."""
        named = f"{self.token_url} {self.client_id} {self.refresh_token}"
        return f"oauth2 {hashlib.sha256(named.encode()).hexdigest()[:16]}"


def read_grant(parameters: Mapping[str, Any]) -> Grant | None:
    """The parameters `access_token` and `oauth2`; None where neither is given. Raises PermanentError."""
    given = parameters.get("oauth2")
    token = text_of(parameters.get("access_token") or "").strip()
    if not given:
        return Grant(access_token=token) if token else None
    if not isinstance(given, Mapping):
        return Grant(access_token=text_of(given).strip())
    written = {name: text_of(value).strip() for name, value in given.items() if value is not None}
    provider = written.get("provider", "").lower()
    if provider and provider not in TOKEN_URLS:
        known = ", ".join(TOKEN_URLS)
        raise PermanentError(f"oauth2's provider is {provider!r}; known are {known}; for others give token_url")
    url = written.get("token_url") or TOKEN_URLS.get(provider, "").format(tenant=written.get("tenant") or "common")
    token = written.get("access_token", token)
    if not token and not (url and written.get("client_id")):
        raise PermanentError("oauth2 needs an access_token, or client_id and token_url (or a provider)")
    names = ("client_id", "client_secret", "refresh_token", "scope")
    return Grant(access_token=token, token_url=url, **{name: written.get(name, "") for name in names})


@functools.lru_cache(maxsize=64)
def tokens_of(grant: Grant) -> AccessTokens:
    """The tokens of a grant, asked for once for the whole process."""
    return AccessTokens(grant)


class AccessTokens:
    """Gives access tokens, and asks for a new one when the last is about to end. Thread-safe."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant
        self._refresh = RefreshToken(grant.refresh_token)
        self._lock = threading.Lock()
        self._token = grant.access_token
        self._ends = float("inf") if grant.access_token else 0.0

    def show(
        self,
        show: Callable[[str], object],
        keeping: Keeping,
        *,
        refuses: Callable[[Exception], bool],
        cancelled: threading.Event,
    ) -> None:
        """Show a server a token; where that `refuses` it and another can be had, another. Raises what `show` raises."""
        for last in (False, True):
            token = self._get(keeping, cancelled)
            try:
                show(token)
                return
            except Exception as fault:
                if not refuses(fault):
                    raise
                self._forget(token)
                if last or not self._grant.token_url:
                    raise

    def _get(self, keeping: Keeping, cancelled: threading.Event) -> str:
        """A token that holds. Raises PermanentError where the grant is refused, RetryableError."""
        grant = self._grant
        with self._lock:
            if not self._token or time.monotonic() >= self._ends:
                self._find_refresh_token(keeping)
                answer = read_answer(ask(grant, self._refresh.token, cancelled), grant)
                self._token = answer["access_token"]
                self._ends = time.monotonic() + max(seconds_of(answer) - EARLY_SECONDS, 0.0)
                given = text_of(answer.get("refresh_token") or "")
                if given and given != self._refresh.token:
                    self._refresh = RefreshToken(given, time.time())
            if self._refresh.token and self._refresh.token != grant.refresh_token:
                keep(self._refresh, grant.refresh_token, grant.place, keeping)
            return self._token

    def _find_refresh_token(self, keeping: Keeping) -> None:
        """The last one: of this process, or of another that serves the flow."""
        if self._grant.refresh_token:
            kept = find_kept(self._grant.refresh_token, self._grant.place, keeping)
            self._refresh = max(self._refresh, kept, key=lambda known: known.given_at)

    def _forget(self, token: str) -> None:
        """The server refused this token: ask for another the next time, where that can be done."""
        with self._lock:
            if self._grant.token_url and token == self._token:
                self._token = ""


def ask(grant: Grant, refresh_token: str, cancelled: threading.Event) -> Response:
    """Ask the token endpoint (RFC 6749, sections 4.4 and 6)."""
    fields = {
        "grant_type": "refresh_token" if refresh_token else "client_credentials",
        "refresh_token": refresh_token,
        "client_id": grant.client_id,
        "client_secret": grant.client_secret,
        "scope": grant.scope,
    }
    return send(
        Request(
            method="POST",
            url=grant.token_url,
            headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
            body=urlencode({name: value for name, value in fields.items() if value}).encode(),
            timeout_seconds=ANSWER_SECONDS,
            deadline_seconds=ANSWER_SECONDS,
            max_redirects=0,
            max_body_bytes=MAX_ANSWER_BYTES,
            cancelled=cancelled,
            called="the token endpoint",
        )
    )


def read_answer(response: Response, grant: Grant) -> Mapping[str, Any]:
    """The endpoint's answer, which holds a token."""
    if response.status == 429 or response.status >= 500:
        raise RetryableError(f"the token endpoint answers {response.status}", retry_after_seconds=retry_after(response))
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, Mapping):
        raise PermanentError(f"the token endpoint answers {response.status}, and no JSON object")
    if response.status >= 400 or not isinstance(answer.get("access_token"), str):
        reason = text_of(answer.get("error") or "no access_token")[:100]
        raise PermanentError(f"no access token for the client {grant.client_id!r}: {reason}")
    return answer


def seconds_of(answer: Mapping[str, Any]) -> float:
    """How long the token holds."""
    try:
        return float(answer.get("expires_in") or USUAL_SECONDS)
    except (TypeError, ValueError):
        return USUAL_SECONDS
