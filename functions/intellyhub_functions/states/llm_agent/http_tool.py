"""A tool that is an HTTP service: what the model gives goes into the path, the query or the body."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import make_result
from intellyhub_functions.network.exchange import send
from intellyhub_functions.states.http.http import make_error, make_request

__all__ = ["make_http_use"]

PLACE = re.compile(r"(?<=/):([A-Za-z_][A-Za-z0-9_]*)")
WITHOUT_BODY = frozenset(("GET", "HEAD", "DELETE"))
MAX_BODY_BYTES = 1024 * 1024
PASSED_ON = ("headers", "auth", "verify_tls", "timeout")


def make_http_use(entry: Mapping[str, Any], schema: Mapping[str, Any], step: Step) -> Callable[..., Any]:
    """What asks the service. `/:name` in its address takes the argument of that name; the others are the query of a
    GET, HEAD or DELETE, and the JSON body of any other method. The address's host is never the model's to choose."""
    address = text_of(entry.get("http") or entry.get("url")).strip()
    method = text_of(entry.get("method") or "GET").upper()
    named = schema.get("properties") or {}

    def use(arguments: Mapping[str, Any], key: str) -> Any:
        rest = dict(arguments)

        def fill(found: re.Match[str]) -> str:
            name = found.group(1)
            if name not in named:
                return found.group(0)
            return segment(name, rest.pop(name, None))

        url = PLACE.sub(fill, address)
        told: dict[str, Any] = {name: entry[name] for name in PASSED_ON if entry.get(name) is not None}
        told |= {"url": url, "method": method, "max_body_bytes": MAX_BODY_BYTES}
        if rest:
            told["query" if method in WITHOUT_BODY else "json"] = rest
        request = make_request(told, step)
        if method not in WITHOUT_BODY:
            request = replace(request, headers={**request.headers, "idempotency-key": f"{step.idempotency_key}/{key}"})
        response = send(request)
        result = make_result(response)
        if response.status >= 400:
            raise make_error(request, response, result)
        return result["json"] if result["json"] is not None else text_of(result["body"])

    return use


def segment(name: str, value: Any) -> str:
    """One part of a path, which cannot become two, or lead out of it."""
    text = "" if value is None else text_of(value)
    if text in ("", ".", ".."):
        raise PermanentError(f"{name} must not be {text!r}")
    return quote(text, safe="")
