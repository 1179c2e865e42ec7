"""A flow's worker as the broker sees it: a unix socket that keeps what it gets and answers what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson


class Got(NamedTuple):
    """One request. Header names are lower-case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["ce-id"]


class Say(NamedTuple):
    """One answer; `seconds` later."""

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 0.0


def problem(status: int, code: str, *headers: tuple[str, str]) -> Say:
    body = orjson.dumps({"type": f"urn:intellyhub:problem:{code}", "status": status, "detail": "words"})
    return Say(status, (("Content-Type", "application/problem+json"), *headers), body)


class FlowDouble:
    """Answers with `answer(got)`. `None` breaks the connection."""

    def __init__(self, path: Path, answer: Callable[[Got], Say | None] = lambda got: Say()) -> None:
        self.path = path
        self.answer = answer
        self.got: list[Got] = []
        self.at_once = 0
        self.most_at_once = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self.serve, str(self.path), limit=1 << 24)
        return self

    async def __aexit__(self, *fault: object) -> None:
        assert self._server is not None
        self._server.close()
        self.path.unlink(missing_ok=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            got = Got(method, target, headers, body)
            self.got.append(got)
            try:
                say: Any = self.answer(got)
                if say is not None:
                    await asyncio.sleep(say.seconds)
                    writer.write(make_answer(say))
                    await writer.drain()
            finally:
                self.at_once -= 1
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


def make_answer(say: Say) -> bytes:
    lines = [f"HTTP/1.1 {say.status} Said", f"Content-Length: {len(say.body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in say.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + say.body
