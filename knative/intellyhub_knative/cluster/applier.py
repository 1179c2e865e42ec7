"""Applies objects, and remembers which already stand so: what has not changed costs no request for a while."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from intellyhub_knative.cluster.client import ClusterClient, Object
from intellyhub_knative.cluster.errors import Immutable
from intellyhub_knative.cluster.kinds import Kind, kind_of

__all__ = ["Applier"]

REPEAT_SECONDS = 900.0
"""After about so long an object is applied again, whatever we remember: somebody may have changed it."""


class Place(NamedTuple):
    """Which object."""

    kind: Kind
    namespace: str | None
    name: str


class Memory(NamedTuple):
    """What was applied, and until when that is believed."""

    digest: bytes
    generation: object
    until: float


class Applier:
    """Of one process. Whoever learns that an object was changed or is gone says so: `forget`."""

    def __init__(
        self,
        client: ClusterClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        repeat_seconds: float = REPEAT_SECONDS,
    ) -> None:
        self._client = client
        self._clock = clock
        self._repeat_seconds = repeat_seconds
        self._known: dict[Place, Memory] = {}

    async def apply(self, manifest: Mapping[str, Any]) -> Object | None:
        """Make it so; the object as it is then, or None where that was done already. An object with a field that
        cannot be changed is made anew."""
        place, digest = place_of(manifest), digest_of(manifest)
        known = self._known.get(place)
        if known is not None and known.digest == digest and self._clock() < known.until:
            return None
        self._known.pop(place, None)
        try:
            made = await self._client.apply(manifest)
        except Immutable:
            await self._client.delete(place.kind, place.name, place.namespace)
            made = await self._client.apply(manifest)
        until = self._clock() + self._repeat_seconds * random.uniform(0.7, 1.3)
        self._known[place] = Memory(digest, made["metadata"].get("generation"), until)
        return made

    def note(self, kind: Kind, namespace: str | None, name: str, generation: object) -> None:
        """What the cluster tells of an object: of another generation than the one that we made, it was changed."""
        known = self._known.get(Place(kind, namespace, name))
        if known is not None and known.generation != generation:
            self.forget(kind, namespace, name)

    async def delete(self, kind: Kind, name: str, namespace: str | None = None, *, uid: str | None = None) -> bool:
        """Delete one, and forget it."""
        self._known.pop(Place(kind, namespace, name), None)
        return await self._client.delete(kind, name, namespace, uid=uid)

    def forget(self, kind: Kind, namespace: str | None, name: str) -> None:
        """It may have changed: apply it again the next time."""
        self._known.pop(Place(kind, namespace, name), None)

    def forget_all(self, namespace: str | None = None) -> None:
        """Of a namespace, or of all."""
        if namespace is None:
            self._known.clear()
        for place in [place for place in self._known if namespace in (place.namespace, place.name)]:
            del self._known[place]


def place_of(manifest: Mapping[str, Any]) -> Place:
    """Where it lies."""
    return Place(kind_of(manifest), manifest["metadata"].get("namespace"), str(manifest["metadata"]["name"]))


def digest_of(manifest: Mapping[str, Any]) -> bytes:
    """Of its content: some of it is secret, and is not kept."""
    return hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).digest()
