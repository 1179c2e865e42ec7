"""The service's door in a network: a few pages, and the upgrade behind which the journal's own frames are spoken.

It reads one request of each connection, of bounded size and in bounded time. See `intellyhub_engine.journal.address`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import cast

from intellyhub_engine.errors import JournalUnwritable
from intellyhub_engine.journal.address import HEAD_END, MAX_HEAD_BYTES, PATH, PROTOCOL
from intellyhub_engine.journal.distance import notice_loss
from intellyhub_knative.platform.journal.connection import Connection
from intellyhub_knative.platform.journal.reception import NotNow, Reception

log = logging.getLogger("journal")

__all__ = ["HttpDoor", "Page"]

_HEAD_SECONDS = 10.0
_MOST_STRANGERS = 2000
"""Connections that have not been let in yet; more are closed at once."""
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
Page = Callable[[], tuple[int, bytes]]
"""Gives a status and a text."""


class HttpDoor(asyncio.Protocol):
    """One connection, until it is let in or answered."""

    strangers = 0

    def __init__(self, reception: Reception, pages: Mapping[str, Page]) -> None:
        self._reception = reception
        self._pages = pages
        self._received = b""
        self._task: asyncio.Task[None] | None = None
        self._is_stranger = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody came; a request must come soon."""
        self._transport = cast(asyncio.Transport, transport)
        self._deadline = asyncio.get_running_loop().call_later(_HEAD_SECONDS, self._transport.abort)
        if HttpDoor.strangers >= _MOST_STRANGERS:
            self._transport.abort()
            return
        HttpDoor.strangers += 1
        self._is_stranger = True
        notice_loss(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        """It went."""
        self._leave()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Read until the end of the request's head."""
        if self._task is not None or self._transport.is_closing():
            return
        self._received += data
        if len(self._received) > MAX_HEAD_BYTES:
            self._answer(431, "the request's head is too large")
        elif HEAD_END in self._received:
            self._route()

    def _route(self) -> None:
        head, _, rest = self._received.partition(HEAD_END)
        try:
            method, target, fields = read_head(head)
        except ValueError as fault:
            self._answer(400, str(fault))
            return
        path = target.partition("?")[0]
        if path == PATH:
            self._upgrade(fields, is_alone=not rest)
        elif path not in self._pages:
            self._answer(404, "there is no such page")
        elif method not in {"GET", "HEAD"}:
            self._answer(405, "pages are read with GET")
        else:
            status, text = self._pages[path]()
            self._write(status, text, with_body=method == "GET")

    def _upgrade(self, fields: Mapping[str, str], *, is_alone: bool) -> None:
        scheme, _, token = fields.get("authorization", "").partition(" ")
        if fields.get("upgrade") != PROTOCOL:
            self._answer(426, f"this is the journal: ask for the upgrade to {PROTOCOL}")
        elif not is_alone:
            self._answer(400, "frames come after the answer")
        elif scheme.lower() != "bearer" or not token.strip():
            self._answer(401, "show a token: Authorization: Bearer ...")
        else:
            self._task = asyncio.get_running_loop().create_task(self._admit(token.strip()))

    async def _admit(self, token: str) -> None:
        try:
            house, scope, seconds = await self._reception.admit(token)
        except JournalUnwritable as fault:
            log.warning("a client is not let in: %s", fault)
            self._answer(401, str(fault))
            return
        except NotNow as fault:
            self._answer(503, str(fault))
            return
        except Exception:
            log.exception("a client could not be let in")
            self._answer(503, "the token cannot be checked")
            return
        if self._transport.is_closing():
            return
        self._leave()
        connection = Connection(house, scope=scope, lasts_seconds=seconds)
        self._transport.write(
            f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n\r\n".encode()
        )
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)

    def _leave(self) -> None:
        self._deadline.cancel()
        if self._is_stranger:
            self._is_stranger = False
            HttpDoor.strangers -= 1

    def _answer(self, status: int, reason: str) -> None:
        self._write(status, reason.encode() + b"\n", {"X-Reason": " ".join(reason.split())[:500]})

    def _write(
        self, status: int, body: bytes, fields: Mapping[str, str] | None = None, *, with_body: bool = True
    ) -> None:
        if self._transport.is_closing():
            return
        said = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **({"Retry-After": "1"} if status == 503 else {}),
            **({"WWW-Authenticate": "Bearer"} if status == 401 else {}),
            **({"Upgrade": PROTOCOL} if status == 426 else {}),
            **(fields or {}),
        }
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in said.items())]
        head = "\r\n".join(lines).encode("latin-1", errors="replace") + HEAD_END
        self._transport.write(head + (body if with_body else b""))
        self._transport.close()


def read_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, target, and headers by their names in small letters. Raises `ValueError`."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise ValueError("this is not a request of HTTP/1.1")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError("a header cannot be read")
        if name.lower() in fields:
            raise ValueError("a header comes twice")
        fields[name.lower()] = value.strip()
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise ValueError("requests to the journal have no body")
    return words[0], words[1], fields
