"""A control plane on a cluster, with a real PostgreSQL and a real registry, and an engine image without an engine."""

from __future__ import annotations

import threading

import pytest

from intellyhub_control_plane.builds.builder import Builder
from intellyhub_control_plane.builds.settings import BuildSettings
from intellyhub_control_plane.settings import Target
from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.platform.desired_records import RecordStore
from tests.integration.registries.strict import StrictRegistry
from tests.unit.control_plane.conftest import fresh_database
from tests.unit.control_plane.house import House
from tests.unit.knative.images.house import an_engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    push(an_engine(), parse(f"oci:{folder}:engine"))
    return f"oci:{folder}:engine"


@pytest.fixture
def registry():
    with StrictRegistry() as registry:
        yield registry


@pytest.fixture
def house(layout, request, engine):
    with fresh_database("postgresql", layout, request) as url:
        house = House(layout, url, target=Target.KNATIVE, engine_image=engine)
        yield house
        house.platform.publisher.target.store.close()  # type: ignore[attr-defined]
        house.close()


@pytest.fixture
def store(house):
    store = RecordStore(house.settings.database_url)
    yield store
    store.close()


@pytest.fixture
def ada(house):
    return house.person()


@pytest.fixture
def builder(house, registry, engine):
    settings = BuildSettings(engine=engine, registry=f"{registry.host}/flows", builder="one")
    return Builder(platform=house.platform, settings=settings, stop=threading.Event())


@pytest.fixture
def builds(house, ada):
    """What the API says of ada's builds, oldest first."""
    return lambda: house.call(ada, "GET", "/api/builds").json["items"][::-1]
