"""How many bytes of bodies the gateway holds in memory, over all requests that are under way."""

from __future__ import annotations

from aiohttp import web

from intellyhub_knative.platform.gateway.problems import Fault, Refusal

__all__ = ["Room"]

HELD = web.RequestKey("held", int)
FREE_BYTES = 64 << 10
"""Of each request, which need no room: a few who send large bodies slowly refuse nobody an ordinary one."""


class Room:
    """What a request has taken is its own until `leave`, which is when it has its answer: a hook's body is kept for as
    long as its event may have to be sent again."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.taken_bytes = 0

    def take(self, request: web.BaseRequest, size: int) -> None:
        """Hold so many bytes more of a request's body. Raises `Refusal` where there is no room for them."""
        held = request.get(HELD, 0)
        more = beyond_free(held + size) - beyond_free(held)
        if more and self.taken_bytes + more > self._max_bytes:
            raise Refusal(Fault.BUSY, "too many large bodies are under way", retry_after_seconds=1, close=True)
        self.taken_bytes += more
        request[HELD] = held + size

    def leave(self, request: web.BaseRequest) -> None:
        """The request has its answer."""
        self.taken_bytes -= beyond_free(request.pop(HELD, 0))


def beyond_free(size: int) -> int:
    return max(0, size - FREE_BYTES)
