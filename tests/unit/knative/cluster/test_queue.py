"""The work queue: each key once at a time, faults apart."""

import asyncio
from itertools import pairwise

import pytest

from intellyhub_knative.cluster.queue import WorkQueue


async def run(queue, until):
    task = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(5):
            await until.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def drive(story):
    asyncio.run(story())


def test_a_key_is_never_worked_on_twice_at_once_and_not_forgotten_meanwhile():
    async def story():
        at_work, seen, done = 0, [], asyncio.Event()

        async def work(key):
            nonlocal at_work
            at_work += 1
            assert at_work == 1
            seen.append(key)
            if len(seen) == 1:
                queue.add("a")  # it changed while it was looked at
            await asyncio.sleep(0.01)
            at_work -= 1
            if len(seen) == 2:
                done.set()

        queue = WorkQueue(work, workers=3)
        for _ in range(5):
            queue.add("a")
        await run(queue, done)
        assert seen == ["a", "a"]

    drive(story)


def test_several_keys_are_worked_on_side_by_side():
    async def story():
        together, done = asyncio.Barrier(3), asyncio.Event()

        async def work(key):
            await together.wait()
            done.set()

        queue = WorkQueue(work, workers=3)
        for key in "abc":
            queue.add(key)
        await run(queue, done)

    drive(story)


def test_a_key_that_fails_is_tried_again_with_longer_pauses_and_stops_no_other():
    async def story():
        moments, others, done = [], [], asyncio.Event()

        async def work(key):
            if key == "good":
                others.append(key)
                return
            moments.append(asyncio.get_running_loop().time())
            if len(moments) < 4:
                raise OSError("broken")
            done.set()

        queue = WorkQueue(work, workers=1, first_pause_seconds=0.02)
        queue.add("bad")
        queue.add("good")
        await run(queue, done)
        gaps = [later - before for before, later in pairwise(moments)]
        assert gaps == sorted(gaps)
        assert gaps[0] >= 0.02 * 0.8
        assert gaps[2] >= 0.08 * 0.8
        assert others == ["good"]
        assert queue.failing == 0

    drive(story)


def test_pauses_have_an_end():
    async def story():
        moments, done = [], asyncio.Event()

        async def work(key):
            moments.append(asyncio.get_running_loop().time())
            if len(moments) > 12:
                done.set()
            raise OSError("broken")

        queue = WorkQueue(work, first_pause_seconds=0.001, longest_pause_seconds=0.004)
        queue.add("bad")
        await run(queue, done)
        assert queue.failing == 1

    drive(story)


def test_a_key_is_looked_at_at_the_earliest_time_that_anybody_asked_for():
    async def story():
        done = asyncio.Event()

        async def work(key):
            done.set()

        queue = WorkQueue(work)
        queue.add("a", 60.0)
        queue.add("a", 0.01)
        queue.add("a", 30.0)
        await run(queue, done)

    drive(story)


def test_work_that_wants_to_be_called_again_is():
    async def story():
        count, done = 0, asyncio.Event()

        async def work(key):
            nonlocal count
            count += 1
            if count == 3:
                done.set()
                return None
            return 0.01

        queue = WorkQueue(work)
        queue.add("a")
        await run(queue, done)
        assert (count, queue.waiting) == (3, 0)

    drive(story)


@pytest.mark.parametrize("workers", [1, 4])
def test_every_key_gets_its_turn(workers):
    async def story():
        seen, done = set(), asyncio.Event()

        async def work(key):
            seen.add(key)
            if len(seen) == 500:
                done.set()

        queue = WorkQueue(work, workers=workers)
        for key in range(500):
            queue.add(key)
        await run(queue, done)

    drive(story)
