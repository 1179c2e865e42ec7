"""Objects in S3 as the `file` state uses them: `s3://bucket/key`, or any server that speaks like S3."""

from __future__ import annotations

import fnmatch
import mimetypes
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.machine.step import Step
from intellyhub_functions.aws.account import find_account
from intellyhub_functions.aws.client import Limits, make_client
from intellyhub_functions.aws.refusals import Refused, translated
from intellyhub_functions.files.paths import SCHEME

__all__ = ["Objects", "Place", "place_of"]

MAX_LISTED = 10_000
MAX_APPENDED = 64 * 1024 * 1024
"""An append writes the whole object anew, because S3 knows no other way."""
APPEND_TRIES = 5
SLACK_BYTES = 65536
"""For an answer that says why there is no content."""
LAST_APPEND = "intellyhub-append"
"""The object's metadata that holds the length before the last append, and its key."""
ABSENT = ("404", "NoSuchKey")
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
UNCONDITIONAL = ("NotImplemented", "501")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One object, or all those whose keys begin alike."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return posixpath.basename(self.key)


def place_of(written: str) -> Place:
    """Read `s3://bucket/key`. Raises PermanentError where the bucket is missing or the key leads elsewhere on its way
    through HTTP clients, which resolve dots."""
    bucket, _, key = written.strip()[len(SCHEME) :].partition("/")
    if not bucket:
        raise PermanentError(f"{written!r} names no bucket; it is s3://bucket/key")
    if "\0" in key or any(part in (".", "..") for part in key.split("/")):
        raise PermanentError(f"{written!r} has a part that no key may have")
    return Place(bucket=bucket, key=key)


