"""Bring the tables to what the models say. Runs at every start; two at once wait for each other."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from intellyhub_control_plane.database.database import Database

__all__ = ["make_config", "migrate"]

LOCK = 0x1A7E111B
"""PostgreSQL's advisory lock of whoever migrates: any number, always the same."""


def migrate(database: Database, revision: str = "head") -> None:
    """Run the migrations that are missing, all or none. On SQLite the write lock keeps others out, on PostgreSQL an
    advisory lock that ends with the transaction."""
    with database.writing.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
        command.upgrade(make_config(connection), revision)


def make_config(connection: Connection) -> Config:
    """Alembic's configuration, for a connection that stands in a transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
