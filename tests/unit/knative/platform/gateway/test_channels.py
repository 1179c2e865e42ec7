"""One reading, many watchers."""

import asyncio

import pytest

from intellyhub_knative.platform.gateway import channels
from intellyhub_knative.platform.gateway.channels import Channel, Dropped


class Source:
    """Messages given out one by one; counts how many were taken."""

    def __init__(self, count, *, endless=False):
        self.count, self.endless, self.taken = count, endless, 0

    async def __aiter__(self):
        for index in range(1, self.count + 1):
            self.taken = index
            yield index, b"%d " % index
        if self.endless:
            await asyncio.Event().wait()


async def watch(channel, after=0, *, pause=0.0):
    """All that a watcher gets until the channel is over."""
    number, got = channel.join(after), b""
    while messages := await channel.take(number, 5):
        number += len(messages)
        got += b"".join(messages)
        channel.took(number)
        await asyncio.sleep(pause)
    return got


def expected(count, after=0):
    return b"".join(b"%d " % index for index in range(after + 1, count + 1))


def test_every_watcher_gets_everything_in_order():
    async def go():
        channel, source = Channel(0), Source(5000)
        reading = asyncio.create_task(channel.run(source))
        got = await asyncio.gather(*(watch(channel) for _ in range(20)))
        await reading
        return got

    assert set(asyncio.run(go())) == {expected(5000)}


def test_the_reading_waits_for_the_fastest_and_no_more_than_a_bound_is_held():
    async def go():
        channel, source = Channel(0), Source(5000)
        reading = asyncio.create_task(channel.run(source))
        await asyncio.sleep(0.05)
        assert source.taken <= channels.MAX_MESSAGES + 1
        assert await watch(channel) == expected(5000)
        await reading

    asyncio.run(go())


def test_who_falls_behind_is_dropped_and_the_others_are_not_held_up():
    async def go():
        channel = Channel(0)
        reading = asyncio.create_task(channel.run(Source(3000)))
        slow = channel.join(0)
        assert await watch(channel) == expected(3000)
        with pytest.raises(Dropped):
            await channel.take(slow, 1)
        await reading

    asyncio.run(go())


def test_who_comes_back_goes_on_behind_what_it_got():
    async def go():
        channel = Channel(0)
        reading = asyncio.create_task(channel.run(Source(500, endless=True)))
        await asyncio.sleep(0.05)
        number = channel.join(490)
        got = await channel.take(number, 1)
        reading.cancel()
        return got

    assert b"".join(asyncio.run(go())) == expected(500, 490)


def test_the_floor_tells_from_where_on_everything_is_held():
    async def go():
        channel = Channel(0)
        reading = asyncio.create_task(channel.run(Source(1500)))
        await watch(channel)
        await reading
        return channel.floor, await channel.take(channel.join(channel.floor), 1)

    floor, held = asyncio.run(go())
    assert floor == 1500 - channels.MAX_MESSAGES
    assert b"".join(held) == expected(1500, floor)


def test_silence_is_told_from_the_end():
    async def go():
        channel = Channel(0)
        reading = asyncio.create_task(channel.run(Source(1, endless=True)))
        assert await channel.take(channel.join(0), 1) == [b"1 "]
        assert await channel.take(1, 0.01) == []
        assert not channel.over
        waiting = asyncio.create_task(channel.take(1, 60))
        await asyncio.sleep(0.01)
        reading.cancel()
        assert await asyncio.wait_for(waiting, 1) == []
        assert channel.over

    asyncio.run(go())
