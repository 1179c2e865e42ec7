"""Finds what is new in a bucket by listing it.

A key says nothing about its age and a time little (that of a large upload is when it began), so what has been told is
remembered: the newest MAX_SEEN objects by what tells them apart, older ones by the horizon before which all were told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.aws.account import find_account
from intellyhub_functions.aws.client import Limits, make_client
from intellyhub_functions.aws.refusals import translated
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.s3.change import Change, Wanted, make_event

__all__ = ["Listing"]

MAX_LISTED = 200_000
MAX_SEEN = 10_000
MAX_TOLD = 200
"""Told since what was seen was last written: the place is small after each event, and large after many."""
CALL_SECONDS = 20.0
MAX_BACKOFF_SECONDS = 300.0


class Listing:
    """The looks at one bucket. A look that fails is told, and made again ever later; a refusal ends the listener."""

    def __init__(self, parameters: Mapping[str, Any], context: SourceContext) -> None:
        self._wanted = Wanted(parameters)
        if not self._wanted.bucket:
            raise PermanentError("bucket is missing; an s3 listener watches a bucket, or a queue_url")
        self._context = context
        self._interval_seconds = float(parameters.get("check_interval", 60))
        self._emit_existing = bool(parameters.get("emit_existing", False))
        self._client = make_client(
            "s3",
            find_account(parameters, context.settings, "S3"),
            Limits(timeout_seconds=CALL_SECONDS, deadline_seconds=2 * CALL_SECONDS),
        )
        self._name = f"s3://{self._wanted.bucket}/{self._wanted.prefix}"
        self._seen = Seen(self._name, context)
        self._backoff = Backoff(context, first_seconds=self._interval_seconds, most_seconds=MAX_BACKOFF_SECONDS)
        self._due_ns = 0

    def due_ns(self) -> int:
        """When to look next; at once where the clock was set back by more than any wait."""
        longest_ns = int(max(self._interval_seconds, MAX_BACKOFF_SECONDS) * 1e9)
        return self._due_ns if self._due_ns - self._context.now_ns() <= longest_ns else 0

    def look(self) -> Iterator[Event]:
        """The events of one look, the oldest change first."""
        try:
            new = self._find_new()
        except RetryableError as failure:
            if not self._context.stopping.is_set():
                self._wait(self._backoff.note(failure, "the s3 listener"))
            return
        except PermanentError as refusal:
            raise PermanentError(f"the s3 listener ends: {refusal}") from refusal
        self._backoff.succeed()
        for moment, digest, change in new:
            yield make_event(change, self._context)
            self._seen.add(digest, moment)
        self._seen.settle()
        self._wait(self._interval_seconds)

    def _find_new(self) -> list[tuple[int, str, Change]]:
        """Changes not told yet; at the first contact everything counts as told unless it is wanted."""
        skips = self._seen.is_new and not self._emit_existing
        new, still_there = [], {}
        for number, (change, moment) in enumerate(self._list()):
            if number >= MAX_LISTED:
                raise PermanentError(
                    f"{self._name} holds more than {MAX_LISTED} objects; watch a longer prefix, or a queue_url"
                )
            digest = digest_of(change)
            if skips or self._seen.knows(digest, moment):
                still_there[digest] = moment
            elif self._wanted.fits_name(change.key):
                new.append((moment, digest, change))
        self._seen.replace(still_there)
        return sorted(new, key=lambda found: (found[0], found[2].key))

    def _list(self) -> Iterator[tuple[Change, int]]:
        """Every object below the prefix with the second in which it was modified."""
        following: dict[str, str] = {}
        while not self._context.stopping.is_set():
            with translated(self._name):
                page = self._client.list_objects_v2(Bucket=self._wanted.bucket, Prefix=self._wanted.prefix, **following)
                found = [self._read(entry) for entry in page.get("Contents", ())]
                following = {"ContinuationToken": page.get("NextContinuationToken", "")}
                more = page.get("IsTruncated") and following["ContinuationToken"]
            yield from found
            if not more:
                return
        raise RetryableError("the listener has to end")

    def _read(self, entry: Mapping[str, Any]) -> tuple[Change, int]:
        modified: datetime = entry["LastModified"]
        change = Change(
            kind="created",
            bucket=self._wanted.bucket,
            key=entry["Key"],
            size=entry.get("Size"),
            etag=entry.get("ETag", "").strip('"') or None,
            modified_at=modified.astimezone(UTC).isoformat(),
            mark=f"{entry.get('ETag')} {modified.timestamp():.3f}",
        )
        return change, int(modified.timestamp())

    def _wait(self, seconds: float) -> None:
        self._due_ns = self._context.now_ns() + int(seconds * 1e9)


def digest_of(change: Change) -> str:
    """What tells a change from all others, in sixteen characters."""
    return change.id[:16]


class Seen:
    """What has been told, kept durably: the newest objects one by one, all others by the horizon."""

    def __init__(self, name: str, context: SourceContext) -> None:
        self._cursors = context.cursors
        self._place = f"s3 {name}"
        kept = self._cursors.get(self._place)
        self.is_new = kept is None
        """Nothing is known yet: the first contact."""
        self._horizon = int(kept["horizon"]) if kept else 0
        self._seen: dict[str, int] = dict(kept["seen"]) if kept else {}
        told = self._cursors.get(f"{self._place} told")
        self._told: dict[str, int] = dict(told or {})

    def knows(self, digest: str, moment: int) -> bool:
        """Whether a change of that second has been told."""
        return moment < self._horizon or digest in self._seen or digest in self._told

    def replace(self, seen: dict[str, int]) -> None:
        """From now on only these are remembered: the others are no longer there."""
        if self.is_new or self._told or seen.keys() != self._seen.keys():
            self._seen = seen
            self._write()

    def add(self, digest: str, moment: int) -> None:
        """It has been told."""
        self._told[digest] = moment
        if len(self._told) < MAX_TOLD:
            self._cursors.put(f"{self._place} told", self._told)
        else:
            self.settle()

    def settle(self) -> None:
        """Put what was told to what is seen."""
        if self._told:
            self._seen |= self._told
            self._write()

    def _write(self) -> None:
        """What is too much goes behind the horizon, the oldest first."""
        if len(self._seen) > MAX_SEEN:
            oldest_first = sorted(self._seen, key=lambda digest: self._seen[digest])
            gone = oldest_first[: len(oldest_first) - MAX_SEEN]
            self._horizon = max(self._horizon, self._seen[gone[-1]] + 1)
            self._seen = {digest: self._seen[digest] for digest in oldest_first[len(gone) :]}
        self._cursors.put(self._place, {"horizon": self._horizon, "seen": self._seen})
        if self._told or self.is_new:
            self._told = {}
            self._cursors.put(f"{self._place} told", {})
        self.is_new = False
