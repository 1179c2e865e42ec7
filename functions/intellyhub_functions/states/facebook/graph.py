"""Calls the Graph API. https://developers.facebook.com/docs/graph-api/overview."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send
from intellyhub_functions.network.uploads import Upload, encode_form
from intellyhub_functions.parameters import find_address, find_secret

__all__ = ["DEFAULT_URL", "DEFAULT_VERSION", "Graph", "make_graph"]

DEFAULT_URL = "https://graph.facebook.com"
DEFAULT_VERSION = "v23.0"
VERSION = re.compile(r"v\d{1,3}\.\d{1,2}")
PASSING = frozenset((2, 4, 17, 32, 341, 613, *range(80001, 80015)))
"""Busy, or called too often. https://developers.facebook.com/docs/graph-api/guides/error-handling"""
TOKEN_FAULT = 190
PERMISSION_FAULTS = frozenset((10, *range(200, 300)))
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0
MAX_WORDS_CHARACTERS = 300


def make_graph(parameters: Mapping[str, Any], step: Step) -> Graph:
    """The API as one step sees it. Raises PermanentError where the token or the version cannot be one."""
    names = step.scope
    token = find_secret(parameters, "access_token", names, "FACEBOOK_ACCESS_TOKEN")
    version = text_of(parameters.get("api_version") or names.get("FACEBOOK_API_VERSION") or DEFAULT_VERSION).strip()
    if not VERSION.fullmatch(version):
        raise PermanentError(f"api_version is {version!r}, and must be one such as {DEFAULT_VERSION}")
    base = find_address(parameters, "base_url", names, "FACEBOOK_BASE_URL", DEFAULT_URL)
    return Graph(
        url=f"{base}/{version}",
        token=token,
        app_secret=text_of(parameters.get("app_secret")).strip(),
        timeout_seconds=parameters.get("timeout", 30),
        step=step,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """One token at one version of the API."""

    url: str
    token: str = field(repr=False)
    app_secret: str = field(default="", repr=False)
    timeout_seconds: float = 30.0
    step: Step = field(repr=False)

    def get(self, path: str, **query: Any) -> Mapping[str, Any]:
        """Read a node or an edge."""
        return self._call("GET", path, query, {})

    def post(
        self, path: str, fields: Mapping[str, Any], files: Mapping[str, Upload] | None = None
    ) -> Mapping[str, Any]:
        """Make or change something."""
        return self._call("POST", path, fields, files or {})

    def delete(self, path: str) -> Mapping[str, Any]:
        """Delete a node."""
        return self._call("DELETE", path, {}, {})

    def _call(
        self, method: str, path: str, fields: Mapping[str, Any], files: Mapping[str, Upload]
    ) -> Mapping[str, Any]:
        given = {name: as_text(value) for name, value in fields.items() if value is not None} | self._credentials()
        url, body, kind = f"{self.url}/{quote(path)}", None, ""
        if method != "POST":
            url = f"{url}?{urlencode(given)}"
        elif files:
            body, kind = encode_form(given, files)
        else:
            body, kind = urlencode(given).encode(), "application/x-www-form-urlencoded"
        response = send(
            Request(
                method=method,
                url=url,
                headers={"content-type": kind} if kind else {},
                body=body,
                timeout_seconds=self.timeout_seconds,
                deadline_seconds=self.step.timeout_seconds,
                cancelled=self.step.cancelled,
                called=f"Facebook's /{path}",
                max_redirects=0,
            )
        )
        return read_answer(f"{method} /{path}", response)

    def _credentials(self) -> dict[str, str]:
        """Who asks. https://developers.facebook.com/docs/graph-api/guides/secure-requests."""
        if not self.app_secret:
            return {"access_token": self.token}
        proof = hmac.new(self.app_secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()
        return {"access_token": self.token, "appsecret_proof": proof}


def as_text(value: Any) -> str:
    """A field as forms and queries have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else text_of(value)


def read_answer(call: str, response: Response) -> Mapping[str, Any]:
    """What the call gave. Raises PermanentError or RetryableError, each with the status as `status`."""
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        told = None
    error = told.get("error") if isinstance(told, Mapping) else None
    if response.status < 400 and isinstance(told, Mapping) and error is None:
        return told
    if not isinstance(error, Mapping):
        message = f"Facebook's answer to {call} is not the Graph API's ({response.status})"
        passes = response.status == 429 or response.status >= 500
        raise make_failure(message, response, passes=passes, code=None)
    code = error.get("code") if isinstance(error.get("code"), int) else None
    words = text_of(error.get("error_user_msg") or error.get("message"))[:MAX_WORDS_CHARACTERS]
    hint = "; the access token is wrong or has ended" if code == TOKEN_FAULT else ""
    hint = "; the token lacks the permission for this" if code in PERMISSION_FAULTS else hint
    passes = error.get("is_transient") is True or code in PASSING or response.status == 429
    verb = "puts off" if passes else "refuses"
    raise make_failure(f"Facebook {verb} {call}: {words} ({code}){hint}", response, passes=passes, code=code)


def make_failure(
    message: str, response: Response, *, passes: bool, code: int | None
) -> PermanentError | RetryableError:
    """The failure; its result tells the status and the code."""
    told = {"status_code": response.status, "code": code}
    if passes:
        return RetryableError(message, retry_after_seconds=pause_of(response), result=told)
    return PermanentError(message, result=told)


def pause_of(response: Response) -> float | None:
    """How long to wait: `Retry-After`, else what the usage of the page says.

    https://developers.facebook.com/docs/graph-api/overview/rate-limiting#headers
    """
    seconds = retry_after(response)
    if seconds is not None:
        return seconds
    try:
        usage = json.loads(response.headers.get("x-business-use-case-usage", "{}"))
        rows = [row for rows in usage.values() for row in rows]
        minutes = max((float(row.get("estimated_time_to_regain_access", 0)) for row in rows), default=0.0)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    return min(minutes * 60, MAX_RETRY_AFTER_SECONDS) if minutes > 0 else None
