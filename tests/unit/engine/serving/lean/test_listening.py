"""The listening socket: own, inherited, or at a path."""

import os
import socket

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving.lean.listening import inherited_descriptor, listen, place
from intellyhub_engine.serving.settings import Settings

LOOPBACK = Settings(host="127.0.0.1", port=0)


@pytest.mark.parametrize(
    ("settings", "environment", "descriptor"),
    [
        (Settings(), {}, None),
        (Settings(listen_fd=7), {}, 7),
        (Settings(), {"LISTEN_PID": "42", "LISTEN_FDS": "1"}, 3),
        (Settings(), {"LISTEN_PID": "43", "LISTEN_FDS": "1"}, None),
        (Settings(), {"LISTEN_PID": "42", "LISTEN_FDS": "0"}, None),
        (Settings(listen_fd=7), {"LISTEN_PID": "42", "LISTEN_FDS": "1"}, 7),
    ],
)
def test_a_socket_may_be_handed_down_by_us_or_by_systemd(settings, environment, descriptor):
    assert inherited_descriptor(settings, environment, 42) == descriptor


def test_a_free_port_is_taken_and_told():
    with listen(LOOPBACK, None) as sock:
        assert place(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_a_taken_port_is_named():
    with listen(LOOPBACK, None) as sock, pytest.raises(InputInvalid, match="PORT"):
        listen(Settings(host="127.0.0.1", port=sock.getsockname()[1]), None)


def test_an_inherited_socket_is_used_and_not_handed_on():
    with socket.create_server(("127.0.0.1", 0)) as given, listen(Settings(), os.dup(given.fileno())) as sock:
        assert sock.getsockname() == given.getsockname()
        assert not sock.get_inheritable()


def test_what_is_no_listening_socket_is_refused(tmp_path):
    with socket.socket() as silent, (tmp_path / "file").open("wb") as file:
        for descriptor in (os.dup(silent.fileno()), os.dup(file.fileno()), 10_000):
            with pytest.raises(InputInvalid, match="INTELLYHUB_LISTEN_FD"):
                listen(Settings(), descriptor)


def test_a_unix_socket_takes_a_dead_ones_place_and_no_living_ones(tmp_path):
    settings = Settings(socket=str(tmp_path / "s"))
    with listen(settings, None) as first:
        assert place(first) == f"unix:{tmp_path / 's'}"
        with pytest.raises(InputInvalid, match="another process"):
            listen(settings, None)
    with listen(settings, None):
        pass


def test_a_place_that_cannot_be_is_named(tmp_path):
    with pytest.raises(InputInvalid, match="INTELLYHUB_SOCKET"):
        listen(Settings(socket=str(tmp_path / "no" / "s")), None)
