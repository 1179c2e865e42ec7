"""Events taken at the door, and events that have done their work."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.asking import put_load
from tests.benchmarks.bench import Bench
from tests.benchmarks.house import open_platform, publish, wait_for
from tests.benchmarks.load import NUMBER, make_request
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Row
from tests.benchmarks.topics.durable_step import open_sync
from tests.soak.platform import Platform

__all__ = ["measure"]

ROUNDS = 5
CLIENTS = 16
BATCHING_CLIENTS = 4
BATCH = 100
EVENTS = {1: 1000, BATCH: 4000}
WANTED = "bench.append"
UNWANTED = "bench.ignored"
LINE_BYTES = 10
SYNC = "one fdatasync"
NO_LIMIT = "1000000"
"""Events per second of a tenant: the platform's limit is not what is measured."""

ACCEPTED = (
    "CloudEvents posted to `/events`, {how}, until all are acknowledged, which is when they are on the disk; the "
    "broker, at the same time, finds that no flow wants them; one fdatasync: small appends, each on the disk before "
    "the next, for orientation"
)
DELIVERED = (
    "from posting the first of {events} events in batches of {batch} to the last line in the ledger: taken, on the "
    "disk, routed, delivered to one flow (at most ten workers), a run with one file-append step, in the journal"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Accepted one by one, accepted in batches, delivered."""
    single = f"one per request, over {CLIENTS} connections"
    batched = f"{BATCH} per request, over {BATCHING_CLIENTS} connections"
    for what, make, method in (
        ("events accepted, one per request", partial(accept, 1, CLIENTS), ACCEPTED.format(how=single)),
        (
            f"events accepted, {BATCH} per request",
            partial(accept, BATCH, BATCHING_CLIENTS),
            ACCEPTED.format(how=batched),
        ),
        ("events delivered, one file-append step each", deliver, DELIVERED.format(events=EVENTS[1], batch=BATCH)),
    ):
        ours, sync = compare(
            [
                Contestant(name="IntellyHub", open=partial(open_ingress, bench, make)),
                Contestant(name=SYNC, open=partial(open_sync_rate, bench)),
            ],
            bench.rounds(ROUNDS),
        )
        yield Row(topic="events", what=what, unit="events/s", ours=ours, peers=(sync,), method=method)


@contextmanager
def open_ingress(bench: Bench, make: Callable[[Platform], Measure]) -> Iterator[Measure]:
    """A platform with one flow that waits for events."""
    with open_platform(bench, INTELLYHUB_EVENTS_PER_SECOND=NO_LIMIT) as platform:
        publish(platform, "append.yaml", "append")
        yield make(platform)


def accept(batch: int, clients: int, platform: Platform) -> Measure:
    """Events per second until all are acknowledged."""

    def sample() -> float:
        events = EVENTS[batch]
        rate = events / post(platform, UNWANTED, batch, events, clients)
        wait_for(lambda: not read_unrouted(platform))
        return rate

    return sample


def deliver(platform: Platform) -> Measure:
    """Events per second until the last one has done its work."""
    tenant = platform.ask("GET", "/api/auth/me")["tenant"]["id"]
    ledger = platform.data / "workspaces" / tenant / "ledger.log"
    events = EVENTS[1]

    def sample() -> float:
        before = ledger.stat().st_size if ledger.exists() else 0
        began = time.perf_counter()
        post(platform, WANTED, BATCH, events, BATCHING_CLIENTS)
        wait_for(lambda: ledger.exists() and ledger.stat().st_size >= before + events * LINE_BYTES, 0.005)
        return events / (time.perf_counter() - began)

    return sample


def post(platform: Platform, kind: str, batch: int, events: int, clients: int) -> float:
    """Seconds until all are acknowledged."""
    prefix = f"{time.monotonic_ns()}-{NUMBER.decode()}"
    request = make_single(kind, prefix) if batch == 1 else make_batch(kind, prefix, batch)
    file = platform.data.with_suffix(".request")
    authorised = request.replace(b"\r\n", f"\r\nAuthorization: Bearer {platform.token}\r\n".encode(), 1)
    return put_load(platform.port, authorised, file, clients=clients, requests=events // batch).seconds


def make_single(kind: str, prefix: str) -> bytes:
    """One event in binary mode."""
    attributes = {"ce_specversion": "1.0", "ce_id": prefix, "ce_source": "/bench", "ce_type": kind}
    return make_request(b'{"n":1}', path="/events/main", **attributes)


def make_batch(kind: str, prefix: str, batch: int) -> bytes:
    """A batch."""
    common = {"specversion": "1.0", "source": "/bench", "type": kind, "data": {"n": 1}}
    body = json.dumps([common | {"id": f"{prefix}-{place}"} for place in range(batch)]).encode()
    return make_request(body, path="/events/main", content_type="application/cloudevents-batch+json")


def read_unrouted(platform: Platform) -> float:
    """Events that the broker has not looked at."""
    answer = platform.send("GET", "/api/metrics")
    lines = (line for line in answer.data.decode().splitlines() if line.startswith("intellyhub_events_unrouted "))
    return float(next(lines).split()[1])


@contextmanager
def open_sync_rate(bench: Bench) -> Iterator[Measure]:
    """Appends per second that reached the disk."""
    with open_sync(bench.scratch / "append.bin") as microseconds:
        yield lambda: 1e6 / microseconds()
