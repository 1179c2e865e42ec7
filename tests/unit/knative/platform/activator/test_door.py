"""A flow version's socket, and how often it is tried to start."""

import socket

import pytest

from intellyhub_knative.platform.activator.door import LONGEST_PAUSE_SECONDS, Door, open_socket
from tests.unit.knative.platform.house_double import data_folder, make_flow


@pytest.fixture
def door():
    with data_folder() as layout:
        flow = make_flow(layout)
        path = layout.flow_socket(flow.flow_id, 1)
        path.parent.mkdir(parents=True)
        made = Door(flow, flow.current, path)
        yield made
        made.close()


def test_pauses_grow_and_a_success_ends_them(door):
    pauses = [door.note_failure(0.0, "it is broken") for _ in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0.1
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert door.refuses
    door.note_success()
    assert not door.refuses
    assert door.paused_until == 0


def test_those_who_wait_are_only_told_after_several_tries(door):
    door.note_failure(0.0, "it is broken")
    assert not door.refuses


def test_a_socket_takes_the_place_of_a_dead_one_and_nothing_else_is_left(door):
    door.listener.close()
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(door.path))
    door.listener = open_socket(door.path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(door.path))
    assert [path.name for path in door.path.parent.iterdir()] == [door.path.name]
    assert door.path.stat().st_mode & 0o777 == 0o600
