"""A journal service per session, a database per test, PostgreSQL where a test asks for it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, text

from intellyhub_control_plane.builds import at_home
from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.database.migrate import migrate
from intellyhub_control_plane.target.local import LocalTarget
from intellyhub_control_plane.web import passwords
from intellyhub_functions.testing.postgresql import postgresql as running_postgresql
from intellyhub_knative.platform.layout import Layout
from tests.unit.control_plane.engines import DATABASES
from tests.unit.control_plane.house import House, data_folder, journal_service

TEMPLATE = "template_of_tests"


@pytest.fixture(scope="session")
def journal_layout() -> Iterator[Layout]:
    """The data folder of the one journal service: tests keep apart by their tenants."""
    with data_folder() as layout, journal_service(layout):
        yield layout


@contextmanager
def folder_beside(journal_layout: Layout) -> Iterator[Layout]:
    """A data folder with the key and the journal of the session."""
    with data_folder() as layout:
        shutil.copy(journal_layout.key, layout.key)
        layout.socket("journal").symlink_to(journal_layout.socket("journal"))
        yield layout


@pytest.fixture
def layout(journal_layout: Layout) -> Iterator[Layout]:
    """A data folder of the test's own, beside the session's journal."""
    with folder_beside(journal_layout) as layout:
        yield layout


@pytest.fixture(scope="session")
def migrated_sqlite() -> Iterator[Path]:
    """A migrated database to copy."""
    with data_folder() as layout:
        database = Database(f"sqlite:///{layout.control}")
        migrate(database)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.dispose()
        yield layout.control


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a real server, without its database; PostgreSQL refuses root, so it runs as a user of its own."""
    with running_postgresql() as socket:
        address = f"postgresql+psycopg2://postgres@/postgres?host={socket.parent}"
        admin = create_engine(address, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("ALTER SYSTEM SET fsync = off"))  # its data is thrown away anyway
            connection.execute(text("SELECT pg_reload_conf()"))
            connection.execute(text(f"CREATE DATABASE {TEMPLATE}"))
        database = Database(address.replace("/postgres?", f"/{TEMPLATE}?"))
        migrate(database)
        database.dispose()
        admin.dispose()
        yield address


@contextmanager
def fresh_database(kind: str, layout: Layout, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a migrated, empty database."""
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), layout.control)
        yield f"sqlite:///{layout.control}"
        return
    address: str = request.getfixturevalue("postgresql")
    name = f"test_{uuid4().hex}"
    admin = create_engine(address, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    yield address.replace("/postgres?", f"/{name}?")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    admin.dispose()


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, layout: Layout) -> Iterator[str]:
    """A database of the test's own. `both_databases` runs a test on both kinds."""
    with fresh_database(request.param, layout, request) as url:
        yield url


@pytest.fixture(autouse=True, scope="session")
def quick_ways() -> Iterator[None]:
    """A control plane without an activator: nobody opens the sockets of flows, so nobody waits for them. And hashes
    that cost little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTarget, "await_ready", lambda *_: False)
        patch.setattr(at_home, "PLACES", threading.Semaphore(0))  # nobody builds or pulls unless a test does
        patch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        yield


@pytest.fixture
def house(layout: Layout, database_url: str) -> Iterator[House]:
    """A control plane of the test's own."""
    house = House(layout, database_url)
    yield house
    house.close()


@pytest.fixture(scope="module", params=DATABASES)
def shared_house(request: pytest.FixtureRequest, journal_layout: Layout) -> Iterator[House]:
    """A control plane for all tests of a module, on either database."""
    with folder_beside(journal_layout) as layout, fresh_database(request.param, layout, request) as url:
        house = House(layout, url)
        yield house
        house.close()
