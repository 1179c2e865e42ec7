"""What a person sees of `intellyhub up`."""

import io
import shutil
import socket
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from intellyhub_control_plane.cli.up import default_data
from intellyhub_control_plane.cli.up_view import UpView
from intellyhub_engine.cli.terminal import Outlet, Terminal
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.supervisor.logbook import Level, Line
from intellyhub_knative.platform.supervisor.platform import Started, make_url
from intellyhub_knative.platform.supervisor.supervisor import Progress

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Screen(io.StringIO):
    encoding = "utf-8"

    def __init__(self, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        return self._terminal


@pytest.fixture
def layout():
    folder = tempfile.mkdtemp(dir="/tmp")
    yield Layout(data=Path(folder))
    shutil.rmtree(folder)


def open_view(*, terminal, verbose=False):
    screen = Screen(terminal)
    return UpView(Terminal(Outlet(screen), Outlet(Screen(False))), verbose=verbose), screen


def started(layout, **facts):
    return Started(url="http://127.0.0.1:5000", layout=layout, facts=facts)


@pytest.fixture
def activator(layout):
    """Answers one question about the workers."""
    layout.sockets.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(layout.socket("activator")))
        listener.listen()

        def answer(document):
            def work():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    body = orjson.dumps(document)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

            thread = threading.Thread(target=work)
            thread.start()
            return thread

        yield answer


def test_a_pipe_gets_every_line_with_time_process_and_level(layout):
    view, screen = open_view(terminal=False)
    view.line(Line(WHEN, "broker", Level.INFO, "ready"))
    view.progress(Progress(name="broker", seconds=0.1))
    view.started(started(layout, administrator={"email": "a@b", "password": "pw"}))
    assert screen.getvalue().splitlines() == [
        "2026-01-02T03:04:05.000Z broker info ready",
        "Console: http://127.0.0.1:5000/",
        "API: http://127.0.0.1:5000/api/docs",
        f"Data: {layout.data}",
        "Administrator: a@b  password pw  (shown this once)",
        "Stop: Ctrl-C",
    ]


def test_on_a_terminal_the_start_is_progress_and_what_went_wrong():
    view, screen = open_view(terminal=True)
    view.line(Line(WHEN, "broker", Level.INFO, "opened something"))
    view.line(Line(WHEN, "broker", Level.WARNING, "slow disk"))
    view.progress(Progress(name="broker"))
    view.progress(Progress(name="broker", seconds=0.25))
    shown = screen.getvalue()
    assert "opened something" not in shown
    assert "slow disk" in shown
    assert shown.count("broker") == 2
    assert "ready in 0.2 s" in shown


def test_the_panel_names_the_walls_that_are_missing(layout, activator):
    asked = activator({"items": [], "walls": {"missing": ["no cgroups: run as root"]}, "spare": True})
    view, screen = open_view(terminal=True)
    view.started(started(layout))
    asked.join(10)
    assert "no cgroups: run as root" in screen.getvalue()
    assert "Administrator" not in screen.getvalue()
    view.line(Line(WHEN, "broker", Level.INFO, "\x1b[2Jfrom now on every line"))
    assert "from now on every line" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("h.example", "http://h.example:80"),
    ],
)
def test_the_address_is_one_that_can_be_typed(host, url):
    assert make_url(host, 80) == url


def test_the_data_folder_does_not_depend_on_the_current_one():
    assert default_data({"INTELLYHUB_DATA": "/d", "HOME": "/h"}) == Path("/d")
    assert default_data({"XDG_DATA_HOME": "/x", "HOME": "/h"}) == Path("/x/intellyhub")
    assert default_data({"HOME": "/h"}) == Path("/h/.local/share/intellyhub")
