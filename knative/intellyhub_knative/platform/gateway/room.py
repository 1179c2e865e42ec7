"""How much of the gateway the requests under way may take, in all and for one tenant: bodies, and places."""

from __future__ import annotations

from collections import Counter

from aiohttp import web

from intellyhub_knative.platform.counting import subtract
from intellyhub_knative.platform.gateway.problems import Fault, Refusal

__all__ = ["Room"]

HELD = web.RequestKey("held", int)
OWNER = web.RequestKey("owner", str)
FREE_BYTES = 64 << 10
"""Of each request, which need no room: a few who send large bodies slowly refuse nobody an ordinary one."""
SHARE = 2
"""One tenant may take half of the room, so that its flood refuses no others; one request of it always may."""


class Room:
    """What a request has taken is its own until `leave`, which is when it has its answer: a hook's body is kept for as
    long as its event may have to be sent again."""

    def __init__(self, max_bytes: int, *, max_requests: int = 1_000_000) -> None:
        self._max_bytes = max_bytes
        self._max_requests = max_requests
        """Of one tenant at a time."""
        self.taken_bytes = 0
        self._requests: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def own(self, request: web.BaseRequest, tenant_id: str) -> None:
        """The request is this tenant's. Raises `Refusal` where it has too many under way."""
        if self._requests[tenant_id] >= self._max_requests:
            raise Refusal(Fault.BUSY, "too many requests of this organisation are under way", retry_after_seconds=1)
        request[OWNER] = tenant_id
        self._requests[tenant_id] += 1

    def take(self, request: web.BaseRequest, size: int) -> None:
        """Hold so many bytes more of a request's body. Raises `Refusal` where there is no room for them."""
        held = request.get(HELD, 0)
        more = beyond_free(held + size) - beyond_free(held)
        owner = request.get(OWNER)
        if more and self.taken_bytes + more > self._max_bytes:
            raise Refusal(Fault.BUSY, "too many large bodies are under way", retry_after_seconds=1, close=True)
        if more and owner is not None:
            if self._requests[owner] > 1 and self._bytes[owner] + more > self._max_bytes // SHARE:
                detail = "too many large bodies of this organisation are under way"
                raise Refusal(Fault.BUSY, detail, retry_after_seconds=1, close=True)
            self._bytes[owner] += more
        self.taken_bytes += more
        request[HELD] = held + size

    def leave(self, request: web.BaseRequest) -> None:
        """The request has its answer."""
        taken = beyond_free(request.pop(HELD, 0))
        self.taken_bytes -= taken
        owner = request.pop(OWNER, None)
        if owner is not None:
            subtract(self._requests, owner)
            subtract(self._bytes, owner, taken)


def beyond_free(size: int) -> int:
    return max(0, size - FREE_BYTES)
