"""Who sends: threads that post events until each is acknowledged, as an honest producer does."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import urllib3

from tests.soak.platform import Platform

__all__ = ["post_all"]

SOURCE = "/soak"
GIVE_UP_SECONDS = 120.0
REPEATED = 0.05
"""The part of the events that is posted once more after its acknowledgement."""


def post_all(
    platform: Platform,
    kind: str,
    numbers: Sequence[int],
    *,
    threads: int,
    data: dict[str, object],
    seconds: float = 0.0,
    suffix: str = "",
) -> int:
    """Post one event per number, whose id ends with `suffix`, spread over at least so many seconds; return how many
    requests were refused or broken on the way. Raises `AssertionError` where an event was not acknowledged for two
    minutes."""
    began = time.monotonic()
    refused = [0] * threads
    faults: list[BaseException] = []

    def work(which: int) -> None:
        chance = random.Random(which)
        try:
            for position in range(which, len(numbers), threads):
                number = numbers[position]
                time.sleep(max(0.0, began + seconds * position / len(numbers) - time.monotonic()))
                refused[which] += post(platform, kind, number, data, suffix)
                if chance.random() < REPEATED:
                    refused[which] += post(platform, kind, number, data, suffix)
        except BaseException as fault:  # noqa: BLE001 - raised again in the thread that waits
            faults.append(fault)

    crew = [threading.Thread(target=work, args=(which,)) for which in range(threads)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    if faults:
        raise faults[0]
    return sum(refused)


def post(platform: Platform, kind: str, number: int, data: dict[str, object], suffix: str = "") -> int:
    """Post one event until it is acknowledged; how often it was not."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": f"{kind}-{number}{suffix}",
        "ce-source": SOURCE,
        "ce-type": kind,
        "ce-subject": str(number),
    }
    deadline = time.monotonic() + GIVE_UP_SECONDS
    refused = 0
    while time.monotonic() < deadline:
        with suppress(urllib3.exceptions.HTTPError):
            answer = platform.send("POST", "/events/main", data | {"n": number}, headers)
            if answer.status == 202:
                return refused
            assert answer.status in (429, 500, 502, 503, 504, 507), (answer.status, answer.data[:500])
        refused += 1
        time.sleep(0.05)
    raise AssertionError(f"the event {kind}-{number} was not acknowledged in {GIVE_UP_SECONDS:g} s")
