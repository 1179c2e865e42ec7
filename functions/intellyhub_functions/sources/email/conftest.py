"""The IMAP servers that the tests of this folder share."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_functions.sources.email import mailbox
from intellyhub_functions.testing.certificates import make_certificate
from intellyhub_functions.testing.imap_server import Dovecot, ImapServer

NEEDS_DOVECOT = pytest.mark.skipif(Dovecot.program is None, reason="dovecot is not installed (Debian: dovecot-imapd)")


@pytest.fixture(scope="module", params=["pymap", pytest.param("dovecot", marks=NEEDS_DOVECOT)])
def running(request, tmp_path_factory):
    """A server that is started once for a module."""
    if request.param == "pymap":
        with ImapServer() as server:
            yield server
    else:
        folder = tmp_path_factory.mktemp("dovecot")
        with Dovecot(make_certificate(folder)) as server:
            yield server


@pytest.fixture
def server(running):
    """A server whose folder `work` is new and empty."""
    running.make_folder("work")
    return running


@pytest.fixture(autouse=True)
def told_soon(monkeypatch):
    """A source that is told to stop does so at once."""
    monkeypatch.setattr(mailbox, "LOOK_SECONDS", 0.05)