class Objects:
    """The objects that a step reaches with its account."""

    def __init__(self, parameters: Mapping[str, Any], step: Step) -> None:
        self._step = step
        self._account = find_account(parameters, step.scope, "S3")
        self._client = self._make_client(MAX_APPENDED + SLACK_BYTES)

    def _make_client(self, max_answer_bytes: int) -> Any:
        limits = Limits(
            deadline_seconds=self._step.timeout_seconds,
            max_answer_bytes=max_answer_bytes,
            cancelled=self._step.cancelled,
        )
        return make_client("s3", self._account, limits)

    def read(self, place: Place, limit: int) -> bytes:
        """The content. Raises PermanentError where it is larger than the limit; what is beyond it is not fetched."""
        self._check_named(place)
        client = self._make_client(limit + SLACK_BYTES)
        try:
            with translated(str(place)):
                answer = client.get_object(Bucket=place.bucket, Key=place.key, Range=f"bytes=0-{limit}")
                content: bytes = answer["Body"].read()
        except Refused as refusal:
            if refusal.code != "InvalidRange":
                raise
            return b""  # of an empty object no range can be given
        if len(content) > limit:
            raise PermanentError(f"{place} is larger than {limit} bytes; `max_bytes` raises the limit")
        return content

    def write(self, place: Place, content: bytes, **conditions: Any) -> None:
        """Replace or make the object."""
        self._check_named(place)
        kind = mimetypes.guess_type(place.key)[0]
        with translated(str(place)):
            self._client.put_object(
                Bucket=place.bucket,
                Key=place.key,
                Body=content,
                **({"ContentType": kind} if kind else {}),
                **conditions,
            )

    def append(self, place: Place, content: bytes) -> None:
        """Add to the end; a repetition of the step adds nothing twice. Another's append in between is kept: the write
        is refused where the object is not what was read, and begins again."""
        self._check_named(place)
        for _ in range(APPEND_TRIES):
            before, mark, tag = self._read_marked(place)
            length, _, last = mark.partition(" ")
            if last == self._step.idempotency_key:
                before = before[: int(length)] if length.isdigit() else before
            if len(before) + len(content) > MAX_APPENDED:
                raise PermanentError(f"{place} would be larger than {MAX_APPENDED} bytes; append to smaller objects")
            noted = {LAST_APPEND: f"{len(before)} {self._step.idempotency_key}"}
            try:
                self._write_unless_changed(place, before + content, noted, tag)
                return
            except Refused as refusal:
                if refusal.code not in CHANGED:
                    raise
        raise RetryableError(f"{place} is changed by others all the time; nothing was appended")

    def _read_marked(self, place: Place) -> tuple[bytes, str, str | None]:
        """Content, mark of the last append and tag; nothing where there is no object."""
        try:
            with translated(str(place)):
                answer = self._client.get_object(Bucket=place.bucket, Key=place.key)
                return answer["Body"].read(), answer.get("Metadata", {}).get(LAST_APPEND, ""), answer["ETag"]
        except Refused as refusal:
            if refusal.code not in ABSENT:
                raise
            return b"", "", None

    def _write_unless_changed(self, place: Place, content: bytes, noted: dict[str, str], tag: str | None) -> None:
        condition = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
        try:
            self.write(place, content, Metadata=noted, **condition)
        except Refused as refusal:
            if refusal.code not in UNCONDITIONAL:
                raise
            self._step.log("warning", f"{place}: the server cannot tell whether others append at the same time")
            self.write(place, content, Metadata=noted)

    def copy(self, place: Place, target: Place) -> None:
        """Copy within S3; the content does not come here."""
        self._check_named(target)
        source = {"Bucket": place.bucket, "Key": place.key}
        with translated(f"{place} to {target}"):
            self._client.copy_object(Bucket=target.bucket, Key=target.key, CopySource=source)

    def delete(self, place: Place) -> None:
        """Remove the object; what is not there is gone."""
        self._check_named(place)
        with translated(str(place)):
            self._client.delete_object(Bucket=place.bucket, Key=place.key)

    def exists(self, place: Place) -> bool:
        """Whether there is such an object, or one whose key begins so where it ends with a slash."""
        with translated(str(place)):
            if place.key and not place.key.endswith("/"):
                return self._has(place)
            found = self._client.list_objects_v2(Bucket=place.bucket, Prefix=place.key, MaxKeys=1)
        return bool(found.get("KeyCount"))

    def _has(self, place: Place) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.head_object(Bucket=place.bucket, Key=place.key)
        except ClientError as fault:
            if fault.response.get("Error", {}).get("Code") in ABSENT:
                return False
            raise
        return True

    def list(self, place: Place) -> list[str]:
        """The objects of a folder, or those that a pattern in the last part fits; sorted, without hidden ones, folders
        end with a slash."""
        is_pattern = any(mark in place.name for mark in "*?[")
        folder = place.key[: len(place.key) - len(place.name)] if is_pattern else place.key
        prefix = folder if is_pattern or not folder or folder.endswith("/") else f"{folder}/"
        names = self._names(place.bucket, prefix)
        pattern = place.name if is_pattern else "*"
        found = list(islice((name for name in names if fits(name, pattern)), MAX_LISTED + 1))
        if len(found) > MAX_LISTED:
            raise PermanentError(f"{place} has more than {MAX_LISTED} entries; list a pattern")
        return sorted(f"{SCHEME}{place.bucket}/{prefix}{name}" for name in found)

    def _names(self, bucket: str, prefix: str) -> Any:
        """The names below a prefix, as they come; folders end with a slash."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        following = iter(pages)
        while True:
            with translated(f"{SCHEME}{bucket}/{prefix}"):
                page = next(following, None)
                if page is None:
                    return
                keys = [entry["Key"] for entry in page.get("Contents", ())]
                keys += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
            if self._step.cancelled.is_set():
                raise PermanentError("the run was cancelled")
            yield from (key[len(prefix) :] for key in keys if key != prefix)

    @staticmethod
    def _check_named(place: Place) -> None:
        if not place.name:
            raise PermanentError(f"{place} names a folder, not an object")


def fits(name: str, pattern: str) -> bool:
    """Whether a name is visible and fits; a folder's slash does not count."""
    return not name.startswith(".") and fnmatch.fnmatchcase(name.rstrip("/"), pattern)
