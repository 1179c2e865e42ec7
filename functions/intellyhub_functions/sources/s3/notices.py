"""Reads the notifications that a bucket sends to a queue: directly, through SNS, or through EventBridge.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from intellyhub_functions.aws.reception import Unreadable
from intellyhub_functions.sources.s3.change import Change

__all__ = ["read_notices"]

KINDS = {
    "ObjectCreated": "created",
    "ObjectRestore": "created",
    "ObjectRemoved": "removed",
    "LifecycleExpiration": "removed",
}
BRIDGE_KINDS = {"Object Created": "created", "Object Deleted": "removed", "Object Restore Completed": "created"}


def read_notices(body: str) -> list[Change]:
    """The changes that a message tells; none for the test message of a new configuration. Raises Unreadable."""
    try:
        notice = json.loads(body)
        if isinstance(notice, dict) and notice.get("Type") == "Notification":  # SNS's envelope
            notice = json.loads(notice["Message"])
        return read_notice(notice)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as fault:
        raise Unreadable(f"it is no notification of S3 ({type(fault).__name__})") from fault


def read_notice(notice: Any) -> list[Change]:
    """Whatever a wrong shape raises is the caller's to translate."""
    if notice.get("Event") == "s3:TestEvent":
        return []
    if "Records" in notice:
        return [change for record in notice["Records"] if (change := read_record(record)) is not None]
    kind = BRIDGE_KINDS.get(notice["detail-type"])
    detail = notice["detail"]
    if kind is None:
        return []
    return [read_object(kind, detail["bucket"]["name"], detail["object"]["key"], detail["object"], notice.get("time"))]


def read_record(record: Mapping[str, Any]) -> Change | None:
    """One record; None for a kind of change that is not told."""
    name = record["eventName"].removeprefix("s3:")
    kind = KINDS.get(name.partition(":")[0])
    if kind is None or (name.endswith(":Post") and name.startswith("ObjectRestore")):
        return None
    stored = record["s3"]
    key = unquote_plus(stored["object"]["key"])
    return read_object(kind, stored["bucket"]["name"], key, stored["object"], record.get("eventTime"))


def read_object(kind: str, bucket: Any, key: Any, facts: Mapping[str, Any], time: Any) -> Change:
    """The change that the facts tell; the sequencer tells apart two of one object, else its version or time."""
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise ValueError("bucket or key is missing")
    version = facts.get("versionId") or facts.get("version-id")
    etag = facts.get("eTag") or facts.get("etag")
    size = facts.get("size")
    mark = facts.get("sequencer") or f"{version} {etag} {time}"
    return Change(
        kind=kind,
        bucket=bucket,
        key=key,
        size=size if isinstance(size, int) else None,
        etag=str(etag) if etag else None,
        version_id=str(version) if version else None,
        modified_at=time if isinstance(time, str) else None,
        mark=str(mark),
    )
