"""The crowd against a small server."""

import asyncio
import random

from tests.benchmarks.crowd import Plan, choose, visit

ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n",
)


def make_plan(port=0, **fields):
    standard = {
        "port": port,
        "token": "t",
        "users": 5,
        "warm_up_seconds": 0.0,
        "seconds": 0.2,
        "think_seconds": (0.01, 0.02),
        "flows": ["a", "b"],
        "runs": ["r"],
        "executes": 50,
    }
    return Plan(**standard | fields)


def visit_server(*answers, **fields):
    """What came of a visit to a server that gives these answers in turn on each connection."""

    async def answer(reader, writer):
        try:
            while True:
                for each in answers:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(each)
        except asyncio.IncompleteReadError:
            writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return await visit(make_plan(server.sockets[0].getsockname()[1], **fields))

    return asyncio.run(run())


def test_answers_with_a_length_and_in_chunks_are_read_to_their_end():
    result = visit_server(*ANSWERS, executes=1_000_000)
    assert result.failures == []
    assert sum(map(len, result.taken_ms.values())) >= 5


def test_what_is_refused_is_a_failure_with_its_kind():
    result = visit_server(b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n", executes=1_000_000)
    assert result.failures
    assert result.failures[0].endswith(": 429")


def test_nothing_counts_while_the_users_arrive():
    result = visit_server(ANSWERS[0], warm_up_seconds=0.2, seconds=0.0, executes=1_000_000)
    assert not result.taken_ms


def test_one_request_in_so_many_starts_a_run():
    chance = random.Random(1)
    kinds = [choose(make_plan(executes=10), chance)[0] for _ in range(5000)]
    assert 400 < kinds.count("execute") < 600
    assert len(set(kinds)) == 7
