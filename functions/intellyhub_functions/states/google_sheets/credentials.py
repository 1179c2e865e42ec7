"""A token of a service account, made from its JSON key. https://developers.google.com/identity/protocols/oauth2/service-account."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.files.storage import read_up_to
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, send

__all__ = ["find_token"]

SCOPES = ("https://www.googleapis.com/auth/spreadsheets",)
MAX_KEY_BYTES = 64 * 1024
MAX_TOKENS = 16
SPARE_SECONDS = 120.0
"""A token is not used in its last two minutes."""
LOCK = threading.Lock()
TOKENS: OrderedDict[str, tuple[str, float]] = OrderedDict()
"""Digest of a key -> its token and when that ends, on the monotonic clock. A worker serves one flow."""


def find_token(parameters: Mapping[str, Any], step: Step) -> str:
    """The token to show: the state's own, else one for its service account, else for that of the variables
    GOOGLE_SERVICE_ACCOUNT_KEY and GOOGLE_CREDENTIALS_PATH. Raises StepFailed's kinds."""
    given = text_of(parameters.get("access_token")).strip()
    if given:
        return given
    facts = find_key(parameters, step)
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    with LOCK:
        token, ends = TOKENS.get(digest, ("", 0.0))
    if ends > time.monotonic():
        return token
    token, seconds = ask(facts, step)
    with LOCK:
        TOKENS[digest] = (token, time.monotonic() + seconds - SPARE_SECONDS)
        while len(TOKENS) > MAX_TOKENS:
            TOKENS.popitem(last=False)
    return token


def find_key(parameters: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """The service account's key, whatever way it is given."""
    written = parameters.get("credentials_json")
    path = parameters.get("credentials_path")
    if not written and not path:
        written, path = step.scope.get("GOOGLE_SERVICE_ACCOUNT_KEY"), step.scope.get("GOOGLE_CREDENTIALS_PATH")
    if not written and path:
        written = read_key(text_of(path), step)
    if not written:
        raise PermanentError(
            "credentials_json is missing; set it to a service account's JSON key, or the variable"
            " GOOGLE_SERVICE_ACCOUNT_KEY"
        )
    try:
        facts = dict(written) if isinstance(written, Mapping) else json.loads(text_of(written))
    except (ValueError, RecursionError) as fault:
        raise PermanentError("credentials_json is not JSON") from fault
    if not isinstance(facts, dict) or facts.get("type") != "service_account":
        raise PermanentError("credentials_json is not a service account's key: its type must be service_account")
    return facts


def read_key(written: str, step: Step) -> str:
    """The key in a file of the workspace."""
    path = place(written, step.workspace)
    try:
        return read_up_to(path, MAX_KEY_BYTES).decode("utf-8", "replace")
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise PermanentError(f"credentials_path {shown(path, step.workspace)}: {reason}") from fault


def ask(facts: Mapping[str, Any], step: Step) -> tuple[str, float]:
    """A new token and for how many seconds it is good. google-auth's errors are translated here and nowhere else."""
    try:
        from google.auth import exceptions
        from google.oauth2 import service_account
    except ImportError as fault:
        raise PermanentError("google-auth is not installed; it comes with intellyhub-functions[google]") from fault

    def carry(url: str, method: str = "POST", body: Any = None, headers: Any = None, **_: Any) -> Any:
        """Send google-auth's request our way."""
        response = send(
            Request(
                method=method,
                url=url,
                headers=dict(headers or {}),
                body=body.encode() if isinstance(body, str) else body,
                deadline_seconds=step.timeout_seconds,
                cancelled=step.cancelled,
                called="Google's token endpoint",
                max_redirects=0,
                max_body_bytes=MAX_KEY_BYTES,
            )
        )
        if response.status == 429 or response.status >= 500:  # not left to google-auth, which would sleep over it
            message = f"Google's token endpoint answered {response.status}"
            raise RetryableError(message, retry_after_seconds=retry_after(response))
        return SimpleNamespace(status=response.status, headers=response.headers, data=response.body)

    try:
        account: Any = service_account.Credentials.from_service_account_info(facts, scopes=SCOPES)  # type: ignore[no-untyped-call]
        account.refresh(carry)
    except exceptions.RefreshError as fault:
        raise PermanentError(f"Google refuses the service account: {reason_of(fault)}") from fault
    except exceptions.TransportError as fault:
        raise RetryableError(f"Google's token endpoint cannot be used: {reason_of(fault)}") from fault
    except (exceptions.GoogleAuthError, ValueError, TypeError, KeyError) as fault:
        raise PermanentError("credentials_json is not a service account's key that can be used") from fault
    return text_of(account.token), seconds_left(account.expiry)


def seconds_left(expiry: datetime | None) -> float:
    """How long a token is good; google-auth gives the moment in UTC, without saying so."""
    if expiry is None:
        return 0.0
    return max(expiry.replace(tzinfo=expiry.tzinfo or UTC).timestamp() - time.time(), 0.0)


def reason_of(fault: Exception) -> str:
    """What Google said, without the request."""
    return text_of(fault.args[0] if fault.args else fault)[:300]
