"""The mail server of the tests of this folder, and a step that knows it."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_functions.testing.smtp_server import Mailbox, serving
from intellyhub_functions.testing.surroundings import Log, make_step


@pytest.fixture
def mailbox():
    """What the server took."""
    return Mailbox()


@pytest.fixture
def server(mailbox):
    """The server."""
    with serving(mailbox) as controller:
        yield controller


@pytest.fixture
def step_for(tmp_path):
    """Makes a step that knows a server."""

    def make(server):
        names = {"SMTP_SERVER": "127.0.0.1", "SMTP_PORT": str(server.port), "SMTP_FROM": "flow@example.org"}
        return make_step(tmp_path, outer=names, log=Log())

    return make


@pytest.fixture
def step(server, step_for):
    """A step that knows the server."""
    return step_for(server)
