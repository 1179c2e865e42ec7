"""A data folder with one tenant."""

import pytest

from intellyhub_knative.platform.broker import broker
from tests.unit.knative.platform.house_double import data_folder, make_tenant


@pytest.fixture
def layout():
    with data_folder() as layout:
        make_tenant(layout)
        yield layout


@pytest.fixture(autouse=True)
def no_farewell(monkeypatch):
    """What is still under way when a test ends is not waited for."""
    monkeypatch.setattr(broker, "END_SECONDS", 0.05)
