"""Models and migrations say the same, on both databases."""

import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.database.migrate import make_config, migrate
from intellyhub_control_plane.models.people import User
from intellyhub_control_plane.models.tables import METADATA
from tests.unit.control_plane.engines import both_databases


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    yield database
    database.dispose()


@both_databases
def test_migrations_make_what_the_models_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


@both_databases
def test_every_migration_can_be_taken_back(database):
    with database.writing.begin() as connection:
        command.downgrade(make_config(connection), "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrate(database)
    assert set(METADATA.tables) <= set(inspect(database.engine).get_table_names())


@both_databases
def test_several_starts_at_once_migrate_once(database):
    with database.writing.begin() as connection:
        command.downgrade(make_config(connection), "base")
    faults = []

    def start():
        try:
            migrate(database)
        except Exception as fault:  # noqa: BLE001 - seen by the test
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with database.transaction(writing=False) as session:
        assert session.scalars(select(User)).all() == []


def test_sqlite_is_durable_lets_others_read_and_keeps_foreign_keys(database):
    with database.engine.connect() as connection:
        wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
    assert found == wanted
