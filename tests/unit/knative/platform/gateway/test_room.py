"""Bytes of bodies in memory."""

import pytest
from aiohttp.test_utils import make_mocked_request

from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.room import FREE_BYTES, Room


def request():
    return make_mocked_request("POST", "/")


def test_who_finds_no_room_is_refused_until_somebody_has_left():
    room, first, second = Room(1000), request(), request()
    room.take(first, FREE_BYTES + 900)
    room.take(second, FREE_BYTES)
    with pytest.raises(Refusal) as refusal:
        room.take(second, 200)
    assert (refusal.value.fault, refusal.value.close) == (Fault.BUSY, True)
    room.leave(first)
    room.take(second, 200)
    room.leave(second)
    assert room.taken_bytes == 0


def test_a_small_body_needs_no_room():
    room = Room(0)
    for _ in range(3):
        room.take(request(), FREE_BYTES)


def test_what_comes_in_pieces_counts_as_a_whole():
    room, one = Room(1000), request()
    for _ in range(4):
        room.take(one, FREE_BYTES // 4)
    room.take(one, 1000)
    with pytest.raises(Refusal):
        room.take(one, 1)


def test_who_took_nothing_leaves_nothing():
    room = Room(1000)
    room.leave(request())
    assert room.taken_bytes == 0


def test_the_flood_of_one_tenant_leaves_room_for_others():
    room, mine, more, theirs = Room(1000), request(), request(), request()
    room.own(mine, "acme")
    room.take(mine, FREE_BYTES + 900)  # one request of a tenant always may
    room.leave(mine)
    room.own(mine, "acme")
    room.own(more, "acme")
    room.take(mine, FREE_BYTES + 400)
    with pytest.raises(Refusal) as refusal:
        room.take(more, FREE_BYTES + 200)
    assert refusal.value.fault is Fault.BUSY
    room.own(theirs, "other")
    room.take(theirs, FREE_BYTES + 500)
    for one in (mine, more, theirs):
        room.leave(one)
    assert room.taken_bytes == 0


def test_one_tenant_has_so_many_requests_under_way():
    room, first = Room(1000, max_requests=1), request()
    room.own(first, "acme")
    with pytest.raises(Refusal, match="of this organisation"):
        room.own(request(), "acme")
    room.own(request(), "other")
    room.leave(first)
    room.own(request(), "acme")
