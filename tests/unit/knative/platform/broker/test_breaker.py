"""A Broker that is away is asked by one at a time."""

import asyncio

from intellyhub_knative.platform.broker import breaker
from intellyhub_knative.platform.broker.breaker import Breaker


class House:
    def __init__(self, *, away=False):
        self.away, self.asked, self.at_once, self.most = away, 0, 0, 0

    async def post(self):
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return not self.away


def is_away(taken):
    return not taken


def test_one_asks_while_it_is_away_and_the_first_that_is_taken_lets_all_on(monkeypatch):
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.01)

    async def scene():
        house, door = House(away=True), Breaker()
        assert await asyncio.gather(*(door.pass_through(house.post, is_away) for _ in range(20))) == [False] * 20
        assert (house.most, door.failures) == (20, 1)  # many that fail together are one failure
        house.most = 0
        assert await asyncio.gather(*(door.pass_through(house.post, is_away) for _ in range(3))) == [False] * 3
        assert (house.most, door.failures) == (1, 4)
        house.away = False
        assert await asyncio.gather(*(door.pass_through(house.post, is_away) for _ in range(20))) == [True] * 20
        assert door.failures == 0

    asyncio.run(scene())


def test_a_post_that_lasts_was_taken(monkeypatch):
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(breaker, "TAKEN_SECONDS", 0.05)

    async def scene():
        house, door = House(away=True), Breaker()
        await door.pass_through(house.post, is_away)
        house.away, let_go = False, asyncio.Event()

        async def long():
            await let_go.wait()
            return True

        first = asyncio.create_task(door.pass_through(long, is_away))
        await asyncio.wait_for(door.pass_through(house.post, is_away), 5)
        assert not first.done()
        let_go.set()
        assert await first is True

    asyncio.run(scene())


def test_one_that_is_cancelled_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.01)

    async def scene():
        door, ended = Breaker(), []
        await door.pass_through(House(away=True).post, is_away)

        async def long():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        task = asyncio.create_task(door.pass_through(long, is_away))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert ended == [True]
        assert await door.pass_through(House().post, is_away)

    asyncio.run(scene())
