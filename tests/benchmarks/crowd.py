"""People at the console, as a process of its own: each asks the API, thinks, asks again.

    python crowd.py PLAN_FILE    prints {"taken_ms": {kind: […]}, "failed": …, "first_failure": …}

The plan is a JSON object with the fields of `Plan`. The standard library only, and one thread: a thousand users who
think cost little.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Plan", "Result", "choose", "visit"]

TIMEOUT_SECONDS = 30.0
MAX_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Plan:
    """What the crowd does."""

    port: int
    token: str
    users: int
    warm_up_seconds: float
    """Users arrive, and nothing counts yet."""
    seconds: float
    think_seconds: tuple[float, float]
    flows: list[str]
    """Ids."""
    runs: list[str]
    """Ids."""
    executes: int
    """One request in so many starts a run."""


class Result:
    """What came of it."""

    def __init__(self) -> None:
        self.taken_ms: defaultdict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []


def choose(plan: Plan, chance: random.Random) -> tuple[str, str, str, bytes]:
    """The next request of a user: its kind, method, target and body."""
    if chance.randrange(plan.executes) == 0:
        return "execute", "POST", f"/api/flows/{chance.choice(plan.flows)}/execute", b'{"variables":{"name":"Ada"}}'
    flow, run = chance.choice(plan.flows), chance.choice(plan.runs)
    reads = {
        "list flows": "/api/flows",
        "flow": f"/api/flows/{flow}",
        "flow status": f"/api/flows/{flow}/status",
        "list runs": "/api/runs",
        "run": f"/api/runs/{run}",
        "steps": f"/api/runs/{run}/steps",
    }
    kind = chance.choice(list(reads))
    return kind, "GET", reads[kind], b""


async def visit(plan: Plan) -> Result:
    """Let everyone come, ask and think until the time is over."""
    result = Result()
    began = time.perf_counter()
    counts = began + plan.warm_up_seconds
    ends = counts + plan.seconds
    async with asyncio.TaskGroup() as group:
        for user in range(plan.users):
            group.create_task(live(plan, random.Random(user), counts, ends, result))
    return result


async def live(plan: Plan, chance: random.Random, counts: float, ends: float, result: Result) -> None:
    """One user, with one connection kept alive."""
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    await asyncio.sleep(chance.uniform(0, plan.think_seconds[1]))
    while (began := time.perf_counter()) < ends:
        kind, method, target, body = choose(plan, chance)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                connection = connection or await asyncio.open_connection("127.0.0.1", plan.port)
                status = await ask(connection, make_request(plan, method, target, body))
            fault = "" if 200 <= status < 300 else f"{kind}: {status}"
        except (OSError, asyncio.IncompleteReadError) as broken:
            fault, connection = f"{kind}: {broken!r}", None
        if began >= counts:
            result.taken_ms[kind].append((time.perf_counter() - began) * 1e3)
            result.failures += [fault] * bool(fault)
        await asyncio.sleep(min(chance.uniform(*plan.think_seconds), max(0.0, ends - time.perf_counter())))
    if connection is not None:
        connection[1].close()


def make_request(plan: Plan, method: str, target: str, body: bytes) -> bytes:
    """The bytes of a request, as the console sends it."""
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {plan.token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


async def ask(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> int:
    """The status of the answer, which is read to its end."""
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    else:
        length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length or b"0"))
    return int(head.split()[1])


def main(file: Path) -> None:
    """Read the plan, print the result."""
    result = asyncio.run(visit(Plan(**json.loads(file.read_text()))))
    first = result.failures[0] if result.failures else None
    print(json.dumps({"taken_ms": result.taken_ms, "failed": len(result.failures), "first_failure": first}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
