"""Those who wait for a flow that cannot start are told so."""

import asyncio
import socket

from intellyhub_knative.platform.activator.refusal import refuse_all

LARGE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000


def test_everyone_is_answered_also_who_is_still_sending():
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")
        listener.listen(8)
        listener.setblocking(False)
        assert asyncio.run(ask_three(listener)) == [b"HTTP/1.1 503 Service Unavailable"] * 3


async def ask_three(listener: socket.socket) -> list[bytes]:
    def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(listener.getsockname())
            client.sendall(LARGE)
            answer = b""
            while received := client.recv(65_536):
                answer += received
            assert b"Retry-After: 7" in answer
            assert b"urn:intellyhub:problem:not-ready" in answer
            return answer.partition(b"\r\n")[0]

    asking = [asyncio.create_task(asyncio.to_thread(ask)) for _ in range(3)]
    told = 0
    while told < 3:
        told += refuse_all(listener, retry_after_seconds=7)
        await asyncio.sleep(0.005)
    return list(await asyncio.gather(*asking))
