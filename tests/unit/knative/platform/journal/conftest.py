"""A journal service on a clock that stands still until told, and clients of it."""

import pytest

from tests.unit.engine.journal.conftest import Clock
from tests.unit.knative.platform.journal.services import Service


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def service(clock):
    made = Service(clock)
    yield made
    made.remove()


@pytest.fixture
def client(service):
    made = service.client()
    yield made
    made.close()
