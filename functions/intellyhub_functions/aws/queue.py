"""One SQS queue: receive, keep invisible, give back, delete."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.aws.account import Account, find_account
from intellyhub_functions.aws.client import Limits, make_client
from intellyhub_functions.aws.refusals import translated

__all__ = ["Message", "Queue", "find_queue_account", "read_url"]

MOST_AT_ONCE = 10
"""What one request may name."""
CALL_SECONDS = 10.0
"""For a request beyond the time that SQS holds it open."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Ten messages together have at most 1 MiB; JSON may double what it quotes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message as it was received this time."""

    id: str
    receipt: str = field(repr=False)
    """By which this reception is named to SQS."""
    body: str
    system: Mapping[str, str]
    """What SQS says of it: `SentTimestamp`, `ApproximateReceiveCount`, `MessageGroupId`, …"""
    attributes: Mapping[str, str]
    """What its sender says of it; binary values in base64."""

    @property
    def receptions(self) -> int:
        """How often it was received, this time included."""
        written = self.system.get("ApproximateReceiveCount", "1")
        return int(written) if written.isdigit() else 1


def find_queue_account(parameters: Mapping[str, Any], names: Mapping[str, Any], url: str) -> Account:
    """The account, with region and address of the queue's own URL where nothing else is said."""
    host, origin = read_url(url)
    if host is None:
        raise PermanentError(f"queue_url is {url!r}, not the address of a queue")
    account = find_account(parameters, names, "SQS")
    at_aws = re.fullmatch(r"(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?", host)
    if at_aws:
        return account if parameters.get("region") else replace(account, region=at_aws[1] or at_aws[2])
    return account if account.base_url else replace(account, base_url=origin)


def read_url(url: str) -> tuple[str | None, str]:
    """The host of a queue's address, and where its server is; no host where it is no such address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.port != 0 and len(parts.path) > 1
        return parts.hostname if usable else None, f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return None, ""


class Queue:
    """The queue at an address, as one listener uses it. Each call raises RetryableError or PermanentError."""

    def __init__(self, url: str, account: Account, *, wait_seconds: int) -> None:
        self.url = url
        self.name = f"the queue {urlsplit(url).path.rpartition('/')[2]}"
        self._wait_seconds = wait_seconds
        self._waiting = make_client(
            "sqs", account, Limits(timeout_seconds=wait_seconds + CALL_SECONDS, max_answer_bytes=MAX_ANSWER_BYTES)
        )
        self._acting = make_client("sqs", account, Limits(timeout_seconds=CALL_SECONDS, deadline_seconds=CALL_SECONDS))

    def receive(self, most: int, visibility_seconds: int, *, waits: bool) -> list[Message]:
        """Up to `most` messages, which others do not see for so long; waits for one, if it may."""
        with translated(self.name):
            answer = self._waiting.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=self._wait_seconds if waits else 0,
                VisibilityTimeout=visibility_seconds,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            return [read_message(message) for message in answer.get("Messages", ())]

    def has_dead_letters(self) -> bool:
        """Whether SQS itself puts messages aside that are received too often. False where that may not be asked."""
        try:
            with translated(self.name):
                answer = self._acting.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
                return bool(answer.get("Attributes", {}).get("RedrivePolicy"))
        except PermanentError:
            return False

    def delete(self, receipts: Sequence[str]) -> list[str]:
        """Delete; the receipts for which it failed."""
        return [
            part[int(number)]
            for part in in_parts(receipts)
            for number in self._act("delete_message_batch", [entry_of(*numbered) for numbered in enumerate(part)])
        ]

    def hide(self, receipts: Sequence[str], seconds: int) -> None:
        """Keep messages from others for so long from now on; 0 gives them back."""
        for part in in_parts(receipts):
            entries = [entry_of(*numbered) | {"VisibilityTimeout": seconds} for numbered in enumerate(part)]
            self._act("change_message_visibility_batch", entries)

    def _act(self, action: str, entries: list[dict[str, Any]]) -> list[str]:
        """The ids of the entries that failed."""
        with translated(self.name):
            answer = getattr(self._acting, action)(QueueUrl=self.url, Entries=entries)
            return [failure["Id"] for failure in answer.get("Failed", ()) if int(failure["Id"]) < len(entries)]


def in_parts(receipts: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as a request may name."""
    rest = iter(receipts)
    while part := list(islice(rest, MOST_AT_ONCE)):
        yield part


def entry_of(number: int, receipt: str) -> dict[str, Any]:
    return {"Id": str(number), "ReceiptHandle": receipt}


def read_message(answer: Mapping[str, Any]) -> Message:
    """A message of an answer. What is missing in it makes no sense, and is told so by `translated`."""
    return Message(
        id=answer["MessageId"],
        receipt=answer["ReceiptHandle"],
        body=answer.get("Body") or "",
        system={name: text_of(value) for name, value in (answer.get("Attributes") or {}).items()},
        attributes={name: value_of(value) for name, value in (answer.get("MessageAttributes") or {}).items()},
    )


def value_of(attribute: Mapping[str, Any]) -> str:
    """An attribute's value as text."""
    binary = attribute.get("BinaryValue")
    return base64.b64encode(binary).decode() if isinstance(binary, bytes) else text_of(attribute.get("StringValue"))
