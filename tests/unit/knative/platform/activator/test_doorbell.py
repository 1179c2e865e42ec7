"""Who waits at a socket is told once."""

import select
import socket

import pytest

from intellyhub_knative.platform.activator.doorbell import Doorbell, is_waited_at


@pytest.fixture
def listener():
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("")
        made.listen(8)
        yield made


@pytest.fixture
def bell():
    made = Doorbell()
    yield made
    made.close()


def connect(listener):
    client = socket.socket(socket.AF_UNIX)
    client.connect(listener.getsockname())
    return client


def rings(bell) -> bool:
    return bool(select.select([bell], [], [], 0)[0])


def test_a_socket_that_stays_readable_rings_once_until_it_is_armed_again(listener, bell):
    rung = []
    bell.add(listener, lambda: rung.append(1))
    assert not rings(bell)
    with connect(listener), connect(listener):
        assert rings(bell)
        bell.answer()
        assert is_waited_at(listener)
        assert not rings(bell)
        bell.arm(listener)
        assert rings(bell)
        bell.answer()
    assert rung == [1, 1]


def test_a_removed_socket_is_silent(listener, bell):
    bell.add(listener, lambda: pytest.fail("it was removed"))
    bell.remove(listener)
    with connect(listener):
        bell.answer()
        assert not rings(bell)
