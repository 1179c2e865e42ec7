"""The `http` state: makes the request of the parameters, and a result or an error of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import TextRecord, text_of, wrap
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import make_result, retry_after
from intellyhub_functions.network.exchange import Request, Response, name_of, send, without_secrets
from intellyhub_functions.states.http.expected import is_expected

__all__ = ["perform"]

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
RETRYABLE = frozenset((408, 425, 429, 500, 502, 503, 504))
"""The statuses that say nothing about the request itself. https://www.rfc-editor.org/rfc/rfc9110#name-status-codes"""


def perform(parameters: Mapping[str, Any], step: Step) -> TextRecord:
    """Send one request. The result's text is the answer's body; an unexpected status raises, with the result kept."""
    request = make_request(parameters, step)
    response = send(request)
    result = make_result(response)
    if parameters.get("accept_errors") or is_expected(response.status, parameters.get("expected")):
        return result
    raise make_error(request, response, result)


def make_request(parameters: Mapping[str, Any], step: Step) -> Request:
    """The request that the parameters describe; raises PermanentError where they contradict each other."""
    body, content_type = make_body(parameters)
    method = (parameters.get("method") or ("GET" if body is None else "POST")).upper()
    headers = {"content-type": content_type} if content_type else {}
    headers |= make_authorization(parameters.get("auth"))
    if method not in SAFE_METHODS:
        headers["idempotency-key"] = step.idempotency_key
    given = parameters.get("headers") or {}
    headers |= {str(name).lower(): text_of(value) for name, value in given.items() if value is not None}
    return Request(
        method=method,
        url=add_query(parameters["url"].strip(), parameters.get("query") or {}),
        headers=headers,
        body=body,
        timeout_seconds=parameters.get("timeout", 30),
        deadline_seconds=step.timeout_seconds,
        max_redirects=parameters.get("max_redirects", 5) if parameters.get("follow_redirects", True) else 0,
        verify_tls=parameters.get("verify_tls", True),
        max_body_bytes=parameters.get("max_body_bytes", 16 * 1024 * 1024),
        cancelled=step.cancelled,
    )


def make_body(parameters: Mapping[str, Any]) -> tuple[bytes | None, str | None]:
    """The body's bytes and type: at most one of `json`, `form` and `body` may be given."""
    given = [name for name in ("json", "form", "body") if parameters.get(name) is not None]
    if len(given) > 1:
        raise PermanentError(f"{' and '.join(given)} are given; a request has one body")
    if not given:
        return None, None
    content = parameters[given[0]]
    if given[0] == "form":
        fields = {name: text_of(value) if not isinstance(value, list) else value for name, value in content.items()}
        return urlencode(fields, doseq=True).encode(), "application/x-www-form-urlencoded"
    if isinstance(content, bytes):
        return content, "application/octet-stream"
    if given[0] == "body" and (isinstance(content, TextRecord) or not isinstance(content, dict | list)):
        return text_of(content).encode(), None
    return json.dumps(content, ensure_ascii=False, default=text_of).encode(), "application/json"


def make_authorization(auth: Any) -> dict[str, str]:
    """Basic from `{username, password}`, bearer from `{token}`."""
    if not auth:
        return {}
    if isinstance(auth, Mapping) and auth.get("token"):
        return {"authorization": f"Bearer {auth['token']}"}
    if isinstance(auth, Mapping) and "username" in auth:
        from urllib3 import make_headers

        return make_headers(basic_auth=f"{auth['username']}:{auth.get('password', '')}")
    raise PermanentError("auth must be {username, password} or {token}")


def add_query(url: str, query: Mapping[str, Any]) -> str:
    """The address with more query parameters; a list gives its name several times, None is left out."""
    given = {
        name: [text_of(item) for item in value] if isinstance(value, list | tuple) else text_of(value)
        for name, value in query.items()
        if value is not None
    }
    if not given:
        return url
    try:
        parts = urlsplit(url)
    except ValueError as fault:
        raise PermanentError(f"{without_secrets(url)!r} is not an http or https address") from fault
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(given, doseq=True))))))


def make_error(request: Request, response: Response, result: TextRecord) -> PermanentError | RetryableError:
    """The failure that an unexpected status is."""
    message = f"{request.method} {name_of(response.url)} answered {response.status}"
    if response.status in RETRYABLE:
        return RetryableError(message, retry_after_seconds=retry_after(response), result=wrap(result))
    return PermanentError(message, result=wrap(result))
