"""What the deployer asks of a cluster: apply, get, list, watch, delete. Every request may be repeated, and is.

The API's documents come and go as plain values. `verbs.py` lists what is used.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from intellyhub_knative.cluster.connection import Connection
from intellyhub_knative.cluster.errors import ClusterError, Conflict, Expired, NotThere, Refused, make_refusal
from intellyhub_knative.cluster.kinds import Kind, kind_of

__all__ = ["Change", "ClusterClient", "Listing"]

LOG = logging.getLogger(__name__)
MANAGER = "intellyhub"
APPLY = "application/apply-patch+yaml"
"""JSON is YAML."""
PAGE = 500
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
WATCH_SECONDS = 240
"""After that the API ends a watch, and we go on from where it ended; not all of us at once."""
SILENCE_SECONDS = 30.0
"""Longer than a watch lasts, before a connection that says nothing counts as broken."""

Object = dict[str, Any]
Answer = TypeVar("Answer")


class Listing(NamedTuple):
    """Objects, and the moment of the cluster's history at which they were so."""

    items: list[Object]
    version: str


class Change(NamedTuple):
    """What a watch tells."""

    type: str
    """`ADDED`, `MODIFIED`, `DELETED`; `BOOKMARK` only carries `version`."""
    object: Object
    version: str


class ClusterClient:
    """One cluster. Raises `ClusterError` everywhere."""

    def __init__(self, connection: Connection, *, attempts: int = ATTEMPTS) -> None:
        self._connection = connection
        self._attempts = attempts
        self.conflicts: dict[str, int] = {}
        """Fields that others had taken over and that we took back, by whose they were: shown in the metrics."""

    async def apply(self, manifest: Mapping[str, Any]) -> Object:
        """Make the object so, as far as we have something to say about it (server-side apply). What others have written
        into our own fields is overwritten, and told."""
        try:
            return await self._apply(manifest, force=False)
        except Conflict as fault:
            if fault.reason != "Conflict":
                raise  # "AlreadyExists" and the like: force would not help
            named = f"{manifest['kind']} {manifest['metadata']['name']}"
            LOG.warning("%s: others had changed what is ours, which is put back: %s", named, fault.message)
            self.conflicts[str(manifest["kind"])] = self.conflicts.get(str(manifest["kind"]), 0) + 1
            return await self._apply(manifest, force=True)

    async def _apply(self, manifest: Mapping[str, Any], *, force: bool) -> Object:
        about = manifest["metadata"]
        path = kind_of(manifest).path(about.get("namespace"), about["name"])
        query = [("fieldManager", MANAGER), ("force", "true" if force else "false"), ("fieldValidation", "Strict")]
        return await self._insist(
            lambda: self._connection.ask("PATCH", path, query=query, body=manifest, content_type=APPLY)
        )

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """One object; None where there is none."""
        try:
            return await self._insist(lambda: self._connection.ask("GET", kind.path(namespace, name)))
        except NotThere:
            return None

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Listing:
        """The objects of a namespace, or of all, page by page. A kind that the cluster does not know has none."""
        try:
            return await self._list(kind, namespace, labels, fields)
        except Expired:  # it took too long between two pages
            return await self._list(kind, namespace, labels, fields)
        except NotThere:
            return Listing([], "")

    async def _list(self, kind: Kind, namespace: str | None, labels: str, fields: str) -> Listing:
        items: list[Object] = []
        chosen = [("labelSelector", labels)] * bool(labels) + [("fieldSelector", fields)] * bool(fields)
        mark = ""
        while True:
            page = await self._page(kind.path(namespace), [*chosen, ("continue", mark)] if mark else chosen)
            items += [{"apiVersion": kind.api_version, "kind": kind.kind} | item for item in page.get("items") or ()]
            about = page.get("metadata") or {}
            mark = str(about.get("continue") or "")
            if not mark:
                return Listing(items, str(about.get("resourceVersion", "")))

    async def _page(self, path: str, chosen: Sequence[tuple[str, str]]) -> Object:
        query = [*chosen, ("limit", str(PAGE))]
        return await self._insist(lambda: self._connection.ask("GET", path, query=query))

    async def watch(self, kind: Kind, *, labels: str, since: str) -> AsyncIterator[Change]:
        """What changes after `since`, in all namespaces, until the API ends the watch. Raises `Expired` where the API
        does not remember that long: list again."""
        seconds = WATCH_SECONDS + random.randrange(60)
        query = [
            ("watch", "true"),
            ("labelSelector", labels),
            ("resourceVersion", since),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
        ]
        async for event in self._connection.follow(kind.path(), query=query, silence_seconds=seconds + SILENCE_SECONDS):
            found = event.get("object") or {}
            if event.get("type") == "ERROR":
                raise make_refusal(
                    int(found.get("code") or 500), str(found.get("reason", "")), str(found.get("message", ""))
                )
            version = str((found.get("metadata") or {}).get("resourceVersion", ""))
            yield Change(str(event.get("type")), found, version)

    async def delete(self, kind: Kind, name: str, namespace: str | None = None, *, uid: str | None = None) -> bool:
        """Delete an object, what it owns with it; False where there is none. With `uid` only that very one: not another
        that was made under its name meanwhile."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        try:
            await self._insist(lambda: self._connection.ask("DELETE", kind.path(namespace, name), body=body))
        except NotThere:
            return False
        except Conflict:
            if uid is None:
                raise
            return False  # it is another one
        return True

    async def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Object:
        """Make an object that is not there yet. Raises `Conflict` where it is. Not repeated."""
        path = kind.path(manifest["metadata"].get("namespace"))
        return await self._connection.ask("POST", path, body=manifest, timeout_seconds=5.0)

    async def replace(self, kind: Kind, manifest: Mapping[str, Any]) -> Object:
        """Put an object in the place of the one that was read; raises `Conflict` where somebody was faster. Not
        repeated."""
        about = manifest["metadata"]
        path = kind.path(about.get("namespace"), about["name"])
        return await self._connection.ask("PUT", path, body=manifest, timeout_seconds=5.0)

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def _insist(self, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """Repeat what may pass a moment later, a few times."""
        for pause in pauses(self._attempts):
            try:
                return await attempt()
            except ClusterError as fault:
                if not fault.passing:
                    raise
                await asyncio.sleep(wanted_pause(fault, pause))
        return await attempt()


def pauses(attempts: int) -> Sequence[float]:
    """Seconds between attempts."""
    return [FIRST_PAUSE_SECONDS * 2**number for number in range(attempts - 1)]


def wanted_pause(fault: ClusterError, pause: float) -> float:
    """As long as the API asks for, within reason; not all of us at once."""
    asked = fault.retry_after_seconds if isinstance(fault, Refused) else None
    return min(asked, LONGEST_PAUSE_SECONDS) if asked is not None else pause * random.uniform(0.5, 1.5)
