"""Requests to flows whose workers die, talk too much, or say nothing."""

import asyncio
import contextlib

import pytest

from intellyhub_knative.platform.flow_socket import NoAnswer, NobodyThere, ask, make_request
from tests.unit.knative.platform.house_double import data_folder

REQUEST = make_request("POST", "/", [("A", "b")], b"x")


@contextlib.asynccontextmanager
async def worker(path, said):
    """Says this to whoever connects and hangs up; where there is nothing to say it does neither."""
    serving: list[asyncio.Task[None]] = []

    async def serve(reader, writer):
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            for part in said:
                writer.write(part)
                await writer.drain()
            if not said:
                await asyncio.Event().wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    path.parent.mkdir(parents=True, exist_ok=True)
    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


def answer_of(*said, **bounds):
    async def go():
        with data_folder() as layout:
            path = layout.socket("flow")
            async with worker(path, said):
                return await asyncio.wait_for(ask(path, REQUEST, **bounds), 10)

    return asyncio.run(go())


def test_an_answer_has_its_status_its_headers_and_its_body():
    given = answer_of(b"HTTP/1.1 201 X\r\nX-A: 1\r\nContent-Le", b"ngth: 4\r\n\r\nab", b"cd")
    assert (given.status, given.headers["x-a"], given.body) == (201, "1", b"abcd")


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"])
def test_half_an_answer_is_none(said):
    with pytest.raises(NoAnswer):
        answer_of(said)


@pytest.mark.parametrize("head", [b"Content-Length: 9999\r\n\r\n", b"X-Endless: "])
def test_an_answer_is_bounded_with_its_head(head):
    with pytest.raises(NoAnswer, match="larger than 1000 bytes"):
        answer_of(b"HTTP/1.1 200 OK\r\n" + head, *[b"a" * 500] * 4, max_bytes=1000)


def test_who_says_nothing_is_not_awaited_for_ever():
    with pytest.raises(NoAnswer, match=r"no answer within 0\.05 s"):
        answer_of(timeout_seconds=0.05)


def test_where_nobody_is_nothing_was_sent():
    async def go():
        with data_folder() as layout:
            await ask(layout.socket("flow"), REQUEST)

    with pytest.raises(NobodyThere):
        asyncio.run(go())


@pytest.mark.parametrize("value", ["a\r\nX-IntellyHub-Tenant: b", "a\nb", "a\0", "\u20ac"])
def test_a_value_cannot_become_a_header_of_its_own(value):
    with pytest.raises(ValueError, match=r"control character|latin-1"):
        make_request("POST", "/", [("Content-Type", value)], b"")
