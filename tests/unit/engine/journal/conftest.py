"""A clock that stands still until told, and all journals behind one fixture."""

import pytest

from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.sqlite import SqliteJournal
from tests.unit.knative.platform.journal.services import DATABASES, make_service

SECOND_NS = 1_000_000_000


class Clock:
    """Unix nanoseconds that only a test moves."""

    def __init__(self):
        self.now_ns = 1_700_000_000 * SECOND_NS

    def __call__(self):
        return self.now_ns

    def advance(self, seconds):
        self.now_ns += int(seconds * SECOND_NS)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(
    params=["memory", "sqlite", "remote", pytest.param("postgresql", marks=DATABASES[1].marks)],
)
def journal(request, tmp_path, clock):
    if request.param == "remote":
        made = request.getfixturevalue("service").journal()
    elif request.param == "postgresql":
        made = request.getfixturevalue("service_on_postgresql").far_journal()
    elif request.param == "sqlite":
        made = SqliteJournal(tmp_path / "j.db", now_ns=clock)
    else:
        made = MemoryJournal(now_ns=clock)
    yield made
    made.close()


@pytest.fixture
def service(clock):
    made = make_service("sqlite", clock)
    yield made
    made.remove()


@pytest.fixture
def service_on_postgresql(clock):
    made = make_service("postgresql", clock, is_far=True)
    yield made
    made.remove()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def sqlite_journal(path, clock):
    made = SqliteJournal(path, now_ns=clock)
    yield made
    made.close()
