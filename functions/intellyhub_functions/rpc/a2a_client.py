"""A client of A2A agents of versions 1.0 and 0.3: sends a message, and waits for the task that it becomes."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.network.exchange import Request, origin, send
from intellyhub_functions.rpc.a2a_protocol import (
    CARD_PATHS,
    OLD,
    V1,
    VERSION_HEADER,
    Dialect,
    Part,
    known,
    read_parts,
    read_state,
)
from intellyhub_functions.rpc.link import HttpLink, find_result, left_until

__all__ = ["A2aClient", "Answered", "connect", "read_answer"]

MAX_CARD_BYTES = 1 << 20
ABANDON_SECONDS = 5.0
ENDED = frozenset(("completed", "failed", "canceled", "rejected"))
PAUSED = frozenset(("input-required", "auth-required"))


class Answered(NamedTuple):
    """What an agent said: a task, or just a message."""

    state: str
    """In our own words; `completed` for a message."""
    task_id: str | None
    context_id: str | None
    parts: Sequence[Part]
    """Of all artifacts, or of the message."""
    words: str
    """What the agent says about the state."""
    whole: Mapping[str, Any]

    @property
    def is_settled(self) -> bool:
        """Whether waiting would bring nothing more."""
        return self.state in ENDED or self.state in PAUSED


class A2aClient:
    """Speaks to one agent. Its methods raise StepFailed's kinds."""

    def __init__(self, link: HttpLink, dialect: Dialect, *, name: str) -> None:
        self._link = link
        self._dialect = dialect
        self._name = name
        self._ids = itertools.count(1)

    def send(
        self,
        parts: Sequence[Part],
        *,
        message_id: str,
        context_id: str | None = None,
        task_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        waits: bool = True,
    ) -> Answered:
        """Send a message; the task that it becomes, or the agent's answer."""
        told = self._dialect
        message = told.message(
            message_id, told.user, parts, contextId=context_id, taskId=task_id, metadata=metadata or None
        )
        options = {"blocking": waits} if told.is_old else {"returnImmediately": not waits}
        return read_answer(self.ask(told.send, {"message": message, "configuration": options}))

    def get(self, task_id: str) -> Answered:
        """How a task stands."""
        return read_answer(self.ask(self._dialect.get, {"id": task_id}))

    def cancel(self, task_id: str) -> Answered:
        """Ask that a task be ended."""
        return read_answer(self.ask(self._dialect.cancel, {"id": task_id}))

    def abandon(self, task_id: str) -> None:
        """Ask that a task be ended whose run was cancelled: what else would be sent for it is broken off."""
        request = replace(self._link.request, cancelled=None, timeout_seconds=ABANDON_SECONDS)
        link = HttpLink(request=request, ends=time.monotonic() + ABANDON_SECONDS)
        A2aClient(link, self._dialect, name=self._name).cancel(task_id)

    def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The result of a method."""
        message = {"jsonrpc": "2.0", "id": str(next(self._ids)), "method": method, "params": params}
        messages = self._link.ask(message, {VERSION_HEADER: self._dialect.version})
        return find_result(messages, message["id"], heard=lambda other: None, name=self._name)


def connect(request: Request, *, ends: float | None, protocol: str | None) -> A2aClient:
    """A client of the agent whose card is at the request's address, or below it. With a `protocol` the address is that
    of the agent itself."""
    if protocol:
        dialect = OLD if protocol.startswith("0.") else V1
        return A2aClient(HttpLink(request=request, ends=ends), dialect, name=request.name)
    address, dialect = find_interface(request, read_card(request, ends))
    if origin(address) != origin(request.url) and set(request.headers) - {"accept", "content-type"}:
        raise PermanentError(
            f"the card at {request.name} sends its readers to another place, which is not shown the token: name that"
            " one as the url"
        )
    return A2aClient(HttpLink(request=replace(request, url=address), ends=ends), dialect, name=request.name)


def read_card(request: Request, ends: float | None) -> Mapping[str, Any]:
    """The agent's card: at the address itself where that names a document, else at one of the well-known places."""
    base = request.url.partition("?")[0].rstrip("/")
    places = [request.url] if base.endswith(".json") else [base + path for path in CARD_PATHS]
    for place in places:
        response = send(
            replace(request, method="GET", url=place, max_body_bytes=MAX_CARD_BYTES, deadline_seconds=left_until(ends))
        )
        if response.status == 200:
            try:
                card = json.loads(response.body)
            except (ValueError, RecursionError):
                card = None
            if not isinstance(card, dict):
                raise PermanentError(f"{request.name}: the agent's card is not JSON")
            return card
        if response.status not in (404, 405):
            message = f"{request.name}: the agent's card cannot be read ({response.status})"
            raise (RetryableError if response.status in (429, 502, 503, 504) else PermanentError)(message)
    raise PermanentError(f"{request.name} has no agent's card ({CARD_PATHS[0]}); with `protocol` none is read")


def find_interface(request: Request, card: Mapping[str, Any]) -> tuple[str, Dialect]:
    """Where the agent speaks JSON-RPC, and in which version: the newest that we know."""
    found: dict[str, str] = {}
    listed = card.get("supportedInterfaces")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, Mapping) and text_of(one.get("protocolBinding")).upper() == "JSONRPC":
            found.setdefault(text_of(one.get("protocolVersion"))[:2], text_of(one.get("url") or ""))
    if isinstance(card.get("url"), str) and card.get("preferredTransport", "JSONRPC") == "JSONRPC":
        found.setdefault("0.", card["url"])
    for version, dialect in (("1.", V1), ("0.", OLD)):
        if found.get(version):
            return found[version], dialect
    raise PermanentError(f"{request.name}: the agent does not speak JSON-RPC of versions 1.0 or 0.3")


def read_answer(result: Mapping[str, Any]) -> Answered:
    """A task or a message, whichever version says it, bare or in an envelope."""
    inner = next((result[key] for key in ("task", "message") if isinstance(result.get(key), dict)), result)
    if "status" not in inner and "parts" in inner:
        parts = read_parts(inner["parts"])
        return Answered("completed", None, known(inner.get("contextId")), parts, "", inner)
    status = inner.get("status")
    if not isinstance(status, Mapping):
        raise PermanentError("the agent gave neither a task nor a message")
    listed = inner.get("artifacts")
    artifacts = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    message = status.get("message")
    said = read_parts(message.get("parts")) if isinstance(message, Mapping) else []
    words = "\n".join(part.text for part in said if part.text is not None)
    parts = [part for one in artifacts for part in read_parts(one.get("parts"))]
    state = read_state(status.get("state"))
    return Answered(state, known(inner.get("id")), known(inner.get("contextId")), parts or said, words, inner)
