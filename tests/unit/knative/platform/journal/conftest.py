"""A journal service, on either database, on a clock that stands still until told, and clients of it."""

import pytest

from tests.unit.engine.journal.conftest import Clock
from tests.unit.knative.platform.journal.services import DATABASES, make_service


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=DATABASES)
def service(request, clock):
    made = make_service(request.param, clock)
    yield made
    made.remove()


@pytest.fixture
def client(service):
    made = service.client()
    yield made
    made.close()
