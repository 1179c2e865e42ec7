"""A request and an answer as plain values, the same whichever server carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Request", "Response", "media_type"]


class Request(NamedTuple):
    """One HTTP request, complete."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: Mapping[str, str]
    """Lower-case names; bytes as Latin-1; repeated ones joined with a comma."""
    body: bytes
    peer: str = ""
    """The other side's address; empty on a unix socket."""

    @property
    def path(self) -> str:
        """The target up to its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]


class Response(NamedTuple):
    """One HTTP answer. The server adds `Content-Length`, `Date` and `Connection`."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


def media_type(written: str) -> tuple[str, dict[str, str]]:
    """Split a Content-Type into its lower-case type and its parameters (RFC 9110, section 8.3.1)."""
    kind, _, rest = written.partition(";")
    parameters = {}
    for part in rest.split(";") if rest else ():
        key, _, value = part.partition("=")
        if key.strip():
            parameters[key.strip().lower()] = value.strip().strip('"')
    return kind.strip().lower(), parameters
