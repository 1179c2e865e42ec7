"""Calls LinkedIn's official API. https://learn.microsoft.com/linkedin/marketing/community-management/shares/posts-api."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send
from intellyhub_functions.network.uploads import Upload
from intellyhub_functions.parameters import find_address, find_secret

__all__ = ["DEFAULT_URL", "DEFAULT_VERSION", "LinkedIn", "LinkedInRefused", "make_linkedin", "path_of", "read_object"]

DEFAULT_URL = "https://api.linkedin.com"
DEFAULT_VERSION = "202605"
"""A version lives for a year; https://learn.microsoft.com/linkedin/marketing/versioning"""
MAX_WORDS_CHARACTERS = 300
PROTOCOL = {"x-restli-protocol-version": "2.0.0"}


class LinkedInRefused(PermanentError):
    """LinkedIn refused a call for good; `code` is its word for why (`DUPLICATE_POST`)."""

    def __init__(self, message: str, *, status: int, code: str) -> None:
        self.code = code
        super().__init__(message, result={"status_code": status})


def make_linkedin(parameters: Mapping[str, Any], step: Step) -> LinkedIn:
    """The API as one step sees it. Raises PermanentError where the token or the version cannot be one."""
    names = step.scope
    token = find_secret(parameters, "access_token", names, "LINKEDIN_ACCESS_TOKEN")
    version = text_of(parameters.get("api_version") or names.get("LINKEDIN_API_VERSION") or DEFAULT_VERSION).strip()
    if not re.fullmatch(r"20\d{4}(\.\d{2})?", version):
        raise PermanentError(f"api_version is {version!r}, and must be a year and month such as {DEFAULT_VERSION}")
    base = find_address(parameters, "base_url", names, "LINKEDIN_BASE_URL", DEFAULT_URL)
    return LinkedIn(url=base, token=token, version=version, timeout_seconds=parameters.get("timeout", 30), step=step)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedIn:
    """One token at one version of the API."""

    url: str
    token: str = field(repr=False)
    version: str
    timeout_seconds: float
    step: Step = field(repr=False)

    def call(self, method: str, path: str, body: Any = None, *, kind: str = "") -> Response:
        """The answer to one call. Raises LinkedInRefused, RetryableError or what `send` raises."""
        headers = {"authorization": f"Bearer {self.token}", "linkedin-version": self.version, **PROTOCOL}
        headers |= {"content-type": "application/json"} if body is not None else {}
        headers |= {"x-restli-method": kind} if kind else {}
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return self._send(method, f"{self.url}{path}", headers, content, f"LinkedIn's {path.partition('?')[0]}")

    def upload(self, url: str, upload: Upload) -> None:
        """Put a file where LinkedIn said. The token goes along to LinkedIn's own hosts only."""
        host = urlsplit(url).hostname or ""
        ours = host == urlsplit(self.url).hostname or host == "linkedin.com" or host.endswith(".linkedin.com")
        headers = {"content-type": upload.media_type} | ({"authorization": f"Bearer {self.token}"} if ours else {})
        self._send("PUT", url, headers, upload.content, "LinkedIn's upload")

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, called: str) -> Response:
        response = send(
            Request(
                method=method,
                url=url,
                headers=headers,
                body=body,
                timeout_seconds=self.timeout_seconds,
                deadline_seconds=self.step.timeout_seconds,
                cancelled=self.step.cancelled,
                called=called,
                max_redirects=0,
            )
        )
        if response.status >= 300:
            raise make_failure(f"{method} {called}", response)
        return response


def read_object(response: Response) -> Mapping[str, Any]:
    """The answer's object; empty where it has none."""
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, Mapping) else {}


def make_failure(call: str, response: Response) -> PermanentError | RetryableError:
    """What an answer of 300 or more is.

    https://learn.microsoft.com/linkedin/shared/api-guide/concepts/error-handling
    """
    told = read_object(response)
    words = text_of(told.get("message") or "no reason given")[:MAX_WORDS_CHARACTERS]
    code = text_of(told.get("code") or told.get("errorDetailType"))
    message = f"{call}: {words} ({response.status})"
    if response.status == 429 or response.status >= 500:
        seconds = retry_after(response)
        return RetryableError(message, retry_after_seconds=seconds, result={"status_code": response.status})
    hints = {
        401: "; the access token is wrong or has ended",
        403: "; the token lacks the permission for this",
        426: "; name a newer api_version",
    }
    return LinkedInRefused(message + hints.get(response.status, ""), status=response.status, code=code)


def path_of(urn: str) -> str:
    """A urn as part of an address."""
    return quote(urn, safe="")
