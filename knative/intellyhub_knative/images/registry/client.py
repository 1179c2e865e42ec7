"""What a repository of a registry holds, and putting things there (OCI distribution specification 1.1)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

import urllib3

from intellyhub_knative.images.blob import CHUNK, Blob, blob_of, check_digest, compact, part_of
from intellyhub_knative.images.errors import ContentDamaged, RegistryError, RegistryRefused, RegistryUnreachable
from intellyhub_knative.images.image import INDEX, MANIFEST
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.registry.session import Answer, Body, Session, reason_of

__all__ = ["ACCEPTED", "Repository"]

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
PIECE_BYTES = 64 << 20
"""Larger blobs go in pieces: proxies in front of registries refuse bodies above some size, often 100 MB."""
ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.5


class Repository:
    """One repository, through a session."""

    def __init__(self, session: Session, name: str, watch: Watch = ALONE, *, piece_bytes: int = PIECE_BYTES) -> None:
        self.session = session
        self.name = name
        self._watch = watch
        self._piece_bytes = piece_bytes
        self._pull = frozenset((f"repository:{name}:pull",))
        self._push = frozenset((f"repository:{name}:pull,push",))

    def manifest(self, reference: str) -> Blob:
        """A manifest or an index, by tag or digest. Raises `RegistryError`, `ContentDamaged`."""
        target = f"/v2/{self.name}/manifests/{reference}"
        answer = self.session.ask("GET", target, scopes=self._pull, headers={"Accept": ", ".join(ACCEPTED)})
        if answer.status != 200:
            raise self.session.refused(answer, f"give {self.name}:{reference}")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        found = blob_of(answer.body, kind)
        wanted = reference if ":" in reference else answer.headers.get("Docker-Content-Digest")
        if wanted and wanted.startswith("sha256:") and wanted != found.digest:
            raise ContentDamaged(
                f"{self.session.registry}/{self.name}: {reference} is {wanted}, and {found.digest} came"
            )
        return found

    def has_manifest(self, digest: str) -> bool:
        """Whether a manifest, and so everything that it names, is there."""
        answer = self.session.ask(
            "HEAD", f"/v2/{self.name}/manifests/{digest}", scopes=self._push, headers={"Accept": ", ".join(ACCEPTED)}
        )
        if answer.status not in (200, 404):
            raise self.session.refused(answer, f"tell whether {self.name} has {digest}")
        return answer.status == 200

    def blob(self, media_type: str, digest: str, size: int) -> Blob:
        """A blob that is there, to be fetched when it is read."""
        place = (self.session.registry, self.name)
        return Blob(
            media_type=media_type,
            digest=check_digest(digest),
            size=size,
            open=lambda: io.BufferedReader(Download(self._read(digest)), CHUNK),
            places=(place,),
        )

    def push_blob(self, blob: Blob) -> str:
        """Put a blob there; how: `there`, `mounted` or `sent`. Raises `RegistryError`."""
        if self._has(blob.digest):
            return "there"
        others = [name for host, name in blob.places if host == self.session.registry and name != self.name]
        begun: Answer | None = None
        for other in dict.fromkeys(others):
            answer = self._mount(blob.digest, other)
            if answer is not None and answer.status == 201:
                return "mounted"
            begun = answer if answer is not None and answer.status == 202 else begun
        for attempt in range(ATTEMPTS):
            try:
                self._upload(blob, begun if begun is not None else self._begin())
                return "sent"
            except RegistryUnreachable:
                begun = None
                if attempt + 1 == ATTEMPTS:
                    raise
                self._watch.progress(f"{blob.digest[:19]} is sent again")
                self._watch.wait(FIRST_WAIT_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def push_manifest(self, manifest: Blob, reference: str) -> Answer:
        """Put a manifest there, under a tag or its digest. Raises `RegistryError`."""
        body = Body(open=manifest.open, size=manifest.size, kind=manifest.media_type)
        target = f"/v2/{self.name}/manifests/{reference}"
        answer = self.session.ask("PUT", target, scopes=self._push, body=body)
        if answer.status not in (200, 201, 202):
            raise self.session.refused(answer, f"take the manifest {self.name}:{reference}")
        told = answer.headers.get("Docker-Content-Digest")
        if told and told != manifest.digest:
            raise ContentDamaged(
                f"{self.session.registry} took {self.name}:{reference} as {told}, not {manifest.digest}"
            )
        return answer

    def attach(self, manifest: Blob, subject: str) -> None:
        """Put a manifest there that refers to another one (its `subject`). Registries before version 1.1 of the
        specification find it by a tag: `sha256-...`, an index of all that refer to it."""
        answer = self.push_manifest(manifest, manifest.digest)
        if answer.headers.get("OCI-Subject"):
            return
        tag = subject.replace(":", "-")
        document = json.loads(manifest.read())
        row = {**manifest.descriptor, "artifactType": document.get("artifactType", document["config"]["mediaType"])}
        rows = [each for each in self._referrers(tag) if each.get("digest") != manifest.digest]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*rows, row]}
        self.push_manifest(blob_of(compact(index), INDEX), tag)

    def _referrers(self, tag: str) -> list[dict[str, Any]]:
        """What the index under a tag holds already."""
        try:
            found = json.loads(self.manifest(tag).read()).get("manifests")
        except RegistryRefused as fault:
            if fault.status != 404:
                raise
            return []
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    def _has(self, digest: str) -> bool:
        answer = self.session.ask("HEAD", f"/v2/{self.name}/blobs/{digest}", scopes=self._push)
        if answer.status not in (200, 404):
            raise self.session.refused(answer, f"tell whether {self.name} has {digest}")
        return answer.status == 200

    def _mount(self, digest: str, other: str) -> Answer | None:
        """Ask for a blob of another repository; 201: it is there, 202: an upload has begun. None where we may not."""
        query = urlencode({"mount": digest, "from": other})
        scopes = self._push | {f"repository:{other}:pull"}
        try:
            return self.session.ask("POST", f"/v2/{self.name}/blobs/uploads/?{query}", scopes=scopes, body=NOTHING)
        except RegistryError:
            return None

    def _begin(self) -> Answer:
        answer = self.session.ask("POST", f"/v2/{self.name}/blobs/uploads/", scopes=self._push, body=NOTHING)
        if answer.status != 202:
            raise self.session.refused(answer, f"take anything into {self.name}")
        return answer

    def _upload(self, blob: Blob, begun: Answer) -> None:
        """Send a blob to where an upload has begun: at once, or in pieces."""
        place = self._place(begun)
        least = begun.headers.get("OCI-Chunk-Min-Length", "")
        piece = max(self._piece_bytes, int(least) if least.isdigit() else 0)
        body = Body(open=blob.open, size=blob.size)
        if blob.size > piece:
            place = self._send_pieces(blob, place, piece)
            body = NOTHING
        answer = self._send("PUT", with_digest(place, blob.digest), body)
        if answer.status != 201:
            raise self.session.refused(answer, f"take {blob.digest} into {self.name}")

    def _send_pieces(self, blob: Blob, place: str, piece: int) -> str:
        """Where the next one would go."""
        with blob.open() as file:
            for start in range(0, blob.size, piece):
                size = min(piece, blob.size - start)
                part = Body(open=partial(part_of, file, size, closing=False), size=size)
                answer = self._send("PATCH", place, part, {"Content-Range": f"{start}-{start + size - 1}"})
                if answer.status not in (201, 202, 204):
                    raise self.session.refused(answer, f"take a piece of {blob.digest} into {self.name}")
                place = self._place(answer)
                self._watch.progress(f"{blob.digest[:19]}: {(start + size) * 100 // blob.size}% sent")
        return place

    def _send(self, method: str, place: str, body: Body, headers: dict[str, str] | None = None) -> Answer:
        """Once: an upload that broke off is begun anew."""
        return self.session.ask(method, place, scopes=self._push, body=body, headers=headers, attempts=1)

    def _place(self, answer: Answer) -> str:
        """Where an upload goes on. Behind a proxy that ends TLS some registries name themselves without it."""
        location = answer.headers.get("Location")
        if not location:
            raise self.session.refused(answer, "say where the upload goes")
        url = urljoin(answer.url, location)
        ours, theirs = urlsplit(self.session.address), urlsplit(url)
        if theirs.hostname == ours.hostname and ours.scheme == "https" and theirs.scheme == "http":
            return urlunsplit((*ours[:2], *theirs[2:]))
        if ours.scheme == "https" and theirs.scheme != "https":
            raise RegistryUnreachable(f"{self.session.registry} wants content at {url[:200]!r}, which is not encrypted")
        return url

    def _read(self, digest: str) -> Iterator[bytes]:
        target = f"/v2/{self.name}/blobs/{quote(digest, safe=':')}"
        with self.session.stream("GET", target, scopes=self._pull) as response:
            if response.status != 200:
                answer = Answer(status=response.status, headers=response.headers, body=response.read(4096), url="")
                raise self.session.refused(answer, f"give {digest} of {self.name}")
            try:
                for chunk in response.stream(CHUNK, decode_content=False):
                    self._watch.check()
                    yield chunk
            except urllib3.exceptions.HTTPError as fault:
                raise RegistryUnreachable(f"{self.session.registry}: {digest} broke off: {reason_of(fault)}") from fault


class Download(io.RawIOBase):
    """Chunks as a file to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        """Gives the connection back."""
        if not self.closed and (close := getattr(self._chunks, "close", None)) is not None:
            close()
        super().close()


NOTHING = Body(open=lambda: io.BytesIO(b""), size=0)


def with_digest(url: str, digest: str) -> str:
    """An upload's address, with the digest that ends it; the query that a registry put there stays as it is."""
    place = urlsplit(url)
    query = (place.query + "&" if place.query else "") + urlencode({"digest": digest})
    return urlunsplit((place.scheme, place.netloc, place.path, query, ""))
