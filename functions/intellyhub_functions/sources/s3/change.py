"""What happened to one object, and the event of it."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.sources.patterns import make_patterns

__all__ = ["Change", "Wanted", "make_event"]

EVENT_TYPE = "io.intellyhub.s3.object"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An object appeared, was replaced (`created`), or went (`removed`)."""

    kind: str
    bucket: str
    key: str
    size: int | None = None
    etag: str | None = None
    version_id: str | None = None
    modified_at: str | None = None
    """RFC 3339."""
    mark: str
    """Another one at every change of the object."""

    @property
    def id(self) -> str:
        """The same whenever this change is told."""
        identity = f"{self.kind}\0{self.bucket}\0{self.key}\0{self.mark}"
        return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Wanted:
    """The objects that a listener means."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.bucket = text_of(parameters.get("bucket")).strip().removeprefix("s3://").rstrip("/")
        self.prefix = text_of(parameters.get("prefix")).lstrip("/")
        self._patterns = make_patterns(parameters.get("file_patterns", ["*"]), parameters.get("ignore_patterns", []))

    def fits(self, change: Change) -> bool:
        """Whether it is told; a key that ends with a slash stands for a folder and never is."""
        mine = change.bucket == self.bucket or not self.bucket
        return mine and change.key.startswith(self.prefix) and self.fits_name(change.key)

    def fits_name(self, key: str) -> bool:
        """Whether the patterns mean a key."""
        return not key.endswith("/") and self._patterns.fit(key[len(self.prefix) :].lstrip("/") or key)


def make_event(change: Change, context: SourceContext) -> Event:
    """The event of a change; its id is the change's, so that a repetition is known as one."""
    return Event(
        id=change.id,
        source=context.address,
        type=EVENT_TYPE,
        subject=change.key[:1024] or None,
        time=change.modified_at,
        datacontenttype="application/json",
        data={
            "event_type": change.kind,
            "bucket": change.bucket,
            "key": change.key,
            "name": posixpath.basename(change.key),
            "url": f"s3://{change.bucket}/{change.key}",
            "size": change.size,
            "etag": change.etag,
            "version_id": change.version_id,
            "modified_at": change.modified_at,
        },
    )
