"""boto3 clients whose requests leave through `network.exchange`: hosts refused, answers bounded, calls cancelled."""

from __future__ import annotations

import functools
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.aws.account import Account
from intellyhub_functions.network.exchange import Request, send

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

__all__ = ["Limits", "make_client"]

MAX_ANSWER_BYTES = 16 * 1024 * 1024
LOCK = threading.Lock()
"""A session makes one client at a time (boto3's guide, «Multithreading or multiprocessing with clients»)."""
OWN_SURROUNDINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ca_bundle": (None, None, None, None),
}
"""What botocore would read of the platform's environment and home, and must not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a client's requests may take."""

    timeout_seconds: float = 30.0
    """For the connection and between two pieces of an answer."""
    deadline_seconds: float | None = None
    """For one request."""
    max_answer_bytes: int = MAX_ANSWER_BYTES
    cancelled: threading.Event | None = None


def make_client(service: str, account: Account, limits: Limits) -> Any:
    """A client of `s3` or `sqs` for this account. It tries each request once: retrying is its user's."""
    try:
        from botocore.config import Config
    except ImportError as fault:
        raise PermanentError("boto3 is not installed; it comes with intellyhub-functions[aws]") from fault
    from botocore.exceptions import BotoCoreError

    config = Config(
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path" if account.base_url else "auto"},
        ignore_configured_endpoint_urls=True,
        request_checksum_calculation="when_required",  # servers that only speak like S3 do not know the newer ones
        response_checksum_validation="when_required",
    )
    with LOCK:
        try:
            client = make_session().client(
                service,
                region_name=account.region,
                endpoint_url=account.base_url,
                aws_access_key_id=account.access_key,
                aws_secret_access_key=account.secret_key,
                aws_session_token=account.session_token,
                config=config,
            )
        except (BotoCoreError, ValueError) as fault:
            raise PermanentError(f"{service.upper()} cannot be used with these parameters: {fault}") from fault
    client.meta.events.register(f"before-send.{service}", functools.partial(carry, limits=limits))
    return client


@functools.cache
def make_session() -> Any:
    """The session that all clients come from. It has no keys and reads no files: it keeps AWS's descriptions."""
    import boto3
    import botocore.credentials
    import botocore.session

    core = botocore.session.Session(session_vars={**OWN_SURROUNDINGS})
    core.register_component("credential_provider", botocore.credentials.CredentialResolver([]))
    return boto3.Session(botocore_session=core)


def carry(request: AWSPreparedRequest, limits: Limits, **_: object) -> AWSResponse:
    """Send a request that botocore has signed; what it gets back is the whole answer."""
    from botocore.awsrequest import AWSResponse

    body = request.body
    response = send(
        Request(
            method=request.method,
            url=request.url,
            headers={name: plain(value) for name, value in request.headers.items() if name.lower() != "expect"}
            | {"accept-encoding": "identity"},
            body=body.encode() if isinstance(body, str) else body,
            timeout_seconds=limits.timeout_seconds,
            deadline_seconds=limits.deadline_seconds,
            max_redirects=0,
            max_body_bytes=limits.max_answer_bytes,
            decode=False,
            cancelled=limits.cancelled,
        )
    )
    return AWSResponse(request.url, response.status, response.headers, Raw(response.body))


def plain(value: Any) -> str:
    """A header's value as text."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


class Raw(io.BytesIO):
    """A body that has arrived, read as botocore reads one that is on its way."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """The body, in one piece."""
        yield self.read()
