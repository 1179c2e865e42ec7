"""Sockets that outlive the processes that answer on them."""

import errno
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.service import listen, read_level
from intellyhub_knative.platform.supervisor.platform import is_private
from intellyhub_knative.platform.supervisor.sockets import PortTaken, explain, open_sockets


@pytest.fixture
def layout():
    folder = tempfile.mkdtemp(dir="/tmp")
    yield Layout(data=Path(folder))
    shutil.rmtree(folder)


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(os.fspath(path))
    return sock


def test_they_listen_from_the_start_and_are_gone_at_the_end(layout):
    with open_sockets(layout, ["http", "journal", "broker"], host="127.0.0.1", port=0) as opened:
        assert sorted(opened) == ["broker", "http", "journal"]
        connect(layout.socket("journal")).close()
        socket.create_connection(opened["http"].getsockname(), timeout=5).close()
        flow = layout.flow_socket("f" * 32, 1)
        flow.parent.mkdir()
        flow.touch()
    assert [path for path in layout.sockets.rglob("*") if not path.is_dir()] == []


def test_a_taken_port_names_the_remedy_and_leaves_nothing_open(layout):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1 is taken(.|\n)*--port {port + 1}"),
            open_sockets(layout, ["journal"], host="127.0.0.1", port=port),
        ):
            pass
    assert not layout.socket("journal").exists()


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 5000), ("no-such-host.invalid", 5000)])
def test_an_address_of_another_machine_is_refused(layout, host, port):
    with pytest.raises(PortTaken, match=host), open_sockets(layout, [], host=host, port=port):
        pass


def test_a_port_below_1024_says_who_may_open_it():
    assert "only be opened by root" in explain(PermissionError(errno.EACCES, "x"), "127.0.0.1", 80)


def test_what_a_dead_process_left_is_replaced(layout):
    listen(layout, "journal").close()
    assert layout.socket("journal").exists()
    with listen(layout, "journal"):
        connect(layout.socket("journal")).close()


def test_a_socket_is_for_its_owner_only_and_that_of_the_journal_for_who_is_let_into_its_folder(layout):
    with listen(layout, "broker"), listen(layout, "journal"):
        assert layout.sockets.stat().st_mode & 0o777 == 0o700
        assert layout.socket("broker").stat().st_mode & 0o777 == 0o600
        assert layout.socket("journal").stat().st_mode & 0o777 == 0o666


def test_a_socket_that_answers_is_not_taken_over(layout):
    with listen(layout, "journal") as first:
        with pytest.raises(InputInvalid, match="another process answers"):
            listen(layout, "journal")
        connect(layout.socket("journal")).close()
        first.accept()[0].close()


def test_a_long_path_has_its_sockets_elsewhere():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        layout = Layout(data=Path(folder, "x" * 100, "a b"))
        try:
            with listen(layout, "journal"):
                connect(layout.socket("journal")).close()
        finally:
            shutil.rmtree(layout.sockets)


def test_a_folder_for_sockets_that_somebody_else_prepared_is_refused(layout):
    layout.sockets.symlink_to("/tmp")
    with pytest.raises(InputInvalid, match="not a folder of this user"):
        listen(layout, "journal")


@pytest.mark.parametrize(("host", "private"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_a_port_that_others_reach_is_not_private(layout, host, private):
    with open_sockets(layout, [], host=host, port=0) as opened:
        assert is_private(opened["http"]) is private


@pytest.mark.parametrize(
    ("written", "level"), [({}, 20), ({"INTELLYHUB_LOG_LEVEL": ""}, 20), ({"INTELLYHUB_LOG_LEVEL": "DEBUG"}, 10)]
)
def test_the_level_of_the_log_is_read(written, level):
    assert read_level(written) == level


def test_a_level_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InputInvalid, match=r"INTELLYHUB_LOG_LEVEL is 'loud'; it can be debug, info, warning, error"):
        read_level({"INTELLYHUB_LOG_LEVEL": "loud"})
